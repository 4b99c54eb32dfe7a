"""What the loader's threads make of rows: tokens, what is hidden of them, and what is counted."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from trivium.data.batch import Batch, Ragged
from trivium.errors import TriviumError
from trivium.models.composite.settings import CompositeSettings
from trivium.models.towers.translator import Numbers, Translator

# What each objective tells: its text, the translation, what is hidden of the text, or no text.
OF_TEXT, OF_TRANSLATION = ("asr", "stm"), ("st", "mt", "mst")
SPOKEN = ("st", "asr", "mt", "mtp", "stm", "mst", "erm")
WRITTEN = ("mt_written",)


class Preparation:
    """Makes inputs and counts, a row at a time."""

    def __init__(
        self,
        settings: CompositeSettings,
        translator: Translator,
        num_frames: Callable[[Tensor], Tensor],
    ) -> None:
        self.settings, self.num_frames = settings, num_frames
        # In a tuple: no module of ours, whoever holds this.
        self._translator = (translator,)

    def spoken(self, batch: Batch) -> Batch:
        """Utterances with their texts and, where there are any, translations."""
        if batch.speech is None:
            raise TriviumError(f"the batch of {batch.ids[0]!r} has no sound")
        source, target = self._texts(batch)
        hidden = [self._hide(batch, row, numbers) for row, numbers in enumerate(source)]
        texts, translations = _told(source), _told(target)
        frames = 1 + self.num_frames(batch.speech.lengths).numpy()  # and the language
        counts = {
            **dict.fromkeys(OF_TEXT, self._count(texts)),
            **dict.fromkeys(OF_TRANSLATION, self._count(translations)),
            "mtp": self._count(hidden),
            "erm": int(frames.sum()) if self._by_token else len(batch),
        }
        return batch.with_inputs(
            counts,
            source=Ragged.from_rows(source), source_places=_flat(texts, source),
            target=Ragged.from_rows(target), target_places=_flat(translations, target),
            hidden_places=_flat(hidden, source), joined=_joined(source, frames),
        )  # fmt: skip

    def written(self, batch: Batch) -> Batch:
        """Sentences with their translations."""
        source, target = self._texts(batch)
        told = _told(target)
        return batch.with_inputs(
            dict.fromkeys(WRITTEN, self._count(told)),
            source=Ragged.from_rows(source),
            target=Ragged.from_rows(target), target_places=_flat(told, target),
        )  # fmt: skip

    @property
    def _by_token(self) -> bool:
        return self.settings.counted == "tokens"

    def _count(self, rows: Sequence[Numbers]) -> int:
        return sum(len(row) if self._by_token else bool(len(row)) for row in rows)

    def _texts(self, batch: Batch) -> tuple[list[Numbers], list[Numbers]]:
        """Texts and translations as numbers; of what is not translated a language alone."""
        texts = [_needed(batch, row, "text") for row in range(len(batch))]
        languages = [_needed(batch, row, "language") for row in range(len(batch))]
        source = self.numbers(texts, languages, batch.ids)
        told = batch.columns.get("translation") or (None,) * len(batch)
        to = [
            language if text is None else _needed(batch, row, "translation_language")
            for row, (text, language) in enumerate(zip(told, languages, strict=True))
        ]
        target = self.numbers([text or "" for text in told], to, batch.ids)
        return source, [
            row[:1] if text is None else row for row, text in zip(target, told, strict=True)
        ]

    def numbers(
        self, texts: Sequence[str], languages: Sequence[str | None], ids: Sequence[str]
    ) -> list[Numbers]:
        """Texts as numbers, if none is too long."""
        translator = self._translator[0]
        limit = min(self.settings.max_tokens or translator.max_tokens, translator.max_tokens)
        for language, name in zip(languages, ids, strict=True):
            try:
                translator.language(language)
            except TriviumError as error:
                raise TriviumError(f"{name}: {error}") from error
        rows = translator.tokens(texts, languages)
        for row, name in zip(rows, ids, strict=True):
            if len(row) > limit:
                raise TriviumError(
                    f"a text of {name!r} has {len(row):,} tokens, and the limit is {limit:,}; "
                    "leave such rows out, as max_characters of a source does, or cut the text"
                )
        return rows

    def _hide(self, batch: Batch, row: int, numbers: Numbers) -> Numbers:
        """The places of tokens that are hidden; never the language nor the end."""
        if len(numbers) <= 2:
            return np.zeros(0, np.int64)
        generator = batch.generator(row, "hidden tokens")
        while True:  # until one is
            drawn = generator.random(len(numbers) - 2) < self.settings.mask_share
            if drawn.any():
                return 1 + np.flatnonzero(drawn)


def _needed(batch: Batch, row: int, name: str) -> str:
    values = {"text": batch.texts, "language": batch.languages}.get(name, batch.columns.get(name))
    found = None if values is None else values[row]
    if found is None:
        raise TriviumError(
            f"{batch.ids[row]!r} has no {name}; leave such rows out with where='{name} is not null'"
        )
    return str(found)


def _told(rows: Sequence[Numbers]) -> list[Numbers]:
    """The places that are written of each row: all behind the language."""
    return [np.arange(1, len(row)) for row in rows]


def _flat(places: Sequence[Numbers], rows: Sequence[Numbers]) -> Tensor:
    """Places of rows as places in all of them, padded, one behind the other."""
    width = max(map(len, rows))
    flat = [row * width + own for row, own in enumerate(places)]
    return torch.from_numpy(np.concatenate(flat))


def _joined(texts: Sequence[Numbers], frames: Numbers) -> Ragged:
    """Where each position of a text and the frames behind it is found where both are padded."""
    width = max(map(len, texts))
    return Ragged.from_rows(
        [
            np.concatenate([np.arange(len(text)), width + np.arange(count)])
            for text, count in zip(texts, frames, strict=True)
        ]
    )
