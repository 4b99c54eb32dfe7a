"""What a corpus holds: rows of each split, speech, languages, speakers, columns."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from trivium.data import store
from trivium.data.corpus import CARD, Corpus
from trivium.report import duration


@dataclass(frozen=True)
class LanguageFacts:
    """One language of one table."""

    table: str
    language: str
    rows: dict[str, int]  # of each split
    seconds: float | None
    speakers: int | None


@dataclass(frozen=True)
class CorpusFacts:
    """All languages, the splits there are, and which columns of each table have any value."""

    languages: list[LanguageFacts]
    splits: list[str]
    columns: dict[str, list[str]]
    disk_bytes: int


def describe(corpus: Corpus) -> CorpusFacts:
    """Statistics of a corpus, read from its light columns."""
    languages: list[LanguageFacts] = []
    columns: dict[str, list[str]] = {}
    for name in store.SCHEMAS:
        if corpus.count(name):
            languages += _languages(corpus, name)
            columns[name] = _filled(corpus, name)
    usual = {"train": 0, "dev": 1, "test": 2}
    names = {split for facts in languages for split in facts.rows}
    splits = sorted(names, key=lambda name: (usual.get(name, 3), name))
    return CorpusFacts(languages, splits, columns, _disk_bytes(corpus))


def facts_table(facts: CorpusFacts) -> tuple[list[str], list[list[str]]]:
    """Headers and cells of the statistics, a line for each language of each table."""
    headers = ["table", "language", *facts.splits, "speech", "speakers"]
    cells = [
        [
            line.table,
            line.language,
            *(f"{line.rows.get(split, 0):,}" for split in facts.splits),
            duration(line.seconds) if line.seconds is not None else "",
            f"{line.speakers:,}" if line.speakers else "",
        ]
        for line in facts.languages
    ]
    return headers, cells


def _languages(corpus: Corpus, table: str) -> list[LanguageFacts]:
    known = store.SCHEMAS[table].names
    names = [name for name in ("language", "split", "seconds", "speaker") if name in known]
    rows = corpus.columns(table, names)
    plain = pa.table({name: _plain(rows.column(name)) for name in names})
    if "language" not in names:
        plain = plain.append_column("language", pa.nulls(len(plain), pa.string()))
    wanted: list[tuple[str | list[str], str]] = [([], "count_all")]
    if "seconds" in names:
        wanted += [("seconds", "sum"), ("speaker", "count_distinct")]
    of_language = plain.group_by("language").aggregate(wanted).to_pylist()
    splits: dict[str | None, dict[str, int]] = {}
    for group in plain.group_by(["language", "split"]).aggregate([([], "count_all")]).to_pylist():
        splits.setdefault(group["language"], {})[group["split"] or "-"] = group["count_all"]
    return [
        LanguageFacts(
            table=table,
            language=group["language"] or "-",
            rows=splits[group["language"]],
            seconds=group.get("seconds_sum"),
            speakers=group.get("speaker_count_distinct"),
        )
        for group in sorted(of_language, key=lambda group: group["language"] or "")
    ]


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(column, pa.string()) if pa.types.is_dictionary(column.type) else column


def _filled(corpus: Corpus, table: str) -> list[str]:
    """Columns with a value in some row; encoded sound and pictures are not read for it."""
    # A row with a length and no path has its sound in it; every picture has its image.
    told_by = {"audio": "seconds IS NOT NULL AND path IS NULL", "image": None}
    return [
        name
        for name in store.SCHEMAS[table].names
        if corpus.table(table).count(told_by.get(name, f"{name} IS NOT NULL"))
    ]


def _disk_bytes(corpus: Corpus) -> int:
    """What the tables and the card take; pages and lists beside them are not the corpus."""
    tables = (corpus.path / f"{name}.lance" for name in store.SCHEMAS)
    files = (path for table in tables for path in table.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in (corpus.path / CARD, *files))
