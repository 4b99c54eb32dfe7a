"""What the study `text-helps` trains and measures at each size."""

import json
from collections.abc import Mapping
from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from trivium.config import Settings
from trivium.errors import did_you_mean
from trivium.models.joint import JointSettings
from trivium.recipes.joint import Variant

SizeName = Literal["test", "world"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
# Pairs that are written down, without unpaired text; and speech alone once more, after all.
WITHOUT_TEXT, CONTINUED = "ctc-only", "continued"
BEST: Variant = "tlm+ctc"
# What an encoder is tuned to do; translation from speech, from speech and texts, or from texts.
TASKS = ("translation", "translation+text", "recognition", "intents", "languages", "probe")
TEXTS_ALONE = "translation-text"
INTO = "en"  # the language that the recipes of `tuned` translate into


class TextHelpsSettings(Settings):
    """Everything that decides what is trained and measured."""

    change: tuple[str, ...] = ()
    """Other values of the recipe `joint.world_tlm_ctc`, as `--set` takes them."""
    steps: int = Field(default=30_000, ge=1)
    """Of every pre-training."""
    text_weight: float = Field(default=0.3, gt=0)
    """What unpaired text counts in pre-training; speech counts 1."""
    pair_weight: float = Field(default=0.03, gt=0)
    """What each objective of pairs counts."""
    continued_steps: int = Field(default=0, ge=0)
    """Steps with speech alone after `tlm+ctc`, as the variant `continued`; 0: there is none."""
    variants: tuple[Variant, ...] = Field(default=VARIANTS, min_length=1)
    """Pre-trainings, each tuned for every task."""
    tasks: tuple[str, ...] = Field(default=TASKS, min_length=1)
    """What each is tuned for."""
    tuning: dict[str, tuple[str, ...]] = {}
    """Other values of the recipes of `tuned` by task; `all` before those of each."""
    head_steps: int = Field(default=500, ge=1)
    """Steps in which heads are trained alone."""
    tuned_steps: int = Field(default=5_000, ge=1)
    """Steps of all of it, behind them."""
    probe_steps: int = Field(default=2_000, ge=1)
    """Steps of a probe, whose encoder stays as it is."""
    rows: str | None = None
    """A filter of all rows that are trained on and measured, as in SQL; null takes all."""
    paired: float = Field(default=0.1, gt=0, le=1)
    """Share of the utterances whose text is known in pre-training: the pairs."""
    low: tuple[str, ...] = ()
    """Languages that have only a share of their translated speech; their texts are all there."""
    low_share: float = Field(default=0.1, gt=0, le=1)
    """That share."""
    seeds: int = Field(default=3, ge=1)
    """How many trainings of each pre-training and of each cell."""
    split: str = "test"
    """What is measured on."""
    resamples: int = Field(default=1000, ge=0)
    """Resampled rows behind the interval of each single score."""
    led_by: Literal["BLEU", "chrF"] = "BLEU"
    """The number of translation that claims use."""
    same: float = Field(default=0.5, gt=0)
    """Error rates that differ by less, in points, are called the same."""
    caution: str = ""
    """What a reader must know of this size before any number."""
    untestable: dict[int, str] = Field(default_factory=dict)
    """Directions that mean nothing at this size, and why."""
    scope: str = "here"
    """Over the column of verdicts: what they are about."""

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        known = (*TASKS, TEXTS_ALONE)
        for field, names in (("tasks", self.tasks), ("tuning", tuple(self.tuning))):
            for name in names:
                if name not in known and (field, name) != ("tuning", "all"):
                    raise ValueError(f"{field} has {name!r}, which is no task; "
                                     f"{did_you_mean(name, known)}")  # fmt: skip
        if self.continued_steps and BEST not in self.variants:
            raise ValueError(
                f"continued_steps is {self.continued_steps:,}, and they follow {BEST!r}, which is "
                "none of variants; add it, or set continued_steps to 0"
            )
        return self

    @property
    def further(self) -> dict[str, tuple[str, ...]]:
        """Cells that single claims need, beside every variant with every task."""
        found: dict[str, tuple[str, ...]] = {}
        if "intents" in self.tasks:
            found[WITHOUT_TEXT] = ("intents",)
        if "translation" in self.tasks:
            found |= {BEST: (TEXTS_ALONE,)} if BEST in self.variants else {}
            found |= {CONTINUED: ("translation",)} if self.continued_steps else {}
        return found


def _tiny() -> tuple[str, ...]:
    """All of a small `joint` but its characters, which are the corpus's."""
    sizes = JointSettings.tiny().model_dump(mode="json", exclude={"alphabet", "normaliser"})
    return tuple(f"settings.{name}={json.dumps(value)}" for name, value in sizes.items())


_DECODER = tuple(
    f"settings.decoder.{name}={value}"
    for name, value in {"layers": 1, "width": 64, "feedforward": 128, "dropout": 0.1,
                        "writing.beams": 1, "writing.max_tokens": 90}.items()
)  # fmt: skip

_SPEECH = ("sources.spoken_translations.items=null", "sources.spoken_translations.seconds=14")
_TEXT = ("sources.translations.items=null", "sources.translations.characters=280")
_LABELS = ("sources.labelled_speech.seconds=16",)

TEST = TextHelpsSettings(
    change=(
        *_tiny(), "sources.speech.seconds=12", "sources.text.characters=700",
        "sources.pairs.seconds=10", "training.optimizer.lr=3e-3", "training.precision=fp32",
    ),
    # In so few steps CTC would learn nothing with the paper's 0.03.
    steps=110, pair_weight=1.0, head_steps=10, tuned_steps=80, probe_steps=40,
    tuning={
        "all": ("training.optimizer.lr=4e-3", "training.precision=fp32",
                "training.alarms.padding=1"),
        "translation": (*_DECODER, *_SPEECH),
        "translation+text": (*_DECODER, *_SPEECH, *_TEXT),
        TEXTS_ALONE: (*_DECODER, *_TEXT),
        "recognition": ("sources.spoken.seconds=20",),
        "intents": _LABELS, "languages": _LABELS, "probe": _LABELS,
    },
    rows="label in ('call', 'light', 'route', 'timer', 'volume')",
    paired=0.4, low=("de",), low_share=0.4, resamples=0, led_by="chrF", same=5.0,
    caution=(
        "Size `test` shows that the study runs, and next to nothing about text: networks of four "
        "layers of 64 units are trained for seconds on minutes of requests, and what is measured "
        "are a few dozen utterances. Pre-training lowers the losses of text and CTC, and hardly "
        "those of speech alone. Recognition learns to write some letters of what it hears, and "
        "languages are told in part; intents are not told but by some probes. Translation is not "
        "learned: letters without sense come out, whatever is said."
    ),
    untestable=dict.fromkeys(
        (1, 2, 3, 6), "translation is not learned in so few steps; train --size world"
    ),
    scope="on these few requests",
)  # fmt: skip

WORLD = TextHelpsSettings(continued_steps=10_000, low=("hi", "sw"))

SIZES: Mapping[SizeName, TextHelpsSettings] = {"test": TEST, "world": WORLD}
