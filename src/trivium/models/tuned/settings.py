"""Settings of `tuned`: the encoder, whether it is trained, and the heads."""

from typing import Any, Literal, Self

from pydantic import Field, SerializeAsAny, model_validator

from trivium.config import Settings
from trivium.models.joint import JointSettings
from trivium.models.system import system_class
from trivium.models.towers.writing import WritingSettings

Column = Literal["label", "language", "speaker"]


class EncoderSettings(Settings):
    """A system that shows its layers: one that was trained, or one with new weights."""

    start: str | None = None
    """A run, a checkpoint or a model that ships: its system, sizes and weights."""
    system: str | None = None
    """Name of a system with new weights; a checkpoint of `tuned` has one too, and the weights."""
    settings: SerializeAsAny[Settings] | None = None
    """Its settings."""

    @model_validator(mode="before")
    @classmethod
    def _settings_of_its_system(cls, values: Any) -> Any:
        """Plain values, as in JSON, become the settings class that belongs to them."""
        if not isinstance(values, dict) or not isinstance(values.get("settings"), dict):
            return values
        kind = system_class(str(values.get("system")))
        return {**values, "settings": kind.Settings.parse(values["settings"], "encoder.settings")}

    @model_validator(mode="after")
    def _says_what_to_build(self) -> Self:
        new = self.system is not None and self.settings is not None
        if new == (self.start is not None) or (self.system is None) != (self.settings is None):
            raise ValueError(
                f"start is {self.start!r} and system is {self.system!r}; give either start, or "
                "system with its settings"
            )
        return self


class CtcHeadSettings(Settings):
    """Recognition: characters of frames."""

    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Before the last layer."""
    beam: int = Field(default=1, ge=1)
    """Beginnings that are kept where it writes; 1 takes the likeliest character of each frame."""


class DecoderSettings(Settings):
    """Translation: a Transformer that writes characters. As they stand here, mSLAM's."""

    layers: int = Field(default=6, ge=1)
    """How many."""
    width: int = Field(default=512, ge=1)
    """Of the states."""
    feedforward: int = Field(default=2048, ge=1)
    """Width within a layer."""
    heads: int = Field(default=8, ge=1)
    """Of attention."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """The paper has 0.3 for speech alone, 0.1 where texts are translated too."""
    languages: tuple[str, ...] = ()
    """Those that are written, each once: a text begins with a token of its language."""
    writing: WritingSettings = WritingSettings(max_tokens=512)
    """How a text is looked for; a token is a character."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"a width of {self.width} is not even, or no multiple of {self.heads}")
        _check_each_once("languages", self.languages)
        return self


class ClassifierSettings(Settings):
    """Labels: the mean of what an encoder makes of a row, and one linear layer."""

    labels: tuple[str, ...] = ()
    """All that can be answered, each once."""
    column: Column = "label"
    """The column of a corpus that has them: intents and the like, who speaks, or which language."""
    reads: Literal["speech", "text"] = "speech"
    """What it classifies; it may be trained on both."""
    pairs: bool = False
    """Texts are pairs of sentences: the second stands under `second` in the JSON of `extra`."""
    layers: Literal["top", "mixed"] = "top"
    """The highest layer, or all with learned weights."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Before the last layer."""

    @model_validator(mode="after")
    def _has_each_once(self) -> Self:
        _check_each_once("labels", self.labels)
        return self


class TunedSettings(Settings):
    """An encoder and at least one head."""

    encoder: EncoderSettings
    """What the heads stand on."""
    train_encoder: bool = True
    """Else it stays as it is, without dropout: a probe."""
    alphabet: str | None = None
    """Characters that are written; null: those the encoder was pre-trained with."""
    normaliser: str | None = None
    """What is made of a text before it is written; null: what the encoder makes of it, or
    `lower`."""
    min_known: float = Field(default=0.5, ge=0, le=1)
    """Share of a text's characters, spaces aside, that must be known; else the row is left out."""
    ctc: CtcHeadSettings | None = None
    """Recognition."""
    decoder: DecoderSettings | None = None
    """Translation."""
    classifier: ClassifierSettings | None = None
    """Labels."""

    @model_validator(mode="after")
    def _has_a_head(self) -> Self:
        heads = {"ctc": self.ctc, "decoder": self.decoder, "classifier": self.classifier}
        if not any(heads.values()):
            raise ValueError(f"{' and '.join(heads)} are {self.ctc}; give at least one head")
        _check_each_once("alphabet", tuple(self.alphabet or ""))
        return self

    @classmethod
    def tiny(cls) -> Self:
        """Sizes for tests: every head on a `joint` with new weights."""
        return cls(
            encoder=EncoderSettings(system="joint", settings=JointSettings.tiny()),
            ctc=CtcHeadSettings(dropout=0.0),
            decoder=DecoderSettings(
                layers=1, width=64, feedforward=128, heads=4, dropout=0.0, languages=("en", "ja"),
                writing=WritingSettings(beams=1, max_tokens=40),
            ),
            classifier=ClassifierSettings(labels=("no", "yes"), dropout=0.0),
        )  # fmt: skip


def _check_each_once(name: str, told: tuple[str, ...]) -> None:
    twice = sorted({one for one in told if told.count(one) > 1})
    if twice:
        raise ValueError(f"{name} {told} has {', '.join(map(repr, twice))} more than once")
