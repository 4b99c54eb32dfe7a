"""From a reader's records to a corpus: decode, check, store, and list what was refused.

Records are checked by threads and added in their order, so that an interrupted import, repeated,
ends in the same table.
"""

import json
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trivium.checkpoint import write_file
from trivium.data import store
from trivium.data.audio import SoundLimits
from trivium.data.corpora.media import picture_bytes, sound_columns
from trivium.data.corpora.record import BadLine, Record, draft, rejection, table_of, text_of
from trivium.data.corpora.stored import COMPARED, ChangedRowError, StoredPictures, StoredRows
from trivium.data.corpus import CARD, Card, CorpusWriter
from trivium.errors import CorpusError, MediaError
from trivium.runtime import cores

REJECTED = "rejected.jsonl"
AHEAD_BYTES = 256 * 2**20  # of sound and pictures that records themselves carry


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
    changed: int = 0  # of the rejected: they are not what is stored under their ids
    in_extra: set[str] = field(default_factory=set)  # columns of added rows
    misnamed: list[str] = field(default_factory=list)  # files whose suffix lies


@dataclass(frozen=True)
class _Checked:
    rows: list[tuple[str, dict[str, Any]]]  # table and row, in the order to add them
    in_extra: frozenset[str]
    misnamed: str | None = None


_Outcome = Future[_Checked | None]


def ingest(
    records: Iterable[Record | BadLine],
    out: Path,
    card: Card,
    options: IngestOptions,
    advance: Callable[[], None] = lambda: None,
) -> Ingested:
    """Add records to the corpus `out`; every record has an `id`."""
    clear_empty(out)
    result = Ingested()
    refused: list[dict[str, Any]] = []
    with CorpusWriter(out, card) as writer, ThreadPoolExecutor(options.threads) as pool:
        pictures, start = StoredPictures(out), _starter(writer, pool, options)
        pending: set[str] = set()
        for number, (record, outcome) in enumerate(_ahead(records, start, options.threads), 1):
            try:
                checked = outcome.result()
                for table, row in checked.rows if checked else ():
                    _commit_twin(writer, table, row["id"], pending)
                _add(writer, pictures, checked, result)
            except (CorpusError, MediaError) as error:
                refused.append(rejection(number, record, error))
                result.changed += isinstance(error, ChangedRowError)
            advance()
        result.rejected = len(refused)
        result.added = {name: n for name in store.SCHEMAS if (n := result.added.get(name))}
        lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in refused)
        # Half a character cannot be written; its escape is what JSON calls it.
        write_file(out / REJECTED, lines.encode(errors="backslashreplace"))
    return result


def clear_empty(out: Path) -> None:
    """Take away what an import that stored nothing has left, so that another may use the folder."""
    if not (out / CARD).exists():
        return
    with store.lock(out):
        if any(out.glob("*.lance")) or Card.load(out / CARD).counts:
            return
        for name in (REJECTED, CARD):
            (out / name).unlink(missing_ok=True)


def _starter(
    writer: CorpusWriter, pool: ThreadPoolExecutor, options: IngestOptions
) -> Callable[[Record | BadLine], _Outcome]:
    stored = StoredRows(writer.path)
    seen: dict[str | None, set[str]] = defaultdict(set)  # ids by table

    def start(record: Record | BadLine) -> _Outcome:
        if isinstance(record, BadLine):
            return _failed(CorpusError(record.reason))
        table = table_of(record)
        try:
            id_ = _new_id(record, seen[table])
        except CorpusError as error:
            return _failed(error)
        # An id may be in two tables; one that the source had in the other table has moved.
        there = any(
            writer.has(name, id_) and (name == table or id_ not in seen[name]) for name in COMPARED
        )
        return pool.submit(_guarded, record, options, stored if there else None)

    return start


def _failed(error: CorpusError) -> _Outcome:
    failed: _Outcome = Future()
    failed.set_exception(error)
    return failed


def _new_id(record: Record, seen: set[str]) -> str:
    id_ = text_of("id", record["id"])
    if id_ in seen:
        raise CorpusError(f"the id {id_!r} occurs twice in the source")
    seen.add(id_)
    return id_


def _ahead(
    records: Iterable[Record | BadLine],
    start: Callable[[Record | BadLine], _Outcome],
    threads: int,
) -> Iterator[tuple[Record | BadLine, _Outcome]]:
    """Each record with its outcome, in order, some of them being worked on."""
    waiting: deque[tuple[Record | BadLine, _Outcome, int]] = deque()
    held = 0
    for record in records:
        carried = _carried(record)
        waiting.append((record, start(record), carried))
        held += carried
        while len(waiting) >= 4 * threads or (held > AHEAD_BYTES and waiting):
            first, outcome, carried = waiting.popleft()
            held -= carried
            yield first, outcome
    while waiting:
        yield waiting.popleft()[:2]


def _carried(record: Record | BadLine) -> int:
    if isinstance(record, BadLine):
        return 0
    given = (record.get(name) for name in ("audio", "image"))
    inner = (value.get("bytes") if isinstance(value, dict) else value for value in given)
    return sum(len(value) for value in inner if isinstance(value, bytes))


def _guarded(record: Record, options: IngestOptions, stored: StoredRows | None) -> _Checked | None:
    """`_check`, or a comparison with what is stored; whatever goes wrong concerns one record."""
    try:
        if stored is None:
            return _check(record, options)
        stored.compare(draft(record, options.root, options.split, options.link))
    except (CorpusError, MediaError):
        raise
    except Exception as error:  # a row nobody foresaw must not end the import
        raise CorpusError(
            f"{record['id']} cannot be used: {type(error).__name__}: {error}"
        ) from error
    return None


def _check(record: Record, options: IngestOptions) -> _Checked:
    """Decode what a record brings; raises a sentence if anything of it is unusable."""
    drafted = draft(record, options.root, options.split, options.link)
    row, misnamed = drafted.row, None
    rows: list[tuple[str, dict[str, Any]]] = [(drafted.table, row)]
    if drafted.audio:
        columns, misnamed = sound_columns(
            drafted.audio, drafted.stretch, options.limits, options.link
        )
        row |= columns
    if drafted.image:
        image = {"image": picture_bytes(drafted.image)}
        if drafted.table == "pictures":
            row |= image
        else:
            rows.insert(0, ("pictures", image | {"id": row["picture"], "split": row["split"]}))
    return _Checked(rows, drafted.in_extra, misnamed)


def _commit_twin(writer: CorpusWriter, table: str, id_: str, pending: set[str]) -> None:
    """Of an id in two tables the first row is on the disk before the second is there.

    Else an import killed in between, repeated, would take the first for a row that has moved.
    """
    others = [name for name in COMPARED if name != table and name in pending]
    if table in COMPARED and any(writer.has(name, id_) for name in others):
        writer.commit()
        pending.clear()
    pending.add(table)


def _add(
    writer: CorpusWriter, pictures: StoredPictures, checked: _Checked | None, result: Ingested
) -> None:
    added = 0
    for table, row in checked.rows if checked else ():
        if table == "pictures" and writer.has(table, row["id"]):
            pictures.compare(row)
            continue  # stored once, however many captions it has
        writer.add(table, row)
        if table == "pictures":
            pictures.note(row)
        result.added[table] = result.added.get(table, 0) + 1
        added += 1
    if checked is None or not added:
        result.already += 1
        return
    result.in_extra |= checked.in_extra
    if checked.misnamed:
        result.misnamed.append(checked.misnamed)
