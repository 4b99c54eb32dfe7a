"""Runs of `fused`: pre-training on speech with its text, and what it is used for.

`pretrain` and `tune` are all of them. They take the settings of the system and of its training, so
that whoever compares variants changes those and nothing else.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from trivium.data.audio import SAMPLE_RATE_HZ
from trivium.data.corpus import Corpus
from trivium.data.loader import LoaderSettings
from trivium.data.source import SourceSettings
from trivium.errors import SettingsError
from trivium.layers.fusion import Fusion
from trivium.models.fused import FusedSettings
from trivium.runtime import derive_seed
from trivium.tasks.folds import refuse_leaks
from trivium.tasks.rows import ALL_SPLITS, literal
from trivium.training.evaluation import EvaluationSettings
from trivium.training.loop import Recipe, TrainingSettings
from trivium.training.optimizer import OptimizerSettings
from trivium.training.schedule import Phase, Ramp

Weights = dict[str, float | Ramp]
Wish = Literal["emotion", "sentiment", "voices"]
# What the head is taught for a wish.
TASKS: Mapping[Wish, Literal["classify", "regress", "voices"]] = {
    "emotion": "classify", "sentiment": "regress", "voices": "voices",
}  # fmt: skip
# The task that measures it.
MEASURES: Mapping[Wish, str] = {
    "emotion": "classification", "sentiment": "sentiment", "voices": "verification",
}  # fmt: skip
# Published: both losses of pre-training count the same.
BOTH: Weights = {"mlm": 1.0, "mcam": 1.0}
# Where the recipes that build on pre-training look for it.
WORLD_RUN, BASE_RUN = "runs/fused.world", "runs/fused.base"
# Of the made world only feelings have a score.
FEELINGS = "label is not null and score is not null"


@dataclass(frozen=True)
class Rows:
    """Which labelled rows train."""

    where: str
    """A filter, as in SQL."""
    dev: str | None = None
    """A filter of the rows, of whatever split, on which the best checkpoint is chosen."""
    test: str | None = None
    """A filter of the rows that will be measured once: no speaker may be in two of the three.

    A fold of `trivium.tasks.folds` is `Rows(fold.train, fold.dev, fold.test, split=None)`.
    """
    split: str | None = "train"
    """The split of those that train; null: `where` says it all."""
    share: float = 1.0
    """How many of them are used: of each label, or of all where there is a number for each."""


def weights(wish: Wish, fusion: Fusion = "orthogonal") -> Weights:
    """What each objective of tuning counts."""
    upright: Weights = {"orthogonality": 1.0} if fusion == "orthogonal" else {}
    return {TASKS[wish]: 1.0, **upright}


def pretrain(
    corpora: Sequence[Path],
    settings: FusedSettings,
    training: TrainingSettings,
    seconds: float,
    tokens: int | None = None,
) -> Recipe:
    """A run that says what is hidden of speech and of its text.

    `tokens` is the size of the tokenizer that is made of the texts.
    """
    pairs = SourceSettings(
        corpora=tuple(corpora), where="text is not null", seconds=seconds,
        max_seconds=min(seconds, _longest(settings)),
    )  # fmt: skip
    return Recipe(system="fused", settings=settings, sources={"pairs": pairs}, training=training,
                  tokens=tokens)  # fmt: skip


def tune(
    corpora: Sequence[Path],
    wish: Wish,
    settings: FusedSettings,
    training: TrainingSettings,
    rows: Rows,
    **budget: Any,
) -> Recipe:
    """A run that teaches a head, and what is below it, to answer.

    `settings` say what it begins from, what it reads and how it joins; the labels are those that
    training rows have. The budget of a micro is in the words of `SourceSettings`.
    """
    source = SourceSettings(
        corpora=tuple(corpora), where=rows.where, split=rows.split,
        max_seconds=min(budget.get("seconds", math.inf), _longest(settings)), **budget,
    )  # fmt: skip
    task, column = TASKS[wish], {"emotion": settings.label_column, "voices": "speaker"}.get(wish)
    where = str(source.filter)
    for corpus in _there(corpora) if rows.test is not None else ():
        parts = {"training": where, "dev": rows.dev, "test": rows.test}
        refuse_leaks(corpus, {name: part for name, part in parts.items() if part is not None})
    if rows.share < 1:
        chosen = fewer(corpora, where, rows.share, column)
        source = source.model_copy(update={"where": f"({rows.where}) and {chosen}"})
    labels = sorted({*_column(corpora, column, where)} - {None, ""}) if column else []
    taught = {**settings.model_dump(), "task": task, "labels": labels}
    chosen_on = None if rows.dev is None else EvaluationSettings(
        tasks=(MEASURES[wish],), split=ALL_SPLITS, every=training.save_every,
        # What is longer than there are positions for cannot be heard; in training it is left out.
        where=rows.dev if settings.modality == "text" else
        f"({rows.dev}) and seconds <= {_longest(settings):g}",
    )  # fmt: skip
    return Recipe(system="fused", settings=FusedSettings.parse(taught), sources={"rows": source},
                  training=training, evaluation=chosen_on)  # fmt: skip


def fewer(corpora: Sequence[Path], where: str, share: float, column: str | None) -> str:
    """A filter of some rows: a share of each value of a column, or of all; at least one each.

    A smaller share has none that a larger one has not.
    """
    if not 0 < share <= 1:
        raise SettingsError(f"a share of {share:g} of the rows is none; expected above 0, up to 1")
    names = _column(corpora, "id", where)
    of = _column(corpora, column, where) if column else [None] * len(names)
    groups: dict[Any, list[str]] = defaultdict(list)
    for name, value in zip(names, of, strict=True):
        groups[value].append(name)
    kept = [
        name
        for group in groups.values()
        for name in sorted(group, key=lambda name: derive_seed(0, "share", name))[
            : math.ceil(share * len(group))
        ]
    ]
    if not kept:
        raise SettingsError(
            f"{' and '.join(map(str, corpora))} have no rows to take {share:g} of where {where}"
        )
    return f"id in ({', '.join(literal(name) for name in sorted(kept))})"


def tiny(corpora: Sequence[Path]) -> Recipe:
    """English of the tiny world; says what is hidden, then tells its 16 feelings apart by heart."""
    english, settings = "language = 'en'", FusedSettings.tiny()
    training = tiny_training(
        Phase(steps=80, weights=BOTH),
        Phase(steps=180, weights=weights("emotion"), reset_optimizer=True),
    )
    before = pretrain(corpora, settings, training, seconds=40, tokens=settings.text.vocabulary - 1)
    rows = Rows(f"{english} and {FEELINGS}")
    tuned = tune(corpora, "emotion", settings, training, rows, items=16)
    pairs = before.sources["pairs"].model_copy(update={"where": english})
    sources = {"pairs": pairs, **tuned.sources}
    return before.model_copy(update={"settings": tuned.settings, "sources": sources})


def tiny_training(*phases: Phase) -> TrainingSettings:
    """Of runs that end within a minute."""
    return TrainingSettings(
        phases=phases,
        optimizer=OptimizerSettings(lr=1e-3, weight_decay=0.0),
        loader=LoaderSettings(micros_per_step=1),
    )


def world(corpora: Sequence[Path]) -> Recipe:
    """Texts and speech of a made world in all its languages, hidden in parts; for a GPU.

    Train it with `--out runs/fused.world`, where `fused.world_emotion` and the others look for it.
    """
    settings = world_settings()
    training = world_training(Phase(steps=20_000, weights=BOTH), lr=1e-3)
    return pretrain(corpora, settings, training, 400, tokens=settings.text.vocabulary - 1)


def world_emotion(corpora: Sequence[Path]) -> Recipe:
    """Which of four emotions a voice of the made world has; begins from `runs/fused.world`."""
    return _world(corpora, "emotion", FEELINGS)


def world_sentiment(corpora: Sequence[Path]) -> Recipe:
    """How kind the words of the made world are, -3 to 3; begins from `runs/fused.world`."""
    return _world(corpora, "sentiment", FEELINGS)


def world_voices(corpora: Sequence[Path]) -> Recipe:
    """Who of 80 speakers of the made world is heard; begins from `runs/fused.world`."""
    return _world(corpora, "voices", "speaker is not null")


def world_settings(**changes: Any) -> FusedSettings:
    """Of the made world, 5 million parameters; changes are in the words of `FusedSettings`.

    Of a group, such as `audio`, only what is named changes.
    """
    sizes: dict[str, Any] = {
        "width": 192, "heads": 6, "feedforward": 768,
        "text": {"layers": 4, "vocabulary": 2_000, "positions": 128},
        "audio": {"layers": 4, "positions": 1_000},
    }  # fmt: skip
    return _with(sizes, changes)


def world_training(*phases: Phase, lr: float) -> TrainingSettings:
    """Of the made world."""
    return TrainingSettings(
        phases=phases,
        optimizer=OptimizerSettings(lr=lr, weight_decay=0.01, warmup=0.1),
        loader=LoaderSettings(micros_per_step=1),
        precision="bf16",
        save_every=1_000,
    )


def small(corpora: Sequence[Path]) -> Recipe:
    """The authors' smallest network, 3 + 3 layers, with their constants, on LibriSpeech."""
    return _paper(corpora, layers=3, batch=8)


def base(corpora: Sequence[Path]) -> Recipe:
    """The authors' 6 + 6 layers, with their constants, on LibriSpeech.

    Train it with `--out runs/fused.base`, where the recipes that tune it look for it.
    """
    return _paper(corpora, layers=6, batch=6)


def large(corpora: Sequence[Path]) -> Recipe:
    """The authors' 12 + 12 layers, with their constants, on LibriSpeech."""
    return _paper(corpora, layers=12, batch=4)


def iemocap(corpora: Sequence[Path], session: int = 5) -> Recipe:
    """Four emotions of IEMOCAP, one session held out; begins from `runs/fused.base`.

    Ids are the corpus's own, as `Ses05F_impro01_F000`; labels are `angry`, `happy` (the excited
    among them), `neutral` and `sad`. `session` is the test, and the one behind it is chosen on.
    """
    four = "label in ('angry', 'happy', 'neutral', 'sad')"
    dev, test = (f"id like 'Ses{number:02}%'" for number in (session % 5 + 1, session))
    rows = Rows(f"{four} and not ({dev} or {test})", f"{four} and {dev}", f"{four} and {test}",
                split=None)  # fmt: skip
    return _tuned(corpora, "emotion", rows, batch=2, utterances=3_205)


def mosei(corpora: Sequence[Path]) -> Recipe:
    """Sentiment of CMU-MOSEI, -3 to 3; begins from `runs/fused.base`."""
    rows = Rows("score is not null", "split = 'dev' and score is not null")
    return _tuned(corpora, "sentiment", rows, batch=2, utterances=16_327)


def librispeech_voices(corpora: Sequence[Path]) -> Recipe:
    """Who of LibriSpeech's 2,338 training speakers is heard; begins from `runs/fused.base`."""
    rows = Rows("speaker is not null", "split like 'dev%'", "split like 'test%'")
    return _tuned(corpora, "voices", rows, batch=8, utterances=281_241)


def _world(corpora: Sequence[Path], wish: Wish, where: str) -> Recipe:
    training = world_training(Phase(steps=3_000, weights=weights(wish)), lr=3e-4)
    rows = Rows(where, f"split = 'dev' and {where}", f"split = 'test' and {where}")
    return tune(corpora, wish, world_settings(start=WORLD_RUN), training, rows, seconds=100)


def _paper(corpora: Sequence[Path], layers: int, batch: int) -> Recipe:
    """An utterance of LibriSpeech lasts 12.3 s in the mean: so much a micro holds of each."""
    settings = _published(layers)
    training = TrainingSettings(
        phases=(Phase(steps=1_000_000, weights=BOTH),),
        optimizer=OptimizerSettings(
            lr=5e-5, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01, warmup=0.07
        ),
        loader=LoaderSettings(micros_per_step=1),
        precision="bf16",
        log_every=100,
        save_every=10_000,
    )
    return pretrain(corpora, settings, training, batch * 12.3, settings.text.vocabulary - 1)


def _tuned(corpora: Sequence[Path], wish: Wish, rows: Rows, batch: int, utterances: int) -> Recipe:
    """Ten times all utterances, as the authors' example has it."""
    training = TrainingSettings(
        phases=(Phase(steps=10 * utterances // batch, weights=weights(wish)),),
        optimizer=OptimizerSettings(
            lr=1e-5, betas=(0.9, 0.999), weight_decay=0.01, warmup=0.0, decay="cosine", clip=None
        ),
        loader=LoaderSettings(micros_per_step=1),
        precision="bf16",
        log_every=50,
        save_every=5_000,
    )
    settings = _published(6, start=BASE_RUN)
    return tune(corpora, wish, settings, training, rows, items=batch)


def _published(layers: int, **changes: Any) -> FusedSettings:
    sizes = {"text": {"layers": layers}, "audio": {"layers": layers}, "normaliser": "words"}
    return _with(sizes, changes)


def _with(sizes: Mapping[str, Any], changes: Mapping[str, Any]) -> FusedSettings:
    merged = {
        name: {**sizes.get(name, {}), **value} if isinstance(value, Mapping) else value
        for name, value in changes.items()
    }
    return FusedSettings.parse({**sizes, **merged})


def _longest(settings: FusedSettings) -> float:
    """Seconds that have as many frames as there are positions; a published network has 50 each."""
    hop = settings.audio.hop if settings.speech is None else SAMPLE_RATE_HZ // 50
    return (settings.audio.positions - 1) * hop / SAMPLE_RATE_HZ


def _there(corpora: Sequence[Path]) -> list[Corpus]:
    """The corpora that are there already."""
    return [Corpus.open(folder) for folder in corpora if folder.exists()]


def _column(corpora: Sequence[Path], column: str, where: str) -> list[Any]:
    """What rows have in a column."""
    told = [corpus.columns("utterances", [column], where) for corpus in _there(corpora)]
    return [value for table in told for value in table[column].cast(pa.string()).to_pylist()]
