"""The study `text-helps`: whether text makes an encoder of speech better, mSLAM's directions."""
