"""Losses of one answer for a row: what plain loops in float64 give."""

import doctest
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trivium.errors import TriviumError
from trivium.objectives import classify
from trivium.objectives.classify import absolute_loss, class_loss, margin_loss, overlap_loss

seeds, counts = st.integers(0, 2**31), st.integers(1, 6)


def noise(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def slow_nll(row, right):
    return math.log(math.fsum(math.exp(x) for x in row)) - row[right]


def cosine(a, b):
    dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(math.fsum(x * x for x in a) * math.fsum(y * y for y in b))


@given(seeds, counts)
def test_classes_lose_what_plain_loops_lose(seed, count):
    logits, right = noise(seed, count, 4), torch.arange(count) % 4
    slow = math.fsum(slow_nll(row, int(y)) for row, y in zip(logits.tolist(), right, strict=True))
    assert class_loss(logits, right).item() == pytest.approx(slow, abs=1e-9)


@given(seeds, counts)
def test_numbers_lose_what_plain_loops_lose(seed, count):
    scores, targets = noise(seed, 2, count)
    slow = math.fsum(
        abs(x - y) for x, y in zip(scores.tolist(), targets.tolist(), strict=True)
    )  # fmt: skip
    assert absolute_loss(scores, targets).item() == pytest.approx(slow, abs=1e-9)


@given(seeds, counts, st.floats(0, 0.5), st.floats(1, 40))
def test_speakers_lose_what_plain_loops_lose(seed, count, margin, scale):
    vectors, centres, right = noise(seed, count, 3), noise(seed + 1, 4, 3), torch.arange(count) % 4
    slow = 0.0
    for vector, y in zip(vectors.tolist(), right.tolist(), strict=True):
        row = [cosine(vector, centre) for centre in centres.tolist()]
        row[y] -= margin
        slow += slow_nll([scale * x for x in row], y)
    found = margin_loss(vectors, centres, right, margin, scale)
    assert found.item() == pytest.approx(slow, abs=1e-8)


@given(seeds, counts)
def test_overlap_is_a_true_cosine(seed, count):
    a, b = noise(seed, count, 5), noise(seed + 1, count, 5)
    slow = math.fsum(abs(cosine(x, y)) for x, y in zip(a.tolist(), b.tolist(), strict=True))
    assert overlap_loss(a, b).item() == pytest.approx(slow, abs=1e-9)
    # The authors' cannot be compared: it falls where one side shrinks.
    assert overlap_loss(0.01 * a, b).item() == pytest.approx(slow, abs=1e-6)
    assert overlap_loss(a, 3 * b).item() == pytest.approx(slow, abs=1e-9)


def test_overlap_of_nothing_is_no_nan():
    a = torch.zeros(2, 3, requires_grad=True)
    loss = overlap_loss(a, torch.ones(2, 3))
    loss.backward()
    assert loss.item() == 0
    assert a.grad.isfinite().all()


def test_half_precision_is_summed_in_single():
    logits, right = noise(0, 200, 7), torch.arange(200) % 7
    small = logits.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = class_loss(small, right), margin_loss(small, small[:7], right)
    wide = small.double()
    wanted = class_loss(wide, right), margin_loss(wide, wide[:7], right)
    for ours, slow in zip(found, wanted, strict=True):
        assert ours.dtype == torch.float32
        assert ours.item() == pytest.approx(slow.item(), rel=1e-4)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: class_loss(torch.zeros(2, 3), torch.zeros(3).long()), r"logits have the shape"),
        (lambda: absolute_loss(torch.zeros(2), torch.zeros(2, 1)), r"scores have the shape \(2,\)"),
        (lambda: margin_loss(torch.zeros(2, 3), torch.zeros(4, 2), torch.zeros(2).long()),
         r"centres have the shape \(4, 2\)"),
        (lambda: margin_loss(torch.zeros(3), torch.zeros(4, 3), torch.zeros(3).long()),
         r"vectors have the shape \(3,\)"),
        (lambda: overlap_loss(torch.zeros(2, 3), torch.zeros(2, 4)), r"vectors have the shapes"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit_are_refused(call, told):
    with pytest.raises(TriviumError, match=told):
        call()


def test_the_examples_in_the_page_run():
    tried = doctest.testmod(classify)
    assert tried.attempted >= 8
    assert not tried.failed
