import pytest

from trivium.cli.terminal.live import Live


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def line(step, **more):
    return {"step": step, "lr": 2e-3, "grad_norm": 1.234, "contrast": 2.3456, "seconds": 4.0,
            "waiting": 0.021, "sound_a_second": 1234.5, "padding": 0.034} | more  # fmt: skip


def score(step, value, best):
    found = {"primary": "recall@10", "values": {"recall@10": value}, "best": best}
    return {"step": step, "evaluation": found}


def test_rows_say_all_that_is_known():
    clock = Clock()
    live = Live("train", 1_200, clock, terminal=False)
    live.tell(line(0))
    clock.now += 30
    live.tell(score(99, 43.21, True))
    live.tell(score(199, 41.0, False))
    live.tell(line(300, memory_gib=3.25, code_perplexity=7.5))
    assert live.rows() == [
        ("step", "301 of 1,200"), ("rate", "2.00e-03"), ("gradient", "1.23"),
        ("contrast", "2.346"), ("waiting", "2%"), ("sound", "1,234 s/s"), ("padding", "3.4%"),
        ("memory", "3.2 GiB"), ("code_perplexity", "7.5"),
        ("best", "recall@10 43.21 after 100 steps"), ("left", "1 min 30 s"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "left"),
    [([0], None), ([0, 10], "1 min 29 s"), ([50, 60], "39 s"), ([0, 99], None), ([60], None)],
)
def test_the_time_left_goes_by_the_steps_of_this_process(steps, left):
    clock = Clock()
    live = Live("train", 100, clock, terminal=False)
    for step in steps:
        live.tell(line(step))
        clock.now += 10
    clock.now -= 10
    assert dict(live.rows()).get("left") == left


def test_without_a_terminal_lines_are_plain_and_not_too_many(capsys):
    clock = Clock()
    with Live("train toy", 10, clock, terminal=False) as live:
        for step in range(10):
            live.tell({"step": step, "match": 3.0 - 0.1 * step, "seconds": 2.0})
            clock.now += 2
    assert capsys.readouterr().err.splitlines() == [
        "train toy: step 1 of 10, match 3",
        "train toy: step 4 of 10, match 2.7, left 12 s",
        "train toy: step 7 of 10, match 2.4, left 6.0 s",
        "train toy: step 10 of 10, match 2.1",
    ]


def test_scores_and_warnings_are_lines_of_their_own(capsys):
    with Live("train toy", 10, Clock(), terminal=False) as live:
        live.tell({"warning": "the last bits may differ"})
        live.tell(score(4, 43.21, True))
        live.tell(score(9, 40.0, False))
    assert capsys.readouterr().err.splitlines() == [
        "trivium: the last bits may differ",
        "train toy: recall@10 43.21 after 5 steps, the best so far",
        "train toy: recall@10 40 after 10 steps",
    ]


def test_on_a_terminal_there_is_a_table_and_warnings_stay_above_it(capsys):
    with Live("train toy", 10, Clock(), terminal=True) as live:
        live.tell(line(3))
        live.tell({"step": 3, "warning": "at step 3 [look] out"})
        live.tell(score(3, 43.21, True))
    shown = capsys.readouterr().err
    assert "trivium: at step 3 [look] out" in shown
    assert "4 of 10" in shown
    assert "recall@10 43.21 after 4 steps" in shown
    assert "train toy: step" not in shown
