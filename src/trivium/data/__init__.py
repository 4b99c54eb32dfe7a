"""Corpora, the made world, and the way from a corpus to a batch."""
