"""Sentiment: numbers from -3 to 3 that a model gives, held against those that people gave.

The field has two conventions for two of its numbers; both accuracies of sign are told, and the
accuracy of seven classes says by which rounding it was made:

- `Acc-2 Has0` is of negative against not negative, over all rows; `Acc-2 Non0` of negative against
  positive, over the rows whose true score is not 0. Each F1 is of the same rows, the mean over the
  two classes weighted by how many rows they have.
- `Acc-7` clips to -3 .. 3 and rounds, a half to the even number (`field`); or it rounds away from
  zero, so that only 0 itself is 0 (`sdk`, as in the tools that came with CMU-MOSEI).
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from trivium.config import Settings
from trivium.data.audio import Samples
from trivium.data.corpus import Corpus
from trivium.errors import TriviumError
from trivium.tasks.metrics import BOOTSTRAP_RESAMPLES, Floats, Vectors, bootstrap, interval
from trivium.tasks.rows import Reader, Table, Within, answers, known_rows
from trivium.tasks.score import HEADERS, Score, Signature

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rounding = Literal["field", "sdk"]
Headline = Literal["MAE", "Pearson", "Acc-2 Has0", "Acc-2 Non0", "Acc-7"]
LIMIT = 3.0
# A product of variances below this is that of a constant, for which there is no correlation.
NOTHING = 1e-14
# How many rows a plot shows at most.
DRAWN_ROWS = 5_000


class SentimentSettings(Within):
    """Which rows, how seven classes are made, and how sure the numbers are."""

    table: Table | None = None
    """Where the rows are; null: utterances, but sentences for a model that reads texts alone where
    no utterance has a score."""
    rounding: Rounding = "field"
    """How scores become seven classes: see the head of this page."""
    primary: Headline = "MAE"
    """The number that stands for all; the mean absolute error is what runs are chosen by."""
    resamples: Annotated[int, Field(ge=0)] = BOOTSTRAP_RESAMPLES
    """Bootstrap resamples behind the intervals, over rows; 0 for none."""
    seed: int = 0
    """Seed of the resamples."""


class Sentiment(Settings):
    """The result; shares are in percent, `MAE` in points of the scale, `Pearson` from -1 to 1."""

    score: Score
    """`Acc-2 Has0`, `F1 Has0`, `Acc-2 Non0`, `F1 Non0`, `Acc-7`, `MAE`, `Pearson`."""
    constant: dict[str, float]
    """What always saying the same gets: the commonest class, or for `MAE` the mean score."""
    given: tuple[float, ...] = Field(default=(), exclude=True)
    """What the model gave, for the plot."""
    true: tuple[float, ...] = Field(default=(), exclude=True)
    """What it should have given."""
    remarks: tuple[str, ...] = ()
    """Sentences on what to beware of."""

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headers and a row for each value, chance and what a constant gets beside it."""
        rows = [
            [*row, f"{self.constant[name]:,.2f}"]
            for name, row in zip(self.score.values, self.score.rows(), strict=True)
        ]
        return [*HEADERS, "constant"], rows

    def write(self, folder: Path) -> None:
        """`sentiment.json` and `sentiment.png`, what was given against what is true."""
        from trivium.checkpoint import write_file
        from trivium.report import png

        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / "sentiment.json", self.to_json())
        write_file(folder / "sentiment.png", png(self.plot()))

    def plot(self) -> "Figure":
        """A point for each row, and the line on which the model is right."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5, 5), layout="constrained")
        axes = figure.add_subplot()
        axes.axline((0, 0), slope=1, color="#767676", linewidth=1)
        shown = slice(0, None, 1 + len(self.true) // DRAWN_ROWS)
        axes.scatter(self.true[shown], self.given[shown], s=9, alpha=0.4, linewidths=0)
        axes.set_title(f"mean absolute error {self.score.values['MAE']:.2f}")
        axes.set_xlabel("true score")
        axes.set_ylabel("given score")
        axes.set_xlim(-LIMIT - 0.2, LIMIT + 0.2)
        return figure


def run(
    given: Sequence[float],
    true: Sequence[float],
    settings: SentimentSettings,
    signature: Signature,
) -> Sentiment:
    """The scores of scores; `signature` says which corpus, split and model."""
    guessed, right = _checked(given, true)
    counts = _counts(guessed, right, settings.rounding)
    values = {name: float(value) for name, value in _numbers(counts.mean(axis=0)).items()}
    drawn: dict[str, Floats] = {}
    if settings.resamples:
        rows = np.arange(len(counts))
        drawn = _numbers(bootstrap(counts, rows, settings.seed, settings.resamples))
    signed = {
        "gallery": f"{len(right):,} rows, {np.count_nonzero(right):,} of them not 0",
        "text": f"Acc-7 by rounding {settings.rounding}",
    }
    score = Score(
        task=signature.task,
        values=values,
        primary=settings.primary,
        chance=_chance(right),
        intervals={
            name: interval(each[np.isfinite(each)][:, None])[0] for name, each in drawn.items()
        },
        lower_is_better=settings.primary == "MAE",
        signature=signature.model_copy(update=signed),
    )
    found = Sentiment(
        score=score, constant=_constant(right, settings.rounding),
        given=tuple(guessed.tolist()), true=tuple(right.tolist()),
    )  # fmt: skip
    return found.model_copy(update={"remarks": tuple(_remarks(found))})


class Scorer(Reader, Protocol):
    """What gives rows numbers; batches as it likes, and keeps the order."""

    def score(self, sounds: Sequence[Samples] | None, texts: Sequence[str] | None) -> Vectors:
        """A number (N,) for each row."""


def measure(
    model: Scorer,
    corpus: Corpus,
    split: str,
    settings: SentimentSettings | None = None,
    *,
    languages: Sequence[str] = (),
    advance: Callable[[int], None] = lambda _: None,
) -> Sentiment:
    """How a model scores the rows of a split that have a score, or of some languages of it.

    `advance` is told of rows done.
    """
    asked = settings or SentimentSettings()
    rows, left_out = known_rows(model, corpus, asked.table, split, "score", languages, asked.where)
    given = answers(model.reads, corpus, rows, lambda *read: list(model.score(*read)), advance)
    signature = Signature(task="sentiment", corpus=corpus.card.fingerprint,
                          split=asked.part(split), model=model.checksum)  # fmt: skip
    found = run(given, [row["score"] for row in rows], asked, signature)
    return found.model_copy(update={"remarks": (*left_out, *found.remarks)})


def sevenths(scores: Floats, rounding: Rounding) -> Floats:
    """The class of each score, -3 to 3."""
    within = np.clip(scores, -LIMIT, LIMIT)
    classes: Floats = (
        np.rint(within) if rounding == "field" else np.sign(within) * np.ceil(np.abs(within))
    )
    return classes


# A true and a given sign: both positive, then the others.
CELLS = ((True, True), (True, False), (False, True), (False, False))


def _counts(guessed: Floats, right: Floats, rounding: Rounding) -> Floats:
    """What sums over rows are made of, (N, 15).

    Twice the cells of true against given sign, the hits of seven classes, distances, and the first
    and second moments of what was given and what is true, about their means.
    """
    signs = (
        (right >= 0, guessed >= 0, np.ones(len(right), bool)),
        (right > 0, guessed > 0, right != 0),
    )
    cells = [
        kept & (truth == one) & (answer == other)
        for truth, answer, kept in signs
        for one, other in CELLS
    ]
    x, y = guessed - guessed.mean(), right - right.mean()
    seven = sevenths(guessed, rounding) == sevenths(right, rounding)
    distance = np.abs(guessed - right)
    return np.stack([*cells, seven, distance, x, y, x * x, y * y, x * y], axis=1).astype(np.float64)


def _numbers(means: Floats) -> dict[str, Floats]:
    """Every number, of means of `_counts` (..., 15); NaN where no row is left."""
    values: dict[str, Floats] = {}
    for name, cells in (("Has0", means[..., :4]), ("Non0", means[..., 4:8])):
        both, missed, false, neither = np.moveaxis(cells, -1, 0)
        positive, negative = both + missed, false + neither
        f1 = 0.0
        for hits, there, answered in (
            (both, positive, both + false),
            (neither, negative, missed + neither),
        ):
            f1 = f1 + there * 2 * hits / np.maximum(there + answered, 1e-12)
        with np.errstate(invalid="ignore"):
            values[f"Acc-2 {name}"] = 100 * (both + neither) / (positive + negative)
            values[f"F1 {name}"] = 100 * f1 / (positive + negative)
    seven, distance, x, y, xx, yy, xy = np.moveaxis(means[..., 8:], -1, 0)
    spread = (xx - x * x) * (yy - y * y)
    flat = spread < NOTHING
    correlation = (xy - x * y) / np.sqrt(np.where(flat, 1, spread))
    return values | {
        "Acc-7": 100 * seven, "MAE": distance, "Pearson": np.where(flat, 0, correlation),
    }  # fmt: skip


def _chance(right: Floats) -> dict[str, float]:
    """What a coin gets, or a die of seven sides; no distance can be said."""
    told = {"Acc-2 Has0": 50.0, "Acc-2 Non0": 50.0, "Acc-7": 100 / 7, "Pearson": 0.0}
    for name, positive in _signs(right).items():
        shares = positive.mean(), 1 - positive.mean()
        told[f"F1 {name}"] = 100 * float(sum(p * p / (p + 0.5) for p in shares))
    return told


def _constant(right: Floats, rounding: Rounding) -> dict[str, float]:
    """What always saying the same gets: the commonest class, and for a distance the mean."""
    classes = np.unique(sevenths(right, rounding), return_counts=True)[1]
    told = {
        "Acc-7": 100 * classes.max() / len(right),
        "MAE": np.abs(right - right.mean()).mean(),
        "Pearson": 0.0,
    }
    for name, positive in _signs(right).items():
        share = max(positive.mean(), 1 - positive.mean())
        told |= {f"Acc-2 {name}": 100 * share, f"F1 {name}": 100 * share * 2 * share / (1 + share)}
    return {name: float(value) for name, value in told.items()}


def _signs(right: Floats) -> dict[str, NDArray[np.bool_]]:
    """Which rows are on the positive side, by the convention."""
    return {"Has0": right >= 0, "Non0": right[right != 0] > 0}


def _checked(given: Sequence[float], true: Sequence[float]) -> tuple[Floats, Floats]:
    """Both as numbers, in an order of their own, so that the order of rows is nothing."""
    if len(given) != len(true) or not len(true):
        raise TriviumError(
            f"there are {len(given)} scores given and {len(true)} true ones; expected equally "
            "many, and at least one"
        )
    guessed, right = np.asarray(given, np.float64), np.asarray(true, np.float64)
    for name, scores in (("given", guessed), ("true", right)):
        broken = np.flatnonzero(~np.isfinite(scores))
        if len(broken):
            raise TriviumError(
                f"{len(broken):,} of {len(scores):,} {name} scores are no finite numbers, the "
                f"first {scores[broken[0]]} of row {broken[0] + 1}"
            )
    worst = right[np.argmax(np.abs(right))]
    if abs(worst) > LIMIT:
        raise TriviumError(f"a true score is {worst:g}; sentiment is from -{LIMIT:g} to {LIMIT:g}")
    if np.ptp(right) == 0:
        raise TriviumError(
            f"all {len(right):,} true scores are {right[0]:g}: nothing can be told apart; measure "
            "on rows of several scores"
        )
    order = np.lexsort((guessed, right))
    return guessed[order], right[order]


def _remarks(found: Sentiment) -> Iterator[str]:
    score, primary = found.score, found.score.primary
    low, high = score.intervals.get(primary, (score.primary_value, score.primary_value))
    rival = found.constant[primary]
    if (high >= rival) if score.lower_is_better else (low <= rival):
        yield (
            f"{primary} {score.primary_value:.2f} ({low:.2f} to {high:.2f}) is not surely better "
            f"than the {rival:.2f} of always saying the same: the model may have learned nothing"
        )
    if len(set(found.given)) == 1:
        yield f"the model gave {found.given[0]:.3g} for all {len(found.given):,} rows"
