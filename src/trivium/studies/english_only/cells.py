"""The matrix: one language or all, frozen, tuned or from scratch, small and large towers, seeds."""

import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from trivium.models.towers import TowerSettings
from trivium.recipes import recipe as named
from trivium.runtime import derive_seed
from trivium.studies.english_only.rows import Rows
from trivium.studies.english_only.sizes import EnglishOnlySettings, StageSettings
from trivium.studies.study import Cell, Stage
from trivium.training.recipe import Recipe

MULTI = "multi"
TRAININGS = ("frozen", "tuned", "scratch")
# A layer is trained from the first up, or none is.
TRAIN_FROM = {"frozen": "null", "tuned": "0", "scratch": "0"}


def stages(settings: EnglishOnlySettings, corpus: Path, out: Path) -> Iterator[Stage]:
    """The English towers of each size: the space first, then what hears."""
    for size, pair in settings.towers.items():
        changes = [*pair.clip, _stage_seed(clip_name(size))]
        yield Stage(clip_name(size), _recipe(settings.clip, corpus, changes))
        if settings.pretraining is not None:
            changes = [_tower("speech", pair.speech), _stage_seed(speech_name(size))]
            recipe = _recipe(settings.pretraining, corpus, changes)
            if recipe.system == "speechclip":  # the space must be there before it
                recipe = recipe.override(_onto(out / "stages" / clip_name(size)))
            yield Stage(speech_name(size), recipe)


def cells(settings: EnglishOnlySettings, corpus: Path, out: Path, rows: Rows) -> Iterator[Cell]:
    """Every cell; whole matrices seed by seed, so that what is there can always be compared."""
    first = next(iter(settings.towers))
    for seed, size, training, language in product(
        range(settings.seeds), settings.towers, TRAININGS, (*settings.languages, MULTI)
    ):
        if training == "scratch" and size != first:
            continue
        spoken = settings.languages if language == MULTI else (language,)
        needs = [clip_name(size)]
        speech = settings.towers[size].speech
        if training != "scratch" and settings.pretraining is not None:
            needs.append(speech_name(size))
            speech = TowerSettings(source=str(out / "stages" / speech_name(size)))
        changes = [
            _tower("speech", speech),
            *_onto(out / "stages" / clip_name(size)),
            f"settings.train_speech_from={TRAIN_FROM[training]}",
            f"sources.spoken.where={json.dumps(rows.of(spoken))}",
            f"training.phases.0.steps={settings.steps * len(spoken)}",
            f"training.loader.seed={seed}",
            "training.keep=1",
        ]
        yield Cell(
            name=f"{language}.{training}.{size}.seed{seed}",
            recipe=_recipe(settings.cell, corpus, changes),
            axes={"language": language, "training": training, "towers": size},
            seed=seed,
            needs=tuple(needs),
        )


def clip_name(size: str) -> str:
    """The stage that makes the space of pictures and sentences."""
    return f"clip-{size}"


def speech_name(size: str) -> str:
    """The stage that pre-trains the speech tower."""
    return f"speech-{size}"


def _recipe(stage: StageSettings, corpus: Path, changes: Sequence[str]) -> Recipe:
    """A stage's recipe with what the study decides; the stage's own changes come last."""
    # The study measures by itself, when a run is done.
    return named(stage.recipe, [corpus]).override(["evaluation=null", *changes, *stage.change])


def _stage_seed(name: str) -> str:
    """A seed that no cell has."""
    # With the same one a cell's head would begin as the head did that its tower was pre-trained
    # with, and that cell would be far ahead of those of other seeds.
    return f"training.loader.seed={derive_seed('english-only', name)}"


def _onto(clip: Path) -> list[str]:
    """Changes of a speechclip that map it onto the frozen space of a clip run."""
    space = TowerSettings(source=str(clip))
    return [_tower("picture", space), _tower("text", space), "settings.train_picture=false"]


def _tower(name: str, settings: TowerSettings) -> str:
    return f"settings.{name}={settings.model_dump_json(exclude_defaults=True)}"
