"""The process that decodes what clients send: `python -m trivium.serve.decoding BYTES LIMITS`.

It reads a question, answers it, and reads the next, through stdin and stdout: a line of JSON, then
so many bytes. Its memory is bounded by the system, and who waits for it may kill it. It is told no
path and opens none: what a file is, is told by its first bytes, and of containers only two are
given to FFmpeg, since others name files and addresses to open.
"""

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trivium.data.audio import SAMPLE_RATE_HZ, Samples, SoundLimits, decode_audio
from trivium.data.image import Pixels, decode_image
from trivium.errors import MediaError

CODECS = ("opus", "vorbis", "aac", "mp3", "mp3float", "flac", "pcm_s16le", "pcm_f32le", "alac")
# What a file begins with, and who reads it.
SOUNDS = {b"RIFF": "", b"fLaC": "", b"OggS": "", b"ID3": "", b"\x1a\x45\xdf\xa3": "matroska"}
KNOWN = "wav, flac, ogg, mp3, webm or mp4"


def sound_format(data: bytes) -> str | None:
    """Who reads a sound: a container of FFmpeg, "" for libsndfile, None for nobody."""
    if data[4:8] == b"ftyp":
        return "mp4"
    if data[:1] == b"\xff" and data[1:2] >= b"\xe0":  # a frame of mp3
        return ""
    return next((reader for magic, reader in SOUNDS.items() if data.startswith(magic)), None)


def decode_sound(data: bytes, limits: SoundLimits) -> Samples:
    """16 kHz mono samples of a sound or of a browser's recording."""
    reader = sound_format(data)
    if reader is None:
        raise MediaError(f"the bytes are no {KNOWN} (they begin with {data[:8]!r})")
    return _recorded(data, reader, limits) if reader else decode_audio(data, limits)


def _recorded(data: bytes, container: str, limits: SoundLimits) -> Samples:
    """16 kHz mono samples of the first sound in a container, read until it ends or is too long."""
    import av

    av.logging.set_level(av.logging.PANIC)
    try:
        with av.open(io.BytesIO(data), format=container) as opened:
            pieces = list(_pieces(opened, limits))
    # IndexError and OverflowError come of headers that lie.
    except (av.error.FFmpegError, ValueError, IndexError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"the {container} of {len(data):,} bytes is damaged: {reason}") from error
    if not pieces:
        raise MediaError(f"the {container} of {len(data):,} bytes holds no sound")
    samples = np.concatenate(pieces)
    if not np.isfinite(samples).all():
        wrong = int((~np.isfinite(samples)).sum())
        raise MediaError(f"the sound has {wrong:,} samples that are not numbers")
    return samples


def _pieces(opened: Any, limits: SoundLimits) -> Iterator[Samples]:
    """Mono pieces at 16 kHz, as they come out of the decoder."""
    import av

    streams = opened.streams.audio
    if not streams:
        raise MediaError(f"the file holds {len(opened.streams)} streams and none of sound")
    told = streams[0].codec_context
    rate, channels = told.sample_rate, told.channels
    if told.codec.name not in CODECS:
        raise MediaError(f"the sound is {told.codec.name}; {', '.join(CODECS)} are read")
    if not limits.min_rate_hz <= rate <= limits.max_rate_hz:
        raise MediaError(
            f"the sound has {rate:,} samples a second; "
            f"{limits.min_rate_hz:,} to {limits.max_rate_hz:,} are read"
        )
    if not 1 <= channels <= limits.max_channels:
        raise MediaError(f"the sound has {channels} channels; 1 to {limits.max_channels} are read")
    # Channels are averaged here: FFmpeg's own mixing makes equal ones 3 dB louder.
    layout = "mono" if channels == 1 else "stereo"
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=SAMPLE_RATE_HZ)
    most, count = limits.max_seconds * SAMPLE_RATE_HZ, 0
    for frame in _and_end(opened.decode(streams[0])):
        for piece in resampler.resample(frame):
            count += piece.samples
            if count > most:
                raise MediaError(f"the sound is longer than {limits.max_seconds:g} s, the limit")
            yield piece.to_ndarray().mean(axis=0)


def _and_end(frames: Iterator[Any]) -> Iterator[Any]:
    """Frames, then None, which makes a resampler give what it still holds."""
    yield from frames
    yield None


def bound_memory(more_bytes: int) -> None:
    """Let this process take that much more than it has, where the system can see to it."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + more_bytes, now + more_bytes))


def decoded(kind: str, data: bytes, limits: dict[str, Any]) -> Samples | Pixels:
    """What a sound or a picture holds."""
    if kind == "picture":
        pixels = decode_image(data, limits["max_pixels"])
        height, width = pixels.shape[:2]
        # A line of 1 x 10,000,000 pixels would grow by what its shorter side has to.
        if max(height, width) > limits["max_ratio"] * min(height, width):
            raise MediaError(
                f"the picture has {width:,} x {height:,} pixels; one side may be "
                f"{limits['max_ratio']:g} times the other at most"
            )
        return pixels
    most = {name: limits[name] for name in ("max_bytes", "max_seconds", "max_rate_hz")}
    return decode_sound(data, SoundLimits(**most, max_channels=limits["max_channels"]))


def main() -> None:
    """Answer questions until there are none."""
    import av  # noqa: F401 (before memory is bounded, so that the bound is for what it decodes)
    import PIL.Image

    PIL.Image.preinit()
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    sys.stderr = os.fdopen(os.dup(2), "w")
    for stream in (1, 2):  # what libraries print of damaged files is neither answer nor news
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    limits = json.loads(sys.argv[2])
    bound_memory(int(sys.argv[1]))
    while line := source.readline():
        question = json.loads(line)
        data = source.read(question["bytes"])
        made: np.ndarray[Any, Any] = np.zeros(0, np.uint8)
        try:
            made = np.ascontiguousarray(decoded(question["kind"], data, limits))
            told: dict[str, Any] = {"shape": made.shape, "type": made.dtype.str}
        except MediaError as error:
            strange = isinstance(error.__cause__, PIL.UnidentifiedImageError) or (
                question["kind"] == "sound" and sound_format(data) is None
            )
            told = {"error": str(error), "status": 415 if strange else 422}
        except MemoryError:
            what = f"the {question['kind']} of {len(data):,} bytes takes too much memory"
            told = {"error": what, "status": 422}
        del data
        target.write(json.dumps(told | {"bytes": made.nbytes}).encode() + b"\n")
        target.write(made.reshape(-1).view(np.uint8).data)
        target.flush()
        del made


if __name__ == "__main__":
    main()
