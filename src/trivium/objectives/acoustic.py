"""The acoustic objective of CTAL: say what the frames were that are hidden.

Li et al., "CTAL: Pre-training Cross-modal Transformer for Audio-and-Language Representations"
(2109.00181), masks after Liu et al., "Mockingjay" (1910.12638). What is hidden is drawn on the
host, a row at a time; the network takes it as input.
"""

from collections.abc import Callable, Sequence
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from trivium.config import Settings
from trivium.data.batch import Ragged
from trivium.errors import TriviumError

Numbers = NDArray[np.int64]
# What is shown in the place of a frame that is hidden, where nothing is: zeros.
NOTHING = -1


class AcousticSettings(Settings):
    """Which frames are to be said, and what is shown in their place."""

    share: float = Field(default=0.15, gt=0, le=1)
    """Share of the frames that spans would cover if they did not overlap."""
    spans: tuple[int, int] = (20, 50)
    """Shortest and longest span; all spans of an utterance are of one length."""
    die: Literal["frame", "span", "utterance"] = "frame"
    """What is thrown for: each frame, each span, or the utterance as a whole."""
    zeros: float = Field(default=0.8, ge=0, le=1)
    """How often zeros are shown."""
    others: float = Field(default=0.1, ge=0, le=1)
    """How often other frames of the utterance are shown; else the frame itself is."""

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        if not 1 <= self.spans[0] <= self.spans[1]:
            raise ValueError(f"spans of {self.spans} frames are none; give the shortest first")
        if self.zeros + self.others > 1:
            raise ValueError(f"zeros {self.zeros:g} and others {self.others:g} are more than 1")
        return self


def draw_frames(
    frames: int, settings: AcousticSettings, generator: np.random.Generator
) -> tuple[Numbers, Numbers]:
    """The frames that are to be said (N,), in order, and what each place shows (frames,).

    A place shows the frame of a number, its own where nothing is hidden, or NOTHING. There is at
    least one span; in an utterance no longer than a span it is half as long as the utterance.
    """
    if frames < 1:
        raise TriviumError(f"an utterance of {frames} frames has none to hide")
    span = int(generator.integers(settings.spans[0], settings.spans[1] + 1))
    span = span if frames > span else max(1, frames // 2)
    count = max(1, round(settings.share * frames / span))
    # As published: no span ends with the last frame, unless there is no other place for it.
    first = generator.permutation(max(1, frames - span))[:count]
    covered = np.zeros((len(first), frames), bool)
    covered[np.arange(len(first))[:, None], first[:, None] + np.arange(span)] = True
    hidden = np.flatnonzero(covered.any(0))
    throws = {"frame": len(hidden), "span": len(first), "utterance": 1}[settings.die]
    thrown = generator.random(throws)
    if settings.die == "span":  # where spans overlap the first of them decides
        thrown = thrown[covered.argmax(0)[hidden]]
    other = generator.integers(0, frames, len(hidden))
    shown = np.arange(frames)
    zeroed = thrown < settings.zeros
    replaced = ~zeroed & (thrown < settings.zeros + settings.others)
    shown[hidden] = np.select([zeroed, replaced], [NOTHING, other], hidden)
    return hidden, shown


def draw_acoustic(
    frames: Sequence[int],
    settings: AcousticSettings,
    generator: Callable[[int, str], np.random.Generator],
) -> tuple[Ragged, Ragged]:
    """What is hidden of each utterance (B, N), and what its places show (B, T).

    `generator` gives the randomness of a row for a purpose, as `Batch.generator` does.
    """
    drawn = [
        draw_frames(count, settings, generator(row, "acoustic")) for row, count in enumerate(frames)
    ]
    hidden, shown = zip(*drawn, strict=True)
    return Ragged.from_rows(hidden), Ragged.from_rows(shown)


def show(frames: Ragged, shown: Ragged) -> Ragged:
    """Frames (B, T, C) as the places of `shown` show them."""
    places = shown.data.new_zeros(frames.data.shape[:2])
    places[:, : shown.data.shape[1]] = shown.data
    index = places.clamp(min=0)[..., None].expand_as(frames.data)
    seen = frames.data.gather(1, index).masked_fill((places == NOTHING)[..., None], 0)
    return Ragged(seen, frames.lengths)


def acoustic_loss(predictions: Tensor, targets: Ragged) -> Tensor:
    """How far the frames that are said are from what they were, summed over frames.

    Needs: `predictions` and `targets` (B, N, C) of N hidden frames of each row; rows end where
    those of `targets` do.

    Formula: L = sum_i mean_c |predictions_ic - targets_ic|

    Paper: Li et al. 2021 (2109.00181).

    >>> import torch
    >>> targets = Ragged(torch.ones(1, 3, 4), torch.tensor([2]))
    >>> acoustic_loss(torch.zeros(1, 3, 4), targets).item()
    2.0
    """
    if predictions.shape != targets.data.shape:
        raise TriviumError(
            f"predictions have the shape {tuple(predictions.shape)} and targets "
            f"{tuple(targets.data.shape)}; expected (B, N, C) of both"
        )
    wide = torch.promote_types(predictions.dtype, torch.float32)
    each = (predictions.to(wide) - targets.data.to(wide)).abs().mean(-1)  # (B, N)
    return each.masked_fill(~targets.mask(), 0).sum()
