"""Hidden spans cover what they say, and predictions lose what plain loops in float64 lose."""

import doctest
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trivium.data.batch import Ragged
from trivium.errors import TriviumError
from trivium.objectives import spans
from trivium.objectives.spans import SpanSettings, draw_cover, draw_covers, prediction_loss

seeds = st.integers(0, 2**31)
covers = st.builds(SpanSettings, share=st.floats(0.01, 1), span=st.integers(1, 30))


@given(st.integers(1, 300), covers, seeds)
def test_a_cover_is_the_share_in_spans(length, settings, seed):
    drawn = draw_cover(length, settings, np.random.default_rng(seed))
    assert (np.diff(drawn) > 0).all()
    assert drawn[0] >= 0
    assert drawn[-1] < length
    exact = settings.share * length
    least, most = max(1, math.floor(exact)), max(1, math.ceil(exact))
    assert min(least, max(1, length - 1)) <= len(drawn) <= min(most, max(1, length - 1))
    # Pieces are whole spans, but at the ends of the row, where the share ends, and joined ones.
    pieces = np.split(drawn, np.flatnonzero(np.diff(drawn) > 1) + 1)
    inside = [p for p in pieces if p[0] > 0 and p[-1] < length - 1]
    assert sum(len(piece) < settings.span for piece in inside) <= 1
    assert (draw_cover(length, settings, np.random.default_rng(seed)) == drawn).all()


def test_the_mean_is_the_share_at_every_length_and_place():
    settings, generator = SpanSettings(share=0.15, span=20), np.random.default_rng(0)
    for length in (10, 57, 200):
        hidden = np.zeros(length)
        for _ in range(3000):
            hidden[draw_cover(length, settings, generator)] += 1 / 3000
        assert hidden.mean() == pytest.approx(0.15, abs=0.01)
        assert np.abs(hidden - 0.15).max() < 0.03


@given(st.lists(st.integers(1, 60), min_size=1, max_size=4), covers, seeds)
def test_a_row_s_spans_do_not_depend_on_its_neighbours(lengths, settings, seed):
    def generator(row, purpose):
        return np.random.default_rng([seed, row, len(purpose)])

    together = draw_covers(lengths, settings, generator, "spans")
    for row, own in enumerate(lengths):
        alone = draw_covers([own], settings, lambda _, p, row=row: generator(row, p), "spans")
        assert torch.equal(together.rows()[row], alone.rows()[0])


def test_an_empty_row_is_refused():
    with pytest.raises(TriviumError, match="a row of 0 positions has none to hide"):
        draw_cover(0, SpanSettings(), np.random.default_rng(0))


counts_of_rows = st.lists(st.integers(1, 5), min_size=1, max_size=3)


@given(seeds, counts_of_rows, st.sampled_from([(), (1,), (2,)]))
def test_predictions_lose_what_their_slow_twin_loses(seed, counts, groups):
    generator = torch.Generator().manual_seed(seed)
    shape = (len(counts), max(counts) + 1, *groups)
    scores = torch.randn(*shape, 4, generator=generator, dtype=torch.float64).requires_grad_()
    targets = torch.randint(4, shape, generator=generator)
    loss = prediction_loss(scores, Ragged(targets, torch.tensor(counts)))
    slow = 0.0
    for row, count in enumerate(counts):
        for place in np.ndindex(count, *groups):
            own = scores[row][place].tolist()
            total = math.fsum(math.exp(score) for score in own)
            slow -= math.log(math.exp(own[targets[row][place]]) / total)
    assert loss.item() == pytest.approx(slow, abs=1e-9)
    loss.backward()
    for row, count in enumerate(counts):
        assert not scores.grad[row, count:].any()


def test_half_precision_is_summed_in_single():
    scores = torch.randn(2, 40, 50).bfloat16()
    targets = Ragged(torch.randint(50, (2, 40)), torch.tensor([40, 30]))
    with torch.autocast("cpu", torch.bfloat16):
        found = prediction_loss(scores, targets)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(prediction_loss(scores.double(), targets).item(), rel=1e-5)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(TriviumError, match=r"scores have the shape \(1, 3, 8\) and targets"):
        prediction_loss(torch.zeros(1, 3, 8), Ragged(torch.zeros(1, 2), torch.tensor([2])))


def test_the_examples_in_the_page_run():
    tried = doctest.testmod(spans)
    assert tried.attempted >= 3
    assert not tried.failed
