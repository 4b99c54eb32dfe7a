"""What a corpus holds: rows, seconds, languages and speakers of each split."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from trivium.data import store
from trivium.data.corpus import Corpus


@dataclass(frozen=True)
class SplitFacts:
    """One split of one language of one table."""

    table: str
    split: str
    language: str
    rows: int
    seconds: float | None
    speakers: int | None


@dataclass(frozen=True)
class CorpusFacts:
    """All splits, and which columns of each table have any value."""

    splits: list[SplitFacts]
    columns: dict[str, list[str]]
    disk_bytes: int


def describe(corpus: Corpus) -> CorpusFacts:
    """Statistics of a corpus, read from its light columns."""
    splits: list[SplitFacts] = []
    columns: dict[str, list[str]] = {}
    for name in store.SCHEMAS:
        if corpus.count(name):
            splits += _splits(corpus, name)
            columns[name] = _filled(corpus, name)
    size = sum(path.stat().st_size for path in corpus.path.rglob("*") if path.is_file())
    return CorpusFacts(splits, columns, size)


def _splits(corpus: Corpus, table: str) -> list[SplitFacts]:
    keys = [name for name in ("split", "language") if name in store.SCHEMAS[table].names]
    measures = ["seconds", "speaker"] if table == "utterances" else []
    rows = corpus.columns(table, [*keys, *measures])
    plain = pa.table({name: _plain(rows.column(name)) for name in [*keys, *measures]})
    wanted: list[tuple[str | list[str], str]] = [([], "count_all")]
    if measures:
        wanted += [("seconds", "sum"), ("speaker", "count_distinct")]
    groups = plain.group_by(keys).aggregate(wanted).to_pylist()
    facts = [
        SplitFacts(
            table=table,
            split=group["split"] or "-",
            language=group.get("language") or "-",
            rows=group["count_all"],
            seconds=group.get("seconds_sum"),
            speakers=group.get("speaker_count_distinct"),
        )
        for group in groups
    ]
    usual = {"train": 0, "dev": 1, "test": 2}
    return sorted(facts, key=lambda fact: (usual.get(fact.split, 3), fact.split, fact.language))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(column, pa.string()) if pa.types.is_dictionary(column.type) else column


def _filled(corpus: Corpus, table: str) -> list[str]:
    """Columns with a value in some row; encoded sound and pictures are not read for it."""
    return [
        name
        for name in store.SCHEMAS[table].names
        if corpus.table(table).dataset.count_rows(filter=f"{name} IS NOT NULL")
    ]
