"""Everything that can be wrong with a corpus, row by row.

`check` decodes all sound and all pictures, some megabytes at a time over threads, and compares
what rows say with what is there, with one another, and with the card.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trivium.data import store
from trivium.data.audio import SAMPLE_RATE_HZ
from trivium.data.corpus import CARD, Corpus, fingerprint
from trivium.data.image import open_image
from trivium.data.store import Rows
from trivium.data.text import foreign_script
from trivium.errors import MediaError
from trivium.runtime import cores

SECONDS_TOLERANCE = 0.05
TURN_BYTES, TURN_ROWS = 64 * 2**20, 256  # of sound or pictures, in memory at once
WAV_BYTES_PER_SECOND = 32_000


Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class Finding:
    """One thing wrong."""

    kind: str  # one of KINDS
    table: str  # empty where it is the whole corpus
    id: str
    sentence: str


KINDS = {
    "changed": "corpora whose rows are not those their card names",
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
    """Findings as they come; `advance` is told of rows done, those of all tables."""
    yield from _changed(corpus)
    for table in store.SCHEMAS:
        yield from _repeated(corpus, table)
    yield from _missing_pictures(corpus)
    yield from _scripts(corpus, "utterances")
    yield from _scripts(corpus, "sentences", advance)
    yield from _in_two_splits(corpus, "speaker", "speaker")
    yield from _in_two_splits(corpus, "picture", "leak")
    with ThreadPoolExecutor(cores()) as pool:
        for table, names, examine in (
            ("utterances", ["id", "audio", "path", "offset", "seconds"], _examine_sound),
            ("pictures", ["id", "image"], _examine_picture),
        ):
            for places in _turns(_expected_bytes(corpus, table)):
                rows = corpus.take(table, places, names).to_pylist()
                for found in pool.map(lambda row, do=examine: do(corpus, row), rows):
                    yield from found
                advance(len(rows))


def _expected_bytes(corpus: Corpus, table: str) -> Floats:
    """What each row of a table may weigh, (N,), told by its length and by the table's files.

    Lance compresses what it can, so the files may say too little: a sound counts as wav at least.
    """
    count, size = corpus.count(table), corpus.table(table).data_bytes
    mean = np.full(count, size / max(count, 1))
    if table != "utterances":
        return mean
    lengths = corpus.columns(table, ["seconds"]).column("seconds")
    seconds = np.nan_to_num(pc.fill_null(lengths, 0.0).to_numpy(), posinf=0.0).clip(min=0.0)
    per_second = size / max(float(seconds.sum()), 1e-9)
    by_length: Floats = max(per_second, WAV_BYTES_PER_SECOND) * seconds
    expected: Floats = np.maximum(mean, by_length)
    return expected


def _turns(row_bytes: Floats) -> Iterator[Rows]:
    """Positions of rows to read at once: every row in one turn, in order."""
    start, held = 0, 0.0
    for row, size in enumerate(row_bytes):
        if row > start and (held + size > TURN_BYTES or row - start == TURN_ROWS):
            yield np.arange(start, row)
            start, held = row, 0.0
        held += float(size)
    if start < len(row_bytes):
        yield np.arange(start, len(row_bytes))


def _changed(corpus: Corpus) -> Iterator[Finding]:
    found = fingerprint(corpus.table(name) for name in store.SCHEMAS)
    told = corpus.card.fingerprint
    if found != told:
        sentence = f"the rows have the fingerprint {found[:16]} and {CARD} says {told[:16]!r}"
        yield Finding("changed", "", "", f"{sentence}: ids, lengths or texts are not those written")


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


def _scripts(
    corpus: Corpus, table: str, advance: Callable[[int], None] = lambda _: None
) -> Iterator[Finding]:
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
        advance(len(batch))


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
