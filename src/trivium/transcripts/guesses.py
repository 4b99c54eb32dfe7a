"""What a model guesses of rows of a corpus, how sure it is, and the file that keeps it."""

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np

from trivium.data.audio import SAMPLE_RATE_HZ, Samples
from trivium.data.corpus import SOUND_COLUMNS, Corpus
from trivium.data.store import Row
from trivium.data.text import foreign_script
from trivium.errors import MediaError, TriviumError
from trivium.transcripts.pieces import is_silent

MAX_SECONDS = 30.0  # of an utterance
Source = Literal["speech", "text", "sentences"]
PROBABILITY = "mean log-probability of the tokens"
LENGTH = "length beside the usual: -|log(length / usual length)|"


@dataclass(frozen=True)
class Guess:
    """What a model wrote of a row."""

    id: str
    text: str
    size: float  # characters for each second, or for each character that was read
    confidence: float | None = None  # by PROBABILITY, where the model tells it


@dataclass(frozen=True)
class Asking:
    """A model, and what it is asked: a translation into `to`, or what is said if that is None."""

    model: Any
    source: Source
    to: str | None

    @property
    def tells(self) -> bool:
        """Whether the model says how sure it is, in `guess_speech` and `guess_text`."""
        return bool(getattr(self.model, "tells_confidence", False))

    @property
    def confidence(self) -> str:
        """What confidence is."""
        return PROBABILITY if self.tells else LENGTH

    def of(self, things: Sequence[Any], language: str) -> list[Any]:
        """What the model answers on sounds or texts of one language."""
        kind = "speech" if self.source == "speech" else "text"
        verb = "guess" if self.tells else "transcribe" if self.to is None else "translate"
        answer = getattr(self.model, f"{verb}_{kind}")
        return list(answer(things, language, *([] if self.to is None else [self.to])))

    def guesses(
        self, corpus: Corpus, rows: Sequence[Row], refused: dict[str, str]
    ) -> Iterator[Guess]:
        """Guesses of rows, those of one language together; reasons for those without, by id."""
        ordered = sorted(rows, key=lambda row: row["language"] or "")
        for language, group in groupby(ordered, lambda row: row["language"] or ""):
            own = list(group)
            given: dict[str, Any] = (
                _sounds(corpus, own, refused)
                if self.source == "speech"
                else {row["id"]: row["text"] for row in own}
            )
            try:
                answers = self.of(list(given.values()), language)
            except TriviumError as error:
                refused |= dict.fromkeys(given, str(error))
                continue
            for (id_, thing), answer in zip(given.items(), answers, strict=True):
                text, confidence = answer if self.tells else (answer, None)
                length = len(thing) / (SAMPLE_RATE_HZ if self.source == "speech" else 1)
                yield Guess(id_, text.strip(), len(text.strip()) / length, confidence)

    def fault(self, guess: Guess, language: str) -> str:
        """What is wrong with a guess as a text of its language; empty if nothing is."""
        if not guess.text:
            return "the model wrote nothing"
        script = foreign_script(guess.text, self.to or language)
        return f"it is written in {script}" if script else ""


def confidences(guesses: Sequence[tuple[str, Guess]]) -> dict[str, float]:
    """The confidence of each guess by its id: the model's, or by length; languages come first."""
    told = {guess.id: guess.confidence for _, guess in guesses if guess.confidence is not None}
    if told:
        return told
    sizes: dict[str, list[float]] = {}
    for language, guess in guesses:
        sizes.setdefault(language, []).append(guess.size)
    usual = {language: median(own) for language, own in sizes.items()}
    return {guess.id: -abs(math.log(guess.size / usual[language])) for language, guess in guesses}


def read(path: Path) -> dict[str, Guess]:
    """The guesses in a file by id; what a killed writer left of a line is dropped."""
    if not path.exists():
        return {}
    whole = path.read_bytes()
    kept = whole[: whole.rfind(b"\n") + 1]
    if kept != whole:
        os.truncate(path, len(kept))
    found = (Guess(**json.loads(line)) for line in kept.splitlines())
    return {guess.id: guess for guess in found}


def append(path: Path, guesses: Sequence[Guess]) -> None:
    """Add guesses to a file; they are on the disk when this ends."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(guess), ensure_ascii=False) + "\n" for guess in guesses)
        file.flush()
        os.fsync(file.fileno())


def _sounds(corpus: Corpus, rows: Sequence[Row], refused: dict[str, str]) -> dict[str, Samples]:
    """16 kHz samples of utterances in which something is heard, by id."""
    places = np.array([row["row"] for row in rows], np.int64)
    found: dict[str, Samples] = {}
    for row in corpus.take("utterances", places, SOUND_COLUMNS).to_pylist():
        try:
            samples = corpus.sound(row)
        except MediaError as error:
            refused[row["id"]] = str(error)
            continue
        seconds = len(samples) / SAMPLE_RATE_HZ
        if seconds > MAX_SECONDS:
            refused[row["id"]] = f"it lasts {seconds:.1f} s; at most {MAX_SECONDS:g} s are heard"
        elif is_silent(samples):
            refused[row["id"]] = "nothing is heard"
        else:
            found[row["id"]] = samples
    return found
