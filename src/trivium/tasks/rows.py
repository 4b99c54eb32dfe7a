"""Rows that a model is asked about: those of a split that have what it needs, block by block."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from trivium.config import Settings
from trivium.data.audio import Samples
from trivium.data.corpus import SOUND_COLUMNS, Corpus
from trivium.data.store import Row, extra_of
from trivium.data.text import SECOND, joined
from trivium.errors import TriviumError

# Rows that are decoded and handed to a model at a time: it sorts and batches them as it likes.
BLOCK_ROWS = 256
# How many ids a sentence names.
NAMED = 3
# Of utterances: those with a sound last some time, and nothing else does.
SOUNDING = "seconds is not null"
# In place of the name of a split: rows of all of them.
ALL_SPLITS = "*"

Answer = TypeVar("Answer")
Table = Literal["utterances", "sentences"]


class Named(Protocol):
    """A model that says who it is."""

    name: str
    checksum: str


class Reader(Named, Protocol):
    """A model that is given speech, texts, or both of each row."""

    @property
    def reads(self) -> tuple[str, ...]:
        """`speech`, `text`, or both."""

    @property
    def pairs(self) -> bool:
        """Whether a text is two sentences."""


class Within(Settings):
    """Which rows of a split are measured."""

    where: str | None = None
    """A further filter of the rows, as in SQL, such as that of a fold; the score is signed so."""

    def part(self, split: str) -> str:
        """The part of a corpus that is measured, as a signature says it."""
        return f"{split} where {self.where}" if self.where else split


def where_of(split: str, *terms: str | None) -> str:
    """Rows of a split, or of all of them, for which all of some filters hold."""
    chosen = [] if split == ALL_SPLITS else [f"split = {literal(split)}"]
    return " and ".join([*chosen, *(f"({term})" for term in terms if term)]) or "true"


def literal(text: str) -> str:
    """A text as a filter writes it."""
    quoted = text.replace("'", "''")
    return f"'{quoted}'"


def rows_of(
    corpus: Corpus,
    table: str,
    split: str,
    needed: Sequence[str],
    languages: Sequence[str] = (),
    where: str | None = None,
    also: Sequence[str] = (),
    *,
    heard: bool = True,
) -> tuple[list[Row], list[str]]:
    """Rows of a split with all that is needed, and sentences on those that lack some of it.

    Utterances need a sound, but where they are not `heard`. Where languages or a filter are named,
    other rows are not wanted. A row has its position as `row`, and the columns `also` whether or
    not there is something in them.
    """
    names = list(dict.fromkeys(["id", "language", *needed, *also]))

    def asked(mark: str | None) -> list[Row]:
        found = corpus.columns(table, names, where_of(split, where, mark)).to_pylist()
        return [row for row in found if not languages or row["language"] in languages]

    heard = heard and table == "utterances"
    wanted = asked(SOUNDING if heard else None)
    silent = asked(f"not ({SOUNDING})") if heard else []
    total = len(wanted) + len(silent)
    whole = [row for row in wanted if all(_is_there(row[name]) for name in needed)]
    if not whole:
        among = f" in {', '.join(languages)}" if languages else ""
        which = f" where {where}" if where else ""
        lacked = [*needed, "sound"] if silent or not needed else needed
        raise TriviumError(
            f"none of {total:,} {table} of the split {split!r} of {corpus.path}{among}{which}"
            f" has {' and '.join(lacked)}; name another split"
        )
    kept = {row["row"] for row in whole}
    lacking = [row["id"] for row in wanted if row["row"] not in kept]
    return whole, [
        *remark([row["id"] for row in silent], total, f"{table} have no sound and are left out"),
        *remark(lacking, total, f"{table} have no {' or '.join(needed)} and are left out"),
    ]


def in_blocks(
    rows: Sequence[Row],
    kind: Callable[[Row], Any],
    make: Callable[[list[Row]], Sequence[Answer]],
    advance: Callable[[int], None],
) -> list[Answer]:
    """What is made of each row, in order; a block has rows of one kind, such as a language."""
    made: dict[int, Answer] = {}
    for each in dict.fromkeys(map(kind, rows)):
        places = [place for place, row in enumerate(rows) if kind(row) == each]
        for start in range(0, len(places), BLOCK_ROWS):
            block = places[start : start + BLOCK_ROWS]
            answers = make([rows[place] for place in block])
            if len(answers) != len(block):
                raise TriviumError(
                    f"the model gave {len(answers)} answers for {len(block)} rows, the first of "
                    f"them {rows[block[0]]['id']!r}; expected one for each"
                )
            made.update(zip(block, answers, strict=True))
            advance(len(block))
    return [made[place] for place in range(len(rows))]


def known_rows(
    model: Reader,
    corpus: Corpus,
    table: Table | None,
    split: str,
    column: str,
    languages: Sequence[str],
    where: str | None,
) -> tuple[list[Row], list[str]]:
    """Rows of which a column says what is right, with what a model reads of them.

    Where no table is named, sentences are for who reads texts alone and finds no utterance.
    """
    known = f"{column} is not null"
    if table is None:
        spoken = "speech" in model.reads or len(
            corpus.columns("utterances", ["id"], where_of(split, known, where))
        )
        table = "utterances" if spoken else "sentences"
    read = ["text"] if "text" in model.reads else []
    both = known if where is None else f"({where}) and {known}"
    heard = "speech" in model.reads
    also = ["extra"] if model.pairs else []  # which has the second sentence
    return rows_of(corpus, table, split, [column, *read], languages, both, also, heard=heard)


def answers(
    reads: Sequence[str],
    corpus: Corpus,
    rows: Sequence[Row],
    ask: Callable[[list[Samples] | None, list[str] | None], Sequence[Answer]],
    advance: Callable[[int], None],
) -> list[Answer]:
    """What a model says of each row, given the sounds, the texts, or both of a block of rows."""

    def make(block: list[Row]) -> Sequence[Answer]:
        sounds = sounds_of(corpus, block) if "speech" in reads else None
        texts = [text_of(row) for row in block] if "text" in reads else None
        return ask(sounds, texts)

    return in_blocks(rows, lambda _: None, make, advance)


def text_of(row: Row) -> str:
    """The text of a row; of a pair of sentences both, with a tab between them."""
    second = key_of(row, SECOND)
    return joined(row["text"]) if second is None else joined(row["text"], second)


def key_of(row: Row, key: str) -> str | None:
    """What the source said of a row under a key of `extra`, as text; None where it said nothing."""
    value = extra_of(row).get(key)
    return None if value is None or value == "" else str(value)


def sounds_of(corpus: Corpus, rows: Sequence[Row]) -> list[Samples]:
    """16 kHz samples of utterances."""
    places = np.array([row["row"] for row in rows], np.int64)
    return corpus.sounds(corpus.take("utterances", places, SOUND_COLUMNS))


def remark(ids: Iterable[str], total: int, what: str) -> list[str]:
    """A sentence that counts rows and names the first of them; none where there are none."""
    names = sorted(ids)
    if not names:
        return []
    shown = ", ".join(map(repr, names[:NAMED])) + ", ..." * (len(names) > NAMED)
    return [f"{len(names):,} of {total:,} {what}: {shown}"]


def first_of(names: Iterable[str]) -> str:
    """The first names, and how many others there are."""
    told = list(names)
    more = f" and {len(told) - NAMED:,} others" if len(told) > NAMED else ""
    return ", ".join(map(repr, told[:NAMED])) + more


def _is_there(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value is not None
