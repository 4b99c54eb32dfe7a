"""The numbers of the study as tables: a row for each schedule."""

from collections.abc import Sequence

from trivium.studies.page import Table
from trivium.studies.results import Results, Series
from trivium.studies.schedules.cells import ALL, UNTRAINED
from trivium.studies.schedules.claims import Evidence, by_layer
from trivium.studies.schedules.measure import OWN, SECOND
from trivium.studies.schedules.sizes import SchedulesSettings

SPEAKERS = ("within", "across")
RECALLS = (1, 10)
# Tables I and II of 2306.02972: recall of pictures at 1 and 10, of speech at 1 and 10, and errors
# within and across speakers with their best layers.
PAPER = {
    "W2V2": ("0.0", "0.2", "0.0", "0.2", "7.05 (3)", "9.53 (4)"),
    "VGS": ("28.4", "69.4", "40.1", "81.5", "4.82 (4)", "6.44 (4)"),
    "VGS+": ("29.0", "70.1", "40.1", "81.8", "5.09 (8)", "6.81 (8)"),
    "(W2V2,VGS+)": ("32.0", "74.7", "44.4", "85.0", "6.95 (2)", "8.72 (5)"),
    "(VGS,VGS+)": ("27.9", "68.8", "39.3", "81.3", "5.49 (7)", "7.55 (8)"),
    "(W2V2,VGS)": ("32.3", "74.9", "44.8", "84.8", "6.74 (2)", "8.75 (2)"),
    "(VGS,W2V2)": ("0.0", "0.2", "0.0", "0.2", "8.4 (1)", "11.54 (2)"),
    "(VGS+,W2V2)": ("14.5", "52.0", "7.5", "32.5", "6.23 (8)", "8.35 (8)"),
    "(VGS+,VGS)": ("28.8", "70.0", "39.8", "81.5", "4.50 (9)", "6.02 (9)"),
}


class Tables:
    """Tables of what is there."""

    def __init__(self, settings: SchedulesSettings, results: Results) -> None:
        self.settings, self.results = settings, results
        self._evidence = Evidence(settings, results)

    def schedules(self) -> Table:
        """Retrieval and phones of every schedule, and of a network that learned nothing."""
        rows = [self._row((name,), name, ALL) for name in (*self.settings.schedules, UNTRAINED)]
        return self._table(("schedule",), [*rows, self._chance(1)])

    def few(self) -> Table:
        """The same of what was trained with few pictures, beside all pictures."""
        share = str(round(100 * self.settings.share))
        rows = [
            self._row((name, f"{pictures} %"), name, pictures)
            for name in self.settings.few
            for pictures in (ALL, share)
        ]
        return self._table(("schedule", "pictures"), [*rows, self._chance(2)])

    def _table(self, first: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
        recalls = [f"{way} R@{k}" for way in ("speech → picture", "picture → speech")
                   for k in RECALLS]  # fmt: skip
        errors = [f"ABX {corpus}, {speakers}" for corpus in (SECOND, OWN) for speakers in SPEAKERS]
        return Table((*first, *recalls, *errors), tuple(rows), numbers=len(first))

    def _row(self, words: tuple[str, ...], name: str, pictures: str) -> tuple[str, ...]:
        recalls = [_told(self._recall(name, pictures, value)) for value in self._recall_names()]
        errors = [self._error(name, pictures, corpus, speakers)
                  for corpus in (SECOND, OWN) for speakers in SPEAKERS]  # fmt: skip
        return (*words, *recalls, *errors)

    def _recall(self, name: str, pictures: str, value: str) -> Series:
        return self._evidence.of(name, lambda one: one.score("retrieval").values[value], pictures)

    def _chance(self, words: int) -> tuple[str, ...]:
        one = next(iter(self.results.measured), None)
        chance = {} if one is None else one.score("retrieval").chance
        recalls = [f"{chance[name]:.1f}" if name in chance else "" for name in self._recall_names()]
        return ("chance", *[""] * (words - 1), *recalls, *["50"] * 4)

    def _recall_names(self) -> list[str]:
        ways = ("picture", f"speech.{self.settings.language}")
        return [f"to_{way}/recall@{k}" for way in ways for k in RECALLS]

    def _error(self, name: str, pictures: str, corpus: str, speakers: str) -> str:
        """The error of the best layer, and which that is."""
        series = self._evidence.error(name, corpus, speakers, pictures)
        layers = self._evidence.of(name, lambda one: best_layer(by_layer(one, corpus, speakers)),
                                   pictures)  # fmt: skip
        if not series.values:
            return "–"
        found = sorted({round(layer) for layer in layers.values.values()})
        return f"{_told(series)} ({', '.join(map(str, found))})"


def paper() -> Table:
    """The paper's own numbers."""
    headers = ("schedule", "S → I R@1", "S → I R@10", "I → S R@1", "I → S R@10",
               "ABX within (layer)", "ABX across (layer)")  # fmt: skip
    return Table(headers, tuple((name, *numbers) for name, numbers in PAPER.items()))


def best_layer(errors: Sequence[float]) -> float:
    """The layer of the least error, what enters the first left out."""
    return errors.index(min(errors[1:]), 1)


def after_switch(evidence: Evidence) -> str:
    """What became of retrieval when W2V2 followed VGS, whichever way it went."""
    name, settings = "(VGS,W2V2)", evidence.settings
    before, end = (evidence.on_the_way(name, "recall", steps).interval
                   for steps in (settings.switch, settings.steps))  # fmt: skip
    chance = evidence.on_the_way(name, "chance", settings.steps).interval
    if before is None or end is None or chance is None:
        return f"What becomes of retrieval when W2V2 follows VGS is not known: no {name} is there."
    margin = settings.same
    if before.mean <= chance.mean + margin:
        told = "there was nothing to forget: retrieval had not left chance at the switch"
    elif end.mean <= chance.mean + margin:
        told = "nothing is left of it, retrieval fell to chance"
    elif end.mean < before.mean - margin:
        left = (end.mean - chance.mean) / (before.mean - chance.mean)
        told = f"it fell, and {left:.0%} of what was above chance is left"
    else:
        told = "it did not fall"
    return (
        f"VGS and then W2V2: recall@{settings.recall_at}, the mean of both ways, was {before} at "
        f"the switch and is {end} at the end, where chance is {chance.mean:.1f}: {told}."
    )


def _told(series: Series) -> str:
    found = series.interval
    return "–" if found is None else str(found)
