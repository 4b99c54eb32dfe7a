"""The seven findings on numbers made by hand: each turns when what it rests on does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.studies.made_schedules import BEST, RECALL, SETTINGS, Made, measured, results
from trivium.studies.results import Results
from trivium.studies.schedules.claims import Evidence, best_on_the_way, claims, share_until_fallen
from trivium.studies.schedules.tables import after_switch


def verdicts(made=None, settings=SETTINGS, **others):
    found = claims(settings, results(made=made, **others))
    return {one.number: one.verdict for one in found}


def test_all_hold_where_everything_is_as_the_paper_says():
    assert verdicts() == dict.fromkeys(range(1, 8), "held")


class BothRecallMore(Made):
    def recall(self, schedule, pictures):
        return 90.0 if schedule == "VGS+" else super().recall(schedule, pictures)


class SpeechFirstIsWorse(Made):
    def recall(self, schedule, pictures):
        return 60.0 if schedule == "(W2V2,VGS)" else super().recall(schedule, pictures)


class NothingIsForgotten(Made):
    def recall(self, schedule, pictures):
        return 70.0 if schedule == "(VGS,W2V2)" else super().recall(schedule, pictures)


class SpeechAloneIsBest(Made):
    def errors(self, schedule):
        return [3.0] * 13 if schedule == "W2V2" else super().errors(schedule)


class BothRisesBelowTheBorder(Made):
    def errors(self, schedule):
        return list(range(20, 7, -1)) if schedule == "VGS+" else super().errors(schedule)


class ErrorGrows(Made):
    def error_on_the_way(self, schedule, steps):
        return 5 + steps / 10 if schedule == "VGS" else super().error_on_the_way(schedule, steps)


class SpeechConvergesFirst(Made):
    def half_life(self, loss):
        return 3.0 if loss == "ssl" else 20.0


@pytest.mark.parametrize(
    ("made", "number"),
    [
        (BothRecallMore, 1), (SpeechFirstIsWorse, 2), (NothingIsForgotten, 3),
        (SpeechAloneIsBest, 4), (BothRisesBelowTheBorder, 5), (ErrorGrows, 6),
        (SpeechConvergesFirst, 7),
    ],
)  # fmt: skip
def test_a_finding_does_not_hold_where_its_numbers_say_the_opposite(made, number):
    assert verdicts(made())[number] == "not held"


def test_what_is_the_same_has_a_margin():
    assert verdicts(settings=SETTINGS.override(["same=0.1"]))[1] == "not held"  # 0.4 apart


def test_one_seed_or_missing_cells_test_nothing_and_say_so():
    assert set(verdicts(seeds=1).values()) == {"not tested"}
    found = claims(SETTINGS, results(without=["W2V2-then-VGS.100"]))
    second = next(one for one in found if one.number == 2)
    assert "missing are W2V2-then-VGS.100.seed0" in second.reason
    assert set(verdicts(without=[""]).values()) == {"not tested"}


def test_what_a_size_cannot_test_is_said():
    settings = SETTINGS.model_copy(update={"untestable": {5: "it has three layers"}})
    fifth = claims(settings, results())[4]
    assert (fifth.verdict, fifth.reason) == ("not tested", "it has three layers")


def told(end=None, switch=None, chance=0.2):
    class This(Made):
        def recall(self, schedule, pictures):
            return RECALL[schedule] if end is None else end

        def recall_at_switch(self, schedule):
            return 60.0 if switch is None else switch

    return after_switch(Evidence(SETTINGS, results(made=This())))


@pytest.mark.parametrize(
    ("end", "switch", "words"),
    [
        (0.3, 60.0, "nothing is left of it, retrieval fell to chance"),
        (30.2, 60.2, "it fell, and 50% of what was above chance is left"),
        (61.0, 60.0, "it did not fall"),
        (0.3, 1.0, "there was nothing to forget"),
    ],
)
def test_a_sentence_says_what_became_of_retrieval_whichever_way(end, switch, words):
    sentence = told(end, switch)
    assert words in sentence
    assert "chance is 0.2" in sentence


def test_without_the_cell_the_sentence_says_that_nothing_is_known():
    empty = Results(measured=(), planned={})
    assert "is not known" in after_switch(Evidence(SETTINGS, empty))


def test_the_best_layer_leaves_out_what_enters_the_first():
    one = measured("VGS", 0)
    assert best_on_the_way(one) == pytest.approx(
        [value + 1 for value in one.curves["abx/across.layer0"]], abs=0.5
    )
    found = Evidence(SETTINGS, results()).error("(VGS+,VGS)").interval
    assert found.mean == pytest.approx(BEST["(VGS+,VGS)"][0], abs=0.2)


@given(st.floats(1, 100), st.floats(-5, 5), st.integers(60, 300))
def test_a_loss_that_falls_in_a_straight_line_has_fallen_nine_tenths_after_nine(fall, end, lines):
    losses = [end + fall * (1 - at / (lines - 1)) for at in range(lines)]
    assert share_until_fallen(losses) == pytest.approx(0.9, abs=5 / lines)


def test_a_loss_that_never_falls_takes_all_of_its_lines():
    assert share_until_fallen([2.0, 2.0, 3.0]) == share_until_fallen([2.0]) == 1.0
