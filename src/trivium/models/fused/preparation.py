"""What the loader's threads make of rows: tokens, what is hidden of both sides, and targets.

A row that cannot count is left out of its micro, counted, and named. Of a micro may be nothing
left.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from trivium.data.batch import Batch, Ragged
from trivium.errors import TriviumError
from trivium.models.fused.settings import FusedSettings
from trivium.models.fused.text import TextEncoder
from trivium.models.left_out import LeftOut, only
from trivium.objectives.acoustic import Numbers, draw_acoustic

# What may be wrong with a row, and what that means.
FAULTS: dict[str, str] = {
    "empty": "that have no text",
    "too_long": "whose sound has more frames than there are positions",
    "unlabelled": "that have nothing in the column of what is to be answered",
    "unknown": "whose label is not among settings.labels",
}
MASKED, REPLACED = 0.8, 0.1  # of the tokens that are to be said


class Preparation:
    """Makes inputs and counts; what is drawn is seeded by run, epoch and row."""

    def __init__(
        self,
        settings: FusedSettings,
        text: TextEncoder | None,
        num_frames: Callable[[Tensor], Tensor] | None,
    ) -> None:
        self.settings, self.num_frames = settings, num_frames
        self.text = text
        self.left_out = LeftOut(FAULTS)
        self._numbers = {label: number for number, label in enumerate(settings.labels)}

    def pairs(self, batch: Batch) -> Batch | None:
        """What is hidden of texts and of frames, and what is shown in its place."""
        batch = self._kept(batch, self._unread(batch))
        if not len(batch):
            return None
        inputs: dict[str, Tensor | Ragged] = {}
        counts: dict[str, int] = {}
        if "text" in self.settings.reads:
            tokens, hidden, seen = self._hide(batch)
            inputs |= {"tokens": tokens, "hidden_tokens": hidden, "seen_tokens": seen}
            counts["mlm"] = int(hidden.lengths.sum())
        elif self.text is not None:
            inputs["seen_tokens"] = self.text.tokens([""] * len(batch))
        if "speech" in self.settings.reads:
            drawn = draw_acoustic(self._frames(batch), self.settings.hidden_frames, batch.generator)
            inputs |= {"hidden_frames": drawn[0], "seen_frames": drawn[1]}
            counts["mcam"] = int(drawn[0].lengths.sum())
        return batch.with_inputs(counts, **inputs)

    def rows(self, batch: Batch) -> Batch | None:
        """Texts as they are, and what is to be answered."""
        task, column = self.settings.task, self.settings.column
        if task is None or column is None:
            raise TriviumError(
                f"settings.task is {task!r}, so nothing of {batch.ids[0]!r} is to be answered; "
                "name a task"
            )
        values = batch.languages if column == "language" else batch.columns.get(column)
        if values is None:
            raise TriviumError(f"the batch of {batch.ids[0]!r} has no column {column!r}")
        faults = [
            fault or self._unanswered(value)
            for fault, value in zip(self._unread(batch), values, strict=True)
        ]
        answers = [value for value, fault in zip(values, faults, strict=True) if fault is None]
        batch = self._kept(batch, faults)
        if not len(batch):
            return None
        targets = (
            torch.tensor([float(value) for value in answers])
            if task == "regress"
            else torch.tensor([self._numbers[value] for value in answers])
        )
        inputs: dict[str, Tensor | Ragged] = {"targets": targets}
        if self.text is not None:
            inputs["tokens"] = self.text.tokens(self.texts(len(batch), batch.texts))
        return batch.with_inputs(dict.fromkeys((task, "orthogonality"), len(batch)), **inputs)

    def texts(self, count: int, texts: Sequence[str | None] | None) -> list[str]:
        """What the text encoder reads beside so many utterances: empty texts if no text is read."""
        if "text" not in self.settings.reads or texts is None:
            return [""] * count
        return [text or "" for text in texts]

    @property
    def encoder(self) -> TextEncoder:
        """What turns texts into tokens."""
        if self.text is None:
            raise TriviumError(f"modality is {self.settings.modality!r}: there is no text encoder")
        return self.text

    def check_length(self, waves: Ragged) -> None:
        """Refuse utterances that have more frames than there are positions."""
        if self.num_frames is None:
            return
        frames, limit = int(self.num_frames(waves.lengths).max()), self.settings.audio.positions
        if frames > limit:
            raise TriviumError(
                f"an utterance has {frames:,} frames, and the audio encoder {limit:,} positions; "
                "cut it"
            )

    def _frames(self, batch: Batch) -> list[int]:
        if batch.speech is None or self.num_frames is None:
            raise TriviumError(f"the batch of {batch.ids[0]!r} has no sound")
        found: list[int] = self.num_frames(batch.speech.lengths).tolist()
        return found

    def _unread(self, batch: Batch) -> list[str | None]:
        """What is wrong with what is to be read of each row, if anything."""
        faults: list[str | None] = [None] * len(batch)
        if "speech" in self.settings.reads:
            limit = self.settings.audio.positions
            faults = ["too_long" if n > limit else None for n in self._frames(batch)]
        if "text" in self.settings.reads:
            if batch.texts is None:
                raise TriviumError(f"the batch of {batch.ids[0]!r} has no texts")
            there = [self.encoder.normalise(text or "").strip() for text in batch.texts]
            faults = [fault if text else "empty" for fault, text in zip(faults, there, strict=True)]
        return faults

    def _unanswered(self, value: object) -> str | None:
        if value is None or value == "":
            return "unlabelled"
        if self.settings.task == "regress":
            return None if math.isfinite(float(str(value))) else "unlabelled"
        return None if value in self._numbers else "unknown"

    def _kept(self, batch: Batch, faults: Sequence[str | None]) -> Batch:
        """The rows without a fault; the others are counted."""
        return only(batch, self.left_out.kept(batch, faults))

    def _hide(self, batch: Batch) -> tuple[Ragged, Ragged, Ragged]:
        """Tokens, the places of those to be said, and tokens with others in their places."""
        encoder = self.encoder
        tokens = encoder.tokens([text or "" for text in batch.texts or ()])
        drawn = [
            draw_tokens(
                row.numpy(), self.settings.hidden_tokens, encoder.mask,
                _ordinary(encoder.tokenizer), batch.generator(place, "tokens"),
            )
            for place, row in enumerate(tokens.rows())
        ]  # fmt: skip
        hidden, seen = zip(*drawn, strict=True)
        return tokens, Ragged.from_rows(hidden), Ragged.from_rows(seen)


def draw_tokens(
    tokens: Numbers, share: float, mask: int, vocabulary: int, generator: np.random.Generator
) -> tuple[Numbers, Numbers]:
    """The places of a text's tokens that are to be said, in order, and the tokens that are seen.

    Each token but the first and the last is one of them with the chance `share`; at least one is.
    Of ten, eight are seen as the mask's token, one as any of the vocabulary, one as it is.
    """
    inner = len(tokens) - 2
    if inner < 1:
        raise TriviumError(f"a text of {len(tokens)} tokens has none to hide")
    thrown = generator.random(inner)
    hidden = np.flatnonzero(thrown < share) + 1
    if not len(hidden):
        hidden = np.array([1 + int(thrown.argmin())])
    thrown = generator.random(len(hidden))
    other = generator.integers(0, vocabulary, len(hidden))
    seen = tokens.copy()
    choices = [thrown < MASKED, thrown < MASKED + REPLACED]
    seen[hidden] = np.select(choices, [np.full(len(hidden), mask), other], tokens[hidden])
    return hidden, seen


def _ordinary(tokenizer: Tokenizer | None) -> int:
    """Tokens that may stand in for others."""
    return 0 if tokenizer is None else int(tokenizer.get_vocab_size())
