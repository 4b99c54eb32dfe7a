"""The report of made numbers: whole by itself, and honest about what is missing."""

import re

import pytest

from tests.studies.made_schedules import SETTINGS, measured, results
from trivium.recipes.grounded import SCHEDULES
from trivium.studies.results import Results
from trivium.studies.schedules.claims import claims
from trivium.studies.schedules.report import Everything, Report
from trivium.studies.schedules.tables import PAPER, best_layer

PLOTS = ("abx_second.png", "abx_own.png", "forgetting.png", "losses.png")


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
    for plot in PLOTS:
        assert (folder / plot).read_bytes().startswith(b"\x89PNG")
        assert f"]({plot})" in markdown
    assert page.count("data:image/png;base64,") == len(PLOTS)
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "There are &lt;facts&gt;." in page
    assert "36 of 36 cells, 3 seeds of 140 steps" in markdown
    assert "Missing" not in page
    assert "retrieval fell to chance" in markdown
    everything = Everything.load(folder / "results.json")
    assert everything.results == results()
    assert [answer.verdict for answer in everything.answers] == ["held"] * 7
    assert markdown.index("Believe nothing") < markdown.index("on the moon") < 1000


def section(markdown, title):
    return markdown.split(f"## {title}\n")[1].split("\n## ")[0]


def test_the_table_has_all_nine_rows_with_layers_and_chance(whole):
    lines = section(whole[2], "Nine schedules").splitlines()
    rows = {line.split("|")[1].strip(): line for line in lines if line.startswith("| ")}
    assert [name for name in rows if name in SCHEDULES] == list(SCHEDULES)
    assert {"untrained", "chance"} <= rows.keys()
    cells = [cell.strip() for cell in rows["(VGS+,VGS)"].split("|")[2:-1]]
    assert all(re.fullmatch(r"\d+\.\d ± \d+\.\d", cell) for cell in cells[:4])
    assert all(re.fullmatch(r"\d+\.\d ± \d+\.\d \(9\)", cell) for cell in cells[4:])
    recalls = [one.score("retrieval").values["to_picture/recall@10"]
               for one in results().measured if one.cell.startswith("VGS+-then-VGS.")]  # fmt: skip
    assert cells[1].startswith(f"{sum(recalls) / 3:.1f} ±")


def test_few_pictures_stand_beside_all(whole):
    lines = section(whole[2], "Few pictures").splitlines()
    assert [line.split("|")[1:3] for line in lines if line.startswith("| VGS")] == [
        [" VGS ", " 100 % "], [" VGS ", " 25 % "], [" VGS+ ", " 100 % "], [" VGS+ ", " 25 % "],
    ]  # fmt: skip


def test_the_papers_numbers_are_told_as_its_own(whole):
    told = section(whole[2], "The paper's own numbers")
    assert list(PAPER) == list(SCHEDULES)
    assert "| (VGS+,VGS) | 28.8 | 70.0 | 39.8 | 81.5 | 4.50 (9) | 6.02 (9) |" in told


def test_an_unfinished_study_says_what_is_missing_and_what_failed(tmp_path):
    found = results(without=["VGS-then", "W2V2.100.seed1"])
    why = {"VGS-then-W2V2.100.seed0": "loss is not a number"}
    _, markdown = written(tmp_path, found.model_copy(update={"failed": why}))
    assert "| VGS-then-W2V2.100.seed0 | loss is not a number |" in markdown
    assert "W2V2.100.seed1" in section(markdown, "Missing cells")
    assert "| (VGS,W2V2) | – | – |" in markdown
    assert "is not known" in markdown


def test_a_study_with_nothing_yet_is_a_report_too(tmp_path):
    _, markdown = written(tmp_path, results(without=[""]))
    assert markdown.count("| not tested |") >= 7
    assert "Not trained yet: 36 cells" in markdown


def test_other_schedules_have_a_panel(tmp_path):
    settings = SETTINGS.override(['schedules=["VGS","VGS+","ramp"]'])
    one = measured("VGS", 0)
    ramp = one.model_copy(update={"cell": "ramp.100.seed0",
                                  "axes": {"schedule": "ramp", "pictures": "100"}})  # fmt: skip
    planned = {each.cell: {**each.axes, "seed": "0"} for each in (one, ramp)}
    _, markdown = written(tmp_path, Results(measured=(one, ramp), planned=planned), settings)
    assert re.search(r"\| ramp \| \d+\.\d \|", markdown)


def test_the_best_layer_is_none_that_is_not_there():
    assert best_layer([1.0, 5.0, 3.0, 4.0]) == 2
    assert best_layer([1.0, 5.0]) == 1
    assert best_layer([3.0, 3.0, 3.0]) == 1
