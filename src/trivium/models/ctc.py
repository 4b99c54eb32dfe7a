"""Recognition by CTC: a speech tower that is taught to write down what it hears.

Graves et al., "Connectionist Temporal Classification" (2006). M-SpeechCLIP's large speech tower is
such a one: HuBERT, tuned to transcribe English. At world size it is what gives a small tower an
English-only past, for a fraction of what self-supervision costs.
"""

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from trivium.config import Settings
from trivium.data.batch import Batch, Ragged
from trivium.errors import TriviumError
from trivium.models.system import as_ragged
from trivium.models.towers import Frames, SpeechTower, TowerSettings
from trivium.models.towers.networks import Kind
from trivium.objectives.sequence import BLANK, ctc_loss, greedy, squeeze
from trivium.objectives.terms import Pairs, Term


class CtcSettings(Settings):
    """A tower and an alphabet."""

    speech: TowerSettings
    """The speech tower; all of it is trained."""
    alphabet: str = Field(default=" abcdefghijklmnopqrstuvwxyz'", min_length=1)
    """What is written. Texts become lower case first; what is not in here is left out."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Before the last layer."""

    @classmethod
    def tiny(cls) -> Self:
        """Sizes for tests."""
        tower = TowerSettings(
            network="test-whisper", random_weights=True,
            sizes={"d_model": 64, "encoder_layers": 1, "max_source_positions": 500},
        )  # fmt: skip
        return cls(speech=tower, dropout=0.0)


class Ctc(nn.Module):
    """The system `ctc`; its one objective is `ctc`."""

    Settings: ClassVar = CtcSettings
    kinds: ClassVar[tuple[Kind, ...]] = ()
    roles: ClassVar[Mapping[str, tuple[str, ...]]] = {"spoken": ("audio", "text")}
    objectives: ClassVar[tuple[str, ...]] = ("ctc",)
    pair_objectives: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: CtcSettings) -> None:
        super().__init__()
        self.settings = settings
        self.speech = SpeechTower.from_settings(settings.speech)
        self.dropout = nn.Dropout(settings.dropout)
        self.characters = nn.Linear(self.speech.width, 1 + len(settings.alphabet))

    @classmethod
    def tiny(cls) -> Self:
        """A system that learns a toy in seconds."""
        return cls(CtcSettings.tiny())

    def prepare(self, parts: dict[str, Batch], _: np.random.Generator) -> dict[str, Batch]:
        """Characters as numbers; what is counted are characters."""
        batch = parts["spoken"]
        if batch.texts is None:
            raise TriviumError(f"the batch of {batch.ids[0]!r} has no texts")
        rows = [squeeze(text or "", self.settings.alphabet) for text in batch.texts]
        count = sum(map(len, rows))
        if not count:
            raise TriviumError(
                f"no text of the micro of {batch.ids[0]!r} has a character of the alphabet "
                f"{self.settings.alphabet!r}; leave such rows out, or set settings.alphabet"
            )
        return {"spoken": batch.with_inputs({"ctc": count}, targets=Ragged.from_rows(rows))}

    def forward(
        self, parts: Mapping[str, Batch], active: tuple[str, ...]
    ) -> dict[str, Term | Pairs]:
        """`ctc`: the text is likely, over all ways of spreading it over the frames."""
        batch = parts["spoken"]

        def ctc() -> Term:
            if batch.speech is None:
                raise TriviumError(f"the batch of {batch.ids[0]!r} has no sound")
            frames = self.write(batch.speech)
            return Term(ctc_loss(frames, as_ragged(batch.inputs["targets"])))

        terms = {"ctc": ctc}
        return {name: terms[name]() for name in active}

    def write(self, speech: Ragged) -> Ragged:
        """A score for the blank and each character at every frame: (B, T, 1 + alphabet)."""
        frames = self.speech(speech).last
        scores: Tensor = self.characters(self.dropout(frames.data))
        return Ragged(scores, frames.lengths)

    @torch.inference_mode()
    def frames(self, speech: Ragged) -> Frames:
        """Frames of utterances with the state of every layer."""
        heard: Frames = self.speech(speech)
        return heard

    @torch.inference_mode()
    def transcribe(self, speech: Ragged) -> list[str]:
        """The likeliest character of each frame, repeats and blanks taken out."""
        letters = self.settings.alphabet
        found = greedy(self.write(speech))
        return ["".join(letters[number - BLANK - 1] for number in row) for row in found]
