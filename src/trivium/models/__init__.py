"""Systems, one file for each, and the published networks they are made of."""

# Name in recipes and checkpoints, and where its class is.
SYSTEMS: dict[str, tuple[str, str]] = {
    "clip": ("trivium.models.clip", "Clip"),
    "composite": ("trivium.models.composite", "Composite"),
    "ctc": ("trivium.models.ctc", "Ctc"),
    "fused": ("trivium.models.fused", "Fused"),
    "grounded": ("trivium.models.grounded", "Grounded"),
    "joint": ("trivium.models.joint", "Joint"),
    "speechclip": ("trivium.models.speechclip", "SpeechClip"),
    "tuned": ("trivium.models.tuned", "Tuned"),
}
