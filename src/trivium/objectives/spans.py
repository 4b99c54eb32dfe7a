"""Spans that hide an exact share of a sequence, and the loss of saying what was there.

Joshi et al., "SpanBERT" (1907.10529), without its loss at the borders, as SLAM and mSLAM
(2202.01374) use it for texts, and for speech beside its text.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from trivium.config import Settings
from trivium.data.batch import Ragged
from trivium.errors import TriviumError


class SpanSettings(Settings):
    """How much is hidden, and in what pieces."""

    share: float = Field(default=0.15, gt=0, le=1)
    """Share of the positions that are hidden."""
    span: int = Field(default=20, ge=1)
    """Positions of a span; the last span of a row ends where the share is reached."""


def draw_cover(
    length: int, settings: SpanSettings, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Positions of a row of so many that are hidden, in order.

    They are `share` of the row, at least one, and never all of a row of two or more. A span that
    runs over the end goes on at the beginning, so that every position is hidden equally often. A
    fraction of a position is rounded up as often as it says: the mean is right at every length.
    """
    if length < 1:
        raise TriviumError(f"a row of {length} positions has none to hide")
    wanted = int(settings.share * length + generator.random())
    wanted = min(max(wanted, 1), max(1, length - 1))
    hidden = np.zeros(length, bool)
    for start in generator.permutation(length):
        span = (start + np.arange(min(settings.span, length))) % length
        fresh = span[~hidden[span]]
        hidden[fresh[: wanted - int(hidden.sum())]] = True
        if hidden.sum() == wanted:
            break
    return np.flatnonzero(hidden)


def draw_covers(
    lengths: Sequence[int],
    settings: SpanSettings,
    generator: Callable[[int, str], np.random.Generator],
    purpose: str,
) -> Ragged:
    """What is hidden of each row (B, N); `generator` gives a row's randomness for a purpose."""
    return Ragged.from_rows(
        [draw_cover(own, settings, generator(row, purpose)) for row, own in enumerate(lengths)]
    )


def prediction_loss(scores: Tensor, targets: Ragged) -> Tensor:
    """Minus the log-likelihood of what was hidden, summed over what was hidden.

    Needs: `scores` (B, N, V) of N hidden places of each row and `targets` (B, N) of numbers below
    V; or (B, N, G, V) and (B, N, G) for several codebooks, whose losses are added. Rows end where
    those of `targets` do. Targets carry no gradient.

    Formula: L = - sum_i log softmax(scores_i)[target_i]

    Paper: Devlin et al. 2019 (1810.04805); on codes, Chung et al. 2021 (2108.06209), equation 3.

    >>> import torch
    >>> even = prediction_loss(torch.zeros(1, 3, 8), Ragged(torch.zeros(1, 3).long(),
    ...                                                     torch.tensor([2])))
    >>> round(even.item(), 4)  # 2 log 8
    4.1589
    """
    if scores.shape[:-1] != targets.data.shape:
        raise TriviumError(
            f"scores have the shape {tuple(scores.shape)} and targets "
            f"{tuple(targets.data.shape)}; expected (B, N, V) and (B, N), or (B, N, G, V) and "
            "(B, N, G)"
        )
    with torch.autocast(scores.device.type, enabled=False):
        wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
        losses = F.cross_entropy(wide.flatten(0, -2), targets.data.flatten(), reduction="none")
    each = losses.view(*targets.data.shape[:2], -1).sum(-1)  # (B, N)
    return each.masked_fill(~targets.mask(), 0).sum()
