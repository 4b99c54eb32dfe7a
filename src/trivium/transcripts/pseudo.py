"""Pseudo-labelling: a model writes what a corpus lacks, into a corpus of its own.

Every guess is put at once into `guesses.jsonl`, so that an interrupted run, repeated, asks the
model for none twice; those that are sure enough become rows, and `rejected.jsonl` names the rest.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from trivium.checkpoint import write_file
from trivium.config import Settings
from trivium.data.corpora.ingest import REJECTED
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.data.store import SCHEMAS
from trivium.errors import CorpusError
from trivium.transcripts.guesses import Asking, Guess, Source, append, confidences, read

GUESSES = "guesses.jsonl"
BLOCK_ROWS = 128  # asked about at a time, and lost at most when a run is killed
# What a word of a split's name begins with if the split is for measuring. Common Voice's
# `validated` contains its dev and test.
HELD_OUT = ("dev", "test", "valid", "eval")

Row = dict[str, Any]


class PseudoSettings(Settings):
    """What is written, of which rows, and what is kept."""

    what: Literal["translation", "transcript"] = "translation"
    """What is written: the column `translation`, or a transcript into `text`."""
    to: str | None = None
    """The language to translate into."""
    source: Source = "speech"
    """What is translated: utterances as they sound, their texts, or sentences."""
    splits: tuple[str, ...] = Field(default=("train",), min_length=1)
    """Splits whose rows are asked about."""
    min_confidence: float | None = None
    """Guesses with less are left out; 0 is the most. None keeps all."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.to is None) == (self.what == "translation"):
            raise ValueError(
                f"to is {self.to!r} for a {self.what}; a translation needs a language, and a "
                "transcript has that of its speech"
            )
        if self.what == "transcript" and self.source != "speech":
            raise ValueError(f"source is {self.source!r}; a transcript is made of speech")
        return self

    @field_validator("splits")
    @classmethod
    def _are_to_train_on(cls, splits: tuple[str, ...]) -> tuple[str, ...]:
        for split in splits:
            if any(word.startswith(HELD_OUT) for word in re.split("[^a-z]+", split.lower())):
                raise ValueError(
                    f"the split {split!r} is for measuring, and no model may write its references; "
                    "name a split to train on"
                )
        return splits

    @property
    def table(self) -> str:
        """The table whose rows are read."""
        return "sentences" if self.source == "sentences" else "utterances"

    @property
    def column(self) -> str:
        """The column that is filled."""
        return "text" if self.what == "transcript" else "translation"


@dataclass
class Labelled:
    """What became of the rows."""

    confidence: str  # what it is
    kept: int
    already: int  # have what is asked for, and are left out
    rejected: int


def pseudo_label(
    corpus: Corpus,
    out: Path,
    model: Any,
    settings: PseudoSettings,
    advance: Callable[[int], None] = lambda _: None,
) -> Labelled:
    """Write the corpus `out`: rows of some splits with what the model guesses of them.

    The corpus that is read stays as it is. Sounds that it links to stay where they are.
    """
    rows, already, refused = _rows(corpus, settings)
    asking = Asking(model, settings.source, settings.to)
    if rows:
        asking.of([], rows[0]["language"] or "")  # what the model cannot do is refused now
    card = _card(corpus, model, settings)
    with CorpusWriter(out, card) as writer:
        guesses = _asked(corpus, out / GUESSES, rows, asking, refused, advance)
        kept = _sure(rows, guesses, asking, refused, settings.min_confidence)
        for block in _blocks(kept):
            _add(corpus, writer, block, guesses, settings)
        lines = [{"id": id_, "reason": reason} for id_, reason in sorted(refused.items())]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_file(out / REJECTED, text)
    return Labelled(asking.confidence, len(kept), already, len(refused))


def _rows(corpus: Corpus, settings: PseudoSettings) -> tuple[list[Row], int, dict[str, str]]:
    """Rows to ask about, how many have what is asked for, and why others cannot have it, by id."""
    names = ["id", "language", "text", "translation", "translation_language"]
    wanted: list[Row] = []
    refused: dict[str, str] = {}
    already = 0
    for split in dict.fromkeys(settings.splits):
        quoted = split.replace("'", "''")
        found = corpus.columns(settings.table, names, f"split = '{quoted}'").to_pylist()
        if not found:
            raise CorpusError(f"{corpus.path} has no {settings.table} in the split {split!r}")
        for row in found:
            if row[settings.column] and settings.to in (None, row["translation_language"]):
                already += 1
            elif settings.source != "speech" and not (row["text"] or "").strip():
                refused[row["id"]] = "there is no text"
            elif settings.to is not None and settings.to == row["language"]:
                refused[row["id"]] = f"it is in {settings.to} as it stands"
            else:
                wanted.append(row)
    return wanted, already, refused


def _card(corpus: Corpus, model: Any, settings: PseudoSettings) -> Card:
    card, licence = corpus.card, getattr(model, "licence", "")
    made_by = {
        "command": "pseudo-label", "corpus": str(corpus.path.resolve()),
        "fingerprint": card.fingerprint, "model": model.name, "checksum": model.checksum,
        **settings.model_dump(mode="json"),
    }  # fmt: skip
    terms = f"; {settings.column} by a model under {licence}" if licence else ""
    return Card(
        name=f"{card.name}-pseudo", licence=card.licence + terms,
        source=f"{card.name}, its {settings.column} written by {model.name}.", made_by=made_by,
    )  # fmt: skip


def _asked(
    corpus: Corpus,
    path: Path,
    rows: Sequence[Row],
    asking: Asking,
    refused: dict[str, str],
    advance: Callable[[int], None],
) -> dict[str, Guess]:
    """The guess of each row for which there is one, by id; from the file as far as it goes."""
    guesses = read(path)
    missing = [row for row in rows if row["id"] not in guesses]
    advance(len(rows) - len(missing))
    for block in _blocks(missing):
        made = list(asking.guesses(corpus, block, refused))
        append(path, made)
        guesses |= {guess.id: guess for guess in made}
        advance(len(block))
    return guesses


def _sure(
    rows: Sequence[Row],
    guesses: dict[str, Guess],
    asking: Asking,
    refused: dict[str, str],
    least: float | None,
) -> list[Row]:
    """Rows whose guess is kept, with its confidence."""
    there = []
    for row in rows:
        if row["id"] in guesses:
            fault = asking.fault(guesses[row["id"]], row["language"] or "")
            if fault:
                refused[row["id"]] = fault
            else:
                there.append(row)
    sure = confidences([(row["language"] or "", guesses[row["id"]]) for row in there])
    kept = []
    for row in there:
        confidence = sure[row["id"]]
        if least is not None and confidence < least:
            refused[row["id"]] = f"the confidence is {confidence:.3f}, less than {least:g}"
        else:
            kept.append(row | {"confidence": confidence, "confidence_is": asking.confidence})
    return kept


def _add(
    corpus: Corpus,
    writer: CorpusWriter,
    block: Sequence[Row],
    guesses: dict[str, Guess],
    settings: PseudoSettings,
) -> None:
    """Add rows, and the pictures that they name, with what was guessed of them."""
    new = [row for row in block if not writer.has(settings.table, row["id"])]
    whole = _taken(corpus, settings.table, [row["row"] for row in new])
    named = {row["picture"] for row in whole if row.get("picture")}
    pictures = sorted(id_ for id_ in named if not writer.has("pictures", id_))
    for picture in _taken(corpus, "pictures", corpus.picture_rows(pictures).tolist()):
        writer.add("pictures", picture)
    told = {name: writer.card.made_by[name] for name in ("model", "checksum")}
    for row, columns in zip(new, whole, strict=True):
        text = guesses[row["id"]].text
        made: Row = {settings.column: text}
        if settings.to is None:
            made["characters"] = len(text)
        else:
            made["translation_language"] = settings.to
        sure = {name: row[name] for name in ("confidence", "confidence_is")}
        pseudo = {"column": settings.column, **told, **sure}
        made["extra"] = _with(columns["extra"], pseudo)
        writer.add(settings.table, columns | made)


def _taken(corpus: Corpus, table: str, places: Sequence[int]) -> list[Row]:
    """Whole rows, sound and pictures with them."""
    names = SCHEMAS[table].names
    taken: list[Row] = corpus.take(table, np.array(places, np.int64), names).to_pylist()
    return taken


def _with(extra: str | None, pseudo: Row) -> str:
    """What the source said of a row, and where its text is from."""
    try:
        said = json.loads(extra or "{}")
    except ValueError:
        said = extra
    whole = said if isinstance(said, dict) else {"said": said}
    return json.dumps(whole | {"pseudo": pseudo}, ensure_ascii=False)


def _blocks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), BLOCK_ROWS):
        yield rows[start : start + BLOCK_ROWS]
