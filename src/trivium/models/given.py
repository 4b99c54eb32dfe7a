"""What a user gives a model: a sound or a picture, in any of several forms."""

from pathlib import Path

import numpy as np

from trivium.data.audio import Samples, decode_audio, mono, resample
from trivium.data.image import Pixels, decode_image
from trivium.errors import TriviumError

Sound = Path | str | bytes | Samples | tuple[Samples, int]
Picture = Path | str | bytes | Pixels


def samples_of(sound: Sound) -> Samples:
    """16 kHz samples of one channel."""
    if isinstance(sound, tuple):
        samples, rate_hz = sound
        return resample(mono(samples), rate_hz)
    if isinstance(sound, np.ndarray):
        return mono(sound)
    data = sound if isinstance(sound, bytes) else _read(Path(sound))
    return decode_audio(data)


def is_with_rate(items: object) -> bool:
    """Whether this is one sound: samples, and how many there are a second."""
    return (
        isinstance(items, tuple) and len(items) == 2
        and isinstance(items[0], np.ndarray) and isinstance(items[1], int | np.integer)
    )  # fmt: skip


def pixels_of(picture: Picture) -> Pixels:
    """RGB pixels."""
    if isinstance(picture, np.ndarray):
        return picture
    return decode_image(picture if isinstance(picture, bytes) else _read(Path(picture)))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TriviumError(f"{path} cannot be read: {(error.strerror or '').lower()}") from error
