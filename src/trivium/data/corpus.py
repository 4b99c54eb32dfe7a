"""A corpus: a folder of Lance tables and `corpus.json`, which says what it is.

Corpora are append-only. A writer commits rows in the order they come, holds a lock, and can be
killed at any moment: repeating the same command continues after the last commit.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trivium.checkpoint import write_file
from trivium.config import Settings
from trivium.data import store
from trivium.data.audio import Samples, decode_audio, decode_file
from trivium.data.store import COMMIT_BYTES, COMMIT_ROWS, Row, Rows, Table
from trivium.errors import CorpusError, MediaError, TriviumError

CARD = "corpus.json"
SOUND_COLUMNS = ("id", "audio", "path", "offset", "seconds")  # what `Corpus.sounds` needs


class Card(Settings):
    """What `corpus.json` says."""

    name: str
    """How reports call the corpus."""
    licence: str = "unknown"
    """Terms the data may be used under."""
    source: str = ""
    """Where the rows came from."""
    made_by: dict[str, Any] = {}
    """The command and its settings; repeating them continues an unfinished corpus."""
    complete: bool = False
    """False while rows are still being added."""
    counts: dict[str, int] = {}
    """Rows of each table."""
    fingerprint: str = ""
    """sha256 over ids, seconds and texts: what scores and resumes refer to."""


class Corpus:
    """An open corpus, as it was when it was opened. Reading is safe from many threads."""

    def __init__(self, path: Path, card: Card, reader: store.Reader | None = None) -> None:
        self.path = path
        self.card = card
        self._tables = {name: Table(path / f"{name}.lance", reader) for name in store.SCHEMAS}

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """The corpus in a folder; one that is unfinished, or lacks rows of its card, is refused."""
        folder = Path(path)
        _finished_card(folder)  # an unfinished corpus is not waited for
        reader = store.Reader(folder)
        card = _finished_card(folder)
        corpus = cls(folder, card, reader)
        wrong = corpus._miscounted()
        if not wrong:
            return corpus
        if _finished_card(folder) != card:
            return cls.open(folder)  # a writer has finished in between
        raise CorpusError(f"{wrong}; copy the corpus anew, or repeat the command that made it")

    def table(self, name: str) -> Table:
        """One of the tables: utterances, pictures, sentences."""
        if name not in self._tables:
            raise CorpusError(f"{name!r} is no table; tables are {', '.join(self._tables)}")
        return self._tables[name]

    def count(self, table: str = "utterances") -> int:
        """Rows of a table."""
        return self.table(table).count()

    def columns(self, table: str, names: Sequence[str], where: str | None = None) -> pa.Table:
        """Columns of the rows matching a filter, and `row`, their positions."""
        return self.table(table).columns(names, where)

    def take(self, table: str, rows: Rows, names: Sequence[str] | None = None) -> pa.Table:
        """Rows by position; without `names`, all columns but encoded sound and pictures."""
        return self.table(table).take(rows, names)

    def find(self, id_: str) -> tuple[str, int]:
        """The table and the position of the row with that id."""
        for name, table in self._tables.items():
            quoted = id_.replace("'", "''")
            rows = table.columns(["id"], f"id = '{quoted}'").column("row")
            if len(rows):
                return name, int(rows[0].as_py())
        raise CorpusError(f"no row of {self.path} has the id {id_!r}; ids look like {self._an_id}")

    def picture_rows(self, ids: Iterable[str]) -> Rows:
        """Positions of pictures by id."""
        try:
            return np.array([self._picture_row[id_] for id_ in ids], np.int64)
        except KeyError as error:
            raise CorpusError(f"{self.path} has no picture {error.args[0]!r}") from error

    def sounds(self, rows: pa.Table) -> list[Samples]:
        """16 kHz samples of taken rows, from their bytes or from the files they link to."""
        _check_sound_columns(rows.column_names)
        return [self.sound(row) for row in rows.select(SOUND_COLUMNS).to_pylist()]

    def sound(self, row: Row) -> Samples:
        """16 kHz samples of one row."""
        _check_sound_columns(row.keys())
        try:
            if row["audio"] is not None:
                return decode_audio(row["audio"])
            if row["path"] is not None:
                offset = row["offset"]
                return decode_file(
                    Path(row["path"]), offset or 0.0, row["seconds"] if offset is not None else None
                )
        except MediaError as error:
            raise MediaError(f"{row['id']}: {error}") from error
        raise MediaError(f"{row['id']} has no sound")

    def _miscounted(self) -> str:
        """What is wrong with the first table that has other rows than its card says, if one has."""
        for name, table in self._tables.items():
            there, promised = table.count(), self.card.counts.get(name, 0)
            if there != promised:
                return f"{table.path} has {there:,} rows and {CARD} says {promised:,}"
        return ""

    @cached_property
    def _picture_row(self) -> dict[str, int]:
        ids = self.columns("pictures", ["id"]).column("id").to_pylist()
        return {id_: row for row, id_ in enumerate(ids)}

    @cached_property
    def _an_id(self) -> str:
        for table in self._tables.values():
            if table.count():
                return repr(table.take(np.array([0]), ["id"]).column("id")[0].as_py())
        return "nothing: it is empty"


class CorpusWriter:
    """Adds rows to a corpus folder, commit by commit; a context manager.

    Leaving it normally finishes the corpus: small files are joined, old versions removed (unless
    someone is reading: then the next writer does it), the card written. Leaving it by Ctrl-C, or
    by an error in what we were given, commits what was added; leaving it by any other exception
    keeps what was committed before.
    """

    def __init__(self, path: Path | str, card: Card) -> None:
        self.path = Path(path)
        self.card = card
        self._rows: dict[str, list[Row]] = {name: [] for name in store.SCHEMAS}
        self._bytes = dict.fromkeys(store.SCHEMAS, 0)
        self._finished_before = False
        self._committing = False

    def __enter__(self) -> Self:
        _check_parent(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = store.lock(self.path)
        try:
            self._begin()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._finish()
            elif isinstance(error, (KeyboardInterrupt, TriviumError)) and not self._committing:
                self.commit()
        finally:
            self._lock.close()

    def has(self, table: str, id_: str) -> bool:
        """Whether a row with this id was added, now or before an interruption."""
        return id_ in self._ids[table]

    def add(self, table: str, row: Row) -> None:
        """Add a row; it is on the disk after the next commit."""
        id_ = row.get("id")
        if not isinstance(id_, str) or not id_:
            raise CorpusError(f"a row of {table} has the id {id_!r}; ids are non-empty texts")
        unknown = row.keys() - set(store.SCHEMAS[table].names)
        if unknown:
            raise CorpusError(f"{id_}: {table} have no column {min(unknown)!r}")
        if id_ in self._ids[table]:
            raise CorpusError(f"the id {id_!r} occurs twice in {table}")
        self._ids[table].add(id_)
        self._rows[table].append(row)
        self._bytes[table] += len(row.get("audio") or b"") + len(row.get("image") or b"")
        if len(self._rows[table]) >= COMMIT_ROWS or self._bytes[table] >= COMMIT_BYTES:
            # Utterances name pictures, which must be there first.
            self.commit(("pictures", "utterances") if table == "utterances" else (table,))

    def commit(self, tables: Sequence[str] = ("pictures", "utterances", "sentences")) -> None:
        """Put the rows added so far on the disk."""
        # Stays set when this is interrupted: rows that may be on the disk must not be put there
        # again, nor rows that name pictures which are not.
        self._committing = True
        if any(self._rows.values()) and self._finished_before:
            # Until the new rows are all there the corpus is unfinished again.
            write_file(self.path / CARD, self.card.to_json())
            self._finished_before = False
        for table in tables:
            if self._rows[table]:
                store.append(self._table_path(table), store.to_arrow(table, self._rows[table]))
                self._rows[table], self._bytes[table] = [], 0
        self._committing = False

    def _begin(self) -> None:
        card_path = self.path / CARD
        if card_path.exists():
            before = Card.load(card_path)
            self._finished_before = before.complete
            if before.made_by != self.card.made_by:
                raise CorpusError(
                    f"{self.path} was made by {_words(before.made_by)}, and this is "
                    f"{_words(self.card.made_by)}; name another folder"
                )
        elif any(path.name not in (store.LOCK, store.READERS) for path in self.path.iterdir()):
            raise CorpusError(f"{self.path} holds other things; name a new or empty folder")
        else:
            write_file(card_path, self.card.to_json())
        self._ids: dict[str, set[str]] = {}
        with store.no_readers(self.path) as alone:
            for table in store.SCHEMAS if alone else ():
                store.remove_orphans(self._table_path(table))
        for table in store.SCHEMAS:
            ids = Table(self._table_path(table)).columns(["id"]).column("id")
            self._ids[table] = set(ids.to_pylist())

    def _finish(self) -> None:
        self.commit()
        # Whoever opens the corpus now waits until its card says what the tables hold.
        with store.no_readers(self.path) as alone:
            for table in store.SCHEMAS if alone else ():
                store.tidy(self._table_path(table))
            self._write_card()

    def _write_card(self) -> None:
        tables = {name: Table(self._table_path(name)) for name in store.SCHEMAS}
        done = {
            "complete": True,
            "counts": {name: table.count() for name, table in tables.items() if table.count()},
            "fingerprint": fingerprint(tables.values()),
        }
        self.card = self.card.model_copy(update=done)
        write_file(self.path / CARD, self.card.to_json())

    def _table_path(self, table: str) -> Path:
        return self.path / f"{table}.lance"


def fingerprint(tables: Iterable[Table]) -> str:
    """sha256 over the identifying columns, whatever the batches they are read in."""
    whole = hashlib.sha256()
    for table in tables:
        names = store.FINGERPRINTED[table.name]
        columns = {name: (hashlib.sha256(), hashlib.sha256()) for name in names}
        for batch in table.batches(names, size=65_536):
            for name, (lengths, values) in columns.items():
                array = batch.column(name)
                if pa.types.is_floating(array.type):
                    lengths.update(array.is_null().to_numpy(zero_copy_only=False).tobytes())
                    values.update(pc.fill_null(array, 0.0).to_numpy().tobytes())
                    continue
                # Lengths beside the joined values: "ab","c" and "a","bc" must differ.
                lengths.update(pc.fill_null(pc.binary_length(array), -1).to_numpy().tobytes())
                values.update("".join(value or "" for value in array.to_pylist()).encode())
        for name, (lengths, values) in columns.items():
            whole.update(f"{table.name}.{name}:".encode() + lengths.digest() + values.digest())
    return whole.hexdigest()


def _finished_card(folder: Path) -> Card:
    """The card of a corpus that can be read."""
    try:
        is_corpus = (folder / CARD).exists()
    except OSError as error:
        raise CorpusError(f"{folder} cannot be read: {error.strerror}") from error
    if not is_corpus:
        what = "is not there" if not folder.exists() else f"has no {CARD}, so it is no corpus"
        raise CorpusError(f"{folder} {what}; `trivium world {folder}` makes one to try")
    card = Card.load(folder / CARD)
    if not card.complete:
        raise CorpusError(
            f"the corpus {folder} was not finished; repeat the command that made it, "
            "it continues where it stopped"
        )
    return card


def _check_sound_columns(names: Iterable[str]) -> None:
    there = list(names)
    for name in SOUND_COLUMNS:
        if name not in there:
            raise CorpusError(
                f"sounds are made of the columns {', '.join(SOUND_COLUMNS)}, and these rows have "
                f"no {name!r}; take it too"
            )


def _check_parent(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise CorpusError(f"{path} is a file; a corpus is a folder")


def _words(made_by: dict[str, Any]) -> str:
    return json.dumps(made_by, ensure_ascii=False) if made_by else "hand"
