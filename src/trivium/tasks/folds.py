"""Folds: each session or speaker is the test once, and what is made of the scores of all.

The protocol of IEMOCAP, as it should be: training, development and test have no speaker and no
session in common, so that nothing is chosen on the test. A fold is three filters of one corpus,
for `where` of a source, of `evaluation`, and of a task's settings.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from trivium.config import Settings
from trivium.data.corpus import Corpus
from trivium.data.store import SCHEMAS, Row
from trivium.errors import TriviumError
from trivium.runtime import derive_seed
from trivium.tasks.metrics import BOOTSTRAP_RESAMPLES, bootstrap, interval
from trivium.tasks.rows import first_of, key_of, literal
from trivium.tasks.score import Score

HEADERS = ["value", "mean", "sd", "95 %", "chance"]


class FoldSettings(Settings):
    """What is left out, and what is chosen on."""

    group: str = "speaker"
    """What is left out as a whole: a column, as `speaker`, or a key of `extra`, as `session`."""
    dev: Literal["group", "speakers"] = "group"
    """What runs are chosen on: the group behind the one that is the test, or speakers of training,
    drawn with all of their groups."""
    dev_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Of the training's groups, where speakers are drawn for `dev`; at least one group."""
    where: str | None = None
    """Which utterances take part, as in SQL: `label in ('angry', 'happy', 'neutral', 'sad')`."""
    seed: int = 0
    """Seed of what is drawn."""


class Fold(Settings):
    """Three filters of a corpus that have no speaker and no group in common."""

    name: str
    """The group that is left out."""
    train: str
    """What is trained on."""
    dev: str
    """What a checkpoint is chosen on."""
    test: str
    """What is measured once."""
    rows: dict[str, int]
    """Utterances of each part."""


def leave_one_out(corpus: Corpus, settings: FoldSettings) -> tuple[Fold, ...]:
    """A fold for each group of a corpus, whatever its splits.

    Groups are told by their speakers, so that filters need no key of `extra`; a speaker of two
    groups would leak from training to test, and is refused by name.
    """
    said = _read(corpus, settings.group, settings.where)
    if not said:
        raise TriviumError(f"no utterance of {corpus.path} matches {settings.where or 'at all'}")
    speakers: dict[str, set[str]] = defaultdict(set)
    for row in said:
        speakers[row["group"]].add(row["speaker"])
    _refuse_shared(speakers, settings.group)
    groups = sorted(speakers)
    if len(groups) < 3:
        raise TriviumError(
            f"{corpus.path} has {len(groups)} of {settings.group}: {first_of(groups)}; leaving one "
            "out takes 3, for training, dev and test"
        )
    counts = Counter(row["speaker"] for row in said)
    folds = []
    for place, test in enumerate(groups):
        others = [group for group in groups if group != test]
        if settings.dev == "group":
            dev = [groups[(place + 1) % len(groups)]]
        else:
            dev = _drawn(others, settings, test)
        train = [group for group in others if group not in dev]
        parts = {part: sorted(set().union(*(speakers[group] for group in own)))
                 for part, own in (("train", train), ("dev", dev), ("test", [test]))}  # fmt: skip
        filters = {part: _filter(names, settings.where) for part, names in parts.items()}
        rows = {part: sum(counts[name] for name in names) for part, names in parts.items()}
        folds.append(Fold(name=test, rows=rows, **filters))
    return tuple(folds)


def refuse_leaks(corpus: Corpus, parts: Mapping[str, str], group: str = "speaker") -> None:
    """Refuse filters, by name of the part, two of which share a speaker or a group.

    A part without rows shares nothing.
    """
    for column in dict.fromkeys(["speaker", group]):
        found = {
            part: {row["group"] for row in _read(corpus, column, where)}
            for part, where in parts.items()
        }
        names = list(found)
        for place, one in enumerate(names):
            for other in names[place + 1 :]:
                shared = sorted(found[one] & found[other])
                if shared:
                    raise TriviumError(
                        f"{column} {first_of(shared)} of {corpus.path} leaks from {one} to "
                        f"{other}: {len(shared):,} are in both; leave them out of one"
                    )


class Summary(Settings):
    """Scores of several folds and seeds as one."""

    score: Score
    """Means, and intervals over folds, each with all its seeds; over seeds if there is one fold."""
    spread: dict[str, float]
    """The standard deviation of what intervals are over, a fold's seeds taken together."""
    folds: int
    """How many."""
    runs: int
    """How many scores there are in all."""

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headers and a row for each value."""
        rows = [
            [name, value, f"{self.spread[name]:,.2f}", *others]
            for name, value, *others in self.score.rows()
        ]
        return HEADERS, rows


def summarise(
    runs: Mapping[str, Sequence[Score]], resamples: int = BOOTSTRAP_RESAMPLES, seed: int = 0
) -> Summary:
    """The mean of scores of each fold, by its name, with a score for each seed.

    What a fold lacks, such as the recall of a class that it has not, is not told. Drawn again for
    the intervals are folds; with few of them an interval is rough.
    """
    scores = [score for own in runs.values() for score in own]
    _refuse_unlike(scores, runs)
    names = [name for name in scores[0].values if all(name in score.values for score in scores)]
    values = np.array([[score.values[name] for name in names] for score in scores])
    fold_of = np.repeat(np.arange(len(runs)), [len(own) for own in runs.values()])
    units = fold_of if len(runs) > 1 else np.arange(len(scores))
    means = np.array([values[units == unit].mean(axis=0) for unit in np.unique(units)])
    intervals = {}
    if resamples and len(means) > 1:
        drawn = bootstrap(means, np.arange(len(means)), seed, resamples)
        intervals = dict(zip(names, interval(drawn), strict=True))
    first = scores[0]
    signed = {
        "split": f"{len(runs)} folds: {', '.join(runs)}",
        "gallery": "; ".join(dict.fromkeys(score.signature.gallery for score in scores)),
        "model": "+".join(dict.fromkeys(score.signature.model for score in scores)),
    }
    told = [name for name in names if all(name in score.chance for score in scores)]
    mean = first.model_copy(
        update={
            "values": dict(zip(names, means.mean(axis=0).tolist(), strict=True)),
            "chance": {n: float(np.mean([s.chance[n] for s in scores])) for n in told},
            "intervals": intervals,
            "signature": first.signature.model_copy(update=signed),
        }
    )
    spread = means.std(axis=0, ddof=1) if len(means) > 1 else np.zeros(len(names))
    return Summary(score=mean, spread=dict(zip(names, spread.tolist(), strict=True)),
                   folds=len(runs), runs=len(scores))  # fmt: skip


def _read(corpus: Corpus, group: str, where: str | None) -> list[Row]:
    """Speaker and group of each utterance; who lacks one is refused."""
    known = group in SCHEMAS["utterances"].names
    names = dict.fromkeys(["id", "speaker", group if known else "extra"])
    said = corpus.columns("utterances", list(names), where).to_pylist()
    found: list[Row] = [{"speaker": row["speaker"], "id": row["id"],
              "group": row[group] if known else key_of(row, group)} for row in said]  # fmt: skip
    for name, column in (("speaker", "speaker"), ("group", group)):
        lacking = [row["id"] for row in found if not row[name]]
        if lacking:
            raise TriviumError(
                f"{len(lacking):,} of {len(found):,} utterances of {corpus.path} have no {column}, "
                f"the first {lacking[0]!r}: nobody knows what they would leak; leave them out with "
                "`where`"
            )
    return found


def _refuse_shared(speakers: Mapping[str, set[str]], group: str) -> None:
    groups_of: dict[str, list[str]] = defaultdict(list)
    for name, own in sorted(speakers.items()):
        for speaker in own:
            groups_of[speaker].append(name)
    shared = sorted(speaker for speaker, names in groups_of.items() if len(names) > 1)
    if shared:
        first = groups_of[shared[0]]
        raise TriviumError(
            f"{len(shared):,} speakers are in more than one {group}: {shared[0]!r} in "
            f"{first_of(first)}; they would leak from training to test, so leave them out with "
            "`where`, or leave out speakers"
        )


def _refuse_unlike(scores: Sequence[Score], runs: Mapping[str, Sequence[Score]]) -> None:
    empty = [name for name, own in runs.items() if not own]
    if not scores or empty:
        raise TriviumError(
            f"there are {len(scores)} scores of {len(runs)} folds, and none of {empty or 'any'}"
        )
    for score in scores[1:]:
        for name in ("task", "corpus", "text", "version"):
            one, other = getattr(scores[0].signature, name), getattr(score.signature, name)
            if one != other:
                raise TriviumError(
                    f"{name} is {one!r} of one score and {other!r} of another; only scores of one "
                    "task and corpus have a mean"
                )


def _drawn(groups: Sequence[str], settings: FoldSettings, test: str) -> list[str]:
    """Some of the training's groups, by seed."""
    count = max(1, round(settings.dev_share * len(groups)))
    if count >= len(groups):
        raise TriviumError(
            f"without {test!r} there are {len(groups)} of {settings.group}, and {count} of them "
            "would be drawn for dev: nobody is left to train on; lower dev_share, or take dev=group"
        )
    draw = np.random.default_rng(derive_seed(settings.seed, "dev", test))
    return sorted(draw.choice(list(groups), count, replace=False).tolist())


def _filter(speakers: Sequence[str], where: str | None) -> str:
    named = f"speaker in ({', '.join(map(literal, speakers))})"
    return f"({where}) and {named}" if where else named
