"""The cells: nine schedules, some of them with few pictures, and a network that learned nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

from trivium.data.corpus import Corpus
from trivium.errors import CorpusError
from trivium.recipes import recipe as named
from trivium.recipes.grounded import LOSSES, SCHEDULES, schedule
from trivium.studies.schedules.sizes import SchedulesSettings
from trivium.studies.study import Cell
from trivium.training.evaluation import EvaluationSettings
from trivium.training.recipe import Recipe
from trivium.training.schedule import Phase

UNTRAINED = "untrained"
ALL = "100"
# A run trains; at this rate float32 weights do not move.
NO_RATE = 1e-30
LINES = 200  # of a cell's losses


def cells(settings: SchedulesSettings, corpus: Path) -> Iterator[Cell]:
    """All, seed by seed, so that what is there can always be compared."""
    few = str(round(100 * settings.share))
    where = {ALL: spoken(settings.language), few: few_pictures(settings, Corpus.open(corpus))}
    rows = [(name, ALL) for name in (*settings.schedules, UNTRAINED)]
    rows += [(name, few) for name in settings.few]
    for seed in range(settings.seeds):
        for name, pictures in rows:
            yield Cell(
                name=f"{folder(name)}.{pictures}.seed{seed}",
                recipe=_recipe(settings, corpus, name, where[pictures], seed),
                axes={"schedule": name, "pictures": pictures},
                seed=seed,
            )


def folder(schedule_name: str) -> str:
    """A schedule's name without brackets, which a shell reads otherwise: `VGS-then-W2V2`."""
    return "-then-".join(SCHEDULES.get(schedule_name, (schedule_name,)))


def said(language: str) -> str:
    """The filter of what is said in a language."""
    quoted = language.replace("'", "''")
    return f"language = '{quoted}'"


def spoken(language: str) -> str:
    """The filter of what is said of pictures in a language."""
    return f"picture is not null and {said(language)}"


def few_pictures(settings: SchedulesSettings, corpus: Corpus) -> str:
    """The filter of a share of the pictures, the first by id, and of what is said of them."""
    where = spoken(settings.language)
    found = corpus.columns("utterances", ["picture"], f"split = 'train' and {where}")
    pictures = sorted(set(found.column("picture").to_pylist()))
    if len(pictures) < 2:
        raise CorpusError(
            f"{corpus.path} has {len(pictures)} pictures that are spoken of in "
            f"{settings.language!r} in the split train; the study needs some"
        )
    last = pictures[max(2, round(settings.share * len(pictures))) - 1].replace("'", "''")
    return f"{where} and picture <= '{last}'"


def _recipe(settings: SchedulesSettings, corpus: Path, name: str, where: str, seed: int) -> Recipe:
    """A cell's run; self-supervision has a source of its own where it hears more than pictures."""
    made = named(settings.recipe, [corpus]).override(settings.change)
    shown = made.sources["spoken"].model_copy(update={"where": where})
    heard = shown.model_copy(
        update={
            "corpora": (corpus, *settings.speech), "columns": ("audio",),
            "where": (said if settings.speech else spoken)(settings.language),
        }
    )  # fmt: skip
    one = where == heard.where  # then one masked pass can serve both losses
    phases = (
        (Phase(steps=1, weights=dict(LOSSES["W2V2"]), lr=NO_RATE),)
        if name == UNTRAINED
        else schedule(name, settings.steps)
    )
    every = settings.interval * settings.measure_every
    evaluation = EvaluationSettings(
        tasks=("retrieval", "abx"), corpora=(corpus,), split=settings.split, every=every,
        items=settings.items, where=said(settings.language),
    )  # fmt: skip
    changed = made.model_copy(
        update={
            "sources": {"spoken": shown} if one else {"spoken": shown, "speech": heard},
            "evaluation": evaluation,
        }
    )
    return changed.override([
        f"settings.ssl_on={'spoken' if one else 'speech'}",
        f"training.phases={json.dumps([phase.model_dump(mode='json') for phase in phases])}",
        f"training.loader.seed={seed}",
        f"training.log_every={max(1, settings.steps // LINES)}",
        f"training.save_every={4 * settings.interval}",
        "training.keep=1",
    ])  # fmt: skip
