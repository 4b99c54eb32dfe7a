"""The system `joint`: one Conformer pre-trained on speech, characters, and pairs of the two."""

from trivium.models.joint.joint import Joint
from trivium.models.joint.settings import JointSettings

__all__ = ["Joint", "JointSettings"]
