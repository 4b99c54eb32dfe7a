"""Filling a library: only what is new or changed is embedded, and a kill loses no more than that.

Every commit moves some items from what they were to what they are; the card says whether a source
was gone through to its end.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trivium.checkpoint import write_file
from trivium.config import Settings
from trivium.data import store
from trivium.data.store import COMMIT_ROWS, Table
from trivium.errors import SettingsError, TriviumError
from trivium.library import items
from trivium.library.embedding import Embedder, Vectors, embedded
from trivium.library.sources import Entry, Skipped, Source
from trivium.models.towers.networks import Kind

CARD, SKIPPED = "library.json", "skipped.jsonl"
COMMIT_SECONDS = 15.0
REMOVED_AT_ONCE = 1_000


class SourceCard(Settings):
    """Where items came from."""

    path: str
    """The folder or the corpus."""
    complete: bool
    """False while it is being gone through."""


class Card(Settings):
    """What `library.json` says."""

    model: str
    """What made the vectors: a model that ships, a checkpoint folder, or a hub repository."""
    checksum: str
    """sha256 of its tensors; vectors of another model are refused."""
    width: int = 0
    """Numbers in a vector; 0 until there is one."""
    sources: dict[str, SourceCard] = {}
    """By the name that the ids of their items begin with."""

    def write(self, folder: Path) -> None:
        """Write the card, whole or not at all."""
        write_file(folder / CARD, self.to_json())


@dataclass
class Indexed:
    """What an indexing did."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    dropped: int = 0
    gone: int = 0  # no longer in the source, and kept
    left_out: Counter[str] = field(default_factory=Counter)  # of kinds the model does not embed
    skipped: list[Skipped] = field(default_factory=list)


class Indexing:
    """One pass over a source, under the lock of the library's folder."""

    def __init__(
        self,
        folder: Path,
        model: Embedder,
        source: Source,
        name: str,
        advance: Callable[[int], None],
    ) -> None:
        self._folder, self._table = folder, folder / items.TABLE
        self._model, self._source, self._name = model, source, name
        self._advance = advance
        self._known: dict[str, str] = {}
        self._result = Indexed()

    def run(self, of: Sequence[Kind], drop: bool) -> Indexed:
        """Embed what is new or changed, and drop what is gone if told to."""
        with closing(store.lock(self._folder)):
            self._card = Card.load(self._folder / CARD)
            self._check_name()
            with store.no_readers(self._folder) as alone:
                if alone:
                    store.remove_orphans(self._table)
            self._known = items.stamps(Table(self._table), self._name)
            before = self._known.copy()
            self._embed(self._wanted(of), before)
            gone = list(self._known)
            if drop:
                for start in range(0, len(gone), REMOVED_AT_ONCE):
                    self._begin()
                    items.remove(self._table, gone[start : start + REMOVED_AT_ONCE])
                self._result.dropped = len(gone)
            else:
                self._result.gone = len(gone)
            self._tell_skipped()
            self._check_used(before)
            self._write_card(complete=True)
            with store.no_readers(self._folder) as alone:
                if alone:
                    store.tidy(self._table)
        return self._result

    def _wanted(self, of: Sequence[Kind]) -> Iterator[Entry]:
        """Entries that are new or changed; what is seen is no longer among the known."""
        for entry in self._source.entries():
            stamp = self._known.pop(self._id(entry), None)
            if entry.kind not in self._model.kinds:
                self._result.left_out[entry.kind] += 1
            elif not of or entry.kind in of:
                if stamp != entry.stamp:
                    yield entry
                    continue
                self._result.unchanged += 1
                self._advance(1)

    def _embed(self, entries: Iterator[Entry], before: dict[str, str]) -> None:
        rows: list[dict[str, Any]] = []
        made: list[Vectors] = []
        since = time.monotonic()
        for kept, vectors in embedded(self._model, self._source, entries, self._result.skipped):
            rows += [self._row(entry) for entry in kept]
            made.append(vectors)
            self._advance(len(kept))
            if len(rows) >= COMMIT_ROWS or time.monotonic() - since > COMMIT_SECONDS:
                self._commit(rows, made, before)
                rows, made, since = [], [], time.monotonic()
        if rows:
            self._commit(rows, made, before)

    def _row(self, entry: Entry) -> dict[str, Any]:
        own = {"id": self._id(entry), "kind": entry.kind, "source": self._name}
        return entry.columns | own | {"stamp": entry.stamp}

    def _commit(
        self, rows: list[dict[str, Any]], made: list[Vectors], before: dict[str, str]
    ) -> None:
        vectors = np.concatenate(made).astype(np.float16)
        self._begin(vectors.shape[1])
        items.put(self._table, rows, vectors)
        changed = sum(row["id"] in before for row in rows)
        self._result.changed += changed
        self._result.added += len(rows) - changed

    def _begin(self, width: int | None = None) -> None:
        """Say that the source is being gone through, before the first change."""
        noted = self._card.sources.get(self._name)
        if noted is None or noted.complete or not self._card.width:
            self._card = self._card.model_copy(update={"width": width or self._card.width})
            self._write_card(complete=False)

    def _write_card(self, complete: bool) -> None:
        noted = SourceCard(path=str(self._source.path.resolve()), complete=complete)
        sources = self._card.sources | {self._name: noted}
        card = self._card.model_copy(update={"sources": sources})
        if card != self._card or not complete:
            card.write(self._folder)
        self._card = card

    def _tell_skipped(self) -> None:
        """List what could not be read, of this pass alone."""
        path = self._folder / SKIPPED
        lines = [json.dumps(asdict(one), ensure_ascii=False) for one in self._result.skipped]
        if lines:
            write_file(path, "\n".join([*lines, ""]))
        else:
            path.unlink(missing_ok=True)

    def _id(self, entry: Entry) -> str:
        return f"{self._name}/{entry.name}"

    def _check_name(self) -> None:
        noted = self._card.sources.get(self._name)
        path = self._source.path.resolve()
        if noted and Path(noted.path) != path and Path(noted.path).exists():
            raise SettingsError(
                f"{self._folder} has another source called {self._name!r}: {noted.path}; "
                f"give {path} a name of its own (--name)"
            )

    def _check_used(self, before: dict[str, str]) -> None:
        """Refuse a source of which the library holds nothing, and cannot."""
        done = self._result
        if before or done.added or done.unchanged:
            return
        if done.skipped:
            name, reason = done.skipped[0].name, done.skipped[0].reason
            raise TriviumError(f"nothing of {self._source.path} is readable; {name}: {reason}")
        if done.left_out:
            kinds, there = (" and ".join(sorted(k)) for k in (self._model.kinds, done.left_out))
            raise TriviumError(f"{self._source.path} holds {there}, and the model embeds {kinds}")
