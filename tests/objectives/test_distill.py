"""Guided cross-entropy and matching against plain loops; what a teacher is spared."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.data.batch import Ragged
from trivium.errors import TriviumError
from trivium.objectives.distill import Head, Taught, guided_loss, matching_loss


def made(count, vocabulary, seed, width=5):
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape):
        return torch.randn(*shape, generator=generator).double().requires_grad_()

    head = Head(noise(vocabulary, width), noise(vocabulary))
    teacher = Head(noise(vocabulary, 3))
    targets = torch.randint(vocabulary, (count,), generator=generator)
    return noise(count, width), head, targets, noise(count, 3), teacher


def slow_guided(states, head, targets, taught_states, teacher, guide):
    """A place and a token at a time."""
    total = 0.0
    for place, target in enumerate(targets.tolist()):
        scores = [float(w @ states[place] + b) for w, b in zip(head.weight, head.bias, strict=True)]
        likely = [float(w @ taught_states[place]) for w in teacher.weight]
        logs = [s - math.log(sum(map(math.exp, scores))) for s in scores]
        wanted = [math.exp(t) / sum(map(math.exp, likely)) for t in likely]
        soft = -sum(q * log for q, log in zip(wanted, logs, strict=True))
        total += guide * soft - (1 - guide) * logs[target]
    return total


@settings(max_examples=15)
@given(st.integers(0, 7), st.integers(2, 9), st.sampled_from([0.0, 0.2, 0.8, 1.0]),
       st.integers(1, 40), st.integers(0, 99))  # fmt: skip
def test_blocks_of_scores_are_the_loop(count, vocabulary, guide, block, seed):
    states, head, targets, taught, teacher = made(count, vocabulary, seed)
    with torch.no_grad():
        wanted = slow_guided(states, head, targets, taught, teacher, guide)
    leaves = (states, head.weight, head.bias)
    gradients = []
    for size in (block, 1 << 20):
        loss = guided_loss(states, head, targets, Taught(taught, teacher, guide), block_scores=size)
        assert loss.item() == pytest.approx(wanted, abs=1e-9)
        if count:
            gradients.append(torch.autograd.grad(loss, leaves))
    for one, other in zip(*gradients, strict=True) if gradients else ():
        torch.testing.assert_close(one, other)


def test_blocks_are_the_whole_in_half_precision_too():
    states, head, targets, taught, teacher = made(12, 8, 1)
    states, taught = (tensor.detach().float().requires_grad_() for tensor in (states, taught))
    head, teacher = (Head(h.weight.detach().float().requires_grad_()) for h in (head, teacher))
    found = []
    for block in (24, 1 << 20):
        with torch.autocast("cpu", torch.bfloat16):
            loss = guided_loss(states, head, targets, Taught(taught, teacher, 0.8),
                               block_scores=block)  # fmt: skip
        assert loss.dtype == torch.float32
        found.append((loss, *torch.autograd.grad(loss, (states, head.weight))))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-2, atol=2e-2)


def test_without_a_teacher_it_is_cross_entropy():
    states, head, targets, taught, teacher = made(6, 8, 0)
    loss = guided_loss(states, head, targets, block_scores=16)
    with torch.no_grad():
        assert loss.item() == pytest.approx(slow_guided(states, head, targets, taught, teacher, 0))


@pytest.mark.parametrize("block", [8, 1 << 20])
def test_no_gradient_reaches_a_teacher(block):
    states, head, targets, taught, teacher = made(6, 8, 0)
    guided_loss(states, head, targets, Taught(taught, teacher, 0.8), block_scores=block).backward()
    assert taught.grad is None
    assert teacher.weight.grad is None
    assert states.grad.any()
    # Even where the teacher has the head of its pupil, what flows to it comes from the pupil alone.
    own = torch.autograd.grad(
        guided_loss(states, head, targets, Taught(taught.new_zeros(6, 5), head, 1.0)), head.bias
    )[0]
    likely = torch.softmax(head.scores(states), -1)
    even = torch.softmax(head.scores(states.new_zeros(6, 5)), -1)
    torch.testing.assert_close(own, (likely - even).sum(0))


def test_places_that_do_not_fit_are_refused():
    states, head, targets, taught, teacher = made(6, 8, 0)
    with pytest.raises(TriviumError, match=r"\(6, 5\), targets \(5,\)"):
        guided_loss(states, head, targets[:5])
    with pytest.raises(TriviumError, match=r"teacher's states \(4, 3\)"):
        guided_loss(states, head, targets, Taught(taught[:4], teacher, 0.5))


def slow_matching(a, b, lengths):
    total = 0.0
    for row, length in enumerate(lengths):
        for place in range(length):
            x, y = a[row, place].tolist(), b[row, place].tolist()
            cosine = sum(map(lambda p, q: p * q, x, y)) / math.hypot(*x) / math.hypot(*y)
            total += math.sqrt(max(0.0, 2 - 2 * cosine))
    return total


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(0, 99))
def test_matching_is_the_loop_whatever_stands_behind_a_row(lengths, seed):
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, len(lengths), max(lengths) + 1, 4, generator=generator).double()
    rows = torch.tensor(lengths)
    assert matching_loss(Ragged(a, rows), Ragged(b, rows)).item() == pytest.approx(
        slow_matching(a, b, lengths), abs=1e-9
    )


def test_matching_equal_states_is_nothing_and_has_a_gradient_that_is_a_number():
    states = torch.randn(2, 3, 4).requires_grad_()
    same = Ragged(states, torch.tensor([3, 2]))
    loss = matching_loss(same, Ragged(states.clone(), same.lengths))
    assert loss.item() == 0
    loss.backward()
    assert not states.grad.any()
    with pytest.raises(TriviumError, match=r"\(2, 3, 4\) and \(2, 2, 4\)"):
        matching_loss(same, Ragged(states[:, :2], same.lengths))
