"""What a library is filled from: a plain folder of files, or a corpus.

An entry has a stamp that changes with its content, so that what was embedded once is left alone.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from trivium.data.audio import LIMITS as SOUND_LIMITS
from trivium.data.audio import SAMPLE_RATE_HZ, Samples, decode_audio, encode_flac
from trivium.data.corpora.media import SUFFIXES as SOUND_SUFFIXES
from trivium.data.corpora.media import media_bytes
from trivium.data.corpora.record import Media
from trivium.data.corpus import CARD, SOUND_COLUMNS, Corpus
from trivium.data.image import MAX_BYTES, Pixels, decode_image
from trivium.errors import CorpusError, MediaError, TriviumError
from trivium.models.towers.networks import Kind

MAX_SECONDS = 120.0  # of a sound: a vector of a whole talk says little
MAX_TEXT_BYTES = 64 * 2**10
TAKEN = 64  # rows of a corpus read at once
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
KINDS: dict[str, Kind] = {
    **{suffix: "speech" for suffixes in SOUND_SUFFIXES.values() for suffix in suffixes},
    **dict.fromkeys(PICTURE_SUFFIXES, "picture"),
    ".txt": "text",
}
# What a library says of every item, and of what is found; other columns are the source's own.
TOLD = ("id", "kind", "source", "language", "speaker", "seconds", "text", "stamp", "vector",
        "cosine", "library")  # fmt: skip
# Columns of a corpus that are no news of an item.
SILENT = ("id", "path", "offset", "characters", "phones", "extra")


SPOKEN = ("seconds", "speaker")  # and these none of its text


@dataclass(frozen=True)
class Entry:
    """Something a source holds."""

    name: str  # in its source: a path, or table and id
    kind: Kind
    stamp: str
    columns: dict[str, Any]
    row: int = 0  # of its table


@dataclass(frozen=True)
class Loaded:
    """An entry with what is to be embedded: 16 kHz samples, RGB pixels, or a text."""

    entry: Entry
    thing: Samples | Pixels | str


@dataclass(frozen=True)
class Skipped:
    """Something that cannot be read, and why."""

    name: str
    reason: str


class Source(Protocol):
    """What a library can be filled from."""

    path: Path

    def entries(self) -> Iterator[Entry]:
        """All it holds, always in the same order."""

    def load(self, entries: Sequence[Entry]) -> Iterator[Loaded | Skipped]:
        """What is to be embedded, in the order asked."""

    def media(self, name: str) -> bytes | None:
        """The encoded sound or picture of an entry; None for a text."""


def open_source(path: Path | str, language: str = "") -> Source:
    """The corpus or the folder at `path`; one that holds nothing to embed is refused.

    `language` is that of what a plain folder says; a corpus knows its own.
    """
    folder = Path(path)
    if not folder.is_dir():
        what = "is a file; name the folder that holds it" if folder.exists() else "is not there"
        raise TriviumError(f"{folder} {what}")
    if (folder / CARD).exists():
        if language:
            raise TriviumError(f"{folder} is a corpus, which has languages; leave out {language!r}")
        source: Source = CorpusSource(folder)
    else:
        source = FolderSource(folder, language)
    if next(source.entries(), None) is None:
        known = " ".join(sorted(KINDS))
        raise TriviumError(f"{folder} holds nothing to embed: no corpus, and no file of {known}")
    return source


class FolderSource:
    """The sounds, pictures and texts in a folder and the folders in it, told by their suffixes."""

    def __init__(self, path: Path, language: str = "") -> None:
        self.path = path
        self._own = {"language": language} if language else {}

    def entries(self) -> Iterator[Entry]:
        """All files but hidden ones, by folder and name; linked folders are not walked."""
        for folder, folders, files in os.walk(self.path, onerror=_refuse):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for file in sorted(files):
                kind = KINDS.get(Path(file).suffix.lower())
                if kind and not file.startswith("."):
                    path = Path(folder, file)
                    name = path.relative_to(self.path).as_posix()
                    columns = {} if kind == "picture" else self._own
                    yield Entry(name, kind, _stamp(_file_stamp(path), columns), columns)

    def load(self, entries: Sequence[Entry]) -> Iterator[Loaded | Skipped]:
        """Read and decode files."""
        for entry in entries:
            try:
                yield self._load(entry)
            except MediaError as error:
                yield Skipped(_shown(entry.name), str(error))

    def media(self, name: str) -> bytes | None:
        """The bytes of a file; None for a text."""
        kind = KINDS.get(Path(name).suffix.lower())
        return None if kind == "text" else self._bytes(name, SOUND_LIMITS.max_bytes)

    def _load(self, entry: Entry) -> Loaded:
        if not _is_unicode(entry.name):
            raise MediaError(f"the name {_shown(entry.name)} is not UTF-8; rename it")
        if entry.kind == "picture":
            return Loaded(entry, decode_image(self._bytes(entry.name, MAX_BYTES)))
        if entry.kind == "speech":
            samples = _heard(decode_audio(self._bytes(entry.name, SOUND_LIMITS.max_bytes)))
            told: dict[str, Any] = {"seconds": len(samples) / SAMPLE_RATE_HZ}
            return Loaded(replace(entry, columns=entry.columns | told), samples)
        text = _read(self._bytes(entry.name, MAX_TEXT_BYTES))
        return Loaded(replace(entry, columns=entry.columns | {"text": text}), text)

    def _bytes(self, name: str, most: int) -> bytes:
        return media_bytes(Media(None, self.path / name, name), most, "file")


class CorpusSource:
    """The speech, pictures and texts of a corpus; a text that several rows have stands once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._corpus = Corpus.open(path)
        # A corpus that was made anew otherwise may have the same ids.
        self._made_by = json.dumps(self._corpus.card.made_by, sort_keys=True)

    def entries(self) -> Iterator[Entry]:
        """Utterances, their texts, pictures with a caption, sentences."""
        seen: set[tuple[str | None, str]] = set()
        for row, columns in self._rows("utterances"):
            if columns.get("seconds") is not None:
                yield self._entry(f"utterances/{columns['id']}", "speech", columns, row)
            said = columns.get("language"), columns.get("text", "").strip()
            if said[1] and said not in seen:
                seen.add(said)
                written = {key: columns[key] for key in columns if key not in SPOKEN}
                yield self._entry(f"texts/{columns['id']}", "text", written, row)
        captions = self._captions()
        for row, columns in self._rows("pictures"):
            caption = {"text": captions[columns["id"]]} if columns["id"] in captions else {}
            yield self._entry(f"pictures/{columns['id']}", "picture", columns | caption, row)
        for row, columns in self._rows("sentences"):
            if columns.get("text", "").strip():
                yield self._entry(f"sentences/{columns['id']}", "text", columns, row)

    def load(self, entries: Sequence[Entry]) -> Iterator[Loaded | Skipped]:
        """Read and decode rows, several at a time."""
        for table, group in groupby(entries, lambda entry: entry.name.partition("/")[0]):
            own = list(group)
            for start in range(0, len(own), TAKEN):
                part = own[start : start + TAKEN]
                for entry, row in zip(part, self._media(table, part), strict=True):
                    try:
                        yield Loaded(entry, self._thing(entry, row))
                    except MediaError as error:
                        yield Skipped(entry.name, str(error))

    def media(self, name: str) -> bytes | None:
        """The bytes of a picture or of a sound, of which a linked one is cut out of its file."""
        table, _, id_ = name.partition("/")
        if table not in ("utterances", "pictures"):
            return None
        quoted = id_.replace("'", "''")
        rows = self._corpus.columns(table, ["id"], f"id = '{quoted}'").column("row").to_pylist()
        if not rows:
            raise CorpusError(f"{self.path} has no {id_!r} among its {table} any more")
        [row] = self._media(table, [Entry(name, "speech", "", {}, row) for row in rows])
        if table == "pictures":
            return row["image"] or b""
        return row["audio"] or encode_flac(self._corpus.sound(row))

    def _entry(self, name: str, kind: Kind, columns: dict[str, Any], row: int) -> Entry:
        stamp = _stamp(self._made_by, _file_stamp(columns["path"]), sorted(columns.items()))
        told = {key: value for key, value in columns.items() if key not in SILENT}
        return Entry(name, kind, stamp, told | _own_columns(columns.get("extra")), row)

    def _rows(self, table: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each row with its position, without what is heavy or absent."""
        opened, row = self._corpus.table(table), 0
        for batch in opened.batches([name for name in opened.light_names if name != "phones"]):
            for columns in batch.to_pylist():
                there = {name: value for name, value in columns.items() if value is not None}
                yield row, {"path": None} | there
                row += 1

    def _captions(self) -> dict[str, str]:
        """What was said of each picture, in English if it was."""
        found: dict[str, str] = {}
        said = "picture is not null and text is not null"
        for where in (f"{said} and language = 'en'", said):
            for row in self._corpus.columns("utterances", ["picture", "text"], where).to_pylist():
                found.setdefault(row["picture"], row["text"])
        return found

    def _media(self, table: str, entries: Sequence[Entry]) -> list[dict[str, Any]]:
        names = {"utterances": SOUND_COLUMNS, "pictures": ("id", "image")}.get(table)
        if names is None:  # a text came with its entry
            return [{}] * len(entries)
        places = np.array([entry.row for entry in entries])
        rows: list[dict[str, Any]] = self._corpus.take(table, places, list(names)).to_pylist()
        return rows

    def _thing(self, entry: Entry, row: dict[str, Any]) -> Samples | Pixels | str:
        if entry.kind == "text":
            return str(entry.columns["text"])
        if entry.kind == "picture":
            return decode_image(row["image"] or b"")
        return _heard(self._corpus.sound(row))


def _own_columns(extra: str | None) -> dict[str, Any]:
    """What a table said beyond the columns of a corpus, as columns with names for a filter."""
    if extra is None:
        return {}
    try:
        values = json.loads(extra)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        return {"extra": extra}
    found = {}
    for name, value in values.items():
        plain = re.sub(r"\W", "_", name).lower()
        plain = f"extra_{plain}" if plain in TOLD or not plain.strip("_") else plain
        found[plain] = _own_value(value)
    return found


def _own_value(value: object) -> str | bool | float | None:
    """What a column of numbers or of texts can hold: neither NaN nor what float64 would round."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, (str, bool, float)) or (isinstance(value, int) and abs(value) <= 2**53):
        return value
    return json.dumps(value, ensure_ascii=False)


def _heard(samples: Samples) -> Samples:
    seconds = len(samples) / SAMPLE_RATE_HZ
    if seconds > MAX_SECONDS:
        raise MediaError(f"the sound lasts {seconds:.0f} s; at most {MAX_SECONDS:g} are embedded")
    return samples


def _read(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise MediaError(f"byte {error.start:,} of the text is not UTF-8") from error
    if not text:
        raise MediaError(f"the text is empty ({len(data)} bytes)")
    return text


def _stamp(*parts: object) -> str:
    return hashlib.blake2b(
        repr(parts).encode("utf-8", "surrogateescape"), digest_size=12
    ).hexdigest()


def _file_stamp(path: Path | str | None) -> tuple[int, int] | None:
    """Size and time of change of a file; None where there is none."""
    if path is None:
        return None
    try:
        facts = Path(path).stat()
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns


def _is_unicode(name: str) -> bool:
    return name == _shown(name)


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def _refuse(error: OSError) -> None:
    reason = (error.strerror or str(error)).lower()
    raise TriviumError(f"{error.filename} cannot be read: {reason}") from error
