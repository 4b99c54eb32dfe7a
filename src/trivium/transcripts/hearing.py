"""Recordings of any length from files: sounds, and the sound of films where PyAV is installed."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from trivium.data.audio import SAMPLE_RATE_HZ, Samples, SoundLimits, decode_file
from trivium.errors import MediaError

# Four hours take 0.9 GB, and twice that while they are decoded.
LIMITS = SoundLimits(max_bytes=8 * 2**30, max_seconds=4 * 3_600.0)


def hear(path: Path, limits: SoundLimits = LIMITS) -> Samples:
    """16 kHz mono samples of a file."""
    if not path.is_file():
        what = "is no file" if path.exists() else "is not there"
        raise MediaError(f"{path} {what}")
    if path.stat().st_size > limits.max_bytes:
        raise MediaError(
            f"{path} has {path.stat().st_size:,} bytes; at most {limits.max_bytes:,} are read"
        )
    try:
        return decode_file(path, limits=limits)
    except MediaError as error:
        if not isinstance(error.__cause__, soundfile.LibsndfileError):
            raise MediaError(f"{path}: {error}") from error
        if find_spec("av") is None:
            raise MediaError(
                f"{error}; films and webm are read with PyAV: pip install 'trivium[serve]'"
            ) from error
    return _of_film(path, limits)


def _of_film(path: Path, limits: SoundLimits) -> Samples:
    """The first sound track of whatever PyAV opens, decoded until it ends or is too long."""
    import av

    blocks, length = [], 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                others = len(container.streams)
                raise MediaError(f"{path} has no track of sound ({others} of other kinds)")
            for block in _blocks(container):
                blocks.append(block)
                length += len(block)
                if length > limits.max_seconds * SAMPLE_RATE_HZ:
                    raise MediaError(f"{path} is longer than {limits.max_seconds:g} s, the limit")
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"{path} cannot be read as sound or film: {reason}") from error
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if not len(samples) or not np.isfinite(samples).all():
        raise MediaError(f"{path} has {len(samples)} samples of sound, or some that are no numbers")
    return samples


def _blocks(container: Any) -> Iterator[Samples]:
    import av

    # The mean of two channels is ours to take, and one stays one: of two equal ones FFmpeg makes
    # one that is 3 dB louder, and of one two that are 3 dB quieter.
    layout = "mono" if container.streams.audio[0].codec_context.channels == 1 else "stereo"
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=SAMPLE_RATE_HZ)
    frames = container.decode(audio=0)
    while True:
        frame = next(frames, None)
        for made in resampler.resample(frame):
            yield made.to_ndarray().mean(axis=0)
        if frame is None:
            return
