"""Errors of detection: a slow sweep of thresholds says the same; ties are one half."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.errors import TriviumError
from trivium.tasks.voices.detection import POINTS, Sweep, deviates

trials = st.lists(
    st.tuples(st.sampled_from([-1.0, -0.3, 0.0, 0.2, 0.25, 0.9]), st.booleans(),
              st.integers(0, 3)),
    min_size=2, max_size=30,
).filter(lambda rows: all(any(weight and same == side for _, same, weight in rows)
                          for side in (True, False)))  # fmt: skip


def slow_points(rows: list[tuple[float, bool, int]]) -> list[tuple[float, float]]:
    """Others let in and targets missed, threshold by threshold."""
    targets = sum(weight for _, same, weight in rows if same)
    others = sum(weight for _, same, weight in rows if not same)
    points = []
    for threshold in [np.inf, *sorted({score for score, _, _ in rows}, reverse=True)]:
        let_in = sum(w for score, same, w in rows if score >= threshold and not same)
        missed = sum(w for score, same, w in rows if score < threshold and same)
        points.append((let_in / others, missed / targets))
    return points


def slow_equal_error(points: list[tuple[float, float]]) -> float:
    """Where the line through the points meets the diagonal, halving the way along each piece."""
    for (a, b), (c, d) in pairwise(points):
        if a <= b and c >= d:
            low, high = 0.0, 1.0
            for _ in range(60):
                middle = (low + high) / 2
                if a + middle * (c - a) < b + middle * (d - b):
                    low = middle
                else:
                    high = middle
            return a + low * (c - a)
    raise AssertionError(points)


def sweep(rows: list[tuple[float, bool, int]]) -> Sweep:
    return Sweep(np.array([score for score, _, _ in rows]), np.array([same for _, same, _ in rows]))


@given(trials)
def test_the_curve_and_its_numbers_are_a_slow_sweeps(rows: list[tuple[float, bool, int]]) -> None:
    weights = np.array([float(weight) for _, _, weight in rows])
    found = sweep(rows).curve(weights)
    points = slow_points(rows)
    assert np.allclose(np.stack([found.false_alarms, found.misses]).T, points)
    assert found.equal_error()[0] == pytest.approx(slow_equal_error(points))
    for prior in (0.01, 0.05, 0.7):
        costs = [prior * missed + (1 - prior) * let_in for let_in, missed in points]
        assert found.min_cost(prior) == pytest.approx(min(costs) / min(prior, 1 - prior))
        assert found.min_cost(prior) <= 1 + 1e-12


@given(trials)
def test_a_weight_is_so_many_copies(rows: list[tuple[float, bool, int]]) -> None:
    weights = np.array([float(weight) for _, _, weight in rows])
    copies = [(score, same, 1) for score, same, weight in rows for _ in range(weight)]
    one, other = sweep(rows).curve(weights), sweep(copies).curve()
    assert one.equal_error()[0] == pytest.approx(other.equal_error()[0])
    assert one.min_cost(0.05) == pytest.approx(other.min_cost(0.05))


@given(trials, st.randoms(use_true_random=False))
def test_neither_order_nor_scale_of_scores_matter(
    rows: list[tuple[float, bool, int]], random: object
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    other = [(7 * score - 3, same, weight) for score, same, weight in shuffled]
    assert sweep(rows).curve().equal_error()[0] == sweep(other).curve().equal_error()[0]


def test_ties_are_one_half_and_of_no_use() -> None:
    rows = [(0.5, True, 1)] * 3 + [(0.5, False, 1)] * 8
    found = sweep(rows).curve()
    assert found.equal_error()[0] == 0.5
    assert found.min_cost(0.01) == found.min_cost(0.05) == 1


def test_the_crossing_is_that_of_the_roc() -> None:
    """Twelve trials by hand: at 0.5 a quarter of four others is let in, 3 of 8 targets missed.

    Between there and 0.4, where half of the others are let in and 3 of 8 still missed, the line
    is met at 3 / 8.
    """
    targets = [0.9, 0.8, 0.7, 0.6, 0.5, 0.3, 0.2, 0.1]
    others = [0.55, 0.4, 0.25, 0.0]
    found = Sweep(np.array(targets + others), np.array([True] * 8 + [False] * 4)).curve()
    assert found.equal_error()[0] == pytest.approx(3 / 8)


@pytest.mark.parametrize(("sign", "equal", "cost"), [(1, 0.0, 0.0), (-1, 1.0, 1.0)])
def test_perfect_and_upside_down(sign: int, equal: float, cost: float) -> None:
    scores = sign * np.array([3.0, 2.0, -1.0, -2.0])
    found = Sweep(scores, np.array([True, True, False, False])).curve()
    assert found.equal_error()[0] == equal
    assert found.min_cost(0.01) == cost


def test_the_threshold_lets_as_many_in_as_it_misses() -> None:
    draw = np.random.default_rng(0)
    same = draw.random(4_000) < 0.5
    scores = draw.normal(size=4_000) + 2 * same
    found = Sweep(scores, same)
    equal, place = found.curve().equal_error()
    threshold = found.threshold(place)
    assert threshold == pytest.approx(1, abs=0.1)
    assert (scores[~same] >= threshold).mean() == pytest.approx(equal, abs=1e-3)
    assert (scores[same] < threshold).mean() == pytest.approx(equal, abs=1e-3)
    assert equal == pytest.approx(0.1587, abs=0.02)  # of two normals two apart


def test_few_points_are_drawn_and_they_are_the_curves() -> None:
    draw = np.random.default_rng(0)
    same = draw.random(5_000) < 0.5
    found = Sweep(draw.normal(size=5_000) + same, same).curve()
    drawn = np.array(found.drawn())
    assert len(drawn) <= POINTS
    every = {tuple(point) for point in np.stack([found.false_alarms, found.misses]).T.tolist()}
    assert {tuple(point) for point in drawn.tolist()} <= every
    shown = deviates(drawn)
    assert np.abs(np.diff(shown, axis=0)).sum(axis=1).max() < 0.5
    assert deviates([0.5, 0.8413447]).tolist() == pytest.approx([0, 1], abs=1e-5)


@pytest.mark.parametrize(
    ("scores", "same", "told"),
    [
        ([0.1, np.nan], [True, False], "1 of 2 scores are NaN or infinite, the first .* trial 2"),
        ([0.1, 0.2], [True, True], "2 of 2 trials are of one speaker"),
        ([0.1, 0.2], [False, False], "0 of 2 trials are of one speaker"),
        ([0.1], [True, False], r"scores of shape \(1,\) and answers of shape \(2,\)"),
    ],
)
def test_trials_that_cannot_be_counted_are_refused(
    scores: list[float], same: list[bool], told: str
) -> None:
    with pytest.raises(TriviumError, match=told):
        Sweep(np.array(scores), np.array(same))
