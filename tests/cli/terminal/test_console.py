import pytest

from trivium.cli.terminal.console import Progress, counted, progress_line, table
from trivium.report import duration


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0.0 s"), (4.26, "4.3 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"),
     (200, "3 min 20 s"), (7_500, "2 h 05 min")],
)  # fmt: skip
def test_durations_are_told_as_people_do(seconds, shown):
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("done", "total", "elapsed", "line"),
    [
        (1_200, 7_200, 4, "1,200 of 7,200 rows, 300 a second, 20 s left"),
        (0, 10, 3, "0 of 10 rows, 0 a second, time left unknown"),
        (50, None, 5, "50 rows, 10 a second, 5.0 s"),
        (10, 10, 2, "10 rows, 5 a second, 2.0 s"),
        (3, 10, 0, "3 of 10 rows, 0 a second, time left unknown"),
    ],
)
def test_progress_tells_rate_and_time_left(done, total, elapsed, line):
    assert progress_line(done, total, elapsed, "rows") == line


def test_without_a_terminal_a_plain_line_comes_now_and_then(capsys):
    clock = Clock()
    with Progress("import", "rows", 100, clock, terminal=False) as progress:
        for _ in range(10):
            clock.now += 1
            progress.advance(10)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "import: 50 of 100 rows, 10 a second, 5.0 s left",
        "import: 100 rows, 10 a second, 10 s",
    ]


def test_on_a_terminal_there_are_no_plain_lines(capsys):
    with Progress("import", "rows", 10, terminal=True) as progress:
        progress.advance(10)
    assert "rows, " not in capsys.readouterr().err


def test_tables_are_not_cut_when_piped(capsys):
    table(("name", "rows"), [("x" * 60, 1_234_567), ("[red]y[/red]", None)])
    shown = capsys.readouterr().out
    assert "x" * 60 in shown
    assert "1,234,567" in shown
    assert "[red]y[/red]" in shown


def test_one_of_a_thing_is_singular():
    assert counted({"pictures": 1, "utterances": 1_200}) == "1 picture, 1,200 utterances"
    assert counted({}) == ""
