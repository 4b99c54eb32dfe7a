"""Readers: one file for each kind of source that becomes a corpus."""
