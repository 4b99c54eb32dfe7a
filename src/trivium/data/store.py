"""Lance tables: their columns, appending, reading, and keeping their folders small.

Lance keeps every version of a table and, after a killed write, the files of a commit that never
was; `tidy` removes both. It must only run under the corpus lock (`corpus.CorpusWriter`).
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from trivium.errors import CorpusError, did_you_mean

Row = Mapping[str, Any]
Rows = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

COMMIT_ROWS, COMMIT_BYTES = 4_096, 256 * 2**20

_NAME = pa.dictionary(pa.int32(), pa.string())  # few values, many rows
_PHONES = pa.list_(
    pa.struct([("symbol", pa.string()), ("start", pa.float32()), ("end", pa.float32())])
)
_TEXTS = [
    ("text", pa.string()),
    ("characters", pa.int32()),
    ("language", _NAME),
    ("translation", pa.string()),
    ("translation_language", _NAME),
    ("label", pa.string()),
    ("score", pa.float32()),
    ("extra", pa.string()),  # JSON: what else the source said of the row
]
_AUDIO = [
    ("audio", pa.large_binary()),  # an encoded file; null when linked
    ("path", pa.string()),  # of a linked file
    ("offset", pa.float64()),  # seconds into it at which the utterance starts
    ("seconds", pa.float32()),
]


def _schema(columns: Sequence[tuple[str, pa.DataType]]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=name != "id") for name, kind in columns])


SCHEMAS: dict[str, pa.Schema] = {
    "utterances": _schema(
        [
            ("id", pa.string()),
            ("split", _NAME),
            *_AUDIO,
            ("speaker", _NAME),
            ("picture", pa.string()),  # id in pictures.lance
            ("phones", _PHONES),
            *_TEXTS,
        ]
    ),
    "pictures": _schema(
        [
            ("id", pa.string()),
            ("split", _NAME),
            ("image", pa.large_binary()),
            ("extra", pa.string()),
        ]
    ),
    "sentences": _schema([("id", pa.string()), ("split", _NAME), *_TEXTS]),
}
# What identifies the content of a table; a corpus' fingerprint is made of these.
FINGERPRINTED = {
    "utterances": ("id", "seconds", "text", "translation"),
    "pictures": ("id",),
    "sentences": ("id", "text", "translation"),
}
HEAVY = ("audio", "image")  # read only when asked for by name


class Table:
    """One Lance table of a corpus, open for reading; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.stem

    @cached_property
    def dataset(self) -> lance.LanceDataset:
        """The table as Lance knows it, at the version it had when first asked for."""
        return lance.dataset(str(self.path))

    @property
    def exists(self) -> bool:
        """Whether a version of the table was ever committed."""
        versions = self.path / "_versions"
        return versions.is_dir() and any(versions.glob("*.manifest"))

    def count(self) -> int:
        """Rows in the table; 0 for one that is not there."""
        return int(self.dataset.count_rows()) if self.exists else 0

    def columns(self, names: Sequence[str], where: str | None = None) -> pa.Table:
        """These columns of the rows that match, with `row`: their positions, ascending."""
        self._check_names(names)
        if not self.exists:
            return (
                SCHEMAS[self.name]
                .empty_table()
                .select(names)
                .append_column("row", pa.array([], pa.int64()))
            )
        try:
            found = self.dataset.scanner(
                columns=list(names), filter=where, with_row_address=True
            ).to_table()
        except (ValueError, OSError) as error:
            raise CorpusError(
                f"the filter {where!r} cannot be used on {self.name}: {error}"
            ) from error
        address = found.column("_rowaddr").to_numpy()
        rows = self._starts[(address >> 32).astype(np.int64)] + (address & 0xFFFFFFFF).astype(
            np.int64
        )
        return found.select(names).append_column("row", pa.array(rows))

    def take(self, rows: Rows, names: Sequence[str] | None = None) -> pa.Table:
        """Rows by position, in the order asked, repeats included."""
        wanted = list(names) if names is not None else self.light_names
        self._check_names(wanted)
        return self.dataset.take(rows, columns=wanted)

    def batches(self, names: Sequence[str], size: int = 1024) -> Iterator[pa.RecordBatch]:
        """Every row once, in order, a batch at a time; memory stays that of a few batches."""
        self._check_names(names)
        if self.exists:
            yield from self.dataset.scanner(
                columns=list(names), batch_size=size, batch_readahead=2, fragment_readahead=1
            ).to_batches()

    @property
    def light_names(self) -> list[str]:
        """All columns but the encoded sound and pictures."""
        return [name for name in SCHEMAS[self.name].names if name not in HEAVY]

    @cached_property
    def _starts(self) -> Rows:
        """Position of the first row of each fragment, by fragment id."""
        fragments = self.dataset.get_fragments()
        starts = np.zeros(max((f.fragment_id for f in fragments), default=0) + 1, np.int64)
        position = 0
        for fragment in fragments:
            starts[fragment.fragment_id] = position
            position += fragment.count_rows()
        return starts

    def _check_names(self, names: Sequence[str]) -> None:
        known = SCHEMAS[self.name].names
        for name in names:
            if name not in known:
                raise CorpusError(
                    f"{self.name} have no column {name!r}; {did_you_mean(name, known)}"
                )


def to_arrow(table: str, rows: Sequence[Row]) -> pa.Table:
    """Rows as the table's columns; what a row does not mention is null."""
    schema = SCHEMAS[table]
    arrays = [pa.array([row.get(field.name) for row in rows], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def append(path: Path, rows: pa.Table) -> None:
    """Commit rows to the table at `path`, which is made if need be."""
    if not Table(path).exists and path.exists():
        shutil.rmtree(path)  # killed before its first commit: only orphans are in it
    lance.write_dataset(rows, str(path), mode="append" if path.exists() else "create")


def tidy(path: Path) -> None:
    """Join the files of a table, in order, if they are many for what they hold; drop the rest.

    Joining writes every row anew, sound included, so files of full commits are left as they are.
    """
    if not Table(path).exists:
        return
    dataset = lance.dataset(str(path))
    size = sum(file.stat().st_size for file in (path / "data").iterdir())
    full_commits = dataset.count_rows() / COMMIT_ROWS + size / COMMIT_BYTES
    if len(dataset.get_fragments()) > 2 * (full_commits + 1):
        dataset.optimize.compact_files(target_rows_per_fragment=16 * COMMIT_ROWS, batch_size=1024)
    remove_orphans(path)


def remove_orphans(path: Path) -> None:
    """Remove the files of old versions and of commits that were killed before they were made."""
    table = Table(path)
    if table.exists:
        table.dataset.cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)
    elif path.exists():
        shutil.rmtree(path)
