"""A report whose tables follow from the study's axes: a row a combination, a column a number.

A study says which numbers of its cells stand where; what is told, drawn and kept as JSON follows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.config import Settings
from trivium.report import png
from trivium.studies.answers import (
    PAIRED,
    Findings,
    answered,
    claims_table,
    evidence_table,
    keep,
    missing_section,
)
from trivium.studies.claim import Claim, over_seeds
from trivium.studies.drawing import COLOURS, GREY, figure, plain
from trivium.studies.page import Plot, Section, Table, write_report
from trivium.studies.results import Measured, Read, Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTHING = "–"


@dataclass(frozen=True)
class Column:
    """A number of each cell; NaN of a cell that has none."""

    name: str
    read: Read
    chance: Read | None = None
    """What one gets who knows nothing, of a cell."""


@dataclass(frozen=True)
class View:
    """One table: cells with these axes, a row for each combination of the others."""

    title: str
    axes: tuple[str, ...]
    """Whose values stand in front of a row."""
    columns: tuple[Column, ...]
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Axes that are the same in all of the table."""
    sentences: tuple[str, ...] = ()
    """What a reader must know of it."""
    plot: str = ""
    """The file that draws the columns, without its ending; empty for none."""


class Everything(Findings):
    """What `results.json` holds."""

    settings: dict[str, Any]
    """What was trained and measured."""


@dataclass(frozen=True)
class Report:
    """The one report of a study, complete or not."""

    out: Path
    title: str
    note: str
    """Under the title, behind how many cells are there."""
    settings: Settings
    facts: tuple[str, ...]
    """What was trained, a sentence each."""
    views: tuple[View, ...]
    shared: str = "corpora"
    """What all trainings have in common, for the sentence about intervals."""
    caution: str = ""
    """What a reader must know before any number."""
    scope: str = "here"
    """Over the column of verdicts."""

    def write(self, results: Results, claims: Sequence[Claim]) -> Path:
        """The page; beside it Markdown, plots and `results.json`."""
        settings = self.settings.model_dump(mode="json")
        kept = Everything(settings=settings, facts=self.facts, answers=answered(claims),
                          results=results)  # fmt: skip
        keep(kept, self.out)
        there = f"{len(results.measured)} of {len(results.planned)} cells."
        caution = (self.caution,) if self.caution else ()
        sections = [
            Section("The paper's directions", caution, claims_table(claims, self.scope)),
            Section("What they rest on", (PAIRED.format(shared=self.shared),),
                    evidence_table(claims)),
            Section("What was trained", self.facts),
            *(section(view, results) for view in self.views if results.measured),
            *missing_section(results),
        ]  # fmt: skip
        return write_report(self.out, self.title, f"{there} {self.note}", sections)


def section(view: View, results: Results) -> Section:
    """A view's table, and its plot if it has one."""
    return Section(view.title, view.sentences, table(view, results), _plot(view, results))


def table(view: View, results: Results) -> Table:
    """Mean and interval over seeds of every combination that is planned; chance below."""
    rows = [
        (*words, *(_told(numbers(results, column, dict(zip(view.axes, words, strict=True)), view))
                   for column in view.columns))
        for words in combinations(view, results)
    ]  # fmt: skip
    if any(column.chance for column in view.columns):
        chance = (chance_of(column, results, view) for column in view.columns)
        told = (f"{found:.1f}" if math.isfinite(found) else "" for found in chance)
        rows.append(("chance", *[""] * (len(view.axes) - 1), *told))
    headers = (*view.axes, *(column.name for column in view.columns))
    return Table(headers, tuple(rows), numbers=len(view.axes))


def combinations(view: View, results: Results) -> list[tuple[str, ...]]:
    """The values of the view's axes that are planned, in the study's order."""
    found = (
        tuple(axes[name] for name in view.axes)
        for axes in results.planned.values()
        if view.fixed.items() <= axes.items() and all(name in axes for name in view.axes)
    )
    return list(dict.fromkeys(found))


def numbers(
    results: Results, column: Column, axes: Mapping[str, str], view: View
) -> dict[int, float]:
    """A column's number of each seed; those of cells that have none are left out."""
    found = results.series(column.read, **{**view.fixed, **axes}).values
    return {seed: value for seed, value in found.items() if math.isfinite(value)}


def chance_of(column: Column, results: Results, view: View) -> float:
    """What chance gives, of any cell that says so; NaN of none."""
    if column.chance is None:
        return math.nan
    cells = (one for one in results.measured if view.fixed.items() <= one.axes.items())
    told = (column.chance(one) for one in cells)
    return next((value for value in told if math.isfinite(value)), math.nan)


def of_score(task: str, value: str) -> Read:
    """Reads a value of a task's score; NaN where a cell has no such task or value."""
    return lambda one: _score(one, task)[0].get(value, math.nan)


def chance_of_score(task: str, value: str) -> Read:
    """Reads what chance gives of it; NaN where the score does not say."""
    return lambda one: _score(one, task)[1].get(value, math.nan)


def _score(one: Measured, task: str) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """The values of a task and those of chance; nothing of a task that was not measured."""
    found = ((score.values, score.chance) for score in one.scores if score.task == task)
    return next(found, ({}, {}))


def _plot(view: View, results: Results) -> Plot | None:
    if not view.plot:
        return None
    return Plot(f"{view.plot}.png", view.title, png(draw(view, results)))


def draw(view: View, results: Results) -> "Figure":
    """A panel for each column: a dot a combination, with its seeds and its interval."""
    rows = combinations(view, results)
    plot = figure(2.2 + 2.9 * len(view.columns), 1.1 + 0.34 * len(rows))
    panels: Any = plot.subplots(1, len(view.columns), squeeze=False, sharey=True)
    for column, axes in zip(view.columns, panels[0], strict=True):
        for place, words in enumerate(rows):
            found = numbers(results, column, dict(zip(view.axes, words, strict=True)), view)
            _dot(axes, place, list(found.values()))
        chance = chance_of(column, results, view)
        if math.isfinite(chance):
            axes.axvline(chance, color=GREY, linestyle=":", linewidth=1.2)
        axes.set_title(column.name, fontsize=11)
        plain(axes)
    panels[0][0].set_yticks(range(len(rows)), [" · ".join(words) for words in rows])
    panels[0][0].set_ylim(len(rows) - 0.5, -0.5)
    return plot


def _dot(axes: Any, place: int, values: Sequence[float]) -> None:
    if not values:
        return
    found = over_seeds(values)
    axes.plot(values, [place] * len(values), ".", color=GREY, markersize=4)
    if found.low is not None and found.high is not None:
        axes.plot([found.low, found.high], [place, place], color=COLOURS[0], linewidth=1.6)
    axes.plot([found.mean], [place], "o", color=COLOURS[0], markersize=6)


def _told(values: Mapping[int, float]) -> str:
    return str(over_seeds(list(values.values()))) if values else NOTHING
