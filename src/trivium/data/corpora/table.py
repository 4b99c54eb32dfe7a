"""A user's own table: csv, tsv, jsonl or parquet, one record a line."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trivium.data.corpora.ingest import BadLine, Record
from trivium.errors import CorpusError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def read(source: Path) -> Iterator[Record | BadLine]:
    """The records of a table, streamed; a line that cannot be read becomes a BadLine.

    A record without an `id` gets one from the name of the table and the number of its line.
    """
    readers = {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
    if source.suffix not in readers:
        raise CorpusError(f"{source} is none of {', '.join(SUFFIXES)}")
    if not source.is_file():
        raise CorpusError(f"the table {source} is not there")
    return _with_ids(source, readers[source.suffix](source))


def _with_ids(
    source: Path, records: Iterator[dict[str, Any] | BadLine]
) -> Iterator[Record | BadLine]:
    for number, record in enumerate(records, 1):
        if isinstance(record, BadLine):
            yield record
            continue
        filled = {name: value for name, value in record.items() if value not in (None, "")}
        id_ = filled.get("id")
        yield {**filled, "id": str(id_) if id_ is not None else f"{source.stem}-{number:08}"}


def _csv(source: Path) -> Iterator[dict[str, Any] | BadLine]:
    csv.field_size_limit(2**24)
    with source.open(encoding="utf-8-sig", newline="") as lines:
        delimiter = "\t" if source.suffix == ".tsv" else ","
        reader = csv.DictReader(lines, delimiter=delimiter)
        try:
            for record in reader:
                surplus = record.pop(None, None)
                if surplus is not None:
                    yield BadLine(
                        f"line {reader.line_num} has {len(surplus)} more fields than the header: "
                        f"{surplus!r}"
                    )
                else:
                    yield record
        except (csv.Error, UnicodeDecodeError) as error:
            raise CorpusError(f"{source}, after line {reader.line_num}: {error}") from error


def _jsonl(source: Path) -> Iterator[dict[str, Any] | BadLine]:
    with source.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                yield BadLine(f"line {number} is not JSON: {error}")
                continue
            if isinstance(record, dict):
                yield record
            else:
                yield BadLine(f"line {number} holds a {type(record).__name__}, not an object")


def _parquet(source: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(source) as file:
            for batch in file.iter_batches(batch_size=256):
                yield from batch.to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise CorpusError(f"{source} is not a parquet table: {error}") from error
