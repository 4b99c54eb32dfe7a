"""The plots of the study: grids of panels, a line for each schedule with a band over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trivium.studies.claim import over_seeds
from trivium.studies.drawing import GREY, figure, plain, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Line:
    """Numbers along something, of every seed."""

    name: str  # in the legend, the same in all panels
    place: int | None  # decides colour and marker; none is grey
    x: Sequence[float]
    seeds: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Row:
    """Panels beside one another with one scale."""

    label: str
    panels: Mapping[str, Sequence[Line]]
    level: float | None = None  # a dotted line across, as chance


@dataclass(frozen=True)
class Axis:
    """What runs along the panels."""

    label: str
    marked: float | None = None  # a dotted line down, as the switch
    whole: bool = False  # only whole numbers are there
    markers: bool = True


def grid(rows: Sequence[Row], axis: Axis, title: str) -> "Figure":
    """Rows of panels with one legend."""
    from matplotlib.lines import Line2D

    columns = list(rows[0].panels)
    plot = figure(1.2 + 3.1 * len(columns), 1.3 + 2.6 * len(rows))
    every: Any = plot.subplots(len(rows), len(columns), squeeze=False, sharey="row", sharex=True)
    lines = {line.name: line for row in rows for panel in row.panels.values() for line in panel}
    for row, panels in zip(rows, every, strict=True):
        for name, axes in zip(columns, panels, strict=True):
            for line in row.panels[name]:
                _draw(axes, line, _look(line, axis.markers))
            _frame(axes, axis, row.level)
        panels[0].set_ylabel(row.label)
    for name, axes in zip(columns, every[0], strict=True):
        axes.set_title(name, fontsize=11)
    for axes in every[-1]:
        axes.set_xlabel(axis.label)
    ordered = sorted(lines.values(), key=lambda line: (line.place is None, line.place))
    marks = [Line2D([], [], **_look(line, axis.markers), label=line.name) for line in ordered]
    plot.legend(handles=marks, loc="outside lower center", ncols=len(marks), frameon=False)
    plot.suptitle(title, fontsize=12)
    return plot


def _look(line: Line, markers: bool) -> dict[str, Any]:
    look = style(line.place or 0)
    if line.place is None:
        look |= {"color": GREY, "linestyle": "--", "marker": ""}
    return look if markers else look | {"marker": "", "linewidth": 1.3}


def _draw(axes: Any, line: Line, look: Mapping[str, Any]) -> None:
    """The mean over seeds; behind it the seeds themselves, thin."""
    means = [over_seeds(column).mean for column in zip(*line.seeds, strict=True)]
    axes.plot(line.x, means, **look)
    for seed in line.seeds if len(line.seeds) > 1 else ():
        axes.plot(line.x, seed, color=look["color"], linewidth=0.7, alpha=0.45)


def _frame(axes: Any, axis: Axis, level: float | None) -> None:
    if level is not None:
        axes.axhline(level, color=GREY, linestyle=":", linewidth=1.2)
    if axis.marked is not None:
        axes.axvline(axis.marked, color=GREY, linestyle=":", linewidth=1.2)
    if axis.whole:
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain(axes)
