"""Intervals against slow twins; verdicts by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.errors import TriviumError
from trivium.studies.claim import (
    Claim,
    Comparison,
    Interval,
    over_seeds,
    saturated,
    t_quantile,
)

# Of any statistics book: 95 % of Student's t lies within these.
BOOK = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 9: 2.262, 10: 2.228, 30: 2.042, 120: 1.980}


def compared(*pairs, **others):
    return Comparison(first="a", second="b", values=dict(enumerate(pairs)), **others)


def claim(*comparisons, **others):
    return Claim(number=1, sentence="s", here="h", comparisons=comparisons, **others)


@pytest.mark.parametrize(("freedom", "quantile"), BOOK.items())
def test_quantiles_are_those_of_the_book(freedom, quantile):
    assert t_quantile(freedom) == pytest.approx(quantile, abs=5e-4)


@given(st.integers(1, 40), st.floats(0.05, 0.99))
def test_a_quantile_holds_its_share_of_the_density(freedom, level):
    """The slow twin: the density of Student's t, summed."""
    t = t_quantile(freedom, level)
    x = np.linspace(-t, t, 20_001)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2))
    density = scale / math.sqrt(freedom * math.pi) * (1 + x**2 / freedom) ** (-(freedom + 1) / 2)
    assert np.trapezoid(density, x) == pytest.approx(level, abs=1e-5)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12))
def test_an_interval_is_the_mean_and_t_standard_errors(values):
    found = over_seeds(values)
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    half = t_quantile(len(values) - 1) * error
    assert found.high - found.low == pytest.approx(2 * half, abs=1e-7)
    assert found.low <= found.mean <= found.high


def test_about_95_of_100_intervals_hold_the_truth():
    generator = np.random.default_rng(0)
    found = [over_seeds(row.tolist()) for row in generator.normal(3.0, 2.0, (2_000, 3))]
    assert 0.93 < np.mean([one.low <= 3.0 <= one.high for one in found]) < 0.97


def test_equal_numbers_have_no_width_and_no_rounding():
    assert over_seeds([0.1, 0.1, 0.1]) == Interval(mean=0.1, low=0.1, high=0.1, seeds=3)


def test_one_seed_has_a_mean_and_no_interval():
    found = over_seeds([4.0])
    assert (found.low, found.high, str(found), found.ends) == (None, None, "4.0", "")


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_what_is_no_number_is_refused(values):
    with pytest.raises(TriviumError, match="are no numbers of seeds"):
        over_seeds(values)


@pytest.mark.parametrize(("freedom", "level"), [(0, 0.95), (2, 1.0), (2, 0.0)])
def test_a_quantile_that_is_none_is_refused(freedom, level):
    with pytest.raises(TriviumError, match=f"{freedom} degrees of freedom"):
        t_quantile(freedom, level)


@pytest.mark.parametrize(
    ("pairs", "verdict"),
    [
        ([(5, 1), (6, 1), (5.5, 1)], "held"),
        ([(1, 5), (1, 6), (1, 5.5)], "not held"),
        ([(5, 1), (1, 5), (3, 3)], "undecided"),
        ([(3, 3), (3, 3), (3, 3)], "undecided"),  # a tie
        ([(3, 2), (4, 3), (5, 4)], "undecided"),  # without spread there is no interval
        ([(1.3, 1.0), (1.6, 1.3), (2.3, 2.0)], "undecided"),  # equal but for rounding
        ([(3, 2), (4, 3), (5.1, 4)], "held"),
        ([(3, 3), (3, 3), (3.5, 3)], "undecided"),
        ([(100, 1)], "not tested"),
        ([], "not tested"),
    ],
)
def test_a_comparison_is_decided_by_where_its_interval_lies(pairs, verdict):
    assert compared(*pairs).verdict == verdict


def test_pairs_count_and_not_the_spread_of_each_side():
    """Seeds differ by 40, and the first is ahead by about 1 in each."""
    assert compared((11, 10), (51.1, 50), (30.9, 30)).verdict == "held"


def test_whichever_way_is_a_difference_where_the_claim_says_no_more():
    below = [(1, 5), (1, 6), (1, 5.5)]
    assert compared(*below, either=True).verdict == "held"
    assert compared((3, 3), (3, 3), either=True).verdict == "undecided"


def test_what_agrees_in_every_seed_says_why_it_is_undecided():
    assert "is 1.00 in every seed" in compared((3, 2), (4, 3)).reason
    assert compared((3, 2), (4, 3.5)).reason == ""


def test_at_the_end_of_the_scale_nothing_is_decided():
    ends = {0: (100.0, 100.0), 1: (100.0, 100.0)}
    assert saturated(ends)
    assert not saturated({0: (100.0, 99.0)})
    assert not saturated({})
    found = compared(*ends.values(), saturated=True)
    assert found.verdict == "undecided"
    assert "100 %" in found.reason


HELD = compared((5, 1), (5.1, 1))
NOT = compared((1, 5), (1, 5.1))
UNDECIDED = compared((5, 1), (1, 5))
UNTESTED = compared((5, 1), missing=("hi.frozen.base.seed1",))


@pytest.mark.parametrize(
    ("comparisons", "verdict"),
    [
        ([HELD, HELD], "held"),
        ([HELD, NOT], "not held"),
        ([NOT, UNTESTED], "not held"),
        ([HELD, UNDECIDED], "undecided"),
        ([HELD, UNTESTED], "undecided"),
        ([UNTESTED, UNTESTED], "not tested"),
        ([], "not tested"),
        ([HELD, NOT.model_copy(update={"decides": False})], "held"),
    ],
)
def test_a_claim_holds_if_all_that_decides_does(comparisons, verdict):
    assert claim(*comparisons).verdict == verdict


def test_a_claim_says_why_it_was_not_tested():
    assert claim(HELD).reason == ""
    reason = claim(HELD, UNTESTED).reason
    assert "1 seed of both" in reason
    assert "missing are hi.frozen.base.seed1" in reason
    untestable = claim(HELD, untestable="there is one size")
    assert (untestable.verdict, untestable.reason) == ("not tested", "there is one size")


def test_comparisons_survive_json(tmp_path):
    made = claim(HELD, UNTESTED)
    (tmp_path / "claim.json").write_text(made.to_json())
    assert Claim.load(tmp_path / "claim.json") == made
