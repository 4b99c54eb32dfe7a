"""Claims, and whether numbers from several seeds bear them out.

Two things are compared seed by seed. The differences have a mean and a t interval; a claim holds
where the interval lies on its side, does not hold where it lies on the other, and is undecided
where it covers both. Every interval is of 95 % by itself.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from trivium.config import Settings
from trivium.errors import TriviumError

Verdict = Literal["held", "not held", "undecided", "not tested"]
LEVEL = 0.95
SAME = 1e-9  # differences nearer than this are equal but for rounding
BISECTIONS = 60  # of the angle behind a quantile: more than a float64 tells apart


class Interval(Settings):
    """A mean over seeds and where it may lie."""

    mean: float
    """The mean."""
    low: float | None = None
    """Lower end; null where one seed gives none."""
    high: float | None = None
    """Upper end."""
    seeds: int = Field(ge=1)
    """How many seeds."""

    def __str__(self) -> str:
        """`45.3 ± 2.1`, or the mean alone."""
        if self.low is None or self.high is None:
            return f"{self.mean:.1f}"
        return f"{self.mean:.1f} ± {(self.high - self.low) / 2:.1f}"

    @property
    def ends(self) -> str:
        """`[1.2, 5.6]`, or nothing."""
        if self.low is None or self.high is None:
            return ""
        return f"[{self.low:.2f}, {self.high:.2f}]"


class Comparison(Settings):
    """Two things of which a claim says that the first is the larger, seed by seed."""

    first: str
    """What is said to be larger."""
    second: str
    """What it is compared with."""
    values: dict[int, tuple[float, float]]
    """Of each seed: the first and the second."""
    either: bool = False
    """The claim says only that they differ, whichever way."""
    decides: bool = True
    """Whether the claim's verdict rests on it; else it is told beside."""
    saturated: bool = False
    """Whether all recalls behind it are at their end, where no difference can show."""
    missing: tuple[str, ...] = ()
    """Cells that are not there."""

    @property
    def differences(self) -> list[float]:
        """First minus second, by seed."""
        return [a - b for _, (a, b) in sorted(self.values.items())]

    @property
    def interval(self) -> Interval | None:
        """Of the differences; none without a seed."""
        return over_seeds(self.differences) if self.values else None

    @property
    def verdict(self) -> Verdict:
        """What the interval says."""
        found = self.interval
        if found is None or found.low is None or found.high is None:
            return "not tested"
        if self.saturated or not self._differs_by_seed:
            return "undecided"
        if found.low > 0 or (self.either and found.high < 0):
            return "held"
        return "not held" if found.high < 0 else "undecided"

    @property
    def reason(self) -> str:
        """Why there is no verdict, or nothing."""
        seeds = len(self.values)
        if seeds >= 2 and self.saturated:
            return "nothing is left to gain: both are at 100 %"
        if seeds >= 2 and not self._differs_by_seed:
            alike = f"the difference is {self.differences[0]:.2f} in every seed"
            return f"{alike}, and without spread an interval says nothing"
        if seeds >= 2:
            return ""
        return f"{seeds} seed{'' if seeds == 1 else 's'} of both, and an interval needs 2"

    @property
    def _differs_by_seed(self) -> bool:
        """Whether there is a spread: recalls of few items are coarse, and can agree by accident."""
        return max(self.differences) - min(self.differences) > SAME


class Claim(Settings):
    """A direction of a paper, what stands for it here, and the comparisons it rests on."""

    number: int
    """Its place among the paper's claims."""
    sentence: str
    """What the paper says."""
    here: str
    """What is compared here."""
    comparisons: tuple[Comparison, ...] = ()
    """The numbers."""
    untestable: str = ""
    """Why this study cannot test it, if it cannot."""

    @property
    def verdict(self) -> Verdict:
        """Held if every comparison that decides is; not held if one is not."""
        if self.untestable:
            return "not tested"
        found = [one.verdict for one in self.comparisons if one.decides]
        if "not held" in found:
            return "not held"
        if found and all(one == "held" for one in found):
            return "held"
        return "not tested" if all(one == "not tested" for one in found) else "undecided"

    @property
    def reason(self) -> str:
        """Why it could not be tested, or what is missing; nothing where all is there."""
        deciding = [one for one in self.comparisons if one.decides and one.reason]
        missing = list(dict.fromkeys(name for one in deciding for name in one.missing))
        told = list(dict.fromkeys(one.reason for one in deciding))
        told += [f"missing are {_some(missing)}"] if missing else []
        return self.untestable or "; ".join(told)


def over_seeds(values: Sequence[float]) -> Interval:
    """Mean and t interval of one number from each seed."""
    count = len(values)
    if not count or not all(math.isfinite(value) for value in values):
        raise TriviumError(f"{list(values)} are no numbers of seeds; expected finite ones")
    # Of equal numbers the mean is that number, and the interval has no width: no rounding here.
    equal = min(values) == max(values)
    mean = values[0] if equal else math.fsum(values) / count
    if count == 1:
        return Interval(mean=mean, seeds=1)
    squares = 0.0 if equal else math.fsum((value - mean) ** 2 for value in values)
    half = t_quantile(count - 1) * math.sqrt(squares / (count - 1) / count)
    return Interval(mean=mean, low=mean - half, high=mean + half, seeds=count)


def t_quantile(freedom: int, level: float = LEVEL) -> float:
    """The t between whose negative and itself Student's distribution has the share `level`."""
    if freedom < 1 or not 0 < level < 1:
        raise TriviumError(f"no t has {freedom} degrees of freedom and a share of {level}")
    low, high = 0.0, math.pi / 2
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if _central_share(middle, freedom) < level else (low, middle)
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def saturated(values: Mapping[int, Sequence[float]], end: float = 100.0) -> bool:
    """Whether every number of every seed is at its end."""
    every = [value for row in values.values() for value in row]
    return bool(every) and all(value >= end - 1e-9 for value in every)


def _central_share(angle: float, freedom: int) -> float:
    """Share of Student's distribution within t = sqrt(freedom) tan(angle) of zero.

    Abramowitz and Stegun, 26.7.3 and 26.7.4: a finite sum for whole degrees of freedom.
    """
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for power in range(2 + odd, freedom - 1, 2):
        term *= cosine**2 * (power - 1) / power
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def _some(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
