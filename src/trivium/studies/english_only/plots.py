"""The plots of the study: recall of every cell, layer weights, who finds whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trivium.studies.claim import over_seeds
from trivium.studies.drawing import COLOURS, GREY, figure, plain, style
from trivium.studies.results import Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Line:
    """A row of the plot of recalls."""

    name: str
    group: str  # decides the colour
    together: bool  # one model for all: a hollow mark
    series: Series


def recall_plot(panels: Mapping[str, Sequence[Line]], chance: float, title: str) -> "Figure":
    """A panel for each language, a row for each kind of cell: every seed, mean and interval."""
    from matplotlib.lines import Line2D

    first = next(iter(panels.values()))
    plot = figure(3.3 + 2.9 * len(panels), 1.9 + 0.34 * len(first))
    groups = list(dict.fromkeys(line.group for line in first))
    colours = dict(zip(groups, COLOURS, strict=False))
    every: Any = plot.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (name, lines) in zip(every, panels.items(), strict=True):
        for row, line in enumerate(lines):
            _dot(axes, row, line, colours[line.group])
        axes.axvline(chance, color=GREY, linestyle=":", linewidth=1.2)
        axes.set_xlim(0, 102)
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.set_title(name, fontsize=11)
        axes.set_xlabel("recall, %")
        axes.grid(axis="x", color="#e4e4e4", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    every[0].set_yticks(range(len(first)), [line.name for line in first])
    marks = [
        Line2D([], [], marker="o", color=GREY, linestyle="", label="one language"),
        Line2D([], [], marker="o", color=GREY, markerfacecolor="white", linestyle="",
               label="all languages"),
        Line2D([], [], color=GREY, linestyle=":", label="chance"),
    ]  # fmt: skip
    plot.legend(handles=marks, loc="outside lower center", ncols=3, frameon=False)
    plot.suptitle(title, fontsize=12)
    return plot


def weights_plot(
    names: Sequence[str], panels: Mapping[str, Mapping[str, Sequence[Sequence[float]]]]
) -> "Figure":
    """Layer weights: a panel for each kind of cell, a line for each language, a band over seeds."""
    from matplotlib.lines import Line2D

    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    plot = figure(1.0 + 3.6 * columns, 0.9 + 2.9 * rows)
    every: Any = plot.subplots(rows, columns, squeeze=False, sharey="row")
    for axes in every.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (name, lines) in zip(every.flat, panels.items(), strict=False):
        states = 0
        for language, seeds in lines.items():
            states = max(states, len(seeds[0]))
            _weights(axes, np.array(seeds), names.index(language))
        axes.axhline(1 / max(1, states), color=GREY, linestyle=":", linewidth=1.2)
        axes.set_xticks(range(states))
        axes.set_title(name, fontsize=11)
        axes.set_xlabel("state: 0 enters the first layer")
        plain(axes)
    for row in every:
        row[0].set_ylabel("weight")
    marks = [Line2D([], [], **style(place), label=name) for place, name in enumerate(names)]
    plot.legend(handles=marks, loc="outside lower center", ncols=len(marks), frameon=False)
    return plot


def recall_maps(
    names: Sequence[str], panels: Mapping[str, NDArray[np.float64]], title: str
) -> "Figure":
    """Squares of recall, the set of a row searching the set of a column; empty where NaN."""
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    plot = figure(1.6 + 3.1 * columns, 1.0 + 3.2 * rows)
    every: Any = plot.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in every.flat[len(panels) :]:
        axes.set_visible(False)
    shown: Any = None
    for axes, (name, matrix) in zip(every.flat, panels.items(), strict=False):
        axes.set_facecolor("#efefef")
        shown = axes.imshow(np.ma.masked_invalid(matrix), vmin=0, vmax=100, cmap="cividis")
        for row, column in np.argwhere(np.isfinite(matrix)):
            value = matrix[row, column]
            ink = "black" if value > 45 else "white"  # cividis is dark where recall is low
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=ink)
        axes.set_title(name, fontsize=11)
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0, labelbottom=True)
        axes.spines[:].set_visible(False)
    plot.supxlabel("finds", fontsize=10)
    plot.supylabel("query", fontsize=10)
    plot.suptitle(title, fontsize=12)
    if shown is not None:
        plot.colorbar(shown, ax=every, shrink=0.7, label="recall, %")
    return plot


def _dot(axes: Any, row: int, line: Line, colour: str) -> None:
    """Every seed as a small mark, their mean, and the interval."""
    found = line.series.interval
    if found is None:
        axes.text(2, row, "not there", color=GREY, va="center", fontsize=8)
        return
    seeds = list(line.series.values.values())
    axes.plot(seeds, [row] * len(seeds), "|", color=colour, markersize=8, alpha=0.6)
    if found.low is not None and found.high is not None:
        ends = [max(0.0, found.low), min(100.0, found.high)]
        axes.plot(ends, [row, row], color=colour, linewidth=2, solid_capstyle="butt")
    axes.plot(found.mean, row, "o", color=colour, markersize=7, markeredgewidth=1.6,
              markerfacecolor="white" if line.together else colour)  # fmt: skip


def _weights(axes: Any, seeds: NDArray[np.float64], place: int) -> None:
    """A line of the mean over seeds (seeds, states), and the interval as a band."""
    found = [over_seeds(column.tolist()) for column in seeds.T]
    states = np.arange(len(found)) + 0.03 * (place - 1.5)  # beside one another where equal
    look = style(place)
    axes.plot(states, [one.mean for one in found], **look)
    low = [one.mean if one.low is None else max(0.0, one.low) for one in found]
    high = [one.mean if one.high is None else min(1.0, one.high) for one in found]
    axes.fill_between(states, low, high, color=look["color"], alpha=0.15, linewidth=0)
