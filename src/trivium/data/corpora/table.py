"""A user's own table: csv, tsv, jsonl or parquet, one record a line."""

import csv
import json
import reprlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from trivium.data.corpora.record import COLUMNS, CONTENT, BadLine, MadeId, Record
from trivium.errors import CorpusError, did_you_mean

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
MAX_LINE_BYTES = 16 * 2**20
MAX_RECORD_LINES = 32  # of a quoted field: a quote that nothing closes must not swallow the rest
PARQUET_ROWS = 256  # read at once where a row has no bytes in it
Line = tuple[int, bytes | None]  # its number, and None for one that is too long
Split = Callable[[str], list[str] | None]  # None while a quote is open


def read(source: Path) -> Iterator[Record | BadLine]:
    """The records of a table, streamed; a line that cannot be read becomes a BadLine.

    A record without an `id` gets one from the name of the table and its place among the records.
    A table that is none, has no rows or none of the columns is refused before anything is written.
    """
    kind = _kind(source)
    readers = {".csv": _csv, ".tsv": _tsv, ".jsonl": _jsonl, ".parquet": _parquet}
    records = readers[kind](source)
    head = list(islice(records, 16 if kind == ".jsonl" else 1))
    if not head:
        raise CorpusError(f"{source} has no rows")
    names = [name for record in head if isinstance(record, dict) for name in record]
    if names:
        _check_content(source, names)
    return _with_ids(source, chain(head, records))


def count(source: Path) -> int:
    """About how many records a table has, without reading them: lines, or what parquet says."""
    kind = _kind(source)
    if kind == ".parquet":
        import pyarrow.parquet as pq

        return int(pq.read_metadata(source).num_rows)
    lines, last = 0, b"\n"
    with source.open("rb") as file:
        while block := file.read(2**20):
            lines += block.count(b"\n")
            last = block[-1:]
    return max(lines + (last != b"\n") - (kind != ".jsonl"), 0)


def _kind(source: Path) -> str:
    kind = source.suffix.casefold()
    if kind not in SUFFIXES:
        raise CorpusError(f"{source} is none of {', '.join(SUFFIXES)}")
    if not source.is_file():
        raise CorpusError(f"the table {source} is {'no file' if source.exists() else 'not there'}")
    return kind


def _with_ids(
    source: Path, records: Iterator[dict[str, Any] | BadLine]
) -> Iterator[Record | BadLine]:
    for number, record in enumerate(records, 1):
        if isinstance(record, BadLine):
            yield record
            continue
        filled = {name: v for name, v in record.items() if v is not None and v != ""}
        yield {"id": MadeId(f"{source.stem}-{number:08}"), **filled}


class Lines:
    """Numbered lines of a file, one too long being None; those taken too far can be put back."""

    def __init__(self, file: BinaryIO) -> None:
        self._fresh = numbered(file)
        self._back: deque[Line] = deque()

    def take(self) -> Line | None:
        """The next line, or None at the end."""
        return self._back.popleft() if self._back else next(self._fresh, None)

    def put_back(self, lines: Sequence[Line]) -> None:
        """Have these lines, in their order, come next again."""
        self._back.extendleft(reversed(lines))


def numbered(file: BinaryIO) -> Iterator[Line]:
    """Lines with their numbers; of one too long no more is kept than its number."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) <= MAX_LINE_BYTES:
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES)
        yield number, None


def decoded(number: int, line: bytes | None) -> str:
    """The text of a line, or a sentence on why it has none."""
    if line is None:
        raise CorpusError(f"line {number} has more than {MAX_LINE_BYTES:,} bytes")
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"line {number} is not UTF-8: byte {error.start + 1} of it is 0x{line[error.start]:02x}"
        ) from error


def _csv(source: Path) -> Iterator[dict[str, Any] | BadLine]:
    csv.field_size_limit(2 * MAX_LINE_BYTES)  # lines are limited before
    first = _header(source)
    delimiter = ","
    for candidate in ",;\t":  # Excel writes ; where the comma is a decimal point
        with suppress(CorpusError):
            if _columns(_quoted(first, candidate) or []) & {*CONTENT}:
                delimiter = candidate
                break
    return _delimited(source, partial(_quoted, delimiter=delimiter))


def _tsv(source: Path) -> Iterator[dict[str, Any] | BadLine]:
    return _delimited(source, _tabbed)


def _quoted(text: str, delimiter: str) -> list[str] | None:
    """Fields of a record, or None while a quote in it is open."""
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        if str(error) == "unexpected end of data":
            return None
        raise CorpusError(f"{error}, in {text[:80]!r}") from error


def _tabbed(text: str) -> list[str]:
    """Fields between tabs, where a quote is a letter like others."""
    line = text.rstrip("\r\n")
    return line.split("\t") if line else []


def _header(source: Path) -> str:
    with source.open("rb") as file:
        first = Lines(file).take()
    if first is None:
        raise CorpusError(f"{source} is empty (0 bytes)")
    try:
        return decoded(*first)
    except CorpusError as error:
        raise CorpusError(f"{source}: {error}") from error


def _delimited(source: Path, split: Split) -> Iterator[dict[str, Any] | BadLine]:
    header = split(_header(source))
    if header is None:
        raise CorpusError(f"{source}: line 1, the header, opens a quote and does not close it")
    names = [_column(name, place) for place, name in enumerate(header, 1)]
    _check_names(source, names)
    _check_content(source, names)
    with source.open("rb") as file:
        lines = Lines(file)
        lines.take()
        while (line := lines.take()) is not None:
            try:
                fields = _fields(lines, line, split, len(names))
            except CorpusError as error:
                yield BadLine(str(error))
            else:
                if fields:
                    yield dict(zip(names, fields, strict=False))  # the last ones may be left out


def _fields(lines: Lines, first: Line, split: Split, width: int) -> list[str]:
    """Fields of the record that begins with a line; a bad one costs that line and no other."""
    text = decoded(*first)
    taken: list[Line] = []
    try:
        while (fields := split(text)) is None:
            text += _next_quote(lines, taken)
    except CorpusError as error:
        lines.put_back(taken)
        raise CorpusError(f"line {first[0]}: {error}") from error
    if surplus := fields[width:]:
        lines.put_back(taken)
        raise CorpusError(
            f"line {first[0]} has {len(surplus)} more fields than the header: "
            f"{reprlib.repr(surplus)}"
        )
    return fields


def _next_quote(lines: Lines, taken: list[Line]) -> str:
    """The lines up to the next that may close a quote."""
    text = ""
    while '"' not in text:
        line = lines.take()
        if line is not None:
            taken.append(line)
        size = sum(len(raw or b"") for _, raw in taken)
        if line is None or len(taken) >= MAX_RECORD_LINES or size > MAX_LINE_BYTES:
            raise CorpusError(f"it opens a quote that the next {len(taken)} lines do not close")
        text += decoded(*line)
    return text


def _jsonl(source: Path) -> Iterator[dict[str, Any] | BadLine]:
    with source.open("rb") as file:
        for number, line in numbered(file):
            if line is not None and not line.strip():
                continue
            try:
                yield _object(number, json.loads(decoded(number, line), object_pairs_hook=_pairs))
            except CorpusError as error:
                yield BadLine(str(error))
            except (ValueError, RecursionError) as error:
                yield BadLine(f"line {number} is not JSON: {error}")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The members of an object; of two by one name JSON would keep the last in silence."""
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(name for name in members if [n for n, _ in pairs].count(name) > 1)
        raise ValueError(f"{twice!r} occurs twice in one object")
    return members


def _object(number: int, record: Any) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise CorpusError(f"line {number} holds a {type(record).__name__}, not an object")
    names = [_column(name, place) for place, name in enumerate(record, 1)]
    if len({*names}) < len(names):
        raise CorpusError(f"line {number} has a column twice: {', '.join(map(repr, record))}")
    return dict(zip(names, record.values(), strict=True))


def _parquet(source: Path) -> Iterator[dict[str, Any] | BadLine]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        given = pq.read_schema(source).names
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"{source} is not a parquet table: {error}") from error
    names = [_column(name, n) for n, name in enumerate(given, 1)]
    _check_names(source, names)
    _check_content(source, names)
    yield from parquet_rows(source, names)


def parquet_rows(
    source: Path, names: Sequence[str] | None = None
) -> Iterator[dict[str, Any] | BadLine]:
    """The rows of a parquet table under these names; those that cannot be read are BadLines."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(source, buffer_size=2**20) as file:  # else a row group is read whole
        # Sounds of unknown size: one row at a time keeps memory that of one sound.
        size = 1 if any(map(_holds_bytes, file.schema_arrow.types)) else PARQUET_ROWS
        for group in range(file.num_row_groups):
            rows, done = file.metadata.row_group(group).num_rows, 0
            try:
                for batch in file.iter_batches(batch_size=size, row_groups=[group]):
                    yield from _rows(batch.rename_columns(names or batch.schema.names))
                    done += len(batch)
            except (pa.ArrowException, OSError) as error:
                for row in range(done, rows):
                    yield BadLine(f"row {row + 1} of row group {group + 1}: {error}")


def _rows(batch: Any) -> Iterator[dict[str, Any] | BadLine]:
    import pyarrow as pa

    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException) as error:
        if len(batch) == 1:
            yield BadLine(f"a row cannot be read: {error}")
            return
        for row in range(len(batch)):
            yield from _rows(batch.slice(row, 1))


def _holds_bytes(kind: Any) -> bool:
    import pyarrow as pa

    own = any(test(kind) for test in (
        pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary,
        pa.types.is_binary_view,
    ))  # fmt: skip
    return own or any(_holds_bytes(kind.field(place).type) for place in range(kind.num_fields))


def _column(name: str, place: int) -> str:
    """The name of a column as we know it; spaces and case are nobody's intent."""
    plain = name.strip()
    known = plain.casefold()
    return known if known in COLUMNS else plain or f"column {place}"


def _columns(header: Sequence[str]) -> set[str]:
    return {_column(name, place) for place, name in enumerate(header, 1)}


def _check_names(source: Path, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise CorpusError(f"{source} has the column {name!r} twice; rename or drop one")


def _check_content(source: Path, names: Sequence[str]) -> None:
    if {*names} & {*CONTENT}:
        return
    unlike = ", ".join(repr(name) for name in dict.fromkeys(names))
    guesses = [name for name in dict.fromkeys(names) if name not in COLUMNS]
    near = [(name, hint) for name in guesses if "did" in (hint := did_you_mean(name, CONTENT))]
    told = f"; for {near[0][0]!r} {near[0][1]}" if near else ""
    raise CorpusError(
        f"{source} has none of the columns {', '.join(CONTENT)}; it has {unlike[:500]}{told}"
    )
