"""The system `composite`: a speech tower and a text encoder-decoder made one translator."""

from trivium.models.composite.composite import Composite
from trivium.models.composite.settings import CompositeSettings

__all__ = ["Composite", "CompositeSettings"]
