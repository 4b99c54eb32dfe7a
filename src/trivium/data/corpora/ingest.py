"""From a reader's records to a corpus: decode, check, store, and list what was refused.

A record is a mapping of column names to values, as a source has them: `audio` and `image` are
bytes or paths. Records are checked by threads and added in their order, so that an interrupted
import, repeated, ends in the same table.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from trivium.checkpoint import write_file
from trivium.data import store
from trivium.data.audio import (
    SAMPLE_RATE_HZ,
    SoundFacts,
    SoundLimits,
    decode_file,
    decode_with_facts,
    encode_flac,
)
from trivium.data.corpus import Card, CorpusWriter
from trivium.data.image import open_image
from trivium.errors import CorpusError, MediaError
from trivium.runtime import cores

REJECTED = "rejected.jsonl"
Record = Mapping[str, Any]
_T = TypeVar("_T")

# What a record may say beside the columns of the tables.
EXTRA_COLUMNS = ("image",)
SUFFIXES = {
    "WAV": (".wav", ".wave"),
    "FLAC": (".flac",),
    "OGG": (".ogg", ".oga", ".opus"),
    "MP3": (".mp3", ".mpga"),
}


@dataclass(frozen=True)
class IngestOptions:
    """How records become rows."""

    root: Path = Path()  # relative paths of audio and images start here
    split: str = "train"  # of records that name none
    link: bool = False  # keep the path of a sound, not its bytes
    limits: SoundLimits = field(default_factory=SoundLimits)
    threads: int = field(default_factory=cores)


@dataclass
class Ingested:
    """What an import did."""

    added: dict[str, int] = field(default_factory=dict)
    already: int = 0
    rejected: int = 0
    unknown_columns: set[str] = field(default_factory=set)
    misnamed: list[str] = field(default_factory=list)  # files whose suffix lies


@dataclass(frozen=True)
class _Checked:
    rows: list[tuple[str, dict[str, Any]]]  # table and row, in the order to add them
    misnamed: str | None = None


@dataclass(frozen=True)
class BadLine:
    """A record that its reader could not read; the import lists it and goes on."""

    reason: str


def ingest(
    records: Iterable[Record | BadLine],
    out: Path,
    card: Card,
    options: IngestOptions,
    advance: Callable[[], None] = lambda: None,
) -> Ingested:
    """Add records to the corpus `out`; every record has an `id`."""
    result = Ingested()
    refused: list[dict[str, Any]] = []
    seen: set[str] = set()

    with CorpusWriter(out, card) as writer, ThreadPoolExecutor(options.threads) as pool:

        def start(record: Record | BadLine) -> Future[_Checked | None]:
            if isinstance(record, BadLine):
                return _failed(CorpusError(record.reason))
            id_ = record["id"]
            if id_ in seen:
                return _failed(CorpusError(f"the id {id_!r} occurs twice in the source"))
            seen.add(id_)
            if writer.has("utterances", id_) or writer.has("sentences", id_):
                return pool.submit(lambda: None)
            return pool.submit(_check, record, options)

        outcomes = _ahead(records, start, window=4 * options.threads)
        for number, (record, outcome) in enumerate(outcomes, 1):
            try:
                checked = outcome.result()
            except (CorpusError, MediaError) as error:
                refused.append(_rejection(number, record, error))
            else:
                _add(writer, checked, result)
            if not isinstance(record, BadLine):
                result.unknown_columns.update(record.keys() - _KNOWN)
            advance()
        result.rejected = len(refused)
        result.added = {name: n for name in store.SCHEMAS if (n := result.added.get(name))}
        lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in refused)
        write_file(out / REJECTED, "".join(lines))
    return result


_KNOWN = {name for schema in store.SCHEMAS.values() for name in schema.names} | {*EXTRA_COLUMNS}


def _ahead(
    records: Iterable[_T], start: Callable[[_T], "Future[_Checked | None]"], window: int
) -> "Iterator[tuple[_T, Future[_Checked | None]]]":
    """Each record with its outcome, in order, `window` of them being worked on."""
    waiting: deque[tuple[_T, Future[_Checked | None]]] = deque()
    for record in records:
        waiting.append((record, start(record)))
        if len(waiting) >= window:
            yield waiting.popleft()
    yield from waiting


def _failed(error: CorpusError) -> "Future[_Checked | None]":
    future: Future[_Checked | None] = Future()
    future.set_exception(error)
    return future


def _check(record: Record, options: IngestOptions) -> _Checked:
    """Decode what a record brings; raises a sentence if anything of it is unusable."""
    row = {name: record.get(name) for name in store.SCHEMAS["utterances"].names}
    row |= dict.fromkeys(("audio", "path", "offset", "seconds"))  # `_sound` fills them in
    row["split"] = record.get("split") or options.split
    text = record.get("text")
    row["characters"] = len(text) if text is not None else None
    row["score"] = _number(record, "score")
    unknown = {name: value for name, value in record.items() if name not in _KNOWN}
    row["extra"] = json.dumps(unknown, ensure_ascii=False, default=str) if unknown else None
    misnamed = None
    rows: list[tuple[str, dict[str, Any]]] = []
    if record.get("audio") not in (None, ""):
        misnamed = _sound(record, row, options)
    if record.get("image") not in (None, ""):
        picture = _picture(record, options)
        row["picture"] = picture["id"]
        rows.append(("pictures", picture | {"split": row["split"]}))
    if row["seconds"] is not None or (rows and text):
        rows.append(("utterances", row))
    elif text:
        kept = store.SCHEMAS["sentences"].names
        rows.append(("sentences", {name: row[name] for name in kept}))
    elif not rows:
        raise CorpusError(f"{record['id']} has no audio, no text and no image")
    return _Checked(rows, misnamed)


def _sound(record: Record, row: dict[str, Any], options: IngestOptions) -> str | None:
    """Fill in the sound columns of `row`; the sentence on a misleading file name, if it is one."""
    offset, seconds = _number(record, "offset"), _number(record, "seconds")
    path = _path(record["audio"], options.root)
    if offset is not None:
        if path is None or seconds is None:
            raise CorpusError(f"offset {offset:g} needs a file and the column seconds beside it")
        samples = decode_file(path, offset, seconds)
        row["seconds"] = len(samples) / SAMPLE_RATE_HZ
        if options.link:
            row["path"], row["offset"] = str(path.absolute()), offset
        else:
            row["audio"], row["offset"] = encode_flac(samples), None
        return None
    data = _bytes(record["audio"], options.root, options.limits.max_bytes, "sound")
    facts: SoundFacts = decode_with_facts(data, options.limits)[1]
    row["seconds"], row["offset"] = facts.seconds, None
    if options.link and path is not None:
        row["path"] = str(path.absolute())
    else:
        row["audio"] = data
    return _misnamed(path, facts)


def _misnamed(path: Path | None, facts: SoundFacts) -> str | None:
    expected = SUFFIXES.get(facts.container, ())
    known = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}
    if path is None or path.suffix.lower() in expected or path.suffix.lower() not in known:
        return None
    return f"{path.name} holds {facts.container}"


def _picture(record: Record, options: IngestOptions) -> dict[str, Any]:
    data = _bytes(record["image"], options.root, 64 * 2**20, "picture")
    open_image(data).close()
    name = record.get("picture")
    if not name:
        path = record["image"]
        name = str(path) if isinstance(path, (str, Path)) else f"picture-{record['id']}"
    return {"id": name, "image": data}


def _path(value: Any, root: Path) -> Path | None:
    return root / value if isinstance(value, (str, Path)) else None


def _bytes(value: Any, root: Path, max_bytes: int, what: str) -> bytes:
    """The bytes of a file or a value; a file over the limit is not opened."""
    path = _path(value, root)
    if path is None:
        return bytes(value)
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise MediaError(f"{path} has {size:,} bytes; at most {max_bytes:,} are read")
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise MediaError(f"the {what} {path} cannot be read: {reason.lower()}") from error


def _number(record: Record, name: str) -> float | None:
    value = record.get(name)
    if value in (None, ""):
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise CorpusError(f"{name} is {value!r}, which is no number") from error


def _add(writer: CorpusWriter, checked: _Checked | None, result: Ingested) -> None:
    if checked is None:
        result.already += 1
        return
    for table, row in checked.rows:
        if table == "pictures" and writer.has(table, row["id"]):
            continue  # stored once, however many captions it has
        writer.add(table, row)
        result.added[table] = result.added.get(table, 0) + 1
    if checked.misnamed:
        result.misnamed.append(checked.misnamed)


def _rejection(number: int, record: Any, error: Exception) -> dict[str, Any]:
    named = {} if isinstance(record, BadLine) else {
        name: str(record[name]) for name in ("id", "audio", "image")
        if record.get(name) is not None and not isinstance(record[name], bytes)
    }  # fmt: skip
    return {"record": number, **named, "reason": str(error)}
