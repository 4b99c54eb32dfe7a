"""Detection: what is missed and what is let in by mistake, at every threshold of a score.

A trial whose score is at or above the threshold is taken for a target. Trials of equal score are
taken together, so that a model which scores all alike gets an equal error rate of one half.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from trivium.errors import TriviumError
from trivium.tasks.metrics import Floats, Vectors

# Points of a curve that are drawn, and the nearest to 0 and 1 that a rate is drawn.
POINTS, EDGE = 300, 1e-4


@dataclass(frozen=True)
class Curve:
    """The errors at falling thresholds, from none let in to all; shares of 1."""

    false_alarms: Floats  # (K,) others that are taken for targets, from 0 up to 1
    misses: Floats  # (K,) targets that are not, from 1 down to 0

    def equal_error(self) -> tuple[float, float]:
        """Where both errors are equal on the line through the points, and its place on the line.

        The place is a number of points: 2.5 is in the middle between the third and the fourth.
        """
        ahead = self.misses - self.false_alarms  # from 1 down to -1
        right = int(np.argmax(ahead <= 0))
        share = float(ahead[right - 1] / (ahead[right - 1] - ahead[right]))
        low, high = self.false_alarms[right - 1], self.false_alarms[right]
        return float(low + share * (high - low)), right - 1 + share

    def min_cost(self, prior: float) -> float:
        """The lowest detection cost, where a target has a prior and both errors cost 1.

        It is divided by the cost of the better of letting in all and none: 1 is no use at all.
        """
        costs = prior * self.misses + (1 - prior) * self.false_alarms
        return float(costs.min() / min(prior, 1 - prior))

    def drawn(self) -> tuple[tuple[float, float], ...]:
        """Some points, as far from one another as they look on axes of normal deviates."""
        rates = np.stack([self.false_alarms, self.misses])
        places = deviates(rates)
        along = np.concatenate([[0.0], np.abs(np.diff(places)).sum(axis=0).cumsum()])
        kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], POINTS)))
        return tuple((float(x), float(y)) for x, y in rates[:, kept].T)


class Sweep:
    """Trials in the order of their scores, to be counted with whatever weights."""

    def __init__(self, scores: Vectors, same: NDArray[np.bool_]) -> None:
        wide = np.asarray(scores, np.float64)
        if wide.shape != same.shape or wide.ndim != 1:
            raise TriviumError(
                f"there are scores of shape {wide.shape} and answers of shape {same.shape}; "
                "expected (N,) of both"
            )
        broken = np.flatnonzero(~np.isfinite(wide))
        if len(broken):
            raise TriviumError(
                f"{len(broken):,} of {len(wide):,} scores are NaN or infinite, the first that of "
                f"trial {broken[0] + 1}; the model has diverged"
            )
        if same.all() or not same.any():
            raise TriviumError(
                f"{np.count_nonzero(same):,} of {len(same):,} trials are of one speaker; both "
                "errors can be told only where there are trials of both kinds"
            )
        self.order = np.argsort(-wide, kind="stable")
        self.same = same[self.order]
        ordered = wide[self.order]
        self.ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
        self.thresholds = ordered[self.ends]

    def curve(self, weights: Floats | None = None) -> Curve:
        """The errors of trials that count so often, once if nothing is said; NaN if none is left.

        The first point is that of a threshold above all scores.
        """
        each = np.ones(len(self.order)) if weights is None else weights[self.order]
        taken = np.stack([np.where(self.same, 0, each), np.where(self.same, each, 0)])
        sums = np.concatenate([[[0.0], [0.0]], taken.cumsum(axis=1)[:, self.ends]], axis=1)
        with np.errstate(invalid="ignore"):
            others, targets = sums / sums[:, -1:]
        return Curve(others, 1 - targets)

    def threshold(self, place: float) -> float:
        """The score at a place of the curve that nothing weighs."""
        return float(np.interp(place - 1, np.arange(len(self.thresholds)), self.thresholds))


def deviates(rates: Floats | Sequence[float]) -> Floats:
    """Normal deviates of rates, which make the curve of two normal distributions a line."""
    inner = np.clip(np.asarray(rates, np.float64), EDGE, 1 - EDGE)
    found: Floats = torch.special.ndtri(torch.from_numpy(inner)).numpy()
    return found
