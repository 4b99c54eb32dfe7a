"""Lines: what should be written and what was, of a split or of lists; and how sure sums are."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from trivium.checkpoint import write_file
from trivium.config import Settings
from trivium.data.audio import Samples
from trivium.data.corpus import SOUND_COLUMNS, Corpus
from trivium.data.store import Row
from trivium.errors import TriviumError
from trivium.tasks.metrics import Floats, Integers, bootstrap
from trivium.tasks.score import Score

# Rows that are decoded and handed to a model at a time: it sorts and batches them as it likes.
BLOCK_ROWS = 256
# How many ids a sentence names.
NAMED = 3


class Line(Settings):
    """A reference and what a model wrote in its place, as they were before any normaliser."""

    id: str
    """Of the row, or its number from 1."""
    language: str
    """Its language, or the direction of a translation."""
    reference: str
    """What should be written."""
    hypothesis: str
    """What was written."""


class Written(Settings):
    """A result, and every line it was made of."""

    score: Score
    """The numbers; what their names mean is told by the task."""
    remarks: tuple[str, ...] = ()
    """Sentences on what was empty, left out or missing."""
    lines: tuple[Line, ...] = Field(default=(), exclude=True)
    """They go into a file of their own."""

    def write(self, folder: Path) -> None:
        """`recognition.json`, or as the task is called, and `recognition.jsonl` with the lines."""
        name = type(self).__name__.lower()
        told = (json.dumps(line.model_dump(), ensure_ascii=False) for line in self.lines)
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / f"{name}.json", self.to_json())
        write_file(folder / f"{name}.jsonl", "".join(f"{line}\n" for line in told))


def pair(
    hypotheses: Sequence[str],
    references: Sequence[str],
    languages: Sequence[str],
    ids: Sequence[str] = (),
) -> tuple[Line, ...]:
    """Lists side by side; without `ids` lines are numbered."""
    ids = ids or [str(number) for number in range(1, len(references) + 1)]
    lengths = [len(hypotheses), len(references), len(languages), len(ids)]
    if len(set(lengths)) > 1 or not references:
        raise TriviumError(
            "there are {} hypotheses, {} references, {} languages and {} ids; expected equally "
            "many, and at least one".format(*lengths)
        )
    for name, texts in (("hypothesis", hypotheses), ("reference", references)):
        for id_, text in zip(ids, texts, strict=True):
            if not isinstance(text, str):
                raise TriviumError(f"the {name} of {id_!r} is {text!r}; expected a text")
    rows = zip(ids, languages, references, hypotheses, strict=True)
    return tuple(
        Line(id=id_, language=language, reference=reference, hypothesis=hypothesis)
        for id_, language, reference, hypothesis in rows
    )


def rows_of(
    corpus: Corpus,
    table: str,
    split: str,
    needed: Sequence[str],
    languages: Sequence[str] = (),
) -> tuple[list[Row], list[str]]:
    """Rows of a split with all that is needed, and a sentence on those that lack some of it.

    Where languages are named, rows of others are not wanted. A row has its position as `row`.
    """
    quoted = split.replace("'", "''")
    names = dict.fromkeys(["id", "language", *needed])
    found = corpus.columns(table, list(names), f"split = '{quoted}'").to_pylist()
    wanted = [row for row in found if not languages or row["language"] in languages]
    whole = [row for row in wanted if all((row[name] or "").strip() for name in needed)]
    if not whole:
        among = f" in {', '.join(languages)}" if languages else ""
        raise TriviumError(
            f"none of {len(wanted):,} {table} of the split {split!r} of {corpus.path}{among} has "
            f"{' and '.join(needed)}; name another split"
        )
    kept = {row["row"] for row in whole}
    lacking = [row["id"] for row in wanted if row["row"] not in kept]
    why = f"{table} have no {' or '.join(needed)} and are left out"
    return whole, remark(lacking, len(wanted), why)


def in_blocks(
    rows: Sequence[Row],
    kind: Callable[[Row], Any],
    make: Callable[[list[Row]], Sequence[str]],
    advance: Callable[[int], None],
) -> list[str]:
    """What is made of each row, in order; a block has rows of one kind, such as a language."""
    made: dict[int, str] = {}
    for each in dict.fromkeys(map(kind, rows)):
        places = [place for place, row in enumerate(rows) if kind(row) == each]
        for start in range(0, len(places), BLOCK_ROWS):
            block = places[start : start + BLOCK_ROWS]
            texts = make([rows[place] for place in block])
            if len(texts) != len(block):
                raise TriviumError(
                    f"the model wrote {len(texts)} texts for {len(block)} rows, the first of them "
                    f"{rows[block[0]]['id']!r}; expected one for each"
                )
            made.update(zip(block, texts, strict=True))
            advance(len(block))
    return [made[place] for place in range(len(rows))]


def sounds_of(corpus: Corpus, rows: Sequence[Row]) -> list[Samples]:
    """16 kHz samples of utterances."""
    places = np.array([row["row"] for row in rows], np.int64)
    return corpus.sounds(corpus.take("utterances", places, SOUND_COLUMNS))


def resampled_sums(counts: Integers, seed: int, resamples: int) -> Floats:
    """Sums of counts (N, M) over rows drawn again, (resamples, M); the order of rows is nothing."""
    ordered = counts[np.lexsort(counts.T)].astype(np.float64)
    means = bootstrap(ordered, np.arange(len(counts)), seed, resamples)
    return np.rint(means * len(counts))


def remark(ids: Iterable[str], total: int, what: str) -> list[str]:
    """A sentence that counts rows and names the first of them; none where there are none."""
    names = sorted(ids)
    if not names:
        return []
    shown = ", ".join(map(repr, names[:NAMED])) + ", ..." * (len(names) > NAMED)
    return [f"{len(names):,} of {total:,} {what}: {shown}"]
