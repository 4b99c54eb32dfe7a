"""What the study `fusion` trains and measures at each size."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from trivium.config import Settings
from trivium.layers.fusion import Fusion
from trivium.models.fused import FusedSettings
from trivium.models.fused.settings import Modality
from trivium.recipes.fused import (
    BOTH,
    FEELINGS,
    Weights,
    Wish,
    tiny_training,
    world_settings,
    world_training,
)
from trivium.training.recipe import TrainingSettings
from trivium.training.schedule import Phase

SizeName = Literal["test", "world"]
Pretraining = Literal["scratch", "mlm", "mcam", "both"]
Network = Literal["full", "late", "causal", "larger"]

OBJECTIVES: Mapping[Pretraining, Weights] = {
    "mlm": {"mlm": 1.0},
    "mcam": {"mcam": 1.0},
    "both": BOTH,
}


class Variant(Settings):
    """What is trained: as it stands here the full model of the paper."""

    pretraining: Pretraining = "both"
    """What was hidden before; `scratch` begins with new weights."""
    network: Network = "full"
    """`late`: audio does not attend to text; `causal`: audio hears no later frames; `larger`: twice
    the layers."""
    fusion: Fusion = "orthogonal"
    """How the head joins both streams; `none` looks at one."""
    modality: Modality = "both"
    """What is read."""
    labels: float = Field(default=1.0, gt=0, le=1)
    """Share of the labelled rows, of each label."""

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        if self.modality != "both" and (self.fusion, self.network) != ("none", "full"):
            raise ValueError(
                f"modality {self.modality!r} has no other stream: its fusion is 'none', not "
                f"{self.fusion!r}, and its network 'full', not {self.network!r}"
            )
        if (self.network, self.fusion) == ("late", "none"):
            raise ValueError(
                f"network {self.network!r} reads the text in the head alone, and fusion "
                f"{self.fusion!r} does not look at it; change one of them"
            )
        return self

    @property
    def axes(self) -> dict[str, str]:
        """Its place in the study, as cells are named by it."""
        return {
            "pretraining": self.pretraining, "network": self.network, "fusion": self.fusion,
            "modality": self.modality, "labels": f"{100 * self.labels:g}",
        }  # fmt: skip


FULL = Variant()
SCRATCH = Variant(pretraining="scratch")
JOINED = Variant(fusion="concatenation")
TEXT, AUDIO = (Variant(fusion="none", modality=side) for side in ("text", "audio"))
FEW: tuple[float, ...] = (0.1, 0.01)
# Each axis of the paper varied around the full model; fewer labels with and without pre-training.
ABLATION: dict[Wish, tuple[Variant, ...]] = {
    "emotion": (
        FULL, SCRATCH, Variant(pretraining="mlm"), Variant(pretraining="mcam"),
        JOINED, Variant(fusion="none"), TEXT, AUDIO,
        Variant(network="late"), Variant(network="causal"), Variant(network="larger"),
        *(one.model_copy(update={"labels": share}) for share in FEW for one in (FULL, SCRATCH)),
    ),
    "sentiment": (FULL, SCRATCH, JOINED, TEXT, AUDIO),
    "voices": (FULL, SCRATCH),
}  # fmt: skip


class FusionSettings(Settings):
    """Everything that decides what is trained and measured."""

    system: FusedSettings
    """The full model, without a head."""
    pretraining: TrainingSettings
    """Of every pre-training; the weights of its phase are those of the pre-training."""
    tuning: TrainingSettings
    """Of every cell; the weights of its phase are those of its task."""
    seconds: float = Field(gt=0)
    """Budget of a micro of pre-training."""
    budget: dict[Literal["items", "seconds"], int] = Field(min_length=1, max_length=1)
    """That of a micro of a cell, in the words of a source."""
    ablation: dict[Wish, tuple[Variant, ...]] = ABLATION
    """What is tuned for which task."""
    pairs: str = "true"
    """A filter of the rows that are pre-trained on, as in SQL."""
    rows: dict[Wish, str] = {
        "emotion": FEELINGS, "sentiment": FEELINGS, "voices": "speaker is not null",
    }  # fmt: skip
    """A filter of the rows of each task."""
    seeds: int = Field(default=3, ge=1)
    """How many trainings of each pre-training and of each cell."""
    split: str = "test"
    """What is measured on; none of its speakers may be in training."""
    draws: int = Field(default=4, ge=1)
    """How often something else is hidden of each row that is measured."""
    trials: int = Field(default=10_000, ge=2)
    """Pairs of recordings by which voices are measured."""
    caution: str = ""
    """What a reader must know of this size before any number."""
    scope: str = "here"
    """Over the column of verdicts: what they are about."""

    @model_validator(mode="after")
    def _hang_together(self) -> Self:
        for wish, variants in self.ablation.items():
            if wish not in self.rows:
                raise ValueError(f"ablation has {wish!r}, and rows are those of "
                                 f"{', '.join(self.rows)}; give it a filter")  # fmt: skip
            twice = next((one for one in variants if variants.count(one) > 1), None)
            if twice is not None:
                raise ValueError(f"ablation of {wish!r} has {twice.axes} twice; leave one out")
        for name in ("task", "start"):
            if getattr(self.system, name) is not None:
                raise ValueError(
                    f"system.{name} is {getattr(self.system, name)!r}, and the study sets it for "
                    "each cell; leave it out"
                )
        return self


def _tiny(**audio: Any) -> FusedSettings:
    """For seconds of training: slow frames of fine pitch, which is where emotions are."""
    tiny = FusedSettings.tiny()
    heard = tiny.audio.model_copy(update=audio)
    hidden = tiny.hidden_frames.model_copy(update={"spans": (2, 5)})
    return tiny.model_copy(update={"audio": heard, "hidden_frames": hidden})


def _quick(steps: int) -> TrainingSettings:
    """So many steps at a high rate. A few rows of all lengths have padding: no warning is due."""
    made = tiny_training(Phase(steps=steps, weights=BOTH))
    return made.override(["optimizer.lr=3e-3", "alarms.padding=1"])


TEST = FusionSettings(
    system=_tiny(layers=1, positions=400, hop=640, window=1_600, fft=2_048),
    pretraining=_quick(400),
    tuning=_quick(160),
    seconds=40,
    budget={"items": 16},
    pairs="picture is null",
    rows={"emotion": FEELINGS, "sentiment": FEELINGS, "voices": "picture is null"},
    trials=2_000,
    caution=(
        "Size `test` shows that the study runs, and little about the paper: networks of one layer "
        "of 48 units are trained for seconds on a few hundred utterances of synthetic voices."
    ),
    scope="at this size",
)

WORLD = FusionSettings(
    system=world_settings(),
    pretraining=world_training(Phase(steps=20_000, weights=BOTH), lr=1e-3),
    tuning=world_training(Phase(steps=3_000, weights={"classify": 1.0}), lr=3e-4),
    seconds=400,
    budget={"seconds": 100},
)

SIZES: Mapping[SizeName, FusionSettings] = {"test": TEST, "world": WORLD}
