"""What the cells of a study measured, and numbers of it seed by seed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from trivium.config import Settings
from trivium.errors import TriviumError, did_you_mean
from trivium.studies.claim import Comparison, Interval, over_seeds, saturated
from trivium.tasks.score import Score, Signature


class Measured(Settings):
    """One cell: what it is, and every number of it."""

    cell: str
    """Its name."""
    axes: dict[str, str]
    """What it is a combination of, by the names of the study's axes."""
    seed: int
    """The seed of its training."""
    signature: Signature
    """Of what was measured; with another one the cell is measured again."""
    scores: tuple[Score, ...]
    """By task."""
    curves: dict[str, tuple[float, ...]] = {}
    """Numbers along something, as the weight of each layer, by name."""

    def score(self, task: str) -> Score:
        """The score of a task."""
        for score in self.scores:
            if score.task == task:
                return score
        known = [score.task for score in self.scores]
        raise TriviumError(f"{self.cell} was not measured by {task!r}; {did_you_mean(task, known)}")


Read = Callable[[Measured], float]


@dataclass(frozen=True)
class Series:
    """A number of each seed, and the cells that should have given one and are not there."""

    values: Mapping[int, float]
    missing: tuple[str, ...] = ()

    @property
    def interval(self) -> Interval | None:
        """Mean and interval over the seeds; none without a seed."""
        return over_seeds(list(self.values.values())) if self.values else None

    def __sub__(self, other: "Series") -> "Series":
        return together([self, other], lambda numbers: numbers[0] - numbers[1])

    @classmethod
    def mean(cls, series: Iterable["Series"]) -> "Series":
        """The mean of several, of the seeds that all of them have."""
        return together(list(series), lambda numbers: sum(numbers) / len(numbers))


def together(series: list[Series], combine: Callable[[list[float]], float]) -> Series:
    """One number of several, of the seeds that all of them have."""
    if not series:
        raise TriviumError(f"{len(series)} series have no number together; at least one is needed")
    shared = set.intersection(*(set(one.values) for one in series))
    values = {seed: combine([one.values[seed] for one in series]) for seed in sorted(shared)}
    return Series(values, tuple(dict.fromkeys(name for one in series for name in one.missing)))


class Results(Settings):
    """What is there of a study, and what is not."""

    measured: tuple[Measured, ...]
    """The cells that are there."""
    planned: dict[str, dict[str, str]]
    """Every cell of the study by name, with its axes and `seed`."""
    failed: dict[str, str] = {}
    """Cells that could not be trained or measured, and why."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Planned cells that are not there."""
        there = {one.cell for one in self.measured}
        return tuple(name for name in self.planned if name not in there)

    def series(self, read: Read, **axes: str) -> Series:
        """A number of each seed's cell with these axes; `seed` is none of them."""
        values: dict[int, float] = {}
        for one in self.measured:
            if axes.items() <= one.axes.items():
                if one.seed in values:
                    raise TriviumError(
                        f"{axes} is more than one cell of seed {one.seed}: {one.cell} and another; "
                        "name more axes"
                    )
                values[one.seed] = read(one)
        missing = (name for name in self.missing if axes.items() <= self.planned[name].items())
        return Series(values, tuple(missing))

    def one(self, **axes: str) -> Measured | None:
        """Any seed's cell with these axes, for what is the same of every seed."""
        found = (one for one in self.measured if axes.items() <= one.axes.items())
        return next(found, None)


def larger(
    first_name: str,
    first: Series,
    second_name: str,
    second: Series,
    *,
    either: bool = False,
    decides: bool = True,
) -> Comparison:
    """The comparison of two series, of the seeds that both have."""
    both: Mapping[int, tuple[float, float]] = {
        seed: (value, second.values[seed])
        for seed, value in first.values.items()
        if seed in second.values
    }
    missing = together([first, second], sum).missing
    return Comparison(
        first=first_name, second=second_name, values=dict(both), either=either, decides=decides,
        saturated=saturated(both), missing=missing,
    )  # fmt: skip
