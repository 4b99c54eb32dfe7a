"""What is trained when: phases as data.

Sequential training is several phases, simultaneous training several weights in one, alternating
training `turns`. Which objectives a step uses depends on the step alone, so that every device does
the same.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Self

from pydantic import Field, model_validator

from trivium.config import Settings
from trivium.errors import SettingsError, did_you_mean


class Ramp(Settings):
    """A weight that moves in a straight line over a phase."""

    start: float = Field(ge=0)
    """At the first step of the phase."""
    end: float = Field(ge=0)
    """At the last."""


class Phase(Settings):
    """A stretch of training with one set of objectives."""

    steps: int = Field(gt=0)
    """How long."""
    weights: dict[str, Annotated[float, Field(ge=0)] | Ramp]
    """The objectives of the phase and what each counts."""
    turns: tuple[tuple[str, ...], ...] = ()
    """Objectives taken in turn, a step each: (("ssl",), ("ground",)). Empty: all in every step."""
    freeze: tuple[str, ...] = ()
    """Patterns of parameters that stay as they are: `speech.frontend.*`."""
    lr: float | None = Field(default=None, gt=0)
    """Peak learning rate of the phase; null keeps the optimizer's."""
    reset_optimizer: bool = False
    """Forget moments, and warm up again."""

    @model_validator(mode="after")
    def _turns_are_weighted(self) -> Self:
        for name in {name for turn in self.turns for name in turn}:
            if name not in self.weights:
                raise ValueError(f"turns name {name!r}; {did_you_mean(name, self.weights)}")
        for step in (*range(min(len(self.rounds), self.steps)), self.steps - 1):
            if not self.weights_at(step):
                weights = {name: self.weights[name] for name in self._turn(step)}
                raise ValueError(f"no weight of {weights} is above 0 at step {step} of a phase")
        return self

    @property
    def rounds(self) -> tuple[tuple[str, ...], ...]:
        """Objectives of one step after the other, over and over; those of no weight left out."""
        return tuple(
            tuple(name for name in self._turn(step) if _largest(self.weights[name]) > 0)
            for step in range(max(1, len(self.turns)))
        )

    def weights_at(self, step: int) -> dict[str, float]:
        """Objective and weight at a step of the phase; those that count nothing are not there."""
        found = {name: _weight(self.weights[name], step, self.steps) for name in self._turn(step)}
        return {name: weight for name, weight in found.items() if weight > 0}

    def _turn(self, step: int) -> tuple[str, ...]:
        return self.turns[step % len(self.turns)] if self.turns else tuple(self.weights)


@dataclass(frozen=True)
class Moment:
    """Where in a schedule a step is."""

    phase: Phase
    number: int  # of the phase
    step: int  # within the phase
    since_reset: int  # steps since the optimizer began
    until_reset: int  # steps the optimizer has in all


class Schedule:
    """Phases one after the other."""

    def __init__(self, phases: Sequence[Phase]) -> None:
        if not phases:
            raise SettingsError(f"a schedule of {len(phases)} phases trains nothing")
        self.phases = tuple(phases)
        self.steps = sum(phase.steps for phase in phases)

    def at(self, step: int) -> Moment:
        """Where `step` is; steps are counted from 0 over all phases."""
        if not 0 <= step < self.steps:
            raise SettingsError(f"step {step} is outside of the schedule's {self.steps} steps")
        start = 0
        for number, phase in enumerate(self.phases):
            if step < start + phase.steps:
                first, last = self._stretch(number)
                return Moment(phase, number, step - start, step - first, last - first)
            start += phase.steps
        raise SettingsError(f"step {step} is in no phase of {self.steps} steps")

    def _stretch(self, number: int) -> tuple[int, int]:
        """First step, and one after the last, of the stretch without a reset around a phase."""
        starts = [0]
        for phase in self.phases:
            starts.append(starts[-1] + phase.steps)
        resets = [
            place for place, phase in enumerate(self.phases) if place and phase.reset_optimizer
        ]
        first = max((place for place in resets if place <= number), default=0)
        last = min((place for place in resets if place > number), default=len(self.phases))
        return starts[first], starts[last]


class Draws:
    """Which sources each step draws from, and how often each was drawn from before.

    `roles_of` says which roles a step's objectives read. A source moves on only where it is read,
    so that no row of it is passed over in the steps of others.
    """

    def __init__(
        self, schedule: Schedule, roles_of: Callable[[tuple[str, ...]], Collection[str]]
    ) -> None:
        self._phases = [
            (phase.steps, [frozenset(roles_of(names)) for names in phase.rounds[: phase.steps]])
            for phase in schedule.phases
        ]

    @property
    def roles(self) -> frozenset[str]:
        """All that some step reads."""
        return frozenset().union(*(read for _, rounds in self._phases for read in rounds))

    def at(self, step: int) -> dict[str, int]:
        """Role and the number of times it was drawn from before, of the roles of a step."""
        before = dict.fromkeys(sorted(self.roles), 0)
        for steps, rounds in self._phases:
            whole, rest = divmod(min(step, steps), len(rounds))
            for place, read in enumerate(rounds):
                for role in read:
                    before[role] += whole + (place < rest)
            if step < steps:
                return {role: before[role] for role in before if role in rounds[rest]}
            step -= steps
        raise SettingsError(f"no phase is left {step} steps after the schedule's last")


def frozen_names(names: Sequence[str], patterns: Sequence[str]) -> set[str]:
    """The names that a pattern matches; a pattern that matches nothing is an error."""
    frozen: set[str] = set()
    for pattern in patterns:
        matched = {name for name in names if fnmatchcase(name, pattern)}
        if not matched:
            hint = did_you_mean(
                pattern.removesuffix(".*"), {name.rpartition(".")[0] for name in names}
            )
            raise SettingsError(f"the pattern {pattern!r} freezes no parameter; {hint}")
        frozen |= matched
    return frozen


def _weight(weight: float | Ramp, step: int, steps: int) -> float:
    if isinstance(weight, Ramp):
        return weight.start + (weight.end - weight.start) * step / max(1, steps - 1)
    return weight


def _largest(weight: float | Ramp) -> float:
    return max(weight.start, weight.end) if isinstance(weight, Ramp) else weight
