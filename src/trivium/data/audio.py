"""Sound: bytes or files in, 16 kHz mono float32 out, within limits set before memory is taken.

Formats are told by content, never by name: wav, flac, ogg (vorbis, opus) and mp3 through
libsndfile. A header is not believed: sound is read block by block until it ends or a limit is hit.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from trivium.errors import MediaError

SAMPLE_RATE_HZ = 16_000
Samples = np.ndarray[tuple[int, ...], np.dtype[np.float32]]  # (S,) mono


@dataclass(frozen=True)
class SoundLimits:
    """What a sound may be; the defaults suit utterances and talks."""

    max_bytes: int = 512 * 2**20
    max_seconds: float = 3_600.0
    min_rate_hz: int = 4_000
    max_rate_hz: int = 192_000
    max_channels: int = 2  # the mean of a microphone array is not speech


LIMITS = SoundLimits()


@dataclass(frozen=True)
class SoundFacts:
    """What a decoded sound was before it became 16 kHz mono."""

    container: str  # WAV, FLAC, OGG, MP3, ...
    rate_hz: int
    channels: int
    seconds: float


def decode_audio(data: bytes, limits: SoundLimits = LIMITS) -> Samples:
    """16 kHz mono samples of an encoded sound."""
    return decode_with_facts(data, limits)[0]


def decode_with_facts(data: bytes, limits: SoundLimits = LIMITS) -> tuple[Samples, SoundFacts]:
    """`decode_audio`, and what the sound was."""
    if not data:
        raise MediaError(f"the sound is empty ({len(data)} bytes)")
    if len(data) > limits.max_bytes:
        raise MediaError(
            f"the sound has {len(data):,} bytes; at most {limits.max_bytes:,} are read"
        )
    _check_riff(data)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            return _read(sound, limits, start_seconds=0.0, seconds=None)
    except soundfile.LibsndfileError as error:
        raise MediaError(
            f"the bytes are not wav, flac, ogg or mp3 that can be read: {_reason(error)} "
            f"(they begin with {data[:8]!r})"
        ) from error


def decode_file(
    path: Path,
    start_seconds: float = 0.0,
    seconds: float | None = None,
    limits: SoundLimits = LIMITS,
) -> Samples:
    """16 kHz mono samples of a file, or of a stretch of it, read without loading the rest."""
    try:
        # By descriptor: of a path libsndfile reads a Mac's `._` file beside it too, and stumbles.
        with path.open("rb") as file, soundfile.SoundFile(file.fileno(), closefd=False) as sound:
            return _read(sound, limits, start_seconds, seconds)[0]
    except (soundfile.LibsndfileError, OSError) as error:
        reason = _reason(error) if isinstance(error, soundfile.LibsndfileError) else str(error)
        raise MediaError(f"{path} cannot be read as sound: {reason}") from error


def encode_flac(samples: Samples, rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """16-bit FLAC: decodes ten times faster than opus and loses nothing a microphone gave."""
    target = io.BytesIO()
    soundfile.write(target, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return target.getvalue()


def encode_wav(samples: Samples, rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """16-bit WAV, which everything plays."""
    target = io.BytesIO()
    soundfile.write(target, samples, rate_hz, format="WAV", subtype="PCM_16")
    return target.getvalue()


def mono(samples: NDArray[Any]) -> Samples:
    """One channel between -1 and 1; whole numbers are as loud as their type has bits."""
    scale = -float(np.iinfo(samples.dtype).min) if samples.dtype.kind == "i" else 1.0
    single = samples.mean(axis=1) if samples.ndim == 2 and samples.shape[1] <= 2 else samples
    if single.ndim != 1:
        raise MediaError(f"samples are of shape {samples.shape}; expected (S,), or (S, 2)")
    return np.asarray(single / scale, np.float32)


def resample(samples: Samples, rate_hz: int, target_hz: int = SAMPLE_RATE_HZ) -> Samples:
    """Band-limited resampling; returns its input when there is nothing to do."""
    if rate_hz == target_hz:
        return samples
    result: Samples = soxr.resample(samples, rate_hz, target_hz, quality="HQ")
    return result


def _read(
    sound: soundfile.SoundFile, limits: SoundLimits, start_seconds: float, seconds: float | None
) -> tuple[Samples, SoundFacts]:
    rate, channels = sound.samplerate, sound.channels
    if not limits.min_rate_hz <= rate <= limits.max_rate_hz:
        raise MediaError(
            f"the sound has {rate:,} samples a second; "
            f"{limits.min_rate_hz:,} to {limits.max_rate_hz:,} are read"
        )
    if channels > limits.max_channels:
        raise MediaError(
            f"the sound has {channels} channels; at most {limits.max_channels} are averaged: "
            "choose one, or mix them, beforehand"
        )
    if start_seconds:
        sound.seek(min(round(start_seconds * rate), sound.frames))
    wanted = None if seconds is None else round(seconds * rate)
    read, pieces = 0, []
    for block, resampled in _resampled(_blocks(sound, limits, wanted), rate):
        _check_numbers(block, read / rate, rate)
        read += len(block)
        pieces.append(resampled)
    if not read:
        raise MediaError(f"the sound has a header and {read} samples")
    promised = sound.frames if wanted is None and not start_seconds else wanted
    # libsndfile gives 2**63 - 1 where the header does not say; a lossy end may differ by a frame.
    if promised is not None and read < promised < 2**62 and promised - read > rate // 20:
        raise MediaError(
            f"the sound is cut off: {read / rate:.2f} s of the {promised / rate:.2f} s "
            "that its header promises"
        )
    return np.concatenate(pieces), SoundFacts(sound.format, rate, channels, read / rate)


def _resampled(blocks: Iterator[Samples], rate_hz: int) -> Iterator[tuple[Samples, Samples]]:
    """Each block with what it adds at 16 kHz: an hour at 192 kHz is never in memory whole."""
    before = next(blocks, None)
    if before is None:
        return
    stream = None
    for block in blocks:
        if stream is None and rate_hz != SAMPLE_RATE_HZ:
            stream = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, "float32", quality="HQ")
        yield before, stream.resample_chunk(before) if stream else before
        before = block
    last = stream.resample_chunk(before, last=True) if stream else resample(before, rate_hz)
    yield before, last


def _check_numbers(block: Samples, start_seconds: float, rate_hz: int) -> None:
    finite = np.isfinite(block)
    if not finite.all():
        first = start_seconds + int(np.argmin(finite)) / rate_hz
        raise MediaError(
            f"the sound has {int((~finite).sum()):,} samples that are not numbers, "
            f"the first at {first:.2f} s"
        )


def _blocks(
    sound: soundfile.SoundFile, limits: SoundLimits, wanted: int | None
) -> Iterator[Samples]:
    """Mono blocks of at most ten seconds, so that a bomb is noticed after one of them."""
    rate, read = sound.samplerate, 0
    while wanted is None or read < wanted:
        size = 10 * rate if wanted is None else min(10 * rate, wanted - read)
        block = sound.read(size, dtype="float32", always_2d=True)  # (S, channels)
        if not len(block):
            return
        read += len(block)
        if read > limits.max_seconds * rate:
            raise MediaError(f"the sound is longer than {limits.max_seconds:g} s, the limit")
        yield block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)


def _check_riff(data: bytes) -> None:
    """Refuse a WAV whose data chunk promises more than is there; libsndfile would shorten it."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return
    position = 12
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        position += 8
        if name == b"data":
            # A recorder writing to a pipe cannot know the size and writes these.
            unknown = size in (0, 0x7FFFFFFF, 0xFFFFFFFF) or size >= 0xFFFFFF00
            if not unknown and size > len(data) - position:
                raise MediaError(
                    f"the WAV header promises {size:,} bytes of sound and "
                    f"{len(data) - position:,} are there"
                )
            return
        position += size + size % 2


def _reason(error: soundfile.LibsndfileError) -> str:
    return str(error.error_string).strip().rstrip(".")
