"""Settings of `joint`: the layers, the characters, what is masked, and the codes."""

from typing import Self

from pydantic import Field, model_validator

from trivium.config import Settings
from trivium.data.text import normaliser
from trivium.layers.conformer import ConformerSettings
from trivium.layers.quantizer import QuantizerSettings
from trivium.models.towers import TowerSettings
from trivium.objectives.masked import MaskSettings
from trivium.objectives.spans import SpanSettings


class JointSettings(Settings):
    """As they stand here, those of mSLAM with 0.6 billion parameters; only characters are missing.

    Give `conformer` for layers of one's own, or `speech` to go on from a published w2v-BERT 2.0.
    """

    conformer: ConformerSettings | None = None
    """Layers that begin with new weights, and the convolutions in front of them."""
    speech: TowerSettings | None = None
    """A w2v-BERT 2.0, whose layers take their place."""
    speech_layers: int = Field(default=8, ge=1)
    """Layers that hear speech only; contrast is made on the last. Those above are shared."""
    alphabet: str = ""
    """Characters that are read and written, each once; none is enough for speech alone."""
    normaliser: str = "lower"
    """What is made of a text before it is read: a name of `trivium.data.text.NORMALISERS`."""
    max_characters: int = Field(default=512, ge=1)
    """Of a longer text the shared layers read no more than these; CTC writes all of it."""
    min_known: float = Field(default=0.5, ge=0, le=1)
    """Share of a text's characters, spaces aside, that the alphabet must have; else the row is left
    out."""
    text_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Of characters where they enter the shared layers."""
    masking: MaskSettings = MaskSettings()
    """What is masked of speech alone, and the negatives."""
    spans: SpanSettings = SpanSettings()
    """What is masked of text alone."""
    paired_speech: SpanSettings = SpanSettings(share=0.75, span=10)
    """What is masked of speech beside its text."""
    paired_text: SpanSettings = SpanSettings(share=0.5, span=20)
    """What is masked of text beside its speech."""
    quantizer: QuantizerSettings = QuantizerSettings(
        groups=1, entries=1024, width=1024, dropout=0.0, temperature=(2.0, 0.1)
    )
    """Codes of frames."""
    match_width: int = Field(default=768, ge=1)
    """Width in which predictions and codes are compared."""
    match_temperature: float = Field(default=0.1, gt=0)
    """Of that comparison."""

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        given = [name for name in ("conformer", "speech") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"layers are given by {' and '.join(given) or 'nothing'}; give exactly one of "
                "conformer and speech"
            )
        twice = sorted({letter for letter in self.alphabet if self.alphabet.count(letter) > 1})
        if twice:
            raise ValueError(f"the alphabet has {''.join(twice)!r} more than once")
        normaliser(self.normaliser)
        return self

    @classmethod
    def tiny(cls) -> Self:
        """Sizes for tests; English without its punctuation."""
        return cls(
            conformer=ConformerSettings(layers=4, width=64, feedforward=128, heads=4, groups=4,
                                        dropout=0.0, channels=8),
            speech_layers=2, alphabet=" abcdefghijklmnopqrstuvwxyz'", normaliser="words",
            text_dropout=0.0, masking=MaskSettings(span=4, negatives=20),
            spans=SpanSettings(span=4), paired_speech=SpanSettings(share=0.75, span=4),
            paired_text=SpanSettings(share=0.5, span=4),
            quantizer=QuantizerSettings(groups=1, entries=32, width=32, dropout=0.0,
                                        temperature=(2.0, 0.5), cooling=0.99),
            match_width=32, match_temperature=0.3,
        )  # fmt: skip
