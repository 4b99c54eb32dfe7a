"""Whisper and SeamlessM4T v2 as published: baselines behind the methods of a trained model."""

from trivium.models.published.model import Guess, Published, find, load

__all__ = ["Guess", "Published", "find", "load"]
