"""Settings of `composite`: the two networks, what guides what, and what is counted."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from trivium.config import Settings
from trivium.models.towers import TowerSettings
from trivium.models.towers.writing import WritingSettings

# Where the authors' code differs from the defaults below: sums over the tokens of an utterance
# instead of means over tokens, and gradients doubled below the encoder's own passes.
PAPER: dict[str, Any] = {"counted": "utterances", "encoder_gradient": 2.0}


class CompositeSettings(Settings):
    """A speech tower, a text network, and how they learn from one another."""

    speech: TowerSettings | None = None
    """The speech tower; null: texts alone, as the text network is trained beforehand."""
    translator: TowerSettings
    """The text encoder-decoder."""
    teacher: TowerSettings | None = None
    """Another text network of the same tokens, frozen, from which text translation is not to stray;
    it is there in training only."""
    languages: tuple[str, ...] = ()
    """Codes as the corpora have them, of languages that the text network may lack: they are added.
    Of a network with random weights, all that it knows."""
    max_tokens: int | None = Field(default=None, ge=3)
    """Tokens of a text with its language and end; a longer one is an error. Null: as many as the
    text network has positions for."""
    guide: float = Field(default=0.8, ge=0, le=1)
    """How much of `st` and `mst` is what text translation holds likely, the rest being the text."""
    teacher_guide: float = Field(default=0.2, ge=0, le=1)
    """How much of `mt` is what the frozen teacher holds likely, if there is one."""
    match_layer: int = Field(default=4, ge=1)
    """Layer of the text encoder behind which `erm` compares states."""
    mask_share: float = Field(default=0.15, ge=0.01, lt=1)
    """How likely each token of a text is hidden for `mtp`; one of a text always is."""
    encoder_gradient: float = Field(default=1.0, gt=0)
    """Times the gradient that leaves the encoder downwards on speech alone and on text alone."""
    counted: Literal["tokens", "utterances"] = "tokens"
    """What a loss is the mean over: with utterances it is the mean of their sums over tokens."""
    writing: WritingSettings = WritingSettings()
    """How texts are looked for."""

    @model_validator(mode="after")
    def _teach_what_is_there(self) -> Self:
        if self.teacher is not None and not self.teacher_guide:
            raise ValueError(f"teacher_guide {self.teacher_guide:g} leaves the teacher unheard")
        return self

    @classmethod
    def tiny(cls) -> Self:
        """Sizes for tests."""
        speech = TowerSettings(
            network="test-whisper", random_weights=True,
            sizes={"d_model": 64, "encoder_layers": 1, "encoder_ffn_dim": 128,
                   "max_source_positions": 500, "init_std": 0.1},
        )  # fmt: skip
        translator = TowerSettings(
            network="test-mbart", random_weights=True,
            sizes={"d_model": 64, "encoder_ffn_dim": 128, "decoder_ffn_dim": 128, "dropout": 0.0,
                   "attention_dropout": 0.0, "init_std": 0.1},
        )  # fmt: skip
        return cls(speech=speech, translator=translator, languages=("en", "ja"), match_layer=1,
                   writing=WritingSettings(beams=2, max_tokens=64))  # fmt: skip
