"""How plots of studies look: colours that all eyes tell apart, panels that keep a distance."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by all eyes; each line has a marker of its own as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY = "#767676"
MARKERS = ("o", "s", "^", "D", "v", "P")


def figure(width: float, height: float) -> "Figure":
    """An empty figure, drawn without pyplot and its state; inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    panels = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, wspace=0.05, hspace=0.05)
    return Figure(figsize=(width, height), dpi=150, layout=panels)


def style(place: int) -> dict[str, Any]:
    """Colour and marker of the line at a place."""
    return {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)],
            "markersize": 5, "linewidth": 1.6}  # fmt: skip


def plain(axes: Any) -> None:
    """Lines of a grid behind what is drawn, and no frame above and to the right."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
