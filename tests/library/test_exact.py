"""A search finds what comparing one by one finds, whatever rounds, blocks or filters."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trivium.library import exact
from trivium.library.exact import Exact

KINDS = (torch.float32, torch.bfloat16)


def slow_search(vectors, query, count, allowed):
    """One product after the other, sorted by score and then by place."""
    scored = []
    for place, vector in enumerate(vectors.astype(np.float64)):
        if allowed is None or allowed[place]:
            score = math.fsum(float(a) * float(b) for a, b in zip(vector, query, strict=True))
            scored.append((-np.float32(score), place))
    best = sorted(scored)[:count]
    return [place for _, place in best], [-score for score, _ in best]


def opened(vectors, kind):
    """A search that rounds to `kind`, whatever this processor is quick at."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(exact, "_quickest", lambda device: kind)
        return Exact(vectors, "cpu")


@st.composite
def searches(draw):
    """Vectors with many ties or nearly so, queries, a count, a filter or none, and a block."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size, width = draw(st.integers(1, 60)), draw(st.integers(1, 40))
    # Sixteenths are exact in every kind of number, so that sums are too, in any order.
    vectors = rng.integers(-16, 17, (size, width)) / 16
    if draw(st.booleans()):
        vectors = vectors[rng.integers(0, max(1, size // 4), size)]
    if draw(st.booleans()):
        # All near one direction: the differences are less than bfloat16 can tell.
        vectors = 1 + vectors / 64
    queries = rng.integers(-1024, 1025, (draw(st.integers(1, 5)), width)) / 1024
    allowed = rng.random(size) < draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    filtered = draw(st.booleans())
    block = draw(st.sampled_from([1, 70, 1 << 25]))
    return (
        vectors.astype(np.float16), queries.astype(np.float32), draw(st.integers(1, 70)),
        allowed if filtered else None, block, draw(st.sampled_from(KINDS)),
    )  # fmt: skip


@given(searches())
def test_it_finds_what_comparing_one_by_one_finds(search):
    vectors, queries, count, allowed, block, kind = search
    found = opened(vectors, kind).search(queries, count, allowed, block)
    assert len(found) == len(queries)
    for query, (places, scores) in zip(queries, found, strict=True):
        expected, values = slow_search(vectors, query, count, allowed)
        assert places.tolist() == expected
        assert scores.tolist() == values


@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_rounding_and_blocks_change_nothing(precision):
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((4, 64))
    vectors = centres[rng.integers(0, 4, 3_000)] + 0.02 * rng.standard_normal((3_000, 64))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    queries = rng.standard_normal((40, 64)).astype(np.float32)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        found = [opened(vectors, kind).search(queries, 10, block_scores=block)
                 for kind in KINDS for block in (3_000, 1 << 25)]  # fmt: skip
    finally:
        torch.set_float32_matmul_precision(before)
    for other in found[1:]:
        for (places, scores), (same, equal) in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(places, same)
            np.testing.assert_array_equal(scores, equal)
    for query, (places, _) in zip(queries[:3], found[0], strict=False):
        assert places.tolist() == slow_search(vectors, query, 10, None)[0]


def test_vectors_of_nothing_are_all_ties():
    vectors = np.zeros((5, 3), np.float16)
    [(places, scores)] = Exact(vectors).search(np.zeros((1, 3), np.float32), 3)
    assert places.tolist() == [0, 1, 2]
    assert scores.tolist() == [0, 0, 0]


def test_a_block_of_candidates_is_looked_at_in_parts(monkeypatch):
    monkeypatch.setattr(exact, "BLOCK_ROWS", 7)
    vectors = np.ones((50, 2), np.float16)
    [(places, _)] = Exact(vectors).search(np.ones((1, 2), np.float32), 40)
    assert places.tolist() == list(range(40))


def test_the_quickest_kind_is_one_whose_error_is_known():
    assert exact._quickest("cpu") in exact.ROUNDING
