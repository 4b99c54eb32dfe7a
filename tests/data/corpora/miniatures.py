"""Miniatures of releases, as small as they can be and as crooked as the real ones.

Each builder writes a release under a folder and returns the `Source` that reads it.
"""

import json
from pathlib import Path

from tests.conftest import png, tone
from trivium.data.audio import encode_flac, encode_wav


def put(path: Path, content: bytes | str) -> Path:
    """A file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def sound(path: Path, number: int = 0, rate_hz: int = 16_000, seconds: float = 0.2) -> Path:
    """A tone of its own, encoded as the name says."""
    import io

    import soundfile

    samples = tone(seconds, 200.0 + 20 * number, rate_hz)
    if path.suffix in (".wav", ".flac"):
        encode = encode_wav if path.suffix == ".wav" else encode_flac
        return put(path, encode(samples, rate_hz))
    target = io.BytesIO()
    kinds = {".mp3": ("MP3", "MPEG_LAYER_III"), ".ogg": ("OGG", "VORBIS"), ".opus": ("OGG", "OPUS")}
    container, coding = kinds[path.suffix]
    soundfile.write(target, samples, rate_hz, format=container, subtype=coding)
    return put(path, target.getvalue())


def picture(path: Path, number: int = 0) -> Path:
    """A square of its own."""
    return put(path, png(("red", "blue", "green", "black", "white")[number % 5], 8 + number))


def as_json(path: Path, value: object) -> Path:
    """A JSON file."""
    return put(path, json.dumps(value))


def as_tsv(path: Path, *lines: str) -> Path:
    """A file of lines whose fields are written with | between them."""
    return put(path, "".join(line.replace("|", "\t") + "\n" for line in lines))
