"""A study: runs that others begin from, cells to train and measure, claims, and a report.

Everything is trained once. A cell is a run's folder with its recipe and, when it is done,
`measured.json`; a study that is killed continues where it was.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from trivium import checkpoint
from trivium.data.corpus import Corpus
from trivium.errors import SettingsError, TriviumError, did_you_mean
from trivium.studies.claim import Claim
from trivium.studies.results import Measured, Results
from trivium.tasks.during import fit
from trivium.tasks.score import Signature
from trivium.training.place import Place
from trivium.training.recipe import Recipe
from trivium.training.state import STATE, RunFolder, RunState, refuse_other_rows

MEASURED = "measured.json"


@dataclass(frozen=True)
class Stage:
    """A run that cells begin from, as a tower; it is trained before them and not measured."""

    name: str
    recipe: Recipe


@dataclass(frozen=True)
class Cell:
    """One combination of the study's axes and a seed: a run that is trained and measured."""

    name: str
    recipe: Recipe
    axes: Mapping[str, str]
    seed: int
    needs: tuple[str, ...] = ()
    """Stages that it begins from, or is measured with."""


@dataclass(frozen=True)
class Study:
    """All of a paper that is put to the test."""

    name: str
    out: Path
    stages: tuple[Stage, ...]
    cells: tuple[Cell, ...]
    sign: Callable[[Cell, Path], Signature]
    """What a cell's measurement must be signed with, of the cell and its checkpoint."""
    measure: Callable[[Cell, Path, Signature], Measured]
    """The numbers of a trained cell."""
    claims: Callable[[Results], tuple[Claim, ...]]
    """The paper's claims, of what is there."""
    report: Callable[[Results, Sequence[Claim]], Path]
    """Write the report; its page."""

    def stage_folder(self, name: str) -> Path:
        """Where a stage is trained."""
        return self.out / "stages" / name

    def cell_folder(self, cell: Cell) -> Path:
        """Where a cell is trained."""
        return self.out / "cells" / cell.name

    def chosen(self, only: str | None) -> tuple[Cell, ...]:
        """The cells whose names a pattern matches; all without one."""
        found = tuple(c for c in self.cells if only is None or fnmatchcase(c.name, only))
        if not found:
            hint = did_you_mean(only or "", [cell.name for cell in self.cells])
            example = f"; they look like {self.cells[0].name}" if self.cells else ""
            raise SettingsError(f"no cell of {self.name} is called {only!r}; {hint}{example}")
        return found

    def needed(self, cells: Sequence[Cell]) -> tuple[Stage, ...]:
        """The stages that cells need, in the study's order."""
        names = {name for cell in cells for name in cell.needs}
        return tuple(stage for stage in self.stages if stage.name in names)

    def results(self, failed: Mapping[str, str] | None = None) -> Results:
        """What is there of all cells, whichever were chosen."""
        planned = {cell.name: {**cell.axes, "seed": str(cell.seed)} for cell in self.cells}
        measured = [found for cell in self.cells if (found := self._measured(cell)) is not None]
        return Results(measured=tuple(measured), planned=planned, failed=dict(failed or {}))

    def _measured(self, cell: Cell) -> Measured | None:
        """What is known of a cell, unless it is about another model, corpus or version."""
        path = self.cell_folder(cell) / MEASURED
        trained = trained_checkpoint(cell.recipe, self.cell_folder(cell))
        if trained is None or not path.exists():
            return None
        found = Measured.load(path)
        return found if found.signature == self.sign(cell, trained) else None

    def finish(self, cell: Cell, progress: "Progress", place: Place) -> tuple[Measured, bool]:
        """Train and measure a cell, as far as that was not done; and whether anything was."""
        known = self._measured(cell)
        if known is not None:
            return known, False
        folder = self.cell_folder(cell)
        trained = train_once(cell.recipe, folder, progress, place)
        found = self.measure(cell, trained, self.sign(cell, trained))
        checkpoint.write_file(folder / MEASURED, found.to_json())
        return found, True


@dataclass
class Progress:
    """Who is told how far a study is."""

    steps: Callable[[float], None] = lambda _: None
    """Of training steps done."""
    say: Callable[[str], None] = lambda _: None
    """A sentence after each run."""
    warn: Callable[[str], None] = lambda _: None
    """What a run warns of."""
    done: list[str] = field(default_factory=list)
    """Runs that are finished, by name."""


def run(
    study: Study,
    only: str | None = None,
    progress: Progress | None = None,
    place: Place | None = None,
) -> Results:
    """Train and measure what is not there yet, a run after the other.

    A cell that diverges does not keep the others from being trained; the report names it.
    """
    progress, place = progress or Progress(), place or Place()
    if place.world > 1:
        raise SettingsError(
            f"a study is one process, and torchrun started {place.world}; start one with --only "
            "for some of the cells on each device, in a folder of its own"
        )
    cells = study.chosen(only)
    for stage in study.needed(cells):
        train_once(stage.recipe, study.stage_folder(stage.name), progress, place)
        progress.done.append(stage.name)
        progress.say(f"{stage.name} is there")
    failed: dict[str, str] = {}
    for number, cell in enumerate(cells, 1):
        try:
            found, is_new = study.finish(cell, progress, place)
        except TriviumError as error:
            if type(error) is not TriviumError:  # settings, a corpus: nothing to do with this cell
                raise
            failed[cell.name] = str(error)
            progress.warn(f"{cell.name}: {error}")
            continue
        progress.done.append(cell.name)
        if is_new:
            told = found.scores[0]
            progress.say(
                f"{number} of {len(cells)}, {cell.name}: {told.primary} {told.primary_value:.1f}"
            )
    return study.results(failed)


def steps_left(study: Study, only: str | None = None) -> int:
    """How many steps are still to train."""
    cells = study.chosen(only)
    runs = [(s.recipe, study.stage_folder(s.name)) for s in study.needed(cells)]
    runs += [(cell.recipe, study.cell_folder(cell)) for cell in cells]
    return sum(total_steps(recipe) - steps_done(folder) for recipe, folder in runs)


def total_steps(recipe: Recipe) -> int:
    """Steps of all phases."""
    return sum(phase.steps for phase in recipe.training.phases)


def steps_done(folder: Path) -> int:
    """Steps that the newest checkpoint of a run has behind it."""
    found = RunFolder(folder).checkpoints()
    return RunState.load(found[-1] / STATE).step if found else 0


def trained_checkpoint(recipe: Recipe, folder: Path) -> Path | None:
    """The last checkpoint of a finished run; one of other settings is an error that lists them."""
    if not folder.exists():
        return None
    RunFolder(folder).check_settings(recipe)
    if steps_done(folder) < total_steps(recipe):
        return None
    newest = RunFolder(folder).checkpoints()[-1]
    cards = {role: [Corpus.open(path).card for path in source.corpora]
             for role, source in recipe.sources.items()}  # fmt: skip
    refuse_other_rows(RunState.load(newest / STATE), cards)
    return newest


def train_once(
    recipe: Recipe, folder: Path, progress: Progress | None = None, place: Place | None = None
) -> Path:
    """The last checkpoint of a run that is trained now, or continued, unless it is finished."""
    trained = trained_checkpoint(recipe, folder)
    if trained is not None:
        return trained
    told = progress or Progress()
    reached = steps_done(folder)

    def watch(line: dict[str, Any]) -> None:
        nonlocal reached
        if "warning" in line:
            told.warn(f"{folder.name}: {line['warning']}")
        elif "step" in line:
            told.steps(line["step"] + 1 - reached)
            reached = line["step"] + 1

    return fit(recipe, folder, resume=True, watch=watch, place=place).checkpoint
