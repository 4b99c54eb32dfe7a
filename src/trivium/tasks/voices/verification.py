"""Speaker verification: vectors of two recordings are near if one speaker says both.

`EER` is where as many targets are missed as others are let in, on the line through the points of
the curve; `minDCF@0.01` the lowest detection cost where one trial in a hundred is a target, both
errors cost 1, and 1 is the cost of who does not listen. What is drawn again for the intervals are
speakers: a trial of two counts as often as both were drawn, a trial of one as often as that one.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from trivium.config import Settings
from trivium.data.audio import Samples
from trivium.data.corpus import Corpus
from trivium.data.store import SCHEMAS, Row
from trivium.errors import TriviumError
from trivium.tasks.metrics import BOOTSTRAP_RESAMPLES, Floats, Integers, Vectors, interval
from trivium.tasks.rows import NAMED, Named, Within, answers, rows_of
from trivium.tasks.score import HEADERS, Score, Signature
from trivium.tasks.voices.detection import Curve, Sweep, deviates
from trivium.tasks.voices.trials import Trials, as_table, make_trials, read_trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Trials whose vectors are in memory at once.
BLOCK_TRIALS = 1 << 14
# Rates that the axes of the plot name, in percent.
TICKS = (0.1, 0.5, 1, 2, 5, 10, 20, 40, 60, 80)


class VerificationSettings(Within):
    """Which trials are made where no list is given, and what is told of them."""

    count: Annotated[int, Field(ge=2)] = 10_000
    """Trials that are made, half of them of one speaker."""
    match: tuple[str, ...] = ()
    """What both sides of a made trial agree in: columns, as `language`, or keys of `extra`, as
    `sex`."""
    priors: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)] = (
        0.01, 0.05,
    )  # fmt: skip
    """Shares of targets for which the detection cost is told."""
    resamples: Annotated[int, Field(ge=0)] = BOOTSTRAP_RESAMPLES
    """Bootstrap resamples behind the intervals, over speakers; 0 for none."""
    seed: int = 0
    """Seed of the trials and the resamples."""


class Verification(Settings):
    """The result."""

    score: Score
    """`EER` in percent, and `minDCF@0.01` and so on, of which 1 is no use at all."""
    trials: int
    """How many pairs were compared."""
    targets: int
    """How many of them are of one speaker."""
    threshold: float
    """The cosine from which on two recordings are of one speaker, where both errors are equal."""
    curve: tuple[tuple[float, float], ...]
    """Others let in and targets missed, shares of 1, at falling thresholds."""
    remarks: tuple[str, ...] = ()
    """Sentences on what to beware of."""
    listed: str = Field(default="", exclude=True)
    """The trials with their scores, as csv."""

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headers and a row for each value."""
        return HEADERS, self.score.rows()

    def write(self, folder: Path) -> None:
        """`verification.json`, `verification.png`, and `trials.csv`, which can be read back."""
        from trivium.checkpoint import write_file
        from trivium.report import png

        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / "verification.json", self.to_json())
        write_file(folder / "verification.png", png(self.plot()))
        if self.listed:
            write_file(folder / "trials.csv", self.listed)

    def plot(self) -> "Figure":
        """Misses against false alarms, on axes of normal deviates."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5, 5), layout="constrained")
        axes = figure.add_subplot()
        ends = deviates([0, 1])
        axes.plot(ends, ends, color="#bbbbbb", linewidth=1)
        axes.plot(*deviates(np.array(self.curve)).T)
        eer = deviates([self.score.values["EER"] / 100])
        axes.plot(eer, eer, "o", label=f"EER {self.score.values['EER']:.2f} %")
        axes.set_xlabel("others let in, %")
        axes.set_ylabel("targets missed, %")
        places, names = deviates(np.array(TICKS) / 100), [f"{tick:g}" for tick in TICKS]
        axes.set_xticks(places, names)
        axes.set_yticks(places, names)
        axes.set_xlim(ends[0], places[-1])
        axes.set_ylim(ends[0], places[-1])
        axes.grid(alpha=0.3)
        axes.legend()
        return figure


def run(
    scores: Sequence[float] | Vectors,
    same: Sequence[bool] | NDArray[np.bool_],
    settings: VerificationSettings,
    signature: Signature,
    speakers: Sequence[tuple[str, str]] | None = None,
) -> Verification:
    """The errors of scores of trials; `signature` says which list, corpus, split and model.

    Where both speakers of each trial are given, they are what is drawn again for the intervals;
    else it is trials, as if these had nothing to do with one another.
    """
    truth = np.asarray(same, bool)
    sweep = Sweep(np.asarray(scores, np.float64), truth)
    whole = sweep.curve()
    equal, place = whole.equal_error()
    values = dict(zip(_names(settings), _numbers(whole, settings), strict=True))
    intervals = {}
    if settings.resamples:
        drawn = np.array([
            _numbers(sweep.curve(weights), settings)
            for weights in _weights(truth, speakers, settings)
        ])  # fmt: skip
        kept = drawn[np.isfinite(drawn).all(axis=1)]  # of few speakers all others may be gone
        if len(kept):
            intervals = dict(zip(values, interval(kept), strict=True))
    score = Score(
        task=signature.task,
        values=values,
        primary="EER",
        chance={name: 50.0 if name == "EER" else 1.0 for name in values},
        intervals=intervals,
        lower_is_better=True,
        signature=signature,
    )
    found = Verification(
        score=score, trials=len(truth), targets=int(truth.sum()),
        threshold=sweep.threshold(place), curve=whole.drawn(),
    )  # fmt: skip
    high = intervals.get("EER", (0.0, 100 * equal))[1]
    if high < 50:
        return found
    remark = f"EER {100 * equal:.2f} is not surely below 50: the model may tell no voices apart"
    return found.model_copy(update={"remarks": (remark,)})


class Listener(Named, Protocol):
    """What makes vectors of who speaks; batches as it likes, and keeps the order."""

    @property
    def voice_reads(self) -> tuple[str, ...]:
        """What it is given of each row: `speech`, `text`, or both."""

    def embed_voice(self, sounds: Sequence[Samples] | None, texts: Sequence[str] | None) -> Vectors:
        """Vectors (N, D) of rows."""


def measure(
    model: Listener,
    corpus: Corpus,
    split: str,
    settings: VerificationSettings | None = None,
    *,
    trials: Path | Trials | None = None,
    languages: Sequence[str] = (),
    advance: Callable[[int], None] = lambda _: None,
) -> Verification:
    """How well a model tells the speakers of a split apart, in trials of a list or made ones.

    A list names utterances by id, or by id and the suffix of a file. `advance` is told of
    utterances heard.
    """
    asked = settings or VerificationSettings()
    rows, remarks = spoken_rows(model, corpus, split, asked, languages, trials is None)
    if trials is None:
        listed, left_out = make_trials(rows, asked.count, asked.match, asked.seed)
        remarks += left_out
    else:
        listed = read_trials(trials) if isinstance(trials, Path) else trials
    row_of = _rows_of_names(listed, rows, f"the split {split!r} of {corpus.path}")
    heard = list({row["id"]: row for row in row_of.values()}.values())
    vectors = _unit(heard, answers(
        model.voice_reads, corpus, heard, lambda *given: list(model.embed_voice(*given)), advance
    ))  # fmt: skip
    place = {row["id"]: number for number, row in enumerate(heard)}
    sides = [[row_of[name] for name in side] for side in (listed.enrol, listed.test)]
    numbers = [np.array([place[row["id"]] for row in side]) for side in sides]
    scores = _cosines(vectors, *numbers)
    speakers = _speakers(listed, *sides)
    told = f"{len(listed):,} trials of list {listed.digest}"
    if speakers is not None:
        told += f", {len({name for pair in speakers for name in pair}):,} speakers"
    elif asked.resamples:
        remarks.append("some speakers are not known: the intervals are over trials, and too narrow")
    signature = Signature(
        task="verification", corpus=corpus.card.fingerprint, split=asked.part(split),
        gallery=told, model=model.checksum,
    )  # fmt: skip
    found = run(scores, listed.same, asked, signature, speakers)
    return found.model_copy(
        update={
            "remarks": (*remarks, *found.remarks),
            "listed": as_table(listed, scores.tolist(), speakers),
        }
    )


def spoken_rows(
    model: Listener,
    corpus: Corpus,
    split: str,
    settings: VerificationSettings,
    languages: Sequence[str] = (),
    named: bool = True,
) -> tuple[list[Row], list[str]]:
    """Utterances that a model can be given, of known speakers if they must be `named`."""
    needed = [*(["text"] if "text" in model.voice_reads else []), *(["speaker"] if named else [])]
    columns = [name for name in settings.match if name in SCHEMAS["utterances"].names]
    also = ["speaker", "extra", *columns]
    return rows_of(corpus, "utterances", split, needed, languages, settings.where, also)


def _names(settings: VerificationSettings) -> list[str]:
    return ["EER", *(f"minDCF@{prior:g}" for prior in settings.priors)]


def _numbers(curve: Curve, settings: VerificationSettings) -> list[float]:
    return [100 * curve.equal_error()[0], *(curve.min_cost(prior) for prior in settings.priors)]


def _weights(
    same: NDArray[np.bool_],
    speakers: Sequence[tuple[str, str]] | None,
    settings: VerificationSettings,
) -> Iterator[Floats]:
    """How often each trial counts in each resample."""
    draw = np.random.default_rng(settings.seed)
    if speakers is None:
        sides = np.arange(len(same))[:, None].repeat(2, axis=1)
    else:
        names = np.array(speakers)
        sides = np.unique(names, return_inverse=True)[1].reshape(names.shape)
    alone = sides[:, 0] == sides[:, 1]
    size = int(sides.max()) + 1
    for _ in range(settings.resamples):
        times = np.bincount(draw.integers(size, size=size), minlength=size).astype(np.float64)
        one, other = times[sides[:, 0]], times[sides[:, 1]]
        yield np.where(alone, one, one * other)


def _rows_of_names(listed: Trials, rows: Sequence[Row], where: str) -> dict[str, Row]:
    """The row of each recording of a list."""
    by_id = {row["id"]: row for row in rows}
    found = {
        name: by_id.get(name) or by_id.get(str(PurePosixPath(name).with_suffix("")))
        for name in listed.names
        if name
    }
    unknown = [name for name in listed.names if found.get(name) is None]
    if unknown:
        raise TriviumError(
            f"{len(unknown):,} of {len(listed.names):,} recordings of the trials are no utterances "
            f"of {where} that can be heard: {', '.join(map(repr, unknown[:NAMED]))}; ids look like "
            f"{rows[0]['id']!r}"
        )
    return {name: row for name, row in found.items() if row is not None}


def _speakers(
    listed: Trials, enrol: Sequence[Row], test: Sequence[Row]
) -> list[tuple[str, str]] | None:
    """Both speakers of each trial; None where the corpus does not know all of them."""
    pairs = [(one["speaker"], other["speaker"]) for one, other in zip(enrol, test, strict=True)]
    for (one, other), same, a, b in zip(
        pairs, listed.same.tolist(), listed.enrol, listed.test, strict=True
    ):
        if one and other and (one == other) != same:
            raise TriviumError(
                f"the trial of {a!r} and {b!r} is said to be of {'one' if same else 'two'}, and "
                f"the corpus names their speakers {one!r} and {other!r}"
            )
    return pairs if all(one and other for one, other in pairs) else None


def _unit(rows: Sequence[Row], vectors: Sequence[Vectors]) -> Floats:
    """Vectors of length one; a zero vector stays zero."""
    stacked = np.stack(vectors).astype(np.float64)
    broken = np.flatnonzero(~np.isfinite(stacked).all(axis=1))
    if len(broken):
        raise TriviumError(
            f"{len(broken):,} of {len(rows):,} vectors hold NaN or infinity, the first that of "
            f"{rows[broken[0]]['id']!r}; the model has diverged"
        )
    lengths = np.linalg.norm(stacked, axis=1, keepdims=True)
    unit: Floats = stacked / np.where(lengths > 0, lengths, 1)
    return unit


def _cosines(vectors: Floats, one: Integers, other: Integers) -> Floats:
    """The product of the vectors of each trial."""
    parts = [slice(start, start + BLOCK_TRIALS) for start in range(0, len(one), BLOCK_TRIALS)]
    return np.concatenate([(vectors[one[p]] * vectors[other[p]]).sum(axis=1) for p in parts])
