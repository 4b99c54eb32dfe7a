"""Rows that cannot count: left out of their micro, counted, and named."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from trivium.data.batch import Batch, Ragged

NAMED = 3  # rows that a sentence names


class LeftOut:
    """Rows by what was wrong with them; the loader's threads add to it.

    `meanings` completes, for each fault, the sentence "rows are left out ...".
    """

    def __init__(self, meanings: Mapping[str, str]) -> None:
        self.meanings = meanings
        self._lock = threading.Lock()
        self._rows: dict[str, dict[str, None]] = {}

    def kept(self, batch: Batch, faults: Sequence[str | None]) -> list[int]:
        """The places of the rows without a fault; the others are counted."""
        for name, fault in zip(batch.ids, faults, strict=True):
            if fault is not None:
                self.add(fault, name)
        return [place for place, fault in enumerate(faults) if fault is None]

    def add(self, fault: str, row: str) -> None:
        """A row, counted once however often it comes."""
        with self._lock:
            self._rows.setdefault(fault, {})[row] = None

    def counts(self) -> dict[str, int]:
        """How many rows so far, by fault."""
        with self._lock:
            return {fault: len(rows) for fault, rows in sorted(self._rows.items())}

    def observed(self) -> dict[str, float]:
        """The counts as a run logs them."""
        return {f"left_out_{fault}": count for fault, count in self.counts().items()}

    def sentences(self) -> dict[str, str]:
        """Each fault, and what it means with the first of its rows."""
        with self._lock:
            return {fault: self._sentence(fault, list(rows)) for fault, rows in self._rows.items()}

    def _sentence(self, fault: str, rows: Sequence[str]) -> str:
        named = ", ".join(repr(row) for row in rows[:NAMED])
        means = self.meanings[fault]
        return f"rows are left out {means}, as {named}; left_out_{fault} counts them"


def only(batch: Batch, kept: Sequence[int]) -> Batch:
    """Some rows of a batch with all that is told of them; nothing must be prepared yet."""
    if len(kept) == len(batch):
        return batch
    sounds = None
    if batch.speech is not None:
        lengths = batch.speech.lengths[list(kept)]
        # What was padded for a row that is left out may be more than a network has positions for.
        sounds = Ragged(batch.speech.data[list(kept), : max(lengths.tolist(), default=0)], lengths)

    def of(column: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        return None if column is None else tuple(column[place] for place in kept)

    return replace(
        batch, ids=tuple(batch.ids[place] for place in kept), rows=batch.rows[list(kept)],
        speech=sounds, texts=of(batch.texts), languages=of(batch.languages),
        columns={name: tuple(column[place] for place in kept)
                 for name, column in batch.columns.items()},
    )  # fmt: skip
