"""What the loader's threads make of rows: transcripts, translations and labels as numbers.

A row that lacks what its objective needs is left out of its micro, counted, and named by `LeftOut`.
Of a micro may be nothing left.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from trivium.data.batch import Batch, Ragged
from trivium.data.store import extra_of
from trivium.data.text import SECOND, joined
from trivium.errors import TriviumError
from trivium.models.joint.characters import Characters, frames_needed
from trivium.models.joint.preparation import FAULTS as OF_TEXTS
from trivium.models.joint.preparation import sound_of
from trivium.models.left_out import LeftOut, only
from trivium.models.tuned.encoder import Encoder
from trivium.models.tuned.heads import Decoder
from trivium.models.tuned.settings import TunedSettings

# What is wrong with a row, if anything.
Fault = str | None
FAULTS: dict[str, str] = {
    **OF_TEXTS,
    "unlabelled": "that have no label",
    "other_label": "whose label is none of the classifier's",
    "other_language": "whose translation is into none of the decoder's languages",
    "single": "that have no second sentence in `extra`",
}


class Preparation:
    """Makes inputs and counts of each role."""

    def __init__(
        self, settings: TunedSettings, encoder: Encoder, written: Characters, decoder: Any
    ) -> None:
        self.settings = settings
        self.encoder, self.written = encoder, written
        self.decoder: Decoder | None = decoder
        self.left_out = LeftOut(FAULTS)
        labels = () if settings.classifier is None else settings.classifier.labels
        self._labels = {label: number for number, label in enumerate(labels)}

    def transcripts(self, batch: Batch) -> Batch | None:
        """Transcripts as numbers; what is counted are characters."""
        frames = self.encoder.num_frames(sound_of(batch).lengths).tolist()
        read = [self.written.read(text or "") for text in column(batch, "text")]
        rows = [self.written.known(row) for row in read]

        def fault(place: int) -> Fault:
            found = self.written.fault(read[place], self.settings.min_known)
            return found or ("too_long" if frames_needed(rows[place]) > frames[place] else None)

        kept = self._kept(batch, fault)
        if not kept:
            return None
        targets = Ragged.from_rows([rows[place] for place in kept])
        count = int(targets.lengths.sum())
        return only(batch, kept).with_inputs({"ctc": count}, targets=targets)

    def translations(self, batch: Batch, objective: str) -> Batch | None:
        """Translations as numbers, with an end; what is counted are characters and ends."""
        if self.decoder is None:
            raise TriviumError(f"the translations of {batch.ids[0]!r} are for a decoder; set one")
        begin, end = self.decoder.begin, self.decoder.end
        languages = column(batch, "translation_language")
        read = [self.written.read(text or "") for text in column(batch, "translation")]
        sources = _texts(batch) if objective == "text_translation" else None

        def fault(place: int) -> Fault:
            if languages[place] not in begin:
                return "other_language"
            found = self.written.fault(read[place], self.settings.min_known)
            return found or self._unreadable(sources, place)

        kept = self._kept(batch, fault)
        if not kept:
            return None
        targets = Ragged.from_rows(
            [np.append(self.written.known(read[place]), end) for place in kept]
        )
        made = only(batch, kept).with_inputs(
            {objective: int(targets.lengths.sum())}, targets=targets,
            begin=torch.tensor([begin[languages[place]] for place in kept]),
        )  # fmt: skip
        return self._with_sources(made, sources, kept)

    def labels(self, batch: Batch, objective: str) -> Batch | None:
        """Labels as numbers; what is counted are rows."""
        classifier = self.settings.classifier
        if classifier is None:
            raise TriviumError(f"the labels of {batch.ids[0]!r} are for a classifier; set one")
        told = column(batch, classifier.column)
        sources = _texts(batch, classifier.pairs) if objective == "text_label" else None

        def fault(place: int) -> Fault:
            if not told[place]:
                return "unlabelled"
            if told[place] not in self._labels:
                return "other_label"
            return self._unreadable(sources, place)

        kept = self._kept(batch, fault)
        if not kept:
            return None
        numbers = torch.tensor([self._labels[told[place]] for place in kept])
        made = only(batch, kept).with_inputs({objective: len(kept)}, labels=numbers)
        return self._with_sources(made, sources, kept)

    def _unreadable(self, sources: Sequence[str | None] | None, place: int) -> Fault:
        """What is wrong with what the encoder is to read, if it is to read anything."""
        if sources is None:
            return None
        source, characters = sources[place], self.encoder.characters
        if source is None:
            return "single"
        if characters is None:
            raise TriviumError(f"the encoder does not read texts, such as {source!r}")
        return characters.fault(characters.read_parted(source), self.settings.min_known)

    def _with_sources(
        self, batch: Batch, sources: Sequence[str | None] | None, kept: Sequence[int]
    ) -> Batch:
        if sources is None:
            return batch
        numbers = self.encoder.numbers([sources[place] or "" for place in kept])
        return batch.with_inputs({}, characters=numbers)

    def _kept(self, batch: Batch, fault: Callable[[int], Fault]) -> list[int]:
        """The rows with which nothing is wrong; the others are counted."""
        return self.left_out.kept(batch, [fault(place) for place in range(len(batch))])


def column(batch: Batch, name: str) -> tuple[Any, ...]:
    """A column of a batch, which must be there."""
    found = {"text": batch.texts, "language": batch.languages}.get(name, batch.columns.get(name))
    if found is None:
        raise TriviumError(f"the batch of {batch.ids[0]!r} has no column {name!r}")
    return found


def _texts(batch: Batch, pairs: bool = False) -> list[str | None]:
    """Texts, or pairs of them with a tab between; None of a row that has no second one."""
    texts = [joined(text or "") for text in column(batch, "text")]
    if not pairs:
        return [*texts]
    others = [extra_of({"extra": extra}).get(SECOND) for extra in column(batch, "extra")]
    return [joined(text, str(other)) if other else None
            for text, other in zip(texts, others, strict=True)]  # fmt: skip
