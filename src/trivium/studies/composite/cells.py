"""The cells: plain and all losses with every share of the speech, single ones with one share."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from trivium.models.towers import TowerSettings
from trivium.recipes.composite import Weights, world, world_speech, world_text
from trivium.runtime import derive_seed
from trivium.studies.composite.sizes import ALL, LOSSES, PLAIN, THAWED, CompositeStudySettings
from trivium.studies.study import Cell, Stage
from trivium.tasks.rows import literal
from trivium.tasks.words.translation import GROUPS_INTO
from trivium.training.recipe import Recipe
from trivium.training.schedule import Phase

TEXT, SPEECH, ADAPTER = "text", "speech", "adapter"  # the stages, the last of each seed
LINES = 50  # of a run's losses
HASHES = 16**8  # of the first eight digits of an id's hash


def stages(settings: CompositeStudySettings, corpus: Path, out: Path) -> Iterator[Stage]:
    """The text network, on all pairs that are written; and what writes down all that is said.

    Where cells do not begin with a new adapter there is one for each seed.
    """
    text, speech = world_text([corpus]), world_speech([corpus])
    text = _of_rows(text, "written", *_translated(settings))
    speech = _of_rows(speech, "spoken", settings.rows, among(settings.languages))
    for name, made, changes in ((TEXT, text, settings.text), (SPEECH, speech, settings.speech)):
        # No cell has this seed: an adapter would begin as that which its towers were trained with.
        own = [
            *changes,
            f"training.loader.seed={derive_seed('composite', name)}",
            "training.keep=1",
        ]
        yield Stage(name, made.override(own))
    if not settings.is_new:
        for seed in range(settings.seeds):
            yield Stage(adapter_name(seed), _adapter(settings, corpus, out / "stages", seed))


def cells(settings: CompositeStudySettings, corpus: Path, out: Path) -> Iterator[Cell]:
    """All, seed by seed, so that what is there can always be compared."""
    rows = [
        (method, share)
        for share in settings.shares
        for method in settings.methods
        if method in (PLAIN, ALL) or share == settings.share
    ]
    for seed in range(settings.seeds):
        for method, share in rows:
            yield Cell(
                name=f"{method}.{percent(share)}.seed{seed}",
                recipe=_recipe(settings, corpus, out / "stages", method, share, seed),
                axes={"method": method, "speech": percent(share)},
                seed=seed,
                needs=(TEXT, SPEECH, *(() if settings.is_new else (adapter_name(seed),))),
            )


def adapter_name(seed: int) -> str:
    """The stage that makes a seed's adapter."""
    return f"{ADAPTER}.seed{seed}"


def percent(share: float) -> str:
    """A share as the study's axis has it."""
    return f"{100 * share:g}"


def paired(settings: CompositeStudySettings, share: float) -> tuple[str, ...]:
    """The filters of translated speech: those first by the hash of their ids, fewer of some."""
    found = _translated(settings)
    if share < 1:
        found += (f"md5(id) < '{_hash(share)}'",)
    if settings.low and settings.low_share < 1:
        few = f"md5(id) < '{_hash(share * settings.low_share)}'"
        found += (f"not ({among(settings.low)}) or {few}",)
    return found


def _recipe(
    settings: CompositeStudySettings, corpus: Path, folder: Path, method: str, share: float,
    seed: int,
) -> Recipe:  # fmt: skip
    """A cell's run; cells of one seed begin alike."""
    made = _of_rows(world([corpus]), "spoken", *paired(settings, share))
    text = _tower(folder, TEXT)
    everything = method in (ALL, THAWED)
    system = {
        "speech": _tower(folder, SPEECH), "translator": text,
        "guide": settings.guide if everything or method == "guide" else 0.0,
        "teacher": text if everything or method == "teacher" else None,
        "teacher_guide": settings.teacher_guide,
    }  # fmt: skip
    made = made.model_copy(
        update={
            "settings": made.settings.model_copy(update=system),
            "sources": {"spoken": made.sources["spoken"]},
            "start": None if settings.is_new else str(folder / adapter_name(seed)),
        }
    )
    weights: Weights = {**LOSSES}
    weights |= {name: weight for name, weight in settings.added.items()
                if everything or name == method}  # fmt: skip
    frozen = () if method == THAWED else ("speech.*",)
    lengths = ((settings.frozen_steps, frozen), (settings.steps, ()))
    phases = [Phase(steps=n, weights=weights, freeze=parts) for n, parts in lengths if n]
    return _run(made, phases, settings.change, seed)


def _adapter(settings: CompositeStudySettings, corpus: Path, folder: Path, seed: int) -> Recipe:
    """The run of an adapter between both towers: recognition, and texts so that none is lost."""
    made = _of_rows(world([corpus]), "spoken", settings.rows, among(settings.languages))
    made = _of_rows(made, "written", *_translated(settings))
    towers = {"speech": _tower(folder, SPEECH), "translator": _tower(folder, TEXT)}
    made = made.model_copy(update={"settings": made.settings.model_copy(update=towers)})
    weights: Weights = {"asr": 1.0, "mt_written": 0.2}
    phase = Phase(steps=settings.adapter_steps, weights=weights, freeze=("speech.*",))
    changes = [*settings.change, *settings.adapter]
    return _run(made, [phase], changes, derive_seed("composite", ADAPTER, seed))


def _run(made: Recipe, phases: Sequence[Phase], changes: Sequence[str], seed: int) -> Recipe:
    """A recipe with other phases and a seed; its own changes come before those of the study."""
    steps = sum(phase.steps for phase in phases)
    return made.override([
        f"training.phases={json.dumps([phase.model_dump(mode='json') for phase in phases])}",
        f"training.log_every={max(1, steps // LINES)}",
        *changes,
        f"training.loader.seed={seed}",
        "training.keep=1",
    ])  # fmt: skip


def _tower(folder: Path, stage: str) -> TowerSettings:
    return TowerSettings(source=str(folder / stage))


def _translated(settings: CompositeStudySettings) -> tuple[str, ...]:
    """The filters of what is translated from the study's languages."""
    into = f"translation is not null and translation_language = {literal(GROUPS_INTO)}"
    return settings.rows, among(settings.languages), into


def among(languages: Sequence[str]) -> str:
    """The filter of rows of some languages."""
    return f"language in ({', '.join(map(literal, languages))})"


def _of_rows(recipe: Recipe, role: str, *filters: str) -> Recipe:
    """A recipe whose source of a role has those rows alone for which all filters hold."""
    where = " and ".join(f"({one})" for one in filters if one != "true")
    source = recipe.sources[role].model_copy(update={"where": where})
    return recipe.model_copy(update={"sources": {**recipe.sources, role: source}})


def _hash(share: float) -> str:
    """Where a share of all hashes ends, as they are written; behind the last for all."""
    return "g" if share >= 1 else f"{round(share * HASHES):08x}"
