"""The eight directions on numbers made by hand, and the report that tells them."""

import pytest

from tests.studies.made_text_helps import SETTINGS, Made, results
from trivium.models.joint import JointSettings
from trivium.studies.text_helps.claims import Evidence, claims
from trivium.studies.text_helps.report import PAPER, guesses_of, side_by_side, write
from trivium.studies.views import Everything, table

PLOTS = ("translation", "recognition", "intents", "languages", "probe")


def verdicts(made=None, settings=SETTINGS, **others):
    found = claims(settings, results(made=made, settings=settings, **others))
    return {one.number: one.verdict for one in found}


def test_all_but_one_hold_where_everything_is_as_the_paper_says():
    assert verdicts() == {**dict.fromkeys(range(1, 9), "held"), 7: "not tested"}


class TlmDoesNoHarm(Made):
    def speech(self, variant, given):
        return (25.0, 25.0) if variant == "tlm" else super().speech(variant, given)


class SpeechAloneGainsMore(Made):
    def speech(self, variant, given):
        more = given == "speech+text" and variant == "speech-only"
        return (30.0, 30.0) if more else super().speech(variant, given)


class LittleSpeechGainsLess(Made):
    def speech(self, variant, given):
        mean, _ = super().speech(variant, given)
        return mean, super().speech(variant, "speech")[1]


class TextIsNoHelpForIntents(Made):
    def accuracy(self, variant, task):
        return 88.0 if variant == "ctc-only" else super().accuracy(variant, task)


class RecognitionIsWorse(Made):
    def cer(self, variant):
        return 12.0 if variant == "tlm+ctc" else super().cer(variant)


class TextsAreAsStrange(Made):
    def text(self, variant, given):
        return 10.0 if variant == "speech-only" else super().text(variant, given)


class SpeechIsTranslatedToo(Made):
    def speech(self, variant, given):
        return (15.0, 15.0) if given == "text" else super().speech(variant, given)


class GoingOnHarms(Made):
    def speech(self, variant, given):
        return (10.0, 10.0) if variant == "continued" else super().speech(variant, given)


@pytest.mark.parametrize(
    ("made", "number"),
    [
        (TlmDoesNoHarm, 1), (SpeechAloneGainsMore, 2), (LittleSpeechGainsLess, 3),
        (TextIsNoHelpForIntents, 4), (RecognitionIsWorse, 5), (TextsAreAsStrange, 6),
        (SpeechIsTranslatedToo, 6), (GoingOnHarms, 8),
    ],
)  # fmt: skip
def test_a_direction_does_not_hold_where_its_numbers_say_the_opposite(made, number):
    assert verdicts(made())[number] == "not held"


def test_what_is_the_same_has_a_margin():
    assert verdicts(settings=SETTINGS.override(["same=0.1"]))[5] == "not held"  # 0.2 apart


def test_claims_may_rest_on_chrf():
    settings = SETTINGS.override(["led_by=chrF"])
    found = Evidence(settings, results(settings=settings))
    assert found.translation("tlm").interval.mean == pytest.approx(38.6, abs=0.1)
    assert found.gain("tlm", found.low).interval.mean == pytest.approx(2.4, abs=0.1)
    assert (found.low, found.high) == (["sw-en"], ["es-en"])


def test_what_is_not_trained_is_not_tested_and_says_why():
    settings = SETTINGS.override(["continued_steps=0", "low=[]"])
    found = {one.number: one for one in claims(settings, results(settings=settings))}
    assert [found[number].verdict for number in (3, 7, 8)] == ["not tested"] * 3
    assert "`low` names none" in found[3].reason
    assert "knows texts alone" in found[7].reason
    assert "continued_steps is 0" in found[8].reason


def test_what_a_size_cannot_test_is_said():
    settings = SETTINGS.model_copy(update={"untestable": {1: "nothing is translated"}})
    first = claims(settings, results())[0]
    assert (first.verdict, first.reason) == ("not tested", "nothing is translated")


def test_one_seed_or_missing_cells_test_nothing_and_say_so():
    assert set(verdicts(seeds=1).values()) == {"not tested"}
    assert set(verdicts(without=[""]).values()) == {"not tested"}
    found = claims(SETTINGS, results(without=["ctc-only"]))
    assert "missing are ctc-only.intents.seed0" in found[3].reason


def written(folder, found, settings=SETTINGS):
    guesses, told = guesses_of(JointSettings.tiny()), claims(settings, found)
    page = write(settings, folder, ("There are <facts>.",), guesses, found, told)
    return page.read_text(), (folder / "report.md").read_text()


def section(markdown, title):
    return markdown.split(f"## {title}\n")[1].split("\n## ")[0]


def rows_of(markdown, title):
    lines = [line for line in section(markdown, title).splitlines() if line.startswith("|")]
    return {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]]
            for line in lines}  # fmt: skip


def test_a_whole_study_stands_side_by_side_beside_the_papers_numbers(tmp_path):
    careful = SETTINGS.override(["caution=Believe nothing of this.", "scope=on the moon"])
    page, markdown = written(tmp_path, results(), careful)
    for plot in PLOTS:
        assert (tmp_path / f"{plot}.png").read_bytes().startswith(b"\x89PNG")
    assert page.count("data:image/png;base64,") == len(PLOTS)
    assert markdown.index("Believe nothing") < markdown.index("on the moon") < 1000
    assert "There are &lt;facts&gt;." in page
    beside = rows_of(markdown, "Side by side")
    assert [*beside] == ["variant", "---", *SETTINGS.variants, "continued", "chance"]
    means = [float(cell.split(" ")[0]) for cell in beside["tlm+ctc"]]
    assert means == pytest.approx([20.6, 22.4, 9.4, 10.1, 86.9, 73.3, 61.0], abs=0.11)
    assert beside["chance"] == ["", "", "", "", "10.0", "10.0", "10.0"]
    assert beside["continued"][1] == "–"
    told = rows_of(markdown, "The paper's own numbers")
    assert told["tlm"] == ["18.6", "19.8", "9.4", "–", "–"]
    assert told.keys() >= PAPER.keys()
    assert "| tlm+ctc | text |" in section(markdown, "Translation")
    losses = rows_of(markdown, "What pre-training ended with")
    assert losses["tlm"][0] == "2.0 ± 0.0"
    assert losses["chance"][:4] == ["3.0", "", "3.5", "3.4"]  # of 21, 32 and 30
    assert Everything.load(tmp_path / "results.json").results == results()


def test_an_unfinished_study_is_a_report_too(tmp_path):
    some = results(without=["tlm.", "ctc.recognition"])
    beside = {row[0]: row[1:] for row in table(side_by_side(some), some).rows}
    assert beside["tlm"] == ("–",) * 7
    assert (beside["ctc"][2] != "–", beside["ctc"][3]) == (True, "–")
    _, markdown = written(tmp_path, results(without=[""]))
    assert markdown.count("| not tested |") >= 8
    assert "Not trained yet: 81 cells" in markdown
