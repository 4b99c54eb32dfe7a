"""Views: every planned combination has a row, and every number is that of its own cells."""

import math

import pytest

from trivium.config import Settings
from trivium.studies.claim import Claim, over_seeds
from trivium.studies.results import Measured, Results, larger
from trivium.studies.views import (
    NOTHING,
    Column,
    Everything,
    Report,
    View,
    chance_of_score,
    combinations,
    of_score,
    section,
    table,
)
from trivium.tasks.score import Score, Signature

METHODS, SIZES, SEEDS = ("none", "all"), ("1", "100"), (0, 1, 2)
BLEU = Column("BLEU", of_score("translation", "BLEU"), chance_of_score("translation", "BLEU"))
WER = Column("WER", of_score("recognition", "WER"))
VIEW = View("Which adds what", ("method", "size"), (BLEU, WER), {"kind": "small"}, plot="adds")


class Sizes(Settings):
    """What was trained."""

    steps: int = 5
    """Steps."""


def cell(method, size, seed, kind="small"):
    value = 10.0 * METHODS.index(method) + 100 * SIZES.index(size) + seed
    signature = Signature(task="translation", corpus="c", split="test")
    score = Score(task="translation", values={"BLEU": value}, primary="BLEU",
                  chance={"BLEU": 0.5}, signature=signature)  # fmt: skip
    axes = {"method": method, "size": size, "kind": kind}
    return Measured(cell=f"{method}.{size}.{kind}.{seed}", axes=axes, seed=seed,
                    signature=signature, scores=(score,))  # fmt: skip


def results(without=()):
    every = [cell(method, size, seed) for seed in SEEDS for method in METHODS for size in SIZES]
    every += [cell("none", "1", seed, "large") for seed in SEEDS]
    planned = {one.cell: {**one.axes, "seed": str(one.seed)} for one in every}
    there = tuple(one for one in every if one.cell not in without)
    return Results(measured=there, planned=planned)


def test_a_row_is_a_planned_combination_with_its_mean_and_interval():
    found = table(VIEW, results())
    assert found.headers == ("method", "size", "BLEU", "WER")
    assert combinations(VIEW, results()) == [(m, s) for m in METHODS for s in SIZES]
    assert found.rows[1] == ("none", "100", str(over_seeds([100.0, 101.0, 102.0])), NOTHING)
    assert found.rows[-1] == ("chance", "", "0.5", "")
    assert len(found.rows) == 5


def test_other_values_of_a_fixed_axis_are_in_another_table():
    view = View("Large", ("method",), (BLEU,), {"kind": "large"})
    assert table(view, results()).rows[0] == ("none", str(over_seeds([0.0, 1.0, 2.0])))


def test_what_is_not_there_is_a_dash_and_not_a_number():
    gone = [f"all.1.small.{seed}" for seed in SEEDS]
    rows = {row[:2]: row[2] for row in table(VIEW, results(gone)).rows}
    assert rows["all", "1"] == NOTHING
    assert rows["none", "1"] != NOTHING
    rows = {row[:2]: row[2] for row in table(VIEW, results(gone[1:])).rows}
    assert rows["all", "1"] == "10.0"


def test_a_number_that_no_cell_has_is_nan():
    one = cell("none", "1", 0)
    assert math.isnan(of_score("recognition", "WER")(one))
    assert math.isnan(of_score("translation", "chrF")(one))
    assert of_score("translation", "BLEU")(one) == 0.0


@pytest.mark.parametrize("without", [[], ["none.1.small.0"]])
def test_the_report_has_claims_evidence_tables_plots_and_json(tmp_path, without):
    found = results(without)
    read = of_score("translation", "BLEU")
    both = [found.series(read, method=m, size="1", kind="small") for m in ("all", "none")]
    claim = Claim(number=1, sentence="All beats none.", here="BLEU.",
                  comparisons=(larger("all", both[0], "none", both[1]),))  # fmt: skip
    report = Report(tmp_path, "Which adds what", "Of this paper.", Sizes(), ("A fact.",), (VIEW,),
                    caution="Believe nothing.", scope="on the moon")  # fmt: skip
    page = report.write(found, [claim])
    markdown = (tmp_path / "report.md").read_text()
    assert "All beats none." in markdown
    assert markdown.index("Believe nothing") < markdown.index("on the moon")
    assert f"{15 - len(without)} of 15 cells. Of this paper." in markdown
    assert (tmp_path / "adds.png").read_bytes().startswith(b"\x89PNG")
    assert "data:image/png;base64," in page.read_text()
    assert ("Missing" in markdown) == bool(without)
    assert Everything.load(tmp_path / "results.json").results == found


def test_a_view_without_a_plot_draws_none():
    assert (
        section(View("Plain", ("method",), (BLEU,), {"size": "1", "kind": "small"}), results()).plot
        is None
    )
