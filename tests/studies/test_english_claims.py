"""The six directions on numbers made by hand: each turns when what it rests on does."""

import pytest

from tests.studies.made_scores import CHANCE, SETTINGS, recall, results
from trivium.models.towers import TowerSettings
from trivium.studies.english_only.claims import claims
from trivium.studies.english_only.sizes import TEST, TowerPair


def verdicts(find=recall, settings=SETTINGS, **others):
    return {one.number: one.verdict for one in claims(settings, results(find=find, **others))}


def test_all_hold_where_everything_is_as_the_paper_says():
    assert set(verdicts().values()) == {"held"}
    assert list(verdicts()) == [1, 2, 3, 4, 5, 6]


def frozen_is_worse(axes, seed, kind, languages):
    less = 30.0 if axes["training"] == "frozen" and axes["language"] == "hi" else 0.0
    return recall(axes, seed, kind, languages) - less


def one_for_all_is_worse(axes, seed, kind, languages):
    less = 40.0 if axes["training"] == "tuned" and axes["language"] == "multi" else 0.0
    return recall(axes, seed, kind, languages) - (less if kind == "picture" else 0.0)


def tuning_helps_english_more(axes, seed, kind, languages):
    more = 25.0 if axes["training"] == "tuned" and "en" in languages else 0.0
    return recall(axes, seed, kind, languages) + more


def text_is_not_found(axes, seed, kind, languages):
    return CHANCE - 5 - seed if kind == "text" else recall(axes, seed, kind, languages)


def scratch_is_as_good_across(axes, seed, kind, languages):
    if kind == "speech" and axes["towers"] == "base":
        return 30.0
    return recall(axes, seed, kind, languages)


def larger_is_worse(axes, seed, kind, languages):
    return recall(axes, seed, kind, languages) - (20.0 if axes["towers"] == "large" else 0.0)


@pytest.mark.parametrize(
    ("find", "number"),
    [
        (frozen_is_worse, 1),
        (one_for_all_is_worse, 2),
        (tuning_helps_english_more, 3),
        (text_is_not_found, 4),
        (text_is_not_found, 5),
        (larger_is_worse, 6),
    ],
)
def test_a_claim_does_not_hold_where_its_numbers_say_the_opposite(find, number):
    assert verdicts(find)[number] == "not held"


def test_a_tie_in_every_seed_decides_nothing():
    [fifth] = [one for one in claims(SETTINGS, results(find=scratch_is_as_good_across))
               if one.number == 5]  # fmt: skip
    assert fifth.verdict == "undecided"
    assert "the difference is 0.00 in every seed" in fifth.reason


def test_where_everything_is_found_nothing_is_decided():
    def everything(axes, seed, kind, languages):
        return 101.0

    found = verdicts(everything)
    assert {found[number] for number in (1, 2, 3, 6)} == {"undecided"}
    [third] = [c for c in claims(SETTINGS, results(find=everything)) if c.number == 3]
    assert "nothing is left to gain" in third.reason


def test_one_seed_or_missing_cells_test_nothing_and_say_so():
    assert set(verdicts(seeds=1).values()) == {"not tested"}
    found = claims(SETTINGS, results(without=["multi.tuned.large"]))
    untested = {one.number: one.reason for one in found if one.verdict == "not tested"}
    assert 4 in untested
    assert "missing are multi.tuned.large.seed0" in untested[4]
    assert found[0].verdict == "held"  # rests on other cells


def test_nothing_measured_is_no_error():
    found = claims(SETTINGS, results(without=[""]))
    assert {one.verdict for one in found} == {"not tested"}


def test_what_a_size_cannot_test_is_said():
    found = claims(TEST.override(["recall_at=10"]), results())
    assert found[5].verdict == "not tested"
    assert "one layer" in found[5].reason
    without = SETTINGS.override(["pretraining=null"])
    assert "random weights" in claims(without, results())[0].reason
    pair = TowerPair(speech=TowerSettings(network="test-hubert", random_weights=True))
    small = SETTINGS.model_copy(update={"towers": {"base": pair}})
    assert "one size" in claims(small, results())[5].reason
