"""What a run tells while it trains: a live table on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import typer

from trivium.cli.terminal import console
from trivium.cli.terminal.console import PLAIN_LINE_SECONDS
from trivium.report import duration

if TYPE_CHECKING:
    from rich.live import Live as RichLive
    from rich.table import Table

Rows = list[tuple[str, str]]

# How a line's own numbers are called and shown; others are losses, and what a system observes.
SHOWN: dict[str, tuple[str, Callable[[float], str]]] = {
    "lr": ("rate", lambda value: f"{value:.2e}"),
    "grad_norm": ("gradient", lambda value: f"{value:.3g}"),
    "sound_a_second": ("sound", lambda value: f"{value:,.0f} s/s"),
    "waiting": ("waiting", lambda value: f"{value:.0%}"),
    "padding": ("padding", lambda value: f"{value:.1%}"),
    "memory_gib": ("memory", lambda value: f"{value:.1f} GiB"),
}
HIDDEN = ("step", "seconds")


class Live:
    """Takes what `fit` tells its watcher."""

    def __init__(
        self,
        what: str,
        steps: int,
        clock: Callable[[], float] = time.monotonic,
        terminal: bool | None = None,
    ) -> None:
        self._what, self._steps, self._clock = what, steps, clock
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._live: RichLive | None = None
        self._first: tuple[int, float] | None = None  # step and time of the first line
        self._line: Mapping[str, Any] = {}
        self._best = ""
        self._said = -PLAIN_LINE_SECONDS  # when the last plain line came

    def __enter__(self) -> Self:
        if self._terminal:
            self._live = _rich_live()
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def tell(self, line: Mapping[str, Any]) -> None:
        """Show a logged line, a score or a warning."""
        if "warning" in line:
            self._warn(line["warning"])
        elif "evaluation" in line:
            self._score(line["step"], line["evaluation"])
        else:
            self._first = self._first or (line["step"], self._clock())
            self._line = line
        self._show(is_last=line.get("step") == self._steps - 1)

    def rows(self) -> Rows:
        """Names and values of the newest line, of the best score, and of the time left."""
        done = int(self._line.get("step", -1)) + 1
        shown = [("step", f"{done:,} of {self._steps:,}")]
        for name, value in self._line.items():
            if name not in HIDDEN:
                title, write = SHOWN.get(name, (name, lambda value: f"{value:.4g}"))
                shown.append((title, write(value)))
        if self._best:
            shown.append(("best", self._best))
        left = self._seconds_left(done)
        return shown if left is None else [*shown, ("left", duration(left))]

    def _seconds_left(self, done: int) -> float | None:
        if self._first is None or done >= self._steps:
            return None
        step, began = self._first
        trained, elapsed = done - 1 - step, self._clock() - began
        return elapsed / trained * (self._steps - done) if trained else None

    def _score(self, step: int, found: Mapping[str, Any]) -> None:
        said = f"{found['primary']} {found['values'][found['primary']]:.4g}"
        if found["best"]:
            self._best = f"{said} after {step + 1:,} steps"
        if self._live is None:
            best = ", the best so far" if found["best"] else ""
            typer.echo(f"{self._what}: {said} after {step + 1:,} steps{best}", err=True)

    def _warn(self, sentence: str) -> None:
        if self._live is None:
            console.warn(sentence)
        else:
            self._live.console.print(f"trivium: {sentence}", markup=False, highlight=False)

    def _show(self, is_last: bool) -> None:
        if not self._line:
            return
        if self._live is not None:
            self._live.update(_table(self._what, self.rows()), refresh=True)
        elif is_last or self._clock() - self._said >= PLAIN_LINE_SECONDS:
            self._said = self._clock()
            told = ", ".join(f"{name} {value}" for name, value in self.rows())
            typer.echo(f"{self._what}: {told}", err=True)


def _rich_live() -> "RichLive":
    from rich.console import Console
    from rich.live import Live as RichLive

    shown = Console(stderr=True, force_terminal=True)  # it is one, or a test says so
    return RichLive(console=shown, auto_refresh=False, transient=True)


def _table(title: str, rows: Rows) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", show_header=False)
    table.add_column(justify="right", style="dim")
    table.add_column()
    for name, value in rows:
        table.add_row(name, value)
    return table
