"""Classification: how often a row is called what it is, beside chance and the commonest class.

Accuracy is of all rows; unweighted accuracy is the mean recall of the classes, macro F1 the mean of
their F1. A class is a label that some row has. Chance guesses each answer equally often; the
majority always gives the class that most rows have, which knows the test set better than any
majority of training could.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from trivium.config import Settings
from trivium.data.audio import Samples
from trivium.data.corpus import Corpus
from trivium.data.store import Row
from trivium.errors import TriviumError
from trivium.tasks.metrics import BOOTSTRAP_RESAMPLES, Floats, Integers, Vectors, interval
from trivium.tasks.rows import Reader, Table, Within, answers, first_of, known_rows
from trivium.tasks.score import HEADERS, Score, Signature

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Numbers = NDArray[np.floating[Any] | np.integer[Any]]
Values = dict[str, Floats]
Headline = Literal["accuracy", "unweighted accuracy", "macro F1"]
# Cells of more classes than these are too small to write numbers into.
NUMBERED_CLASSES = 16


class ClassificationSettings(Within):
    """Which rows, which number stands for all, and how sure the numbers are."""

    table: Table | None = None
    """Where the rows are; null: utterances, but sentences for a model that reads texts alone where
    no utterance has a label."""
    primary: Headline = "accuracy"
    """The number that stands for all; papers on emotion often take unweighted accuracy."""
    choices: tuple[str, ...] = ()
    """Answers that could be given though none was and no row is so labelled: they lower chance."""
    resamples: Annotated[int, Field(ge=0)] = BOOTSTRAP_RESAMPLES
    """Bootstrap resamples behind the intervals, over rows; 0 for none."""
    seed: int = 0
    """Seed of the resamples."""


class Classification(Settings):
    """The result, in percent."""

    score: Score
    """`accuracy`, `unweighted accuracy`, `macro F1`; and of each class `recall.angry`,
    `precision.angry`, `F1.angry`."""
    majority: dict[str, float]
    """What always giving the commonest class gets, for each value."""
    classes: tuple[str, ...]
    """Labels that rows have."""
    answers: tuple[str, ...]
    """The classes, and behind them what was or could be answered and is no class."""
    confusion: tuple[tuple[int, ...], ...]
    """How many rows of a class got an answer: a row of numbers for each class."""
    remarks: tuple[str, ...] = ()
    """Sentences on what to beware of."""

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headers and a row for each value, chance and majority beside it."""
        rows = [
            [*row, f"{self.majority[name]:,.2f}"]
            for name, row in zip(self.score.values, self.score.rows(), strict=True)
        ]
        return [*HEADERS, "majority"], rows

    def write(self, folder: Path) -> None:
        """`classification.json` and `classification.png`, who was taken for whom."""
        from trivium.checkpoint import write_file
        from trivium.report import png

        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / "classification.json", self.to_json())
        write_file(folder / "classification.png", png(self.plot()))

    def plot(self) -> "Figure":
        """Who was taken for whom: a line for each class, in percent of its rows."""
        from matplotlib.figure import Figure

        counts = np.array(self.confusion)
        shares = 100 * counts / counts.sum(axis=1, keepdims=True)
        size = min(0.5 * len(self.answers), 20) + 2.5, min(0.4 * len(self.classes), 20) + 2
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(shares, vmin=0, vmax=100, cmap="Blues", aspect="auto")
        axes.set_title("answers in percent of a class")
        axes.set_xlabel("answer")
        axes.set_ylabel("class")
        axes.set_xticks(range(len(self.answers)), self.answers, rotation=45, ha="right")
        axes.set_yticks(range(len(self.classes)), self.classes)
        if len(self.answers) <= NUMBERED_CLASSES:
            for (row, column), share in np.ndenumerate(shares):
                ink = "white" if share > 60 else "black"  # Blues is dark where many are
                axes.text(column, row, f"{share:.0f}", ha="center", va="center", color=ink)
        return figure


def run(
    answers: Sequence[str],
    labels: Sequence[str],
    settings: ClassificationSettings,
    signature: Signature,
) -> Classification:
    """The scores of answers.

    `signature` says which task, corpus, split and model; the classes are filled in here.
    """
    classes, given, confusion = _count(answers, labels, settings.choices)
    hits, true, answered = np.diagonal(confusion), confusion.sum(1), confusion.sum(0)
    rows, kinds = int(true.sum()), len(given)
    commonest = np.arange(len(classes)) == true.argmax()
    values = _numbers(classes, hits, true, answered[: len(classes)])
    guessed = _numbers(classes, true / kinds, true, np.full(len(classes), rows / kinds))
    majority = _numbers(classes, true * commonest, true, rows * commonest)
    drawn = _numbers(classes, *_draw(confusion, settings)) if settings.resamples else {}
    score = Score(
        task=signature.task,
        values={name: float(value) for name, value in values.items()},
        primary=settings.primary,
        chance={name: float(value) for name, value in guessed.items()},
        # Of a rare class some resamples have no row.
        intervals={name: interval(each[np.isfinite(each)][:, None])[0]
                   for name, each in drawn.items()},
        signature=signature.model_copy(
            update={"gallery": f"{rows:,} rows of {len(classes)} classes, {kinds} answers"}
        ),
    )  # fmt: skip
    found = Classification(
        score=score, majority={name: float(value) for name, value in majority.items()},
        classes=tuple(classes), answers=tuple(given),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )  # fmt: skip
    return found.model_copy(update={"remarks": tuple(_remarks(found))})


class Classifier(Reader, Protocol):
    """What gives rows labels; batches as it likes, and keeps the order."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels it chooses from."""

    @property
    def label_column(self) -> str:
        """The column of a corpus that they are from."""

    def classify(
        self, sounds: Sequence[Samples] | None, texts: Sequence[str] | None
    ) -> tuple[tuple[str, ...], Vectors]:
        """The labels, and how much speaks for each of them: (N, labels)."""


def measure(
    model: Classifier,
    corpus: Corpus,
    split: str,
    settings: ClassificationSettings | None = None,
    *,
    languages: Sequence[str] = (),
    advance: Callable[[int], None] = lambda _: None,
) -> Classification:
    """What a model calls the labelled rows of a split, or of some languages of it.

    Rows whose label the model does not know are left out, counted and named. `advance` is told of
    rows done.
    """
    asked, column, labels = settings or ClassificationSettings(), model.label_column, model.labels
    kept, left_out = labelled_rows(model, corpus, split, asked, languages)
    found = answers(
        model.reads, corpus, kept, lambda *read: list(model.classify(*read)[1]), advance
    )
    broken = [
        row["id"] for row, each in zip(kept, found, strict=True) if not np.isfinite(each).all()
    ]
    if broken:
        raise TriviumError(
            f"{model.name} gave NaN or infinity for {len(broken):,} of {len(kept):,} rows, the "
            f"first {broken[0]!r}; it has diverged"
        )
    told = run(
        [labels[int(np.argmax(each))] for each in found],
        [row[column] for row in kept],
        asked.model_copy(update={"choices": (*asked.choices, *labels)}),
        Signature(task=f"classification.{column}", corpus=corpus.card.fingerprint,
                  split=asked.part(split), model=model.checksum),
    )  # fmt: skip
    return told.model_copy(update={"remarks": (*left_out, *told.remarks)})


def labelled_rows(
    model: Classifier,
    corpus: Corpus,
    split: str,
    settings: ClassificationSettings,
    languages: Sequence[str] = (),
) -> tuple[list[Row], list[str]]:
    """The rows whose label a model knows, and sentences on those that are left out."""
    column, labels = model.label_column, model.labels
    table, where = settings.table, settings.where
    rows, left_out = known_rows(model, corpus, table, split, column, languages, where)
    foreign = Counter(row[column] for row in rows if row[column] not in labels)
    kept = [row for row in rows if row[column] in labels]
    if not kept:
        raise TriviumError(
            f"{model.name} knows the labels {first_of(labels)}, and the {len(rows):,} rows of the "
            f"split {split!r} of {corpus.path} have {first_of(sorted(foreign))} as {column}; "
            "name another corpus or split"
        )
    if foreign:
        left_out.append(
            f"{foreign.total():,} of {len(rows):,} rows have a {column} that {model.name} does not "
            f"know and are left out: {first_of(name for name, _ in foreign.most_common())}"
        )
    return kept, left_out


def _count(
    answers: Sequence[str], labels: Sequence[str], choices: Sequence[str]
) -> tuple[list[str], list[str], Integers]:
    """The classes, all answers, and how many rows of a class got an answer."""
    if len(answers) != len(labels) or not labels:
        raise TriviumError(
            f"there are {len(answers)} answers and {len(labels)} labels; expected equally many, "
            "and at least one"
        )
    for number, (answer, label) in enumerate(zip(answers, labels, strict=True), 1):
        if not isinstance(label, str) or not label or not isinstance(answer, str):
            raise TriviumError(
                f"row {number} has the label {label!r} and the answer {answer!r}; expected texts, "
                "and a label that is not empty"
            )
    classes = sorted(set(labels))
    if len(classes) < 2:
        raise TriviumError(
            f"all {len(labels):,} rows are {classes[0]!r}: nothing can be told apart; measure on "
            "rows of several classes"
        )
    given = [*classes, *sorted({*answers, *choices} - set(classes))]
    place = {name: number for number, name in enumerate(given)}
    confusion = np.zeros((len(classes), len(given)), np.int64)
    pairs = [(place[label], place[answer]) for label, answer in zip(labels, answers, strict=True)]
    np.add.at(confusion, tuple(np.array(pairs).T), 1)
    return classes, given, confusion


def _numbers(classes: Sequence[str], hits: Numbers, true: Numbers, answered: Numbers) -> Values:
    """Every value in percent, of counts for each class (..., K); NaN where a class has no row."""
    with np.errstate(invalid="ignore"):
        recall, f1 = hits / true, 2 * hits / (true + answered)
    # 0 of a class that nothing was called, but where no row is of it either.
    precision = np.where(true + answered > 0, hits / np.maximum(answered, 1e-9), np.nan)
    values = {
        "accuracy": hits.sum(-1) / true.sum(-1),
        "unweighted accuracy": np.nanmean(recall, -1),
        "macro F1": np.nanmean(f1, -1),
    }
    for number, name in enumerate(classes):
        for kind, each in (("recall", recall), ("precision", precision), ("F1", f1)):
            values[f"{kind}.{name}"] = each[..., number]
    return {name: 100 * value for name, value in values.items()}


def _draw(
    confusion: Integers, settings: ClassificationSettings
) -> tuple[Integers, Integers, Integers]:
    """Hits, rows and answers of each class in resampled rows, (resamples, K) each.

    Rows are told apart by nothing but their cell, so that cells are drawn in their place.
    """
    cells = np.argwhere(confusion)  # (C, 2)
    counts = confusion[cells[:, 0], cells[:, 1]]
    generator = np.random.default_rng(settings.seed)
    times = generator.multinomial(counts.sum(), counts / counts.sum(), settings.resamples)
    of_class, of_answer = (cells[:, [side]] == np.arange(len(confusion)) for side in (0, 1))
    return times @ (of_class & of_answer), times @ of_class, times @ of_answer


def _remarks(found: Classification) -> Iterator[str]:
    score, primary = found.score, found.score.primary
    low, high = score.intervals.get(primary, (score.primary_value, score.primary_value))
    commonest = found.classes[int(np.argmax([sum(row) for row in found.confusion]))]
    rival, who = max(
        (found.majority[primary], f"always saying {commonest!r}"),
        (score.chance[primary], "guessing"),
        key=lambda each: each[0],
    )
    if low <= rival:
        yield (
            f"{primary} {score.primary_value:.2f} ({low:.2f} to {high:.2f}) is not surely above "
            f"the {rival:.2f} of {who}: the model may have learned nothing"
        )
    for place in range(len(found.classes), len(found.answers)):
        count = sum(row[place] for row in found.confusion)
        if count:
            yield f"{count:,} rows were called {found.answers[place]!r}, which no row is"
