"""The system `fused`: a text encoder, and an audio encoder that attends to it in every layer."""

from trivium.models.fused.fused import Fused
from trivium.models.fused.settings import AudioSettings, FusedSettings, TextSettings

__all__ = ["AudioSettings", "Fused", "FusedSettings", "TextSettings"]
