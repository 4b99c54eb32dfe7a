"""A score: numbers beside chance, and a signature that says what exactly was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import model_validator

from trivium.config import Settings
from trivium.version import VERSION

# What two scores may differ in and still be compared: that is what comparing is for.
FREE = frozenset({"model"})
HASH_CHARACTERS = 12


class Signature(Settings):
    """Everything that must be equal for two numbers to mean the same."""

    task: str
    """Name of the task, as `retrieval.speech-picture`."""
    corpus: str
    """Fingerprint of the corpus."""
    split: str
    """Which part of it."""
    gallery: str = ""
    """What was searched, in words; empty where nothing is."""
    text: str = ""
    """Tokenizer or normaliser of texts by name; empty where there are none."""
    model: str = ""
    """Checksum of the model."""
    version: str = VERSION
    """Version of trivium that measured."""

    def __str__(self) -> str:
        """One line: `task:...|corpus:...|...`, without what is empty."""
        # A cascade names two models, and says so.
        model = self.model if " " in self.model else self.model[:HASH_CHARACTERS]
        short = {"corpus": self.corpus[:HASH_CHARACTERS], "model": model}
        parts = ((name, short.get(name, getattr(self, name))) for name in type(self).model_fields)
        return "|".join(f"{name}:{value}" for name, value in parts if value)


class Score(Settings):
    """What a task found: values by name, what chance would give, and the signature."""

    task: str
    """Name of the task."""
    values: dict[str, float]
    """The numbers. Shares are in percent."""
    primary: str
    """Which of them stands for all: checkpoints are kept by it."""
    chance: dict[str, float] = {}
    """What a model that knows nothing gets, for each value where that can be said."""
    intervals: dict[str, tuple[float, float]] = {}
    """Where 95 % of resampled test sets lie, for each value where that was computed."""
    lower_is_better: bool = False
    """Whether a smaller primary value is the better one, as of error rates."""
    signature: Signature
    """What exactly was measured."""

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        named = {self.primary, *self.chance, *self.intervals}
        unknown = sorted(named - self.values.keys())
        if unknown:
            raise ValueError(f"{unknown[0]!r} is none of the values {', '.join(self.values)}")
        if self.signature.task != self.task:
            raise ValueError(f"the task {self.task!r} is signed as {self.signature.task!r}")
        return self

    @property
    def primary_value(self) -> float:
        """The value that stands for all."""
        return self.values[self.primary]

    def better_than(self, other: "Score") -> bool:
        """Whether the primary value is strictly better than another score's."""
        ahead = self.primary_value - other.primary_value
        return ahead < 0 if self.lower_is_better else ahead > 0

    def rows(self) -> list[list[str]]:
        """Lines of a table under `HEADERS`: value, interval, chance."""
        return [
            [name, _number(value), _interval(self.intervals.get(name)),
             _number(self.chance.get(name))]
            for name, value in self.values.items()
        ]  # fmt: skip

    def __str__(self) -> str:
        """`recall@10 98.80 (chance 2.00) task:...|corpus:...`."""
        chance = self.chance.get(self.primary)
        beside = f" (chance {_number(chance)})" if chance is not None else ""
        return f"{self.primary} {_number(self.primary_value)}{beside} {self.signature}"


HEADERS = ["value", "score", "95 %", "chance"]


@dataclass(frozen=True)
class Comparison:
    """Whether two scores mean the same: true if they do; as text, what differs."""

    differences: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.differences

    def __str__(self) -> str:
        return "; ".join(self.differences) or "nothing differs but the model"


def comparable(a: Score, b: Score) -> Comparison:
    """Whether one table may hold both scores without a word; only their models may differ."""
    pairs = [
        (name, getattr(a.signature, name), getattr(b.signature, name))
        for name in Signature.model_fields
        if name not in FREE
    ]
    return Comparison(
        tuple(f"{name} is {one!r} and {other!r}" for name, one, other in pairs if one != other)
    )


def side_by_side(scores: Sequence[Score]) -> tuple[list[list[str]], list[str]]:
    """Lines of a table of several models' scores, and notes that must stand under it.

    A line is a model and its values, in the order of the first score's; a note says what keeps a
    line from being compared with the first.
    """
    rows: list[list[str]] = []
    notes: list[str] = []
    for score in scores:
        named = comparable(scores[0], score)
        mark = "" if named else f" [{len(notes) + 1}]"
        values = [_number(score.values.get(name)) for name in scores[0].values]
        rows.append([score.signature.model[:HASH_CHARACTERS] + mark, *values])
        if not named:
            notes.append(f"[{len(notes) + 1}] not comparable: {named}")
    return rows, notes


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _interval(bounds: tuple[float, float] | None) -> str:
    return "" if bounds is None else f"{bounds[0]:,.2f} to {bounds[1]:,.2f}"
