"""What the study `schedules` trains and measures at each size."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from trivium.config import Settings
from trivium.recipes.grounded import EPOCHS, SCHEDULES, first_phase
from trivium.tasks.abx.measure import AbxSettings

SizeName = Literal["test", "world"]
EPOCHS_APART = 5  # the paper's checkpoints
INTERVALS = EPOCHS // EPOCHS_APART


class SchedulesSettings(Settings):
    """Everything that decides what is trained and measured."""

    recipe: str
    """A recipe of `grounded` with the source `spoken`: its network, sizes and rates."""
    change: tuple[str, ...] = ()
    """Other values of it, as `--set` takes them."""
    language: str = "en"
    """Whose captions are heard."""
    speech: tuple[Path, ...] = ()
    """Further corpora for self-supervision, whatever is said there."""
    schedules: tuple[str, ...] = Field(default=tuple(SCHEDULES), min_length=1)
    """Which are trained: the paper's nine; `alternating` and `ramp` are known too."""
    few: tuple[str, ...] = ("VGS", "VGS+", "(W2V2,VGS)")
    """Which are trained once more with few pictures."""
    share: float = Field(default=0.25, gt=0, lt=1)
    """How many of the pictures these have; sound they have all."""
    interval: int = Field(ge=1)
    """Steps that stand for five of the paper's 70 epochs; every schedule has 14 times as many."""
    measure_every: Literal[1, 2] = 1
    """Intervals between measurements while a cell is trained."""
    seeds: int = Field(default=3, ge=1)
    """How many trainings of each schedule."""
    split: str = "test"
    """What is measured on."""
    second_split: str = "test"
    """The same of the second corpus."""
    items: int = Field(default=1000, ge=1)
    """Utterances that are measured while a cell is trained."""
    recall_at: int = Field(default=10, ge=1)
    """The recall that curves and claims use."""
    same: float = Field(default=2.0, gt=0)
    """Recalls that differ by less, in points, are called the same."""
    abx: AbxSettings = AbxSettings(outside="skip")
    """How phones are compared at the end."""
    caution: str = ""
    """What a reader must know of this size before any number."""
    untestable: dict[int, str] = Field(default_factory=dict)
    """Findings that mean nothing at this size, and why."""
    scope: str = "here"
    """Over the column of verdicts: what they are about."""

    @model_validator(mode="after")
    def _few_are_trained(self) -> Self:
        for name in self.few:
            if name not in self.schedules:
                raise ValueError(f"few has {name!r}, which is none of schedules; add it there")
        return self

    @property
    def steps(self) -> int:
        """Of every cell."""
        return INTERVALS * self.interval

    @property
    def switch(self) -> int:
        """Steps before the second loss of a sequential schedule."""
        return first_phase(self.steps)

    @property
    def recall_words(self) -> str:
        """What is recalled, for a sentence."""
        return f"Recall at {self.recall_at} between speech and pictures, the mean of both ways"

    def epochs(self, step: float) -> float:
        """A step as the paper counts."""
        return EPOCHS * step / self.steps


# 20 ms a frame, as in the paper: phones of the tiny world last 70.
_HEARS = {"conv_kernel": (40, 8, 8), "conv_stride": (20, 4, 4)}

TEST = SchedulesSettings(
    recipe="grounded.tiny",
    change=(
        *(f"settings.speech.sizes.{name}={json.dumps(sizes)}" for name, sizes in _HEARS.items()),
        # Half of the 32 captions, of all lengths: else those of other lengths are never compared.
        "sources.spoken.seconds=null", "sources.spoken.items=16", "training.alarms.padding=1",
    ),
    few=("VGS", "VGS+"),
    interval=9,
    measure_every=2,
    seeds=2,
    split="train",
    items=32,
    recall_at=5,
    same=10.0,
    abx=AbxSettings(unit="phone", context="any", max_group=4, max_x_speakers=1, outside="skip"),
    caution=(
        "Size `test` shows that the study runs, and little about schedules: networks of three "
        "layers of 32 units are trained for seconds on 32 pictures, and what is searched are these "
        "pictures, for the test set of a tiny world has four. Phones are compared whatever stands "
        "beside them, which is easier than the paper's triphones."
    ),
    scope="on these 32 pictures",
    untestable={5: "three layers, of which two are shared, have no profile; train --size world"},
)  # fmt: skip

WORLD = SchedulesSettings(recipe="grounded.world", interval=1_000, items=500)

SIZES: Mapping[SizeName, SchedulesSettings] = {"test": TEST, "world": WORLD}
