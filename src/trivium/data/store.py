"""Lance tables: their columns, appending, reading, and keeping their folders small.

Lance keeps every version of a table and, after a killed write, the files of a commit that never
was; `tidy` removes both. It must only run under the lock of the folder (`lock`) and while nobody
reads (`no_readers`). The tables of a corpus are in SCHEMAS; those of a library tell their own.
"""

import fcntl
import json
import os
import re
import shutil
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

import lance
import numpy as np
import pyarrow as pa

from trivium.errors import CorpusError, did_you_mean

Row = Mapping[str, Any]
Rows = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

COMMIT_ROWS, COMMIT_BYTES = 4_096, 128 * 2**20  # twice as many bytes take 1.1 GB to commit

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
HEAVY = ("audio", "image", "vector")  # read only when asked for by name

LOCK = ".lock"  # whoever writes into a folder of tables holds a lock on this file in it
READERS = ".readers"  # whoever reads the corpus holds a shared lock on this file in its folder


def lock(folder: Path) -> TextIO:
    """The right to write into a folder of tables, until what is returned is closed."""
    held = (folder / LOCK).open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held.close()
        raise CorpusError(f"{folder} is being written by another process") from error
    return held


class Reader:
    """While one lives, writers leave alone the files that may still be read.

    Opening waits for a writer that is joining files. A folder that cannot be written to, or
    locked, is read without: nobody joins files there either.
    """

    def __init__(self, folder: Path) -> None:
        try:
            descriptor = os.open(folder / READERS, os.O_RDONLY | os.O_CREAT, 0o666)
        except OSError:
            return
        # Closing is what unlocks; a file object would warn when it is collected open.
        close = weakref.finalize(self, os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        except OSError:
            close()


@contextmanager
def no_readers(folder: Path) -> Iterator[bool]:
    """Whether nobody has the corpus open; if so, nobody can open it until this ends."""
    descriptor = None
    try:
        try:
            descriptor = os.open(folder / READERS, os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except OSError:
            alone = False
        yield alone
    finally:
        if descriptor is not None:
            os.close(descriptor)


class Table:
    """One Lance table, open for reading; safe to share between threads."""

    def __init__(self, path: Path, reader: Reader | None = None) -> None:
        self.path = path
        self.name = path.stem
        self._reader = reader  # kept as long as the table is

    @cached_property
    def dataset(self) -> lance.LanceDataset:
        """The table as Lance knows it, at the version it had when first asked for."""
        with _damage_named(self.path):
            return lance.dataset(str(self.path))

    @cached_property
    def exists(self) -> bool:
        """Whether a version of the table had been committed when first asked."""
        versions = self.path / "_versions"
        return versions.is_dir() and any(versions.glob("*.manifest"))

    def count(self, where: str | None = None) -> int:
        """Rows in the table, or those that match; 0 for one that is not there."""
        if not self.exists:
            return 0
        if where is None:
            return self._rows
        with _damage_named(self.path):
            return int(self.dataset.count_rows(filter=where))

    @property
    def data_bytes(self) -> int:
        """What the files of the table's data hold."""
        with _damage_named(self.path):
            return _data_bytes(self.path) if self.exists else 0

    def columns(self, names: Sequence[str], where: str | None = None) -> pa.Table:
        """These columns of the rows that match, with `row`: their positions, ascending."""
        self._check_names(names)
        if not self.exists:
            return self._nothing(names).append_column("row", pa.array([], pa.int64()))
        try:
            with _damage_named(self.path):
                scanner = self.dataset.scanner(columns=[*names, "_rowoffset"], filter=where)
                found = scanner.to_table()
                found.validate(full=True)
        except CorpusError as error:
            if where is None or not self._blames(where):
                raise
            reason = self._blame(_reason(error.__cause__ or error))
            raise CorpusError(
                f"the filter {where!r} cannot be used on {self.name}: {reason}"
            ) from error
        rows = found.column("_rowoffset").cast(pa.int64())
        return found.select(names).append_column("row", rows)

    def take(self, rows: Rows, names: Sequence[str] | None = None) -> pa.Table:
        """Rows by position, in the order asked, repeats included."""
        wanted = list(names) if names is not None else self.light_names
        self._check_names(wanted)
        places = np.asarray(rows)
        if not places.size:
            return self._nothing(wanted)
        self._check_positions(places)
        with _damage_named(self.path):
            taken = self.dataset.take(places, columns=wanted)
            taken.validate(full=True)
            return taken

    def batches(self, names: Sequence[str], size: int = 1024) -> Iterator[pa.RecordBatch]:
        """Every row once, in order, a batch at a time; memory stays that of a few batches."""
        self._check_names(names)
        if not self.exists:
            return
        with _damage_named(self.path):
            found = self.dataset.scanner(
                columns=list(names), batch_size=size, batch_readahead=2, fragment_readahead=1
            ).to_batches()
        while True:
            # Only reading is watched over: what the caller does with a batch is not our damage.
            with _damage_named(self.path):
                batch = next(found, None)
                if batch is None:
                    return
                batch.validate(full=True)
            yield batch

    @property
    def light_names(self) -> list[str]:
        """All columns but the encoded sound and pictures."""
        return [name for name in self.schema.names if name not in HEAVY]

    @property
    def schema(self) -> pa.Schema:
        """The columns: those that every corpus has, or what the table itself says."""
        return SCHEMAS.get(self.name) or self.dataset.schema

    @cached_property
    def _rows(self) -> int:
        with _damage_named(self.path):
            return int(self.dataset.count_rows())

    def _nothing(self, names: Sequence[str]) -> pa.Table:
        return self.schema.empty_table().select(names)

    def _blames(self, where: str) -> bool:
        """Whether a failed reading was the filter's fault, not that of damaged files."""
        try:
            self.dataset.scanner(columns=["id"], filter=where).explain_plan()
        except (ValueError, OSError):
            return True
        try:
            # It can be planned, so it fails on some value, unless the values cannot be read.
            for _ in self.batches(self.light_names):
                pass
        except CorpusError:
            return False
        return True

    def _blame(self, reason: str) -> str:
        """What is wrong with a filter; Lance lists every column when one is not there."""
        unknown = re.search(r"No field named (\S+?)\.", reason)
        if not unknown:
            return reason
        near = did_you_mean(unknown[1], self.light_names)
        return f"there is no column {unknown[1]!r} (texts stand in single quotes); {near}"

    def _check_positions(self, places: Rows) -> None:
        count = self.count()
        if places.dtype.kind not in "iu":
            raise CorpusError(f"{places.flat[0]} is no position of a row of {self.name}")
        wrong = places[(places < 0) | (places >= count)]
        if wrong.size:
            there = f"its rows are 0 to {count - 1:,}" if count else "it has none"
            raise CorpusError(f"{self.path} has no row {wrong.flat[0]}; {there}")

    def _check_names(self, names: Sequence[str]) -> None:
        known = self.schema.names
        for name in names:
            if name not in known:
                raise CorpusError(
                    f"{self.name} have no column {name!r}; {did_you_mean(name, known)}"
                )


def extra_of(row: Row) -> dict[str, Any]:
    """What the source said of a row beyond the columns; nothing where its JSON is no object."""
    try:
        said = json.loads(row.get("extra") or "{}")
    except json.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


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
    table = Table(path)
    if not table.exists:
        return
    full_commits = table.count() / COMMIT_ROWS + table.data_bytes / COMMIT_BYTES
    with _damage_named(path):
        if len(table.dataset.get_fragments()) > 2 * (full_commits + 1):
            table.dataset.optimize.compact_files(
                target_rows_per_fragment=16 * COMMIT_ROWS, batch_size=1024
            )
    remove_orphans(path)


def remove_orphans(path: Path) -> None:
    """Remove the files of old versions and of commits that were killed before they were made."""
    table = Table(path)
    if table.exists:
        with _damage_named(path):
            table.dataset.cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)
    elif path.exists():
        shutil.rmtree(path)


def _data_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in (path / "data").iterdir())


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """What Lance and Arrow say of files they cannot read, as one sentence on the table."""
    try:
        yield
    except BaseException as error:
        # Lance panics on some damage; its exception has no name to import and is no Exception.
        panic = type(error).__name__ == "PanicException"
        if not panic and not isinstance(error, (OSError, ValueError)):
            raise
        # The system's refusals are no damage, but for "no such file", which is number 2.
        refused = re.search(r"\(os error (?!2\))", str(error))
        if refused:
            raise CorpusError(f"{path} cannot be read: {_reason(error)}") from error
        thing = "corpus" if path.stem in SCHEMAS else "library"
        raise CorpusError(
            f"{path} is damaged: {_reason(error)}; copy the {thing} anew, or make it again"
        ) from error


def _reason(error: BaseException) -> str:
    """The heart of what Lance says: no names of error types, no places in its own code."""
    text = re.sub(r",? ?/\S+?\.rs:\d+:\d+", "", str(error).partition("\n")[0])
    missing = re.search(r"Not found: \S*?([^/\s]+)$", text)
    if missing:
        return f"the file {missing[1]} is missing"
    kinds = r"External error|LanceError\(\w+\)|Invalid user input|Query Execution error|Generic \w+"
    return re.sub(rf"^(?:(?:{kinds})(?: error)?: )+", "", text)[:160]
