"""Runs of `tuned`: what a pre-trained encoder is used for. `tune` is all of them.

Sizes are those of a made world; `settings.encoder.start` names the run of the encoder. The paper's
constants stand in docs/tuned.md.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from trivium.data.corpus import Corpus
from trivium.data.loader import LoaderSettings
from trivium.data.source import SourceSettings
from trivium.models.towers.writing import WritingSettings
from trivium.models.tuned import TunedSettings
from trivium.models.tuned.settings import (
    ClassifierSettings,
    Column,
    CtcHeadSettings,
    DecoderSettings,
    EncoderSettings,
)
from trivium.training.loop import Recipe, TrainingSettings
from trivium.training.optimizer import OptimizerSettings
from trivium.training.schedule import Phase, Ramp

Task = Literal["recognition", "translation", "languages", "intents", "sentences", "probe"]
# Where the encoder is looked for: the run of `joint.world_tlm_ctc`.
ENCODER = "./runs/joint.world_tlm_ctc"
# Labels that are no feelings: those have a score too.
LABELLED = "label is not null and score is null"
# As published: text translation counts five times what speech translation counts.
TEXT_WEIGHT = 5.0


def tiny(corpora: Sequence[Path]) -> Recipe:
    """Requests by heart: writes down English, translates Japanese into it, tells intents of both.

    Its encoder is a `joint` with new weights, so that no other run is needed.
    """
    requests = "id like 'request%' and language in ('en', 'ja')"
    small = TunedSettings.tiny()
    settings = TunedSettings(
        encoder=small.encoder, ctc=small.ctc,
        decoder=DecoderSettings(
            layers=1, width=64, feedforward=128, heads=4, dropout=0.0, languages=("en",),
            writing=WritingSettings(beams=1, max_tokens=80),
        ),
        classifier=ClassifierSettings(
            labels=values(corpora, "utterances", "label", requests), dropout=0.0
        ),
    )  # fmt: skip
    spoken = SourceSettings(corpora=tuple(corpora), where=requests, seconds=20)
    sources = {
        "spoken": spoken.model_copy(update={"where": f"{requests} and language = 'en'"}),
        "spoken_translations": spoken.model_copy(
            update={"where": f"{requests} and language = 'ja'"}
        ),
        "labelled_speech": spoken,
    }
    weights: dict[str, float | Ramp] = {
        "ctc": 1.0, "speech_translation": 1.0, "speech_label": 1.0,
    }  # fmt: skip
    training = TrainingSettings(
        phases=(Phase(steps=320, weights=weights),),
        optimizer=OptimizerSettings(lr=3e-3, weight_decay=0.0),
        loader=LoaderSettings(micros_per_step=1),
    )
    return Recipe(system="tuned", settings=settings, sources=sources, training=training)


def recognition(corpora: Sequence[Path]) -> Recipe:
    """Writes down what is said in every language of the corpora, by CTC."""
    return tune(corpora, "recognition")


def translation(corpora: Sequence[Path]) -> Recipe:
    """Translates speech and texts into English; as many of the one as of the other in a step."""
    return tune(corpora, "translation")


def translation_speech(corpora: Sequence[Path]) -> Recipe:
    """As `tuned.translation`, learned from speech alone; texts can be given to it all the same."""
    return tune(corpora, "translation", with_mt=False)


def languages(corpora: Sequence[Path]) -> Recipe:
    """Tells in which language something is said."""
    return tune(corpora, "languages")


def intents(corpora: Sequence[Path]) -> Recipe:
    """Tells what is asked for in speech: the labels of utterances that are no feelings."""
    return tune(corpora, "intents")


def sentences(corpora: Sequence[Path]) -> Recipe:
    """Tells what is asked for in written sentences; or, of two sentences, how they agree.

    `--set settings.classifier.pairs=true` takes the second one from the key `second` of `extra`.
    """
    return tune(corpora, "sentences")


def probe(corpora: Sequence[Path]) -> Recipe:
    """As `tuned.intents`, with an encoder that stays as it is and learned weights of its layers."""
    return tune(corpora, "probe")


def tune(
    corpora: Sequence[Path], task: Task, encoder: str = ENCODER, *, with_mt: bool = True
) -> Recipe:
    """The run that teaches an encoder a task; `with_mt` is for translation alone."""
    if task == "recognition":
        return _recognition(corpora, encoder)
    if task == "translation":
        return _translation(corpora, encoder, with_mt)
    return _labels(corpora, task, encoder)


def _recognition(corpora: Sequence[Path], encoder: str) -> Recipe:
    settings = TunedSettings(encoder=EncoderSettings(start=encoder), ctc=CtcHeadSettings())
    spoken = _spoken(corpora, "text is not null", seconds=200)
    return _recipe(settings, {"spoken": spoken}, {"ctc": 1.0})


def _translation(corpora: Sequence[Path], encoder: str, with_mt: bool, into: str = "en") -> Recipe:
    """Budgets are in rows, so that a step has as many texts as utterances."""
    where = f"translation is not null and translation_language = '{into}'"
    rows: dict[str, Any] = {"corpora": tuple(corpora), "where": where, "items": 64}
    settings = TunedSettings(
        encoder=EncoderSettings(start=encoder),
        decoder=DecoderSettings(
            layers=2, width=128, feedforward=512, heads=4, dropout=0.1 if with_mt else 0.3,
            languages=(into,),
        ),
    )  # fmt: skip
    sources = {"spoken_translations": SourceSettings(**rows, max_seconds=30)}
    weights: dict[str, float | Ramp] = {"speech_translation": 1.0}
    if with_mt:
        sources["translations"] = SourceSettings(**rows, table="sentences", max_characters=512)
        weights["text_translation"] = TEXT_WEIGHT
    return _recipe(settings, sources, weights)


def _labels(corpora: Sequence[Path], task: Task, encoder: str) -> Recipe:
    column: Column = "language" if task == "languages" else "label"
    from_text, is_probe = task == "sentences", task == "probe"
    where = "language is not null" if column == "language" else LABELLED
    table: Literal["sentences", "utterances"] = "sentences" if from_text else "utterances"
    settings = TunedSettings(
        encoder=EncoderSettings(start=encoder), train_encoder=not is_probe,
        classifier=ClassifierSettings(
            labels=values(corpora, table, column, where), column=column,
            reads="text" if from_text else "speech", layers="mixed" if is_probe else "top",
        ),
    )  # fmt: skip
    if from_text:
        text = SourceSettings(corpora=tuple(corpora), table=table, where=where, characters=10_000,
                              max_characters=1_024)  # fmt: skip
        return _recipe(settings, {"labelled_text": text}, {"text_label": 1.0})
    sources = {"labelled_speech": _spoken(corpora, where, seconds=200)}
    return _recipe(settings, sources, {"speech_label": 1.0})


def values(corpora: Sequence[Path], table: str, column: str, where: str) -> tuple[str, ...]:
    """What training rows have in a column, sorted; nothing of a corpus that is not there yet."""
    found: set[str] = set()
    for folder in corpora:
        if folder.exists():
            told = Corpus.open(folder).columns(table, [column], f"split = 'train' and ({where})")
            found |= set(pc.unique(told[column].cast(pa.string()).drop_null()).to_pylist())
    return tuple(sorted(found))


def _spoken(corpora: Sequence[Path], where: str, seconds: float) -> SourceSettings:
    return SourceSettings(corpora=tuple(corpora), where=where, seconds=seconds, max_seconds=30)


def _recipe(
    settings: TunedSettings,
    sources: dict[str, SourceSettings],
    weights: dict[str, float | Ramp],
) -> Recipe:
    """Heads alone first, so that what they do not know yet does not shake the encoder."""
    heads = Phase(steps=500, weights=weights, freeze=("encoder.*",), lr=1e-3)
    every = Phase(steps=5_000, weights=weights, reset_optimizer=True)
    training = TrainingSettings(
        phases=(heads, every) if settings.train_encoder
        else (Phase(steps=2_000, weights=weights, lr=1e-3),),
        optimizer=OptimizerSettings(lr=3e-4, weight_decay=0.01, warmup=0.1),
        loader=LoaderSettings(micros_per_step=1),
        precision="bf16",
        save_every=1_000,
    )  # fmt: skip
    return Recipe(system="tuned", settings=settings, sources=sources, training=training)
