"""Long recordings in pieces: cut where it is quietest, and told apart from silence.

Loudness is that of the 200 ms around a place, so that the pause inside a consonant is none.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from trivium.config import Settings
from trivium.data.audio import SAMPLE_RATE_HZ, Samples

STEP = SAMPLE_RATE_HZ // 50  # 20 ms: cuts are whole steps from the start
AROUND = 5  # steps before and after a place that are heard there
# Nothing is heard where it is quieter than both: 33 of the 32,768 steps of 16 bits, and 40 dB
# below the loudest place of the recording.
SILENCE, SILENCE_SHARE = 1e-3, 1e-2


class CuttingSettings(Settings):
    """How long pieces are."""

    min_seconds: float = Field(default=5.0, gt=0)
    """None is shorter, unless the recording is."""
    max_seconds: float = Field(default=20.0, gt=0)
    """None is longer."""

    @model_validator(mode="after")
    def _leaves_a_choice(self) -> Self:
        if self.max_seconds < 2 * self.min_seconds + 0.1:
            raise ValueError(
                f"max_seconds is {self.max_seconds:g}; it must be at least twice min_seconds "
                f"({self.min_seconds:g}) and 0.1 s more, so that there is a choice of places"
            )
        return self


@dataclass(frozen=True)
class Piece:
    """A stretch of a recording, in samples."""

    start: int
    stop: int
    heard: tuple[int, int] | None
    """From where to where something is heard in it, about; None if nothing is."""


def cut(samples: Samples, settings: CuttingSettings) -> list[Piece]:
    """Pieces that together are the recording; each ends at the quietest place in its reach.

    Of equally quiet places it is the last.
    """
    loud = loudness(samples)
    silence = max(SILENCE, SILENCE_SHARE * float(loud.max()))
    least, most = (
        round(seconds * SAMPLE_RATE_HZ) for seconds in (settings.min_seconds, settings.max_seconds)
    )
    starts = [0]
    while len(samples) - starts[-1] > most:
        low = -(-(starts[-1] + least) // STEP)
        high = min(starts[-1] + most, len(samples) - least) // STEP
        reach = loud[low : high + 1][::-1]
        starts.append((high - int(np.argmin(reach))) * STEP)
    stops = [*starts[1:], len(samples)]
    return [
        Piece(start, stop, _heard(loud > silence, start, stop))
        for start, stop in zip(starts, stops, strict=True)
        if stop > start
    ]


def is_silent(samples: Samples) -> bool:
    """Whether nothing is heard in a whole recording."""
    return float(loudness(samples).max()) <= SILENCE


def loudness(samples: Samples) -> NDArray[np.float64]:
    """Root mean square around each place, a step apart: (steps + 1,)."""
    steps = -(-len(samples) // STEP)
    whole = np.pad(samples, (0, steps * STEP - len(samples))).reshape(steps, STEP)
    power = np.einsum("ts,ts->t", whole, whole, dtype=np.float64) / STEP
    power = np.maximum(power - np.square(whole.mean(1, dtype=np.float64)), 0)  # no direct current
    around = np.pad(power, AROUND)  # before and after a recording there is silence
    windows = np.lib.stride_tricks.sliding_window_view(around, 2 * AROUND)
    means: NDArray[np.float64] = np.sqrt(windows.mean(-1))
    return means


def _heard(is_loud: NDArray[np.bool_], start: int, stop: int) -> tuple[int, int] | None:
    first = -(-start // STEP)
    places = first + np.flatnonzero(is_loud[first : -(-stop // STEP)])
    if not len(places):
        return None
    return max(start, int(places[0]) * STEP), min(stop, (int(places[-1]) + 1) * STEP)
