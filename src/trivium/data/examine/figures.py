"""How long the rows of a corpus are and which languages they are in, drawn."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from trivium.checkpoint import write_file
from trivium.data.corpus import Corpus
from trivium.data.examine.describe import CorpusFacts, describe, facts_table
from trivium.errors import CorpusError
from trivium.report import data_uri, duration, html_table, png, write_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS, LANGUAGES = 40, 20
SPLIT_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
Numbers = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def write_figures(corpus: Corpus, target: Path) -> None:
    """Write the figures as a png, or as a page that has the table of facts too."""
    if target.suffix not in (".png", ".html"):
        raise CorpusError(f"{target} is neither .png nor .html; name one of them")
    facts = describe(corpus)
    image = png(draw(corpus, facts))
    if target.suffix == ".png":
        write_file(target, image)
        return
    headers, cells = facts_table(facts)
    table = html_table(headers, cells, frozenset(range(2, len(headers))))
    note = f"{corpus.card.source} Licence: {corpus.card.licence}."
    shown = f'<img alt="lengths and languages" style="max-width:100%" src="{data_uri(image)}">'
    write_page(target, f"The corpus {corpus.card.name}", note.strip(), f"{table}<br>{shown}")


def draw(corpus: Corpus, facts: CorpusFacts) -> "Figure":
    """A histogram of lengths beside bars of languages, both in the colours of the splits."""
    from matplotlib.figure import Figure

    bars = language_bars(facts)
    height = 2.4 + 0.24 * len(bars)
    figure = Figure(figsize=(11, height), dpi=150, layout="constrained")
    lengths, languages = figure.subplots(1, 2)
    _draw_lengths(lengths, corpus)
    _draw_languages(languages, bars, facts.splits)
    for axes in (lengths, languages):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def language_bars(facts: CorpusFacts) -> dict[str, dict[str, int]]:
    """Rows of each split by language, most rows first; beyond LANGUAGES they are one bar."""
    rows: dict[str, dict[str, int]] = {}
    for line in facts.languages:
        if line.table != "pictures":
            of_language = rows.setdefault(line.language, {})
            for split, count in line.rows.items():
                of_language[split] = of_language.get(split, 0) + count
    ordered = sorted(rows, key=lambda name: (-sum(rows[name].values()), name))
    kept, others = ordered[:LANGUAGES], ordered[LANGUAGES:]
    bars = {name: rows[name] for name in kept}
    if others:
        splits = {split for name in others for split in rows[name]}
        bars[f"{len(others)} others"] = {
            split: sum(rows[name].get(split, 0) for name in others) for split in splits
        }
    return bars


def lengths_of(corpus: Corpus) -> tuple[str, Numbers]:
    """What lengths are told in, and those of all rows: seconds, or characters without speech."""
    for table, column, unit in (
        ("utterances", "seconds", "seconds"), ("sentences", "characters", "characters"),
    ):  # fmt: skip
        values = corpus.columns(table, [column], f"{column} IS NOT NULL").column(column)
        if len(values):
            return unit, pc.cast(values, "float64").to_numpy()
    return "seconds", np.zeros(0)


def _draw_lengths(axes: Any, corpus: Corpus) -> None:
    unit, values = lengths_of(corpus)
    axes.set_xlabel(unit)
    axes.set_ylabel("rows")
    if not len(values):
        axes.set_title("no row has a length")
        return
    # A few long ones would press the rest into one bar: they are counted in the last.
    most = float(np.quantile(values, 0.995)) or 1.0
    counts, edges = np.histogram(values.clip(max=most), BINS, (0.0, most))
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=SPLIT_COLOURS[0])
    middle, longest = float(np.median(values)), float(values.max())
    told = (f"{duration(float(values.sum()))} in all, half below {duration(middle)}, the longest "
            f"{duration(longest)}") if unit == "seconds" else (
            f"half below {middle:,.0f} characters, the longest {longest:,.0f}")  # fmt: skip
    axes.set_title(told, fontsize=9)


def _draw_languages(axes: Any, bars: dict[str, dict[str, int]], splits: list[str]) -> None:
    left = np.zeros(len(bars))
    for place, split in enumerate(splits):
        widths = np.array([rows.get(split, 0) for rows in bars.values()])
        if widths.any():
            axes.barh(list(bars), widths, left=left, label=split,
                      color=SPLIT_COLOURS[place % len(SPLIT_COLOURS)])  # fmt: skip
            left += widths
    axes.invert_yaxis()
    axes.set_xlabel("rows")
    if bars:
        axes.legend(frameon=False, fontsize=8, ncols=6, loc="lower left", bbox_to_anchor=(0, 1))
