"""Losses as pure functions, and what a system hands to the training loop."""
