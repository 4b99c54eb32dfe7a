"""Measuring while a run trains, as its recipe asks for; `fit` with that built in."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from torch import nn

from trivium.config import Settings
from trivium.data.corpus import Corpus
from trivium.data.store import Row
from trivium.errors import SettingsError, TriviumError, did_you_mean
from trivium.models.loaded import Model
from trivium.models.towers.writing import WritingSettings
from trivium.tasks import classification as labels
from trivium.tasks import sentiment as scores
from trivium.tasks.abx import measure as abx_measure
from trivium.tasks.abx.measure import AbxSettings
from trivium.tasks.retrieval import measure
from trivium.tasks.rows import answers, known_rows, literal, rows_of, sounds_of, where_of
from trivium.tasks.score import Score
from trivium.tasks.voices import verification as voices
from trivium.tasks.voices.trials import make_trials
from trivium.tasks.words import recognition as transcripts
from trivium.tasks.words import translation as translations
from trivium.training import loop
from trivium.training.evaluation import EvaluationSettings
from trivium.training.recipe import Recipe

TEXT_LANGUAGE = "en"
# Seconds, where the published way takes minutes: a run is compared with itself.
DURING_ABX = AbxSettings(unit="phone", context="any", max_group=5, max_x_speakers=2, outside="skip")


# Without intervals, which cost more; as many trials as tell a good model from a better one.
DURING_RECOGNITION = transcripts.RecognitionSettings(resamples=0)
DURING_TRANSLATION = translations.TranslationSettings(resamples=0)
DURING_CLASSIFICATION = labels.ClassificationSettings(resamples=0)
DURING_SENTIMENT = scores.SentimentSettings(resamples=0)
DURING_VERIFICATION = voices.VerificationSettings(resamples=0, count=2_000)


class FirstRows(Corpus):
    """A corpus as if nothing but the first rows that match its filter were in it.

    The pictures are all there.
    """

    items: int | None = None
    where: str | None = None

    def columns(self, table: str, names: Sequence[str], where: str | None = None) -> pa.Table:
        """Columns of the first rows."""
        if table == "pictures":
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
    where = where_of(split, "picture is not null")
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
    where = where_of(split, "phones is not null and speaker is not null")
    if not len(corpus.columns("utterances", ["id"], where)):
        raise SettingsError(
            f"no utterance of {corpus.path} has phone times and a speaker ({where}); leave abx "
            "out of evaluation.tasks, or set evaluation.split"
        )


def recognition(model: Model, corpus: Corpus, split: str) -> Score:
    """What is said is written down."""
    said = _narrowed(corpus, "text is not null")
    return transcripts.measure(model, said, split, DURING_RECOGNITION).score


def translation(model: Model, corpus: Corpus, split: str) -> Score:
    """What is said, or else what is written, is translated; greedily, for beams cost more."""
    known, source = _narrowed(corpus, "translation is not null"), _source(model, corpus)
    with greedy(model.system):
        found = translations.measure(model, known, split, source, DURING_TRANSLATION).score
    text = f"{found.signature.text}; greedy"
    signature = found.signature.model_copy(update={"text": text})
    return found.model_copy(update={"signature": signature})


def classification(model: Model, corpus: Corpus, split: str) -> Score:
    """Rows are called what they are."""
    return labels.measure(model, _labelled(model, corpus), split, DURING_CLASSIFICATION).score


def sentiment(model: Model, corpus: Corpus, split: str) -> Score:
    """Rows are given the scores that people gave."""
    return scores.measure(model, corpus, split, DURING_SENTIMENT).score


def verification(model: Model, corpus: Corpus, split: str) -> Score:
    """Speakers are told apart."""
    return voices.measure(model, corpus, split, DURING_VERIFICATION).score


def check_recognition(model: Model, corpus: Corpus, split: str) -> None:
    """Refuse a split without texts, and a system that does not write down the first of them."""
    rows, _ = rows_of(_narrowed(corpus, "text is not null"), "utterances", split, ["text"])
    model.transcribe_speech(sounds_of(corpus, rows[:1]), rows[0]["language"] or "")


def check_translation(model: Model, corpus: Corpus, split: str) -> None:
    """Refuse a split without translations, and a system that does not translate the first row."""
    translation(model, _first(corpus, 1), split)


def check_classification(model: Model, corpus: Corpus, split: str) -> None:
    """Refuse a split without two classes that are known, and a system that knows none."""
    labels.labelled_rows(model, _first(corpus, None), split, DURING_CLASSIFICATION)
    rows, _ = labels.labelled_rows(model, _labelled(model, corpus), split, DURING_CLASSIFICATION)
    _refuse_one(rows, model.label_column, split)
    answers(model.reads, corpus, rows[:1], lambda *row: model.classify(*row)[1].tolist(), _ignore)


def check_sentiment(model: Model, corpus: Corpus, split: str) -> None:
    """Refuse a split without two scores, and a system that gives none."""
    rows, _ = known_rows(model, corpus, None, split, "score", (), None)
    _refuse_one(rows, "score", split)
    answers(model.reads, corpus, rows[:1], lambda *row: model.score(*row).tolist(), _ignore)


def check_verification(model: Model, corpus: Corpus, split: str) -> None:
    """Refuse a split without two speakers, and a system that makes no vectors of them."""
    rows, _ = voices.spoken_rows(model, corpus, split, DURING_VERIFICATION)
    make_trials(rows, 2)
    reads = model.voice_reads
    answers(reads, corpus, rows[:1], lambda *row: model.embed_voice(*row).tolist(), _ignore)


@contextmanager
def greedy(system: nn.Module) -> Iterator[None]:
    """Whatever in a system writes with beams takes the likeliest token, as long as this lasts."""
    changed: list[tuple[Any, Settings]] = []
    module: Any
    for module in system.modules():
        settings = getattr(module, "settings", None)
        writing = getattr(settings, "writing", None)
        if isinstance(settings, Settings) and isinstance(writing, WritingSettings):
            alone = writing.model_copy(update={"beams": 1})
            module.settings = settings.model_copy(update={"writing": alone})
            changed.append((module, settings))
    try:
        yield
    finally:
        for module, settings in changed:
            module.settings = settings


def _source(model: Model, corpus: Corpus) -> translations.Source:
    if model.can("translate_speech"):
        return "speech"
    return "text" if corpus.count("utterances") else "sentences"


def _narrowed(corpus: Corpus, where: str) -> Corpus:
    """The same corpus, of whose first rows only those that match are counted."""
    few = copy.copy(corpus)
    if isinstance(few, FirstRows):
        few.where = f"({few.where}) and {where}" if few.where else where
    return few


def _first(corpus: Corpus, items: int | None) -> Corpus:
    """The same corpus, of which other first rows are counted."""
    few = copy.copy(corpus)
    if isinstance(few, FirstRows):
        few.items = items
    return few


def _labelled(model: Model, corpus: Corpus) -> Corpus:
    """The same corpus, of whose first rows only those whose label a model knows are counted."""
    return _narrowed(corpus, f"{model.label_column} in ({', '.join(map(literal, model.labels))})")


def _refuse_one(rows: Sequence[Row], column: str, split: str) -> None:
    found = {row[column] for row in rows}
    if len(found) == 1:
        raise TriviumError(
            f"all {len(rows):,} rows of the split {split!r} that would be measured have the "
            f"{column} {found.pop()!r}: nothing can be told apart"
        )


def _ignore(_: int) -> None:
    """Nobody waits to be told of one row."""


# Name, what it finds, and what it refuses to begin with.
TASKS: dict[str, tuple[Callable[[Model, Corpus, str], Score], Callable[..., None]]] = {
    "retrieval": (retrieval, check_retrieval),
    "abx": (abx, check_abx),
    "recognition": (recognition, check_recognition),
    "translation": (translation, check_translation),
    "classification": (classification, check_classification),
    "sentiment": (sentiment, check_sentiment),
    "verification": (verification, check_verification),
}


class Evaluator:
    """Measures a system on the corpora of `recipe.evaluation`."""

    def __init__(self, recipe: Recipe, settings: EvaluationSettings) -> None:
        for task in settings.tasks:
            if task not in TASKS:
                hint = did_you_mean(task, TASKS)
                raise SettingsError(f"evaluation.tasks: no task is called {task!r}; {hint}")
        self._name, self._split = recipe.system, settings.split
        self._tasks = {task: TASKS[task] for task in settings.tasks}
        folders = settings.corpora or tuple(
            folder for source in recipe.sources.values() for folder in source.corpora
        )
        self._corpora = [FirstRows.open(folder) for folder in dict.fromkeys(folders)]
        for corpus in self._corpora:
            corpus.items, corpus.where = settings.items, settings.where

    def check(self, system: nn.Module) -> None:
        """Refuse what cannot be measured."""
        for corpus, (task, (_, refuse)) in product(self._corpora, self._tasks.items()):
            try:
                refuse(self._model(system), corpus, self._split)
            except SettingsError:
                raise
            except TriviumError as error:
                raise SettingsError(
                    f"{task} cannot be measured: {error}; leave it out of evaluation.tasks, or set "
                    "evaluation.split or evaluation.where"
                ) from error

    def __call__(self, system: nn.Module) -> Score:
        """All tasks' scores as one, each the mean of all corpora."""
        model = self._model(system)
        return joined([
            mean([find(model, corpus, self._split) for corpus in self._corpora])
            for find, _ in self._tasks.values()
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
