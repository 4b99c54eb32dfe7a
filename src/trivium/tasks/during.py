"""Measuring while a run trains, as its recipe asks for; `fit` with that built in."""

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from torch import nn

from trivium.data.corpus import Corpus
from trivium.errors import SettingsError, did_you_mean
from trivium.models.loaded import Model
from trivium.tasks.abx import measure as abx_measure
from trivium.tasks.abx.measure import AbxSettings
from trivium.tasks.retrieval import measure
from trivium.tasks.score import Score
from trivium.training import loop
from trivium.training.evaluation import EvaluationSettings
from trivium.training.recipe import Recipe

TEXT_LANGUAGE = "en"
# Seconds, where the published way takes minutes: a run is compared with itself.
DURING_ABX = AbxSettings(unit="phone", context="any", max_group=5, max_x_speakers=2, outside="skip")


class FirstRows(Corpus):
    """A corpus as if nothing but the first utterances that match its filter were in it."""

    items: int | None = None
    where: str | None = None

    def columns(self, table: str, names: Sequence[str], where: str | None = None) -> pa.Table:
        """Columns of the first rows."""
        if table != "utterances":
            return super().columns(table, names, where)
        both = " and ".join(f"({one})" for one in (where, self.where) if one)
        return super().columns(table, names, both or None).slice(0, self.items)


def retrieval(model: Model, corpus: Corpus, split: str) -> Score:
    """Speech, texts and pictures find one another; without intervals, which cost more."""
    return measure(model, corpus, split, resamples=0).overall


def check_retrieval(model: Model, corpus: Corpus, split: str) -> None:
    """Refuse a system that does not embed pictures, and a split without any."""
    if "picture" not in model.kinds or len(model.kinds) < 2:
        raise SettingsError(
            f"{model.name} embeds {' and '.join(model.kinds) or 'nothing'}; retrieval needs "
            "pictures and speech or text: set evaluation to null"
        )
    quoted = split.replace("'", "''")
    where = f"split = '{quoted}' and picture is not null"
    if "speech" not in model.kinds:
        where += f" and language = '{TEXT_LANGUAGE}' and text is not null"
    if not len(corpus.columns("utterances", ["id"], where)):
        raise SettingsError(
            f"no utterance of {corpus.path} can be measured ({where}); set evaluation.split"
        )


def abx(model: Model, corpus: Corpus, split: str) -> Score:
    """Phones are kept apart by each layer: phones alone, which small splits have many of."""
    return abx_measure.measure(model, corpus, split, DURING_ABX).score


def check_abx(model: Model, corpus: Corpus, split: str) -> None:
    """Refuse a system whose layers cannot be looked at, and a split whose phones have no times."""
    if not hasattr(model.system, "frames"):
        raise SettingsError(
            f"{model.name} does not show the frames of its layers, which abx needs; leave abx out "
            "of evaluation.tasks"
        )
    quoted = split.replace("'", "''")
    where = f"split = '{quoted}' and phones is not null and speaker is not null"
    if not len(corpus.columns("utterances", ["id"], where)):
        raise SettingsError(
            f"no utterance of {corpus.path} has phone times and a speaker ({where}); leave abx "
            "out of evaluation.tasks, or set evaluation.split"
        )


# Name, what it finds, and what it refuses to begin with.
TASKS: dict[str, tuple[Callable[[Model, Corpus, str], Score], Callable[..., None]]] = {
    "retrieval": (retrieval, check_retrieval),
    "abx": (abx, check_abx),
}


class Evaluator:
    """Measures a system on the corpora of `recipe.evaluation`."""

    def __init__(self, recipe: Recipe, settings: EvaluationSettings) -> None:
        for task in settings.tasks:
            if task not in TASKS:
                hint = did_you_mean(task, TASKS)
                raise SettingsError(f"evaluation.tasks: no task is called {task!r}; {hint}")
        self._name, self._split = recipe.system, settings.split
        self._tasks = [TASKS[task] for task in settings.tasks]
        folders = settings.corpora or tuple(
            folder for source in recipe.sources.values() for folder in source.corpora
        )
        self._corpora = [FirstRows.open(folder) for folder in dict.fromkeys(folders)]
        for corpus in self._corpora:
            corpus.items, corpus.where = settings.items, settings.where

    def check(self, system: nn.Module) -> None:
        """Refuse what cannot be measured."""
        for corpus, (_, refuse) in product(self._corpora, self._tasks):
            refuse(self._model(system), corpus, self._split)

    def __call__(self, system: nn.Module) -> Score:
        """All tasks' scores as one, each the mean of all corpora."""
        model = self._model(system)
        return joined([
            mean([find(model, corpus, self._split) for corpus in self._corpora])
            for find, _ in self._tasks
        ])  # fmt: skip

    def _model(self, system: nn.Module) -> Model:
        return Model(self._name, system, "")


def mean(scores: Sequence[Score]) -> Score:
    """One score for several corpora: the mean of what all of them have."""
    first = scores[0]
    if len(scores) == 1:
        return first

    def means(of: Callable[[Score], dict[str, float]]) -> dict[str, float]:
        told = [of(score) for score in scores]
        names = [name for name in told[0] if all(name in values for values in told)]
        return {name: float(np.mean([values[name] for values in told])) for name in names}

    fingerprints = "+".join(score.signature.corpus for score in scores)
    return first.model_copy(
        update={
            "values": means(lambda score: score.values),
            "chance": means(lambda score: score.chance),
            "intervals": {},
            "signature": first.signature.model_copy(update={"corpus": fingerprints}),
        }
    )


def joined(scores: Sequence[Score]) -> Score:
    """One score for several tasks: the first, and beside it the others' values by task."""
    first, *others = scores
    if not others:
        return first

    def beside(of: Callable[[Score], dict[str, float]]) -> dict[str, float]:
        return {f"{one.task}/{name}": value for one in others for name, value in of(one).items()}

    task = "+".join(score.task for score in scores)
    gallery = "; ".join(score.signature.gallery for score in scores if score.signature.gallery)
    return first.model_copy(
        update={
            "task": task,
            "values": first.values | beside(lambda score: score.values),
            "chance": first.chance | beside(lambda score: score.chance),
            "signature": first.signature.model_copy(update={"task": task, "gallery": gallery}),
        }
    )


def evaluator(recipe: Recipe) -> Evaluator | None:
    """What measures a recipe's run; None where it asks for nothing."""
    return None if recipe.evaluation is None else Evaluator(recipe, recipe.evaluation)


def fit(recipe: Recipe, out: Path | str, **options: Any) -> loop.Fitted:
    """Train a recipe in the folder `out`, measured as it asks; the options are `loop.fit`'s.

    `resume=True` continues a run, `watch` is told of each logged line.
    """
    return loop.fit(recipe, Path(out), evaluate=evaluator(recipe), **options)
