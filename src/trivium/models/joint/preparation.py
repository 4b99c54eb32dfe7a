"""What the loader's threads make of rows: what is hidden of each, and characters as numbers.

A row that has no text to read is left out of its micro; a transcript too long for CTC stays for the
other objectives. Both are counted, and named by `LeftOut`. Of a micro may be nothing left.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trivium.data.batch import Batch, Ragged
from trivium.errors import TriviumError
from trivium.models.joint.characters import Characters, frames_needed
from trivium.models.joint.settings import JointSettings
from trivium.models.left_out import LeftOut, only
from trivium.objectives.masked import draw_masks
from trivium.objectives.spans import SpanSettings, draw_covers

OF_SPEECH, OF_TEXT = ("contrastive", "diversity", "codes"), ("spans",)
OF_PAIRS = ("ctc", "tlm_text", "tlm_speech")
Numbers = NDArray[np.int64]
# What may be wrong with a row's text, and what that means.
FAULTS: dict[str, str] = {
    "empty": "whose text is empty",
    "foreign": "whose text is mostly of characters that the alphabet does not have",
    "too_long": "whose transcript has more characters than CTC can write on its frames",
}


class Preparation:
    """Makes inputs and counts, a row at a time."""

    def __init__(self, settings: JointSettings, num_frames: Callable[[Tensor], Tensor]) -> None:
        self.settings, self.num_frames = settings, num_frames
        self.characters = Characters(settings.alphabet, settings.normaliser)
        self.left_out = LeftOut(FAULTS)

    def speech(self, batch: Batch) -> Batch:
        """Frames to hide, negatives, and the temperature of the codes, which falls with steps."""
        frames = self.num_frames(sound_of(batch).lengths).tolist()
        hidden, negatives = draw_masks(frames, self.settings.masking, batch.generator)
        temperature = torch.tensor([self.settings.quantizer.temperature_at(batch.step)])
        return batch.with_inputs(
            dict.fromkeys(OF_SPEECH, int(hidden.lengths.sum())),
            hidden=hidden, negatives=negatives, temperature=temperature,
        )  # fmt: skip

    def text(self, batch: Batch) -> Batch | None:
        """Characters, and which of them to hide; None where no row can be read."""
        batch, rows = self._readable(batch)
        if not rows:
            return None
        batch = self._with_characters(batch, rows, self.settings.spans, "spans")
        return batch.with_inputs({"spans": _count(batch, "hidden_text")})

    def pairs(self, batch: Batch) -> Batch | None:
        """Transcripts for CTC; characters and frames, and which of them to hide from each other."""
        batch, rows = self._readable(batch)
        if not rows:
            return None
        frames = self.num_frames(sound_of(batch).lengths).tolist()
        transcripts = [self.characters.known(row) for row in rows]
        fit = [frames_needed(t) <= n for t, n in zip(transcripts, frames, strict=True)]
        for row, fits in enumerate(fit):
            if not fits:
                self.left_out.add("too_long", batch.ids[row])
        written = sum(len(t) for t, fits in zip(transcripts, fit, strict=True) if fits)
        hidden = draw_covers(frames, self.settings.paired_speech, batch.generator, "paired speech")
        batch = self._with_characters(batch, rows, self.settings.paired_text, "paired text")
        return batch.with_inputs(
            {"ctc": written, "tlm_text": _count(batch, "hidden_text"),
             "tlm_speech": int(hidden.lengths.sum())},
            # One that does not fit loses nothing in `ctc_loss`, and is not counted.
            transcripts=Ragged.from_rows(transcripts), hidden=hidden,
        )  # fmt: skip

    def _readable(self, batch: Batch) -> tuple[Batch, list[Numbers]]:
        """The rows whose texts can be read, and these as numbers."""
        if batch.texts is None:
            raise TriviumError(f"the batch of {batch.ids[0]!r} has no texts")
        if not self.settings.alphabet:
            raise TriviumError(
                f"settings.alphabet is {self.settings.alphabet!r}, so the texts of the micro of "
                f"{batch.ids[0]!r} cannot be read; name the characters"
            )
        rows = [self.characters.read(text or "") for text in batch.texts]
        faults = [self.characters.fault(row, self.settings.min_known) for row in rows]
        kept = self.left_out.kept(batch, faults)
        return only(batch, kept), [rows[place] for place in kept]

    def _with_characters(
        self, batch: Batch, rows: Sequence[Numbers], spans: SpanSettings, purpose: str
    ) -> Batch:
        cut = [row[: self.settings.max_characters] for row in rows]
        hidden = draw_covers([len(row) for row in cut], spans, batch.generator, purpose)
        return batch.with_inputs({}, characters=Ragged.from_rows(cut), hidden_text=hidden)


def sound_of(batch: Batch) -> Ragged:
    """A batch's waves."""
    if batch.speech is None:
        raise TriviumError(f"the batch of {batch.ids[0]!r} has no sound")
    return batch.speech


def _count(batch: Batch, name: str) -> int:
    hidden = batch.inputs[name]
    return int(hidden.lengths.sum()) if isinstance(hidden, Ragged) else len(hidden)
