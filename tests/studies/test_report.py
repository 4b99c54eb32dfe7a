"""The report of made scores: whole by itself, and honest about what is missing."""

import re

import pytest

from tests.studies.made_scores import SETTINGS, results
from trivium.errors import TriviumError
from trivium.studies.english_only.claims import claims
from trivium.studies.english_only.report import Everything, Report
from trivium.studies.page import Plot, Section, Table, write_report


def written(folder, found, settings=SETTINGS):
    page = Report(settings, folder, ["There are <facts>."]).write(found, claims(settings, found))
    return page.read_text(), (folder / "report.md").read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a complete study's report, its page and its Markdown."""
    folder = tmp_path_factory.mktemp("whole")
    careful = SETTINGS.override(["caution=Believe nothing of this.", "scope=on the moon"])
    return folder, *written(folder, results(), careful)


def test_a_whole_study_has_every_number_and_needs_no_other_file(whole):
    folder, page, markdown = whole
    for plot in ("recall.png", "who_finds_whom.png", "layer_weights.png"):
        assert (folder / plot).read_bytes().startswith(b"\x89PNG")
        assert f"]({plot})" in markdown
    assert page.count("data:image/png;base64,") == 3
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "There are &lt;facts&gt;." in page
    assert "60 of 60 cells, 3 seeds" in markdown
    assert "Missing" not in page
    everything = Everything.load(folder / "results.json")
    assert everything.results == results()
    assert [answer.verdict for answer in everything.answers] == ["held"] * 6
    deciding = [one for answer in everything.answers for one in answer.claim.comparisons
                if one.decides]  # fmt: skip
    assert markdown.count("| held |") == 6 + len(deciding)


def test_a_caution_stands_before_any_number(whole):
    markdown = whole[2]
    assert markdown.index("Believe nothing") < markdown.index("on the moon") < 800


def test_the_table_tells_mean_and_interval_over_seeds(whole):
    lines = whole[2].splitlines()
    line = next(line for line in lines if line.startswith("| frozen | base | one language"))
    cells = [cell.strip() for cell in line.split("|")[4:-1]]
    assert len(cells) == 6
    assert all(re.fullmatch(r"\d+\.\d ± \d+\.\d", cell) for cell in cells)
    there = [one for one in results().measured if one.cell.startswith("en.frozen.base")]
    told = [one.score("retrieval/speech.en-picture").values["to_picture/recall@10"]
            for one in there]  # fmt: skip
    assert cells[0].startswith(f"{sum(told) / 3:.1f} ±")
    assert [line for line in lines if line.startswith("| chance |")]


def test_an_unfinished_study_says_what_is_missing_and_what_failed(tmp_path):
    found = results(without=["multi", "hi.tuned"])
    failed = found.model_copy(update={"failed": {"hi.tuned.base.seed0": "loss is not a number"}})
    _, markdown = written(tmp_path, failed)
    assert "| hi.tuned.base.seed0 | loss is not a number |" in markdown
    assert "hi.tuned.large.seed2" in markdown
    assert "who_finds_whom" not in markdown
    assert "–" in markdown


def test_a_study_with_nothing_yet_is_a_report_too(tmp_path):
    _, markdown = written(tmp_path, results(without=[""]))
    assert markdown.count("| not tested |") >= 6
    assert "Not trained yet: 60 cells" in markdown


def test_a_page_escapes_and_counts(tmp_path):
    table = Table(("a|b", "n"), (("x\ny", "1"),))
    assert table.markdown().splitlines()[0] == r"| a\|b | n |"
    assert "| x y | 1 |" in table.markdown()
    sections = [Section("<t>", ("1 < 2",), table, Plot("p.png", "a plot", b"\x89PNG"))]
    page = write_report(tmp_path / "new", "title", "note", sections).read_text()
    assert "1 &lt; 2" in page
    assert "&lt;t&gt;" in page
    assert (tmp_path / "new" / "p.png").exists()
    with pytest.raises(TriviumError, match="a row of 1 cells"):
        Table(("a", "b"), (("only",),))
