"""The numbers of the study as tables and matrices: a row for each kind of cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from trivium.studies.english_only.cells import MULTI, TRAININGS
from trivium.studies.english_only.claims import speech_pair
from trivium.studies.english_only.sizes import EnglishOnlySettings
from trivium.studies.page import Table
from trivium.studies.results import Measured, Results, Series


@dataclass(frozen=True)
class Configuration:
    """A kind of cell: all of a row but the language."""

    training: str
    towers: str
    together: bool  # one model for all languages

    @property
    def words(self) -> tuple[str, str, str]:
        """As the first columns of a table have it."""
        return self.training, self.towers, "all" if self.together else "one language"


@dataclass(frozen=True)
class Way:
    """A direction of search: a column."""

    head: str
    language: str  # whose model is asked, where there is one for each
    pair: str  # of sets that searched one another
    to: str  # the set that is searched


class Tables:
    """Tables of what is there."""

    def __init__(self, settings: EnglishOnlySettings, results: Results) -> None:
        self.settings, self.results = settings, results
        self._recall = f"recall@{settings.recall_at}"

    @property
    def configurations(self) -> list[Configuration]:
        """Every kind of cell."""
        first = next(iter(self.settings.towers))
        return [
            Configuration(training, size, together)
            for size in self.settings.towers
            for training in TRAININGS
            for together in (False, True)
            if training != "scratch" or size == first
        ]

    @property
    def multi(self) -> list[Configuration]:
        """Those with one model for all languages."""
        return [of for of in self.configurations if of.together]

    def series(self, of: Configuration, language: str, pair: str, to: str = "") -> Series:
        """Recall of two sets by a language's own model or by that for all; no `to`: both ways."""

        def read(measured: Measured) -> float:
            name = f"to_{to}/{self._recall}" if to else self._recall
            return measured.score(f"retrieval/{pair}").values[name]

        own = MULTI if of.together else language
        return self.results.series(read, language=own, training=of.training, towers=of.towers)

    def chance(self, pair: str, to: str) -> float | None:
        """What chance gives: the same of all cells that were measured so."""
        for one in self.results.measured:
            for score in one.scores:
                if score.task == f"retrieval/{pair}":
                    return score.chance[f"to_{to}/{self._recall}"]
        return None

    def pictures(self) -> Table:
        """Speech and pictures, each way."""
        ways = []
        for code in self.settings.languages:
            pair, speech = f"speech.{code}-picture", f"speech.{code}"
            ways += [Way(f"{code} → picture", code, pair, "picture"),
                     Way(f"picture → {code}", code, pair, speech)]  # fmt: skip
        return self._table(ways, self.configurations)

    def texts(self) -> Table:
        """Speech and English text, each way; and beside it text and pictures."""
        home = self.settings.home
        text, ways = f"text.{home}", []
        for code in self.settings.languages:
            pair = f"speech.{code}-{text}"
            ways += [Way(f"{code} → text", code, pair, text),
                     Way(f"text → {code}", code, pair, f"speech.{code}")]  # fmt: skip
        ways += [Way("text → picture", home, f"{text}-picture", "picture"),
                 Way("picture → text", home, f"{text}-picture", text)]  # fmt: skip
        return self._table(ways, self.configurations)

    def speech(self) -> Table:
        """Speech of one language and of another, by the models for all."""
        some = self.results.one(language=MULTI)
        ways = [
            Way(f"{a} → {b}", a, speech_pair(some, a, b), f"speech.{b}")
            for a, b in permutations(self.settings.languages, 2)
            if some is not None
        ]
        return self._table(ways, self.multi)

    def matrix(self, of: Configuration) -> NDArray[np.float64]:
        """Mean recall of speech in every language, and text, searching one another."""
        home, languages = self.settings.home, self.settings.languages
        matrix = np.full((len(languages) + 1, len(languages) + 1), np.nan)
        some = self.results.one(language=MULTI, training=of.training, towers=of.towers)
        if some is None:
            return matrix

        def mean(pair: str, to: str) -> float:
            found = self.series(of, home, pair, to).interval
            return np.nan if found is None else found.mean

        for (row, a), (column, b) in permutations(enumerate(languages), 2):
            matrix[row, column] = mean(speech_pair(some, a, b), f"speech.{b}")
        for row, language in enumerate(languages):
            pair = f"speech.{language}-text.{home}"
            matrix[row, -1] = mean(pair, f"text.{home}")
            matrix[-1, row] = mean(pair, f"speech.{language}")
        return matrix

    def weights(self, of: Configuration) -> dict[str, list[tuple[float, ...]]]:
        """Layer weights of each seed by language, and of the model for all."""
        found: dict[str, list[tuple[float, ...]]] = {}
        for language in (*self.settings.languages, MULTI):
            own = {"language": language, "training": of.training, "towers": of.towers}
            for one in self.results.measured:
                if own.items() <= one.axes.items():
                    found.setdefault(language, []).append(one.curves["layer weights"])
        return found

    def _table(self, ways: Sequence[Way], rows: Sequence[Configuration]) -> Table:
        lines = [
            (*of.words, *(_told(self.series(of, way.language, way.pair, way.to)) for way in ways))
            for of in rows
        ]
        chance = [self.chance(way.pair, way.to) for way in ways]
        last = ("chance", "", "", *("" if one is None else f"{one:.1f}" for one in chance))
        headers = ("speech tower", "size", "trained on", *(way.head for way in ways))
        return Table(headers, (*lines, last), numbers=3)


def _told(series: Series) -> str:
    found = series.interval
    return "–" if found is None else str(found)
