"""Seeded changes to sound at training time: warp, reverberation, noise, gain. Cheap, and optional.

A sound's changes depend on the generator alone, which the loader seeds by run, epoch and row id.
"""

import functools
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from trivium.config import Settings
from trivium.data.audio import SAMPLE_RATE_HZ, Samples

NOISE_SECONDS = 20
FFT_SIZE = 16_384  # at least; twice a room that is longer than half of it
LONGEST_ROOM_SECONDS = 10


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"{limits[0]:g} to {limits[1]:g} is no range; the smaller comes first")
    return limits


def _positive(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] <= 0:
        raise ValueError(f"{limits[0]:g} is no speed; expected something near 1")
    return limits


def _a_room(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[1] > LONGEST_ROOM_SECONDS:
        raise ValueError(f"{limits[1]:g} s is no room; at most {LONGEST_ROOM_SECONDS} s can be")
    return limits


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]


class AugmentSettings(Settings):
    """Ranges that a value is drawn from for each sound; an absent range leaves the sound alone."""

    warp: Annotated[Range, AfterValidator(_positive)] | None = None
    """Speed and pitch together, 0.9 to 1.1 as a rule. Durations change by as much, so micros
    are planned for the slowest and carry that much more padding."""
    reverb_seconds: Annotated[Range, AfterValidator(_a_room)] | None = None
    """How long the room takes to fade by 60 dB; 0.1 to 1 are rooms, up to 10 s can be."""
    noise_snr_db: Range | None = None
    """Level of the sound over that of added noise, in decibels."""
    gain_db: Range | None = None
    """Loudness change in decibels."""
    probability: float = Field(default=1.0, ge=0, le=1)
    """How often each of the four is applied."""

    @property
    def longest_stretch(self) -> float:
        """The factor by which a duration can grow."""
        return 1.0 if self.warp is None else max(1.0, 1 / self.warp[0])


def augment(samples: Samples, settings: AugmentSettings, generator: np.random.Generator) -> Samples:
    """A changed copy of a sound, or the sound itself where nothing was drawn."""
    changes = (
        (warp, settings.warp),
        (reverberate, settings.reverb_seconds),
        (add_noise, settings.noise_snr_db),
        (amplify, settings.gain_db),
    )
    # All is drawn whether it is used or not, so that one setting does not shift the others.
    draws = generator.random((len(changes), 2)).tolist()
    seeds = generator.integers(2**63, size=len(changes)).tolist()
    for (change, limits), (chance, value), seed in zip(changes, draws, seeds, strict=True):
        if limits is not None and chance < settings.probability:
            low, high = limits
            own = np.random.Generator(np.random.PCG64(seed))
            samples = change(samples, low + value * (high - low), own)
    return samples


def warp(samples: Samples, factor: float, _: np.random.Generator) -> Samples:
    """The sound `factor` times as fast and as high, linearly interpolated."""
    if factor == 1 or len(samples) < 2:
        return samples
    # float64: in float32 a place in a talk of an hour is off by several samples.
    places = np.arange(max(1, int((len(samples) - 1) / factor))) * factor
    left = places.astype(np.intp)
    places -= left
    warped = np.take(np.diff(samples), left)
    warped *= places.astype(np.float32)
    warped += np.take(samples, left)
    return np.asarray(warped, np.float32)


def reverberate(samples: Samples, fade_seconds: float, generator: np.random.Generator) -> Samples:
    """The sound in a room: direct, and decaying noise behind it, half as strong in all."""
    count = int(fade_seconds * SAMPLE_RATE_HZ)
    if count < 2 or not len(samples):
        return samples
    # 60 dB down at the end: exp(-6.9).
    fade = np.exp(np.linspace(0, -6.9, count, dtype=np.float32))
    room = generator.standard_normal(count, np.float32) * fade
    room *= np.float32(0.5) / np.linalg.norm(room)
    room[0] = 1.0
    return _convolved(samples, room[: max(len(samples), FFT_SIZE // 2)])


def add_noise(samples: Samples, snr_db: float, generator: np.random.Generator) -> Samples:
    """The sound with noise, from white to brown, `snr_db` below it in power."""
    power = float(np.dot(samples, samples))
    start, colour = generator.integers(NOISE_SECONDS * SAMPLE_RATE_HZ), generator.integers(3)
    if power == 0:
        return samples
    noise = np.take(_noises()[colour], np.arange(start, start + len(samples)), mode="wrap")
    level = np.sqrt(power / float(np.dot(noise, noise)) * 10 ** (-snr_db / 10))
    noise *= np.float32(level)
    noise += samples
    return noise


def amplify(samples: Samples, gain_db: float, _: np.random.Generator) -> Samples:
    """The sound louder or softer, never beyond full scale where it was within."""
    gain = 10 ** (gain_db / 20)
    peak = float(np.abs(samples).max(initial=0.0))
    if gain > 1 and peak * gain > 1:
        gain = max(1.0, 1 / peak) if peak else 1.0
    return np.asarray(samples * np.float32(gain), np.float32)


def _convolved(samples: Samples, response: NDArray[np.float32]) -> Samples:
    """The causal convolution, as long as the samples, block by block (overlap-save)."""
    before = len(response) - 1
    size = max(FFT_SIZE, 2 ** before.bit_length() * 2)
    step = size - before
    blocks = -(-len(samples) // step)
    padded = np.zeros(blocks * step + before, np.float32)
    padded[before : before + len(samples)] = samples
    overlapping = np.lib.stride_tricks.sliding_window_view(padded, size)[::step]
    spectrum = np.fft.rfft(overlapping, axis=1) * np.fft.rfft(response, size)
    result = np.fft.irfft(spectrum, size, axis=1)[:, before:]
    return np.asarray(result.reshape(-1)[: len(samples)], np.float32)


@functools.cache
def _noises() -> NDArray[np.float32]:
    """White, pink and brown noise of unit power; the same in every process."""
    count = NOISE_SECONDS * SAMPLE_RATE_HZ
    white = np.random.Generator(np.random.PCG64(20_240_607)).standard_normal((3, count), np.float32)
    spectrum = np.fft.rfft(white, axis=1)
    hertz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ)
    # Flat below 50 Hz, where speech has nothing to mask.
    tilt = (50 / np.maximum(hertz, 50)) ** np.array([[0.0], [0.5], [1.0]])
    noises = np.fft.irfft(spectrum * tilt.astype(np.float32), count, axis=1)
    return np.asarray(noises / np.sqrt((noises**2).mean(1, keepdims=True)), np.float32)
