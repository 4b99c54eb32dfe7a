"""What commands print: progress on stderr, results on stdout."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

import typer

from trivium.report import duration

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

PLAIN_LINE_SECONDS = 5.0


class Progress:
    """A bar with rate and time left on a terminal; elsewhere a plain line now and then."""

    def __init__(
        self,
        what: str,
        unit: str,
        total: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        terminal: bool | None = None,
    ) -> None:
        self.what, self.unit, self.total = what, unit, total
        self.done = 0.0
        self._told = -1.0  # what the last plain line said was done
        self._clock = clock
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._bar: RichProgress | None = None

    def __enter__(self) -> Self:
        self._start = self._said = self._clock()
        if self._terminal:
            self._bar = _rich_bar()
            self._task = self._bar.add_task(self.what, total=self.total, unit=self.unit)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()
        elif error is None and self.done != self._told:
            self._say()

    def advance(self, amount: float = 1) -> None:
        """Count more work as done."""
        self.done += amount
        if self._bar:
            self._bar.update(self._task, completed=self.done)
        elif self._clock() - self._said >= PLAIN_LINE_SECONDS:
            self._say()

    def _say(self) -> None:
        self._said, self._told = self._clock(), self.done
        elapsed = self._said - self._start
        line = progress_line(self.done, self.total, elapsed, self.unit)
        print(f"{self.what}: {line}", file=sys.stderr, flush=True)


def progress_line(done: float, total: float | None, elapsed: float, unit: str) -> str:
    """`1,200 of 7,200 rows, 310 a second, 19 s left`."""
    rate = done / elapsed if elapsed > 0 else 0.0
    if total is None or done >= total:
        return f"{done:,.0f} {unit}, {rate:,.0f} a second, {duration(elapsed)}"
    left = f"{duration((total - done) / rate)} left" if rate else "time left unknown"
    return f"{done:,.0f} of {total:,.0f} {unit}, {rate:,.0f} a second, {left}"


def counted(counts: Mapping[str, int]) -> str:
    """`1 picture, 20 utterances`, of plural names and how many there are."""
    shown = (f"{n:,} {name if n != 1 else name.removesuffix('s')}" for name, n in counts.items())
    return ", ".join(shown)


def say(text: str) -> None:
    """A line of result on stdout; a reader that has had enough (head, less) ends the command."""
    with _reader_may_leave():
        print(text, flush=True)


def warn(sentence: str) -> None:
    """Something that is no error, on stderr."""
    print(f"trivium: {sentence}", file=sys.stderr, flush=True)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """A table on stdout, numbers to the right; as wide as it needs to be when piped."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    lines = [[_cell(value) for value in row] for row in rows]
    shown = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for column, header in enumerate(headers):
        numeric = bool(lines) and all(_is_number(line[column]) for line in lines)
        shown.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for line in lines:
        shown.add_row(*line)
    console = Console() if sys.stdout.isatty() else Console(width=140)
    with console.capture() as written:  # rich would end the program at a closed pipe
        console.print(shown, markup=False)
    say(written.get().rstrip("\n"))


def pictures(images: Sequence[bytes], width: int = 15) -> None:
    """Small pictures in rows, where the terminal has colours; nothing where it has none."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return
    a_row = max(1, shutil.get_terminal_size().columns // (width + 1))
    blocks = [_half_blocks(image, width) for image in images]
    for start in range(0, len(blocks), a_row):
        for line in zip(*blocks[start : start + a_row], strict=True):
            say(" ".join(line))
        say("")


def _half_blocks(image: bytes, width: int) -> list[str]:
    """A picture as lines of characters, each two pixels: one above, one below."""
    import numpy as np

    from trivium.data.image import open_image

    with open_image(image) as opened:
        pixels = np.asarray(opened.convert("RGB").resize((width, width // 2 * 2)))
    ends = [[";".join(map(str, colour)) for colour in row] for row in pixels.tolist()]
    return [
        "".join(
            f"\x1b[38;2;{above}m\x1b[48;2;{below}m\N{UPPER HALF BLOCK}"
            for above, below in zip(*two, strict=True)
        )
        + "\x1b[0m"
        for two in zip(ends[::2], ends[1::2], strict=True)
    ]


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        # Python would try once more to write what is left when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit from error


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("-")[:1].isdigit()


def _rich_bar() -> "RichProgress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            rate = task.finished_speed or task.speed
            return Text(f"{rate:,.0f} {task.fields['unit']} a second" if rate else "")

    return Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        Rate(), TimeRemainingColumn(), console=Console(stderr=True), transient=True,
    )  # fmt: skip
