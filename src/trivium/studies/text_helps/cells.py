"""The pre-trainings, and the cells: each pre-training tuned for each task, seed by seed."""

import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import cast

from trivium.data.source import SourceSettings
from trivium.recipes.joint import SPEECH, Variant, Weights, weights, world_tlm_ctc
from trivium.recipes.tuned import Task, tune
from trivium.runtime import derive_seed
from trivium.studies.study import Cell, Stage
from trivium.studies.text_helps.sizes import (
    BEST,
    CONTINUED,
    TEXTS_ALONE,
    WITHOUT_TEXT,
    TextHelpsSettings,
)
from trivium.tasks.rows import literal
from trivium.training.recipe import Recipe
from trivium.training.schedule import Phase

# What a cell is tuned to do, and what it learns from.
KINDS: dict[str, tuple[Task, str]] = {
    "translation": ("translation", "speech"),
    "translation+text": ("translation", "speech+text"),
    TEXTS_ALONE: ("translation", "text"),
    "recognition": ("recognition", "speech"),
    "intents": ("intents", "speech"),
    "languages": ("languages", "speech"),
    "probe": ("probe", "speech"),
}
LINES = 100  # of a run's losses
HASHES = 16**8  # of the first eight digits of an id's hash


def stages(settings: TextHelpsSettings, corpus: Path, out: Path) -> Iterator[Stage]:
    """Every pre-training; what one goes on from comes before it."""
    names = dict.fromkeys((*settings.variants, *settings.further))
    for seed, variant in product(range(settings.seeds), names):
        recipe = pretraining(settings, corpus, variant, seed)
        if variant == CONTINUED:
            before = out / "stages" / stage_name(BEST, seed)
            recipe = recipe.model_copy(update={"start": str(before)})
        yield Stage(stage_name(variant, seed), recipe)


def cells(settings: TextHelpsSettings, corpus: Path, out: Path) -> Iterator[Cell]:
    """All, seed by seed, so that what is there can always be compared."""
    rows: list[tuple[str, str]] = [*product(settings.variants, settings.tasks)]
    rows += [(name, task) for name, tasks in settings.further.items() for task in tasks]
    for seed, (variant, task) in product(range(settings.seeds), rows):
        stage, (kind, given) = stage_name(variant, seed), KINDS[task]
        yield Cell(
            name=f"{variant}.{task}.seed{seed}",
            recipe=tuning(settings, corpus, task, out / "stages" / stage, seed),
            axes={"variant": variant, "task": kind, "learns from": given},
            seed=seed,
            needs=(*((stage_name(BEST, seed),) if variant == CONTINUED else ()), stage),
        )  # fmt: skip


def stage_name(variant: str, seed: int) -> str:
    """The pre-training of a variant with a seed."""
    return f"{variant}.seed{seed}"


def weights_of(settings: TextHelpsSettings, variant: str) -> Weights:
    """What each objective of a pre-training counts."""
    if variant == CONTINUED:
        return dict(SPEECH)
    if variant == WITHOUT_TEXT:
        told = weights("ctc", settings.text_weight, settings.pair_weight)
        return {name: weight for name, weight in told.items() if name != "spans"}
    return weights(cast("Variant", variant), settings.text_weight, settings.pair_weight)


def pretraining(settings: TextHelpsSettings, corpus: Path, variant: str, seed: int) -> Recipe:
    """A variant's run; variants of one seed begin alike, and differ in their weights alone."""
    made = world_tlm_ctc([corpus]).override(settings.change)
    steps = settings.continued_steps if variant == CONTINUED else settings.steps
    sources = {
        role: narrowed(source, settings.rows, *(paired(settings) if role == "pairs" else ()))
        for role, source in made.sources.items()
    }
    phase = Phase(steps=steps, weights=weights_of(settings, variant))
    # No cell has this seed: a head would begin as those did that its encoder was trained with.
    return made.model_copy(update={"sources": sources}).override([
        f"training.phases={json.dumps([phase.model_dump(mode='json')])}",
        f"training.loader.seed={derive_seed('text-helps', seed)}",
        f"training.log_every={max(1, steps // LINES)}",
        "training.keep=1",
    ])  # fmt: skip


def tuning(
    settings: TextHelpsSettings, corpus: Path, task: str, encoder: Path, seed: int
) -> Recipe:
    """The run that teaches a pre-trained encoder a task."""
    kind, given = KINDS[task]
    made = tune([corpus], kind, str(encoder), with_mt="text" in given)
    sources = {role: narrowed(source, settings.rows) for role, source in made.sources.items()}
    spoken = sources.get("spoken_translations")
    if spoken is not None:
        sources["spoken_translations"] = narrowed(spoken, *few(settings))
    both = (settings.head_steps, settings.tuned_steps)
    steps = (settings.probe_steps,) if task == "probe" else both
    phases = [
        phase.model_copy(update={"steps": count})
        for phase, count in zip(made.training.phases, steps, strict=True)
    ]
    if task == TEXTS_ALONE:
        del sources["spoken_translations"]
        alone: Weights = {"text_translation": 1.0}
        phases = [phase.model_copy(update={"weights": alone}) for phase in phases]
    training = made.training.model_copy(update={"phases": tuple(phases)})
    made = made.model_copy(update={"sources": sources, "training": training})
    changed = made.override([*settings.tuning.get("all", ()), *settings.tuning.get(task, ())])
    return changed.override([f"training.loader.seed={seed}", "training.keep=1"])


def paired(settings: TextHelpsSettings) -> Sequence[str]:
    """The filter of the pairs: the first share of the utterances by the hash of their ids."""
    return () if settings.paired == 1 else (f"md5(id) < '{_hash(settings.paired)}'",)


def few(settings: TextHelpsSettings) -> Sequence[str]:
    """The filter of the translated speech: of some languages the last share by the hash."""
    if not settings.low or settings.low_share == 1:
        return ()
    names = ", ".join(literal(language) for language in settings.low)
    return (f"language not in ({names}) or md5(id) >= '{_hash(1 - settings.low_share)}'",)


def narrowed(source: SourceSettings, *filters: str | None) -> SourceSettings:
    """A source of those rows alone for which further filters hold."""
    where = " and ".join(f"({term})" for term in (source.where, *filters) if term) or None
    return source.model_copy(update={"where": where})


def _hash(share: float) -> str:
    """Where a share of all hashes ends, as they are written."""
    return f"{round(share * HASHES):08x}"
