"""Ranks and what is told of them: equal to slow twins, chance as simulated, ties against us."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import (
    slow_average_precision,
    slow_median_rank,
    slow_ranks,
    slow_recall,
)
from trivium.errors import TriviumError
from trivium.tasks.metrics import Ranks, answerable, bootstrap, interval, rank

seeds = st.integers(0, 2**31)


def search(seed: int, whole_numbers: bool) -> tuple[np.ndarray, ...]:
    """Queries, gallery and ids. Whole numbers make many ties, sixteenths few; both are exact."""
    draw = np.random.default_rng(seed)
    kinds = int(draw.integers(1, 6))
    gallery_ids = draw.integers(kinds, size=draw.integers(1, 20)) * 7 - 3
    query_ids = draw.choice(gallery_ids, size=draw.integers(1, 20))

    def vectors(count: int) -> np.ndarray:
        if whole_numbers:
            return draw.integers(-1, 2, size=(count, 3)).astype(np.float32)
        return (draw.integers(-64, 65, size=(count, 3)) / 16).astype(np.float32)

    return vectors(len(query_ids)), vectors(len(gallery_ids)), query_ids, gallery_ids


@given(seeds, st.booleans(), st.integers(1, 400))
def test_every_number_is_the_slow_twins_whatever_the_blocks(
    seed: int, whole_numbers: bool, block: int
) -> None:
    queries, gallery, query_ids, gallery_ids = search(seed, whole_numbers)
    found = rank(queries, gallery, query_ids, gallery_ids, block_scores=block)
    scores = (queries.astype(float) @ gallery.astype(float).T).tolist()
    slow = slow_ranks(scores, query_ids.tolist(), gallery_ids.tolist())
    assert found.first.tolist() == [min(own) for own in slow]
    assert found.positives.tolist() == [len(own) for own in slow]
    assert found.average_precision == pytest.approx([slow_average_precision(own) for own in slow])
    for k in (1, 2, 5, 10, 100):
        assert found.recall(k) == pytest.approx(slow_recall(slow, k))
    assert found.median_rank() == slow_median_rank(slow)
    assert set(found.gallery.tolist()) == {len(gallery)}


@given(seeds)
def test_the_order_of_the_gallery_changes_nothing(seed: int) -> None:
    queries, gallery, query_ids, gallery_ids = search(seed, whole_numbers=True)
    order = np.random.default_rng(seed).permutation(len(gallery))
    straight = rank(queries, gallery, query_ids, gallery_ids)
    shuffled = rank(queries, gallery[order], query_ids, gallery_ids[order])
    assert np.array_equal(shuffled.first, straight.first)
    assert np.allclose(shuffled.average_precision, straight.average_precision)


def captions(pictures: int = 20, each: int = 5) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(np.arange(pictures), each), np.arange(pictures)


@pytest.mark.parametrize("block", [7, 64, 1 << 20])
@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_a_constant_model_never_beats_chance(block: int, noise: float) -> None:
    speech_ids, picture_ids = captions()
    draw = np.random.default_rng(0)
    vector = draw.standard_normal(64)
    vector /= np.linalg.norm(vector)

    def constant(count: int) -> np.ndarray:
        return (vector + noise * vector * draw.standard_normal((count, 1))).astype(np.float32)

    for queries, gallery in ((speech_ids, picture_ids), (picture_ids, speech_ids)):
        found = rank(constant(len(queries)), constant(len(gallery)), queries, gallery, block)
        for k in range(1, len(gallery) + 1):
            assert found.recall(k) <= found.chance_recall(k)
        assert found.recall(10) == 0
        assert found.median_rank() >= found.chance_median_rank()
        assert found.mean_average_precision() <= found.chance_mean_average_precision()


def test_a_perfect_model_is_perfect_in_both_directions() -> None:
    speech_ids, picture_ids = captions()
    pictures = np.eye(20, dtype=np.float32)
    there = rank(pictures[speech_ids], pictures, speech_ids, picture_ids)
    back = rank(pictures, pictures[speech_ids], picture_ids, speech_ids)
    for found in (there, back):
        assert found.recall(1) == found.mean_average_precision() == found.median_rank() == 1


def test_any_positive_counts_for_recall_and_all_for_average_precision() -> None:
    gallery = np.array([[4.0], [3.0], [2.0], [1.0]])
    found = rank(np.ones((1, 1)), gallery, np.array([8]), np.array([5, 8, 6, 8]))
    assert found.first.tolist() == [2]
    assert found.recall(1) == 0
    assert found.recall(2) == 1
    assert found.mean_average_precision() == pytest.approx((1 / 2 + 2 / 4) / 2)


def test_of_equal_scores_the_negative_comes_first() -> None:
    found = rank(
        np.ones((1, 1)), np.array([[2.0], [2.0], [3.0]]), np.array([1]), np.array([1, 2, 3])
    )
    assert found.first.tolist() == [3]


def random_searches(positives: int, size: int, count: int, seed: int) -> Ranks:
    """Galleries in random order, ranked by hand and not by the code under test."""
    draw = np.random.default_rng(seed)
    places = np.sort(1 + draw.permuted(np.tile(np.arange(size), (count, 1)), axis=1)[:, :positives])
    precision = (np.arange(1, positives + 1) / places).mean(axis=1)
    full = np.full(count, size)
    return Ranks(places[:, 0], precision, np.full(count, positives), full)


@pytest.mark.parametrize(
    ("positives", "size"), [(1, 1), (1, 10), (5, 40), (3, 7), (7, 7), (1, 101)]
)
def test_chance_is_what_random_orders_give(positives: int, size: int) -> None:
    drawn = random_searches(positives, size, 20_000, seed=size)
    for k in (1, 2, 5, 10):
        assert drawn.recall(k) == pytest.approx(drawn.chance_recall(k), abs=0.015)
    average = drawn.mean_average_precision()
    assert average == pytest.approx(drawn.chance_mean_average_precision(), abs=0.01)
    assert drawn.median_rank() == pytest.approx(drawn.chance_median_rank(), abs=0.5 + 0.02 * size)


def test_chance_of_queries_with_unequal_galleries_is_their_mean() -> None:
    joined = Ranks.join([random_searches(1, 4, 10, 0), random_searches(2, 4, 30, 0)])
    assert joined.chance_recall(1) == pytest.approx((10 * 1 / 4 + 30 * 2 / 4) / 40)
    assert len(joined) == 40


def test_chance_of_known_galleries() -> None:
    thousand = random_searches(1, 1000, 2, 0)
    assert thousand.chance_recall(10) == pytest.approx(0.01)
    assert thousand.chance_median_rank() == 500.5
    five_of_five_thousand = random_searches(5, 5000, 2, 0)
    # Flickr8k, picture to speech: a little under five times one in a thousand.
    assert five_of_five_thousand.chance_recall(1) == pytest.approx(0.001)
    assert 0.0099 < five_of_five_thousand.chance_recall(10) < 0.01


def test_random_vectors_stand_at_chance() -> None:
    draw = np.random.default_rng(3)
    ids = np.repeat(np.arange(200), 3)
    vectors = draw.standard_normal((2, 600, 8))
    found = rank(vectors[0], vectors[1], ids, ids)
    assert found.recall(10) == pytest.approx(found.chance_recall(10), abs=0.03)
    average = found.mean_average_precision()
    assert average == pytest.approx(found.chance_mean_average_precision(), abs=0.01)


def test_a_group_of_queries_has_its_own_numbers() -> None:
    found = random_searches(1, 10, 50, 1)
    chosen = np.arange(50) % 3 == 0
    part = found.where(chosen)
    assert part.recall(3) == np.mean(found.first[chosen] <= 3)
    rest = found.where(~chosen)
    whole = Ranks.join([part, rest])
    assert sorted(whole.first.tolist()) == sorted(found.first.tolist())
    assert whole.recall(3) == pytest.approx(found.recall(3))


def test_vectors_of_half_precision_can_be_searched() -> None:
    queries, gallery, query_ids, gallery_ids = search(5, whole_numbers=True)
    wide = rank(queries, gallery, query_ids, gallery_ids)
    half = rank(queries.astype(np.float16), gallery.astype(np.float16), query_ids, gallery_ids)
    assert np.array_equal(half.first, wide.first)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("side", ["queries", "gallery"])
def test_a_model_that_gives_no_numbers_gets_no_rank(bad: float, side: str) -> None:
    sides = {"queries": np.ones((3, 2)), "gallery": np.ones((3, 2))}
    sides[side][1, 1] = bad
    with pytest.raises(TriviumError, match=rf"1 of 3 vectors of the {side} .* row 1"):
        rank(sides["queries"], sides["gallery"], np.arange(3), np.arange(3))


def test_queries_that_nothing_answers_are_named() -> None:
    ids = np.array([1, 9, 8])
    assert answerable(ids, np.array([1, 2])).tolist() == [True, False, False]
    with pytest.raises(TriviumError, match=r"2 of 3 queries .* id 9"):
        rank(np.ones((3, 1)), np.ones((2, 1)), ids, np.array([1, 2]))


@pytest.mark.parametrize(("vectors", "ids"), [((3,), (3,)), ((3, 2), (2,)), ((0, 2), (0,))])
def test_shapes_that_do_not_fit_are_refused(vectors: tuple[int, ...], ids: tuple[int, ...]) -> None:
    with pytest.raises(TriviumError, match="expected"):
        rank(np.ones(vectors), np.ones((3, 2)), np.ones(ids, int), np.ones(3, int))


def test_intervals_are_the_same_for_a_seed_and_hold_the_mean() -> None:
    draw = np.random.default_rng(0)
    hits = (draw.random((400, 2)) < [0.3, 0.9]).astype(float)
    means = bootstrap(hits, np.arange(400), seed=1)
    assert np.array_equal(means, bootstrap(hits, np.arange(400), seed=1))
    assert not np.array_equal(means, bootstrap(hits, np.arange(400), seed=2))
    for (low, high), mean in zip(interval(means), hits.mean(axis=0), strict=True):
        assert low < mean < high
        # Of a binomial: the mean plus and minus 1.96 standard errors.
        assert high - low == pytest.approx(3.92 * np.sqrt(mean * (1 - mean) / 400), rel=0.15)


def test_intervals_do_not_take_captions_of_one_picture_for_more_evidence() -> None:
    hits = (np.random.default_rng(0).random((100, 1)) < 0.5).astype(float)
    apart = interval(bootstrap(hits, np.arange(100), seed=0))[0]
    repeated = interval(bootstrap(hits.repeat(5, axis=0), np.arange(100).repeat(5), seed=0))[0]
    assert repeated == pytest.approx(apart)


def test_a_level_is_the_share_of_means_inside() -> None:
    means = np.linspace(0, 1, 1001)[:, None]
    assert interval(means, level=0.8) == [pytest.approx((0.1, 0.9))]
