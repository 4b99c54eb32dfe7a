"""What the study `composite` trains and measures at each size."""

from collections.abc import Mapping
from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from trivium.config import Settings
from trivium.errors import did_you_mean

SizeName = Literal["test", "world"]
Method = Literal["plain", "mtp", "stm", "mst", "erm", "guide", "teacher", "all", "thawed"]
METHODS: tuple[Method, ...] = get_args(Method)
PLAIN, ALL, THAWED = "plain", "all", "thawed"
# Translation and recognition of speech, and text translation; every method has them.
LOSSES = {"st": 0.35, "asr": 0.35, "mt": 0.2}


class CompositeStudySettings(Settings):
    """Everything that decides what is trained and measured."""

    text: tuple[str, ...] = ()
    """Other values of the recipe `composite.world_text`, as `--set` takes them."""
    speech: tuple[str, ...] = ()
    """Other values of the recipe `composite.world_speech`."""
    change: tuple[str, ...] = ()
    """Other values of the recipe `composite.world`."""
    adapter: tuple[str, ...] = ()
    """Other values of it in the stage that makes an adapter."""
    adapter_steps: int = Field(default=0, ge=0)
    """Steps in which an adapter of each seed learns to write down speech before its cells begin; 0,
    as in the paper: cells begin with a new one."""
    frozen_steps: int = Field(default=4_000, ge=0)
    """Steps of a cell in which the speech tower stays as it is."""
    steps: int = Field(default=8_000, ge=1)
    """Steps of all of it, behind them."""
    added: dict[str, float] = {"mtp": 0.1 / 3, "stm": 0.1 / 3, "mst": 0.1 / 3, "erm": 0.1}
    """What each loss of cross-modality learning counts where it is there."""
    guide: float = Field(default=0.8, gt=0, le=1)
    """How much of `st` and `mst` text translation teaches, where it does."""
    teacher_guide: float = Field(default=0.2, gt=0, le=1)
    """How much of `mt` the frozen text network teaches, where it does."""
    methods: tuple[Method, ...] = METHODS
    """What is trained beside and instead of the plain losses; `plain` and `all` with every share
    of the speech, others with `share` of it."""
    shares: tuple[float, ...] = Field(default=(0.1, 0.3, 1.0), min_length=1)
    """Shares of the translated speech that there is to learn from, the least first."""
    share: float = 0.3
    """The share that single losses have."""
    low: tuple[str, ...] = ()
    """Languages that have only a share of their translated speech; their texts are all there."""
    low_share: float = Field(default=0.25, gt=0, le=1)
    """That share, of every other share."""
    languages: tuple[str, ...] = Field(min_length=2)
    """Those that are heard and translated, into English."""
    rows: str = "true"
    """A filter of all rows that are trained on and measured, as in SQL."""
    seeds: int = Field(default=3, ge=1)
    """How many trainings of each cell; the stages are the same for all."""
    split: str = "test"
    """What is measured on."""
    led_by: Literal["BLEU", "chrF"] = "BLEU"
    """The number of translation that claims use."""
    caution: str = ""
    """What a reader must know of this size before any number."""
    scope: str = "here"
    """Over the column of verdicts: what they are about."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (
            sorted(self.shares) != list(self.shares)
            or not 0 < self.shares[0] <= self.shares[-1] <= 1
        ):
            raise ValueError(f"shares are {self.shares}; expected rising ones from above 0 to 1")
        if self.share not in self.shares:
            raise ValueError(f"share is {self.share:g}, which is none of shares {self.shares}")
        for name in (PLAIN, ALL):
            if name not in self.methods:
                raise ValueError(f"methods lack {name!r}, which every other is compared with")
        if THAWED in self.methods and not self.frozen_steps:
            raise ValueError(
                f"methods have {THAWED!r}, and frozen_steps is {self.frozen_steps}; nothing thaws"
            )
        for name in self.low:
            if name not in self.languages:
                raise ValueError(f"low has {name!r}, which is none of languages; "
                                 f"{did_you_mean(name, self.languages)}")  # fmt: skip
        return self

    @property
    def is_new(self) -> bool:
        """Whether cells begin with an adapter that has learned nothing."""
        return not self.adapter_steps

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Languages by how much translated speech they have."""
        high = tuple(code for code in self.languages if code not in self.low)
        return {"high": high, "low": self.low} if self.low and high else {}


def _sizes(tower: str, **sizes: float) -> tuple[str, ...]:
    """Sizes of a tower instead of those of its recipe."""
    return tuple(f"settings.{tower}.sizes.{name}={value}" for name, value in sizes.items())


_HALF = {"layers": 2, "attention_heads": 4, "ffn_dim": 192}
_QUICK = ("training.precision=fp32", "training.alarms.padding=1")

TEST = CompositeStudySettings(
    text=(
        *_sizes(
            "translator",
            d_model=64,
            dropout=0.0,
            attention_dropout=0.0,
            max_position_embeddings=128,
            vocab_size=1_024,
            **{
                f"{half}_{name}": value
                for half in ("encoder", "decoder")
                for name, value in _HALF.items()
            },
        ),
        "sources.written.characters=2500",
        "tokens=400",
        "training.phases.0.steps=450",
        "training.optimizer.lr=3e-3",
        "settings.writing.beams=1",
        "settings.writing.max_tokens=60",
        *_QUICK,
    ),
    speech=(
        *_sizes(
            "speech",
            d_model=64,
            max_source_positions=400,
            **{f"encoder_{name}": value for name, value in _HALF.items()},
        ),
        "sources.spoken.seconds=60",
        "sources.spoken.augment=null",
        "training.phases.0.steps=600",
        "training.optimizer.lr=3e-3",
        "settings.dropout=0",
        *_QUICK,
    ),
    change=(
        "sources.spoken.seconds=30",
        "sources.spoken.augment=null",
        "training.optimizer.lr=1e-3",
        "settings.writing.beams=1",
        "settings.writing.max_tokens=60",
        "settings.match_layer=1",
        *_QUICK,
    ),
    adapter=("sources.written.characters=800", "training.optimizer.lr=2e-3"),
    adapter_steps=600,
    frozen_steps=0,
    steps=60,
    methods=tuple(name for name in METHODS if name != THAWED),
    languages=("de", "es", "sw"),
    low=("sw",),
    low_share=0.25,
    rows="id not like 'scene%'",
    caution=(
        "Size `test` shows that the study runs, and little about losses: networks of two layers of "
        "64 units, some minutes of speech, 90 utterances to measure on, and cells of seconds, "
        "which begin with an adapter that has learned to write down speech already; the paper's "
        "is new. All speech of a language has a text, and a share of it a translation."
    ),
    scope="on these requests and feelings",
)

WORLD = CompositeStudySettings(
    frozen_steps=1_000,
    steps=3_000,
    languages=("hi", "ja", "es", "de", "sw"),
    low=("hi", "sw"),
)

SIZES: Mapping[SizeName, CompositeStudySettings] = {"test": TEST, "world": WORLD}
