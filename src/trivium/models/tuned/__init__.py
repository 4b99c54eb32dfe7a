"""The system `tuned`: a pre-trained encoder with heads for what it is to be used for."""

from trivium.models.tuned.settings import TunedSettings
from trivium.models.tuned.tuned import Tuned

__all__ = ["Tuned", "TunedSettings"]
