"""What a corpus held before an import was repeated, so that a changed row is noticed."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from trivium.data import store
from trivium.data.corpora.record import Draft
from trivium.data.store import Row, Table
from trivium.errors import CorpusError

# Sounds and pictures are left out: reading them again would cost what the first import did.
COMPARED = {
    table: ["id", *(
        name for name in store.SCHEMAS[table].names
        if name not in ("id", "audio", "seconds", "characters", "phones")
    )]
    for table in ("utterances", "sentences")
}  # fmt: skip


class StoredRows:
    """The rows of a corpus as eight bytes each."""

    def __init__(self, folder: Path) -> None:
        self._tables = {name: Table(folder / f"{name}.lance") for name in COMPARED}
        digests = (_digest(name, row) for name in COMPARED for row in self._rows(name))
        self._digests = np.sort(np.fromiter(digests, np.uint64))

    def compare(self, draft: Draft) -> None:
        """Raise a sentence if the row under this id says something else."""
        row = draft.row | {"score": _single(draft.row.get("score"))}
        wanted = _digest(draft.table, row) if draft.table in COMPARED else np.uint64(0)
        place = int(np.searchsorted(self._digests, wanted))
        if place < len(self._digests) and self._digests[place] == wanted:
            return
        raise ChangedRowError(
            f"{row['id']} is stored with {self._difference(draft.table, row)}; stored rows never "
            "change: import the changed table into a new folder"
        )

    def _rows(self, name: str) -> Iterable[Row]:
        for batch in self._tables[name].batches(COMPARED[name], size=4_096):
            yield from batch.to_pylist()

    def _difference(self, table: str, row: Row) -> str:
        if table in COMPARED:
            quoted = row["id"].replace("'", "''")
            found = self._tables[table].columns(COMPARED[table], f"id = '{quoted}'").to_pylist()
            if found:
                names = [name for name in COMPARED[table] if found[0][name] != row.get(name)]
                return f"another {', '.join(names)}"
        return f"other columns, not as one of the {table}"


class ChangedRowError(CorpusError):
    """A row of the source is not what is stored under its id."""


class StoredPictures:
    """Digests of the pictures of a corpus: those of an earlier import are read when asked for."""

    def __init__(self, folder: Path) -> None:
        self._table = Table(folder / "pictures.lance")
        self._known: dict[str, tuple[bytes, str | None]] = {}
        self._row_of: dict[str, int] | None = None

    def note(self, row: Row) -> None:
        """Remember a picture that was added."""
        self._known[row["id"]] = _picture(row)

    def compare(self, row: Row) -> None:
        """Raise a sentence if another picture is stored under this id, or less is said of it."""
        digest, extra = self._of(row["id"])
        if digest != _picture(row)[0]:
            raise CorpusError(
                f"another picture is stored under the id {row['id']!r}; "
                "give each its own in the column picture"
            )
        if row.get("extra") not in (None, extra):
            raise CorpusError(
                f"the picture {row['id']!r} is stored already, and what this row says of it "
                f"would be lost: {row['extra'][:200]}"
            )

    def _of(self, id_: str) -> tuple[bytes, str | None]:
        if id_ not in self._known:
            if self._row_of is None:
                ids = self._table.columns(["id"]).column("id").to_pylist()
                self._row_of = {name: number for number, name in enumerate(ids)}
            rows = np.array([self._row_of[id_]], np.int64)
            (found,) = self._table.take(rows, ["id", "image", "extra"]).to_pylist()
            self._known[id_] = _picture(found)
        return self._known[id_]


def _picture(row: Row) -> tuple[bytes, str | None]:
    return hashlib.blake2b(row["image"], digest_size=16).digest(), row.get("extra")


def _digest(table: str, row: Row) -> np.uint64:
    words = repr((table, [row.get(name) for name in COMPARED[table]]))
    return np.uint64(int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest()))


def _single(score: Any) -> float | None:
    """A number as float32 keeps it."""
    return None if score is None else float(np.float32(score))
