"""What the study `english-only` trains at each size: towers, recipes, seeds."""

import json
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from trivium.config import Settings
from trivium.models.towers import TowerSettings

SizeName = Literal["test", "world"]


class StageSettings(Settings):
    """A run by the name of its recipe, and what is changed of it."""

    recipe: str
    """A name of `trivium recipes`, or the `.json` of a run."""
    change: tuple[str, ...] = ()
    """Other values, as `--set` takes them."""


class TowerPair(Settings):
    """The towers of one size."""

    speech: TowerSettings
    """The speech network, with new weights: what pre-training and `scratch` begin from."""
    clip: tuple[str, ...] = ()
    """Changes of the clip recipe that make its towers this size."""


class EnglishOnlySettings(Settings):
    """Everything that decides what is trained and measured."""

    languages: tuple[str, ...] = Field(default=("en", "hi", "ja"), min_length=2)
    """The first is the language of the towers; a model each, and one for all."""
    seeds: int = Field(default=3, ge=1)
    """How many trainings of each cell; the towers are the same for all."""
    towers: dict[str, TowerPair] = Field(min_length=1)
    """By name, the smaller first."""
    clip: StageSettings
    """What makes the space of pictures and sentences."""
    pretraining: StageSettings | None = None
    """What pre-trains the speech tower; null: nothing does, it has random weights."""
    cell: StageSettings
    """What maps speech onto the space."""
    steps: int = Field(ge=1)
    """Steps of a cell with one language; a cell with all takes as many for each."""
    utterances: int | None = Field(default=None, ge=1)
    """At most so many utterances of each language; null: as many as every language has."""
    split: str = "test"
    """What is measured on."""
    recall_at: int = Field(default=10, ge=1)
    """The recall that tables, plots and claims use."""
    resamples: int = Field(default=1000, ge=0)
    """Resampled test sets behind the interval of each single score."""
    caution: str = ""
    """What a reader must know of this size before any number."""
    untestable: dict[int, str] = Field(default_factory=dict)
    """Claims that mean nothing at this size, and why."""
    scope: str = "here"
    """Over the column of verdicts: what they are about."""

    @property
    def home(self) -> str:
        """The language of the towers."""
        return self.languages[0]

    @property
    def others(self) -> tuple[str, ...]:
        """Languages that the towers never met."""
        return self.languages[1:]


def _tower(network: str, **sizes: int | tuple[int, ...]) -> TowerSettings:
    return TowerSettings(network=network, random_weights=True, sizes=dict(sizes))


def _clip_sizes(layers: int, text_layers: int, **sizes: int) -> tuple[str, ...]:
    """Sizes of both towers of a clip recipe; those that are not named stay the recipe's."""
    both = [
        f"settings.{tower}.sizes.{name}={json.dumps(value)}"
        for tower in ("picture", "text")
        for name, value in sizes.items()
    ]
    return (
        *both,
        f"settings.picture.sizes.num_hidden_layers={layers}",
        f"settings.text.sizes.num_hidden_layers={text_layers}",
    )


# A handful of sounds in a micro cannot be of one length.
_FEW = ("sources.spoken.seconds=60", "training.alarms.padding=1")

TEST = EnglishOnlySettings(
    towers={
        "base": TowerPair(
            speech=_tower("test-hubert", num_hidden_layers=1), clip=_clip_sizes(1, 1)
        ),
        "large": TowerPair(speech=_tower("test-hubert"), clip=_clip_sizes(2, 2)),
    },
    clip=StageSettings(recipe="clip.tiny", change=("training.phases.0.steps=60",)),
    pretraining=StageSettings(
        recipe="speechclip.tiny",
        change=("training.phases.0.steps=30", *_FEW),
    ),
    cell=StageSettings(recipe="speechclip.tiny", change=_FEW),
    steps=8,
    utterances=16,
    split="train",
    recall_at=5,
    resamples=0,
    caution=(
        "Size `test` shows that the study runs, and nothing about languages: its towers have one "
        "and two layers of 32 units, cells are trained for seconds, and what is searched are the "
        "scenes of the training set, for the test set of a tiny world has four."
    ),
    scope="on these few captions",
    untestable={
        6: "the sizes `base` and `large` differ by one layer of 32 units; train --size world"
    },
)

_WAVES: dict[str, int | tuple[int, ...]] = {
    "conv_dim": (96,) * 7,
    "num_conv_pos_embeddings": 64,
    "num_conv_pos_embedding_groups": 16,
}

WORLD = EnglishOnlySettings(
    towers={
        "base": TowerPair(
            speech=_tower("test-wav2vec2-large", **_WAVES, hidden_size=128, num_hidden_layers=2,
                          num_attention_heads=4, intermediate_size=448),
            clip=_clip_sizes(3, 2, hidden_size=96, num_attention_heads=3, intermediate_size=384),
        ),
        "large": TowerPair(
            speech=_tower("test-wav2vec2-large", **_WAVES, hidden_size=256, num_hidden_layers=4,
                          num_attention_heads=8, intermediate_size=896),
        ),
    },
    clip=StageSettings(recipe="towers.world_clip"),
    # Towers of two layers and of four: what is above the second is self-supervision's alone.
    pretraining=StageSettings(
        recipe="towers.world_speech", change=("settings.shared_layers=2",)
    ),
    cell=StageSettings(recipe="speechclip.world"),
    steps=1_500,
)  # fmt: skip

SIZES: Mapping[SizeName, EnglishOnlySettings] = {"test": TEST, "world": WORLD}
