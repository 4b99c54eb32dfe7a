"""Everything that can be wrong with a corpus, row by row.

`check` decodes all sound and all pictures, a batch at a time over threads, and compares what rows
say with what is there and with one another.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from trivium.data.audio import SAMPLE_RATE_HZ
from trivium.data.corpus import Corpus
from trivium.data.image import open_image
from trivium.data.text import foreign_script
from trivium.errors import MediaError
from trivium.runtime import cores

SECONDS_TOLERANCE = 0.05


@dataclass(frozen=True)
class Finding:
    """One thing wrong."""

    kind: str  # one of KINDS
    table: str
    id: str
    sentence: str


KINDS = {
    "sound": "sounds that cannot be decoded",
    "picture": "pictures that cannot be decoded",
    "seconds": "durations that lie",
    "repeated": "ids that occur twice",
    "missing": "pictures that are named and not there",
    "script": "texts in another script than their language's",
    "speaker": "speakers in more than one split",
    "leak": "pictures in more than one split",
}


def check(corpus: Corpus, advance: Callable[[int], None] = lambda _: None) -> Iterator[Finding]:
    """Findings as they come; `advance` is told of rows done (utterances and pictures)."""
    for table in ("utterances", "pictures", "sentences"):
        yield from _repeated(corpus, table)
    yield from _missing_pictures(corpus)
    yield from _scripts(corpus, "utterances")
    yield from _scripts(corpus, "sentences")
    yield from _in_two_splits(corpus, "speaker", "speaker")
    yield from _in_two_splits(corpus, "picture", "leak")
    with ThreadPoolExecutor(cores()) as pool:
        for table, names, examine in (
            ("utterances", ["id", "audio", "path", "offset", "seconds"], _examine_sound),
            ("pictures", ["id", "image"], _examine_picture),
        ):
            for batch in corpus.table(table).batches(names, size=256):
                rows = batch.to_pylist()
                for found in pool.map(lambda row, do=examine: do(corpus, row), rows):
                    yield from found
                advance(len(rows))


def _examine_sound(corpus: Corpus, row: dict[str, object]) -> list[Finding]:
    if row["audio"] is None and row["path"] is None:
        return []
    id_, told = str(row["id"]), row["seconds"]
    try:
        seconds = len(corpus.sound(row)) / SAMPLE_RATE_HZ
    except MediaError as error:
        return [Finding("sound", "utterances", id_, str(error))]
    if not isinstance(told, float) or abs(told - seconds) > SECONDS_TOLERANCE:
        sentence = f"{id_}: the row says {told} s, the sound has {seconds:.2f} s"
        return [Finding("seconds", "utterances", id_, sentence)]
    return []


def _examine_picture(_: Corpus, row: dict[str, bytes | str]) -> list[Finding]:
    id_, data = str(row["id"]), row["image"]
    try:
        open_image(data if isinstance(data, bytes) else b"").close()
    except MediaError as error:
        return [Finding("picture", "pictures", id_, f"{id_}: {error}")]
    return []


def _repeated(corpus: Corpus, table: str) -> Iterator[Finding]:
    counts = corpus.columns(table, ["id"]).column("id").value_counts()
    times = counts.field("counts") if len(counts) else pa.array([], pa.int64())
    for entry in counts.filter(pc.greater(times, 1)).to_pylist():
        sentence = f"{entry['values']} is the id of {entry['counts']} rows of {table}"
        yield Finding("repeated", table, entry["values"], sentence)


def _missing_pictures(corpus: Corpus) -> Iterator[Finding]:
    there = corpus.columns("pictures", ["id"]).column("id")
    named = corpus.columns("utterances", ["id", "picture"], "picture IS NOT NULL")
    lost = named.filter(
        pc.invert(pc.is_in(named.column("picture"), value_set=there.combine_chunks()))
    )
    for row in lost.to_pylist():
        sentence = f"{row['id']} names the picture {row['picture']!r}, which is not there"
        yield Finding("missing", "utterances", row["id"], sentence)


def _scripts(corpus: Corpus, table: str) -> Iterator[Finding]:
    pairs = (("text", "language"), ("translation", "translation_language"))
    for batch in corpus.table(table).batches(["id", *(name for pair in pairs for name in pair)]):
        for row in batch.to_pylist():
            for column, marked in pairs:
                text, language = row[column], row[marked]
                script = foreign_script(text, language) if text and language else None
                if script:
                    sentence = f"the {column} is marked {language} and written in {script}"
                    yield Finding(
                        "script", table, row["id"], f"{row['id']}: {sentence}: {text[:40]!r}"
                    )


def _in_two_splits(corpus: Corpus, column: str, kind: str) -> Iterator[Finding]:
    rows = corpus.columns("utterances", [column, "split"], f"{column} IS NOT NULL")
    splits: dict[str, Counter[str]] = {}
    for value, split in _pairs(rows, column):
        splits.setdefault(value, Counter())[split] += 1
    for value, counts in sorted(splits.items()):
        if len(counts) > 1:
            where = ", ".join(f"{split} ({rows:,} rows)" for split, rows in sorted(counts.items()))
            yield Finding(kind, "utterances", value, f"{column} {value} is in {where}")


def _pairs(rows: pa.Table, column: str) -> Iterable[tuple[str, str]]:
    """Distinct values with their splits would lose the counts; dictionaries keep this quick."""
    values = pc.cast(rows.column(column), pa.string()).to_pylist()
    return zip(
        values, pc.cast(rows.column("split"), pa.string()).fill_null("-").to_pylist(), strict=True
    )
