"""Warping many pairs at once is warping each alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tasks.abx.slow import slow_warp
from trivium.tasks.abx.dtw import warp


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**32), st.booleans())
def test_distances_are_those_of_each_pair_alone(height, width, seed, ties):
    random = np.random.default_rng(seed)
    pairs = 9
    costs = random.random((height, width, pairs))
    if ties:
        costs = random.integers(3, size=costs.shape) / 4
    costs = costs.astype(np.float32)
    rows = random.integers(1, height, endpoint=True, size=pairs)
    columns = random.integers(1, width, endpoint=True, size=pairs)
    found, swapped = warp(*map(torch.from_numpy, (costs, rows, columns)))
    for pair in range(pairs):
        own = costs[: rows[pair], : columns[pair], pair].astype(np.float64)
        assert float(found[pair]) == pytest.approx(slow_warp(own.tolist()), abs=1e-6)
        assert float(swapped[pair]) == pytest.approx(slow_warp(own.T.tolist()), abs=1e-6)


def test_a_tie_prefers_the_diagonal_and_then_the_left():
    flat = torch.zeros((2, 2, 1))
    flat[1, 1] = 1  # one step of the diagonal, though the border costs as little
    two = torch.tensor([2])
    assert [float(d) for d in warp(flat, two, two)] == [0.5, 0.5]
    costs = torch.tensor([[1.0, 1, 1, 2], [1, 2, 3, 1], [2, 3, 1, 1]])[..., None]
    ahead, back = warp(costs, torch.tensor([3]), torch.tensor([4]))
    assert (float(ahead), float(back)) == (5 / 4, 5 / 5)
