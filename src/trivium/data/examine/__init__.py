"""Looking at a corpus: what is in it, what is wrong with it, and a page to see it on."""
