"""Contrastive losses: equal to their slow twins, value and gradients, however they are cut."""

import doctest
import functools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.reference import slow_info_nce, slow_margin_softmax
from trivium.errors import TriviumError
from trivium.objectives import contrastive
from trivium.objectives.contrastive import chance_loss, info_nce, masked_margin_softmax
from trivium.objectives.terms import PairLoss, Pairs

masked_duplicates = functools.partial(masked_margin_softmax, delta=0.3, mask_duplicates=True)
LOSSES: list[PairLoss] = [info_nce, masked_margin_softmax, masked_duplicates]

numbers = st.integers(1, 7)
seeds = st.integers(0, 2**31)


def pairs(count: int, seed: int, width: int = 4, kinds: int = 4) -> tuple[Tensor, ...]:
    """Vectors, ids with repeats, and a scale, in float64; ready for gradients."""
    draw = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, count, width, generator=draw, dtype=torch.float64)
    ids = torch.randint(kinds, (count,), generator=draw)
    scale = 0.5 + 3 * torch.rand(1, generator=draw, dtype=torch.float64)
    return a.requires_grad_(), b.requires_grad_(), ids, scale.requires_grad_()


def value_and_gradients(loss: Tensor, *leaves: Tensor) -> list[Tensor]:
    assert loss.shape == ()
    return [loss.detach(), *torch.autograd.grad(loss, leaves)]


def assert_equal(found: list[Tensor], expected: list[Tensor], tolerance: float = 1e-11) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert torch.allclose(one, other, rtol=tolerance, atol=tolerance), (one, other)


@given(numbers, seeds)
def test_info_nce_and_its_gradients_are_the_slow_twins(count: int, seed: int) -> None:
    a, b, ids, scale = pairs(count, seed)
    slow = slow_info_nce(a, b, ids.tolist(), scale)
    fast = info_nce(a, b, ids, scale)
    assert_equal(value_and_gradients(fast, a, b, scale), value_and_gradients(slow, a, b, scale))


@given(numbers, seeds, st.booleans(), st.sampled_from([0.0, 0.001, 0.5]))
def test_margin_softmax_and_its_gradients_are_the_slow_twins(
    count: int, seed: int, masked: bool, delta: float
) -> None:
    a, b, ids, scale = pairs(count, seed)
    told = ids.tolist() if masked else list(range(count))
    slow = slow_margin_softmax(a, b, told, scale, delta)
    fast = masked_margin_softmax(a, b, ids, scale, delta=delta, mask_duplicates=masked)
    assert_equal(value_and_gradients(fast, a, b, scale), value_and_gradients(slow, a, b, scale))


@pytest.mark.parametrize("loss", LOSSES)
@given(count=numbers, seed=seeds, block=st.integers(1, 60))
def test_blocks_change_nothing(loss: PairLoss, count: int, seed: int, block: int) -> None:
    a, b, ids, scale = pairs(count, seed)
    whole = loss(a, b, ids, scale)
    blocked = functools.partial(loss, block_similarities=block)(a, b, ids, scale)
    assert_equal(value_and_gradients(blocked, a, b, scale), value_and_gradients(whole, a, b, scale))


@pytest.mark.parametrize("loss", LOSSES)
@given(count=numbers, seed=seeds)
def test_the_order_of_rows_changes_nothing(loss: PairLoss, count: int, seed: int) -> None:
    a, b, ids, scale = pairs(count, seed)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    straight = value_and_gradients(loss(a, b, ids, scale), a, b, scale)
    shuffled = value_and_gradients(loss(a[order], b[order], ids[order], scale), a, b, scale)
    assert_equal(shuffled, straight)


@pytest.mark.parametrize("loss", LOSSES)
@given(count=numbers, seed=seeds)
def test_which_side_is_which_changes_nothing(loss: PairLoss, count: int, seed: int) -> None:
    a, b, ids, scale = pairs(count, seed)
    there = value_and_gradients(loss(a, b, ids, scale), a, b, scale)
    back = value_and_gradients(loss(b, a, ids, scale), a, b, scale)
    assert_equal(back, there)


def test_captions_of_one_picture_do_not_push_each_other_away() -> None:
    picture = torch.tensor([[1.0, 0.0]]).expand(3, 2)
    captions = picture.clone()
    ids, scale = torch.zeros(3, dtype=torch.int64), torch.tensor([10.0])
    assert info_nce(captions, picture, ids, scale).item() == 0
    assert info_nce(captions, picture, torch.arange(3), scale).item() == pytest.approx(math.log(3))


def test_info_nce_sees_no_lengths_and_margin_softmax_does() -> None:
    a, b, ids, scale = pairs(5, 1)
    assert torch.allclose(info_nce(3 * a, b / 7, ids, scale), info_nce(a, b, ids, scale))
    assert not torch.allclose(
        masked_margin_softmax(3 * a, b, ids, scale), masked_margin_softmax(a, b, ids, scale)
    )


@pytest.mark.parametrize("loss", [info_nce, masked_margin_softmax])
def test_half_precision_is_compared_in_single(loss: PairLoss) -> None:
    a, b, ids, scale = pairs(40, 2, width=64, kinds=100)
    a, b, scale = a.bfloat16(), b.bfloat16(), torch.tensor([100.0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(a, b, ids, scale)
    exact = loss(a.double(), b.double(), ids, scale.double())
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(exact.item(), rel=1e-5)


def test_float32_in_blocks_agrees_with_the_whole_where_similarities_are_many() -> None:
    a, b, ids, scale = (x.detach() for x in pairs(300, 3, width=16, kinds=200))
    leaves = [x.float().requires_grad_() for x in (a, b, scale * 30)]
    whole = info_nce(leaves[0], leaves[1], ids, leaves[2])
    blocked = info_nce(leaves[0], leaves[1], ids, leaves[2], block_similarities=300 * 7)
    assert_equal(value_and_gradients(blocked, *leaves), value_and_gradients(whole, *leaves), 1e-5)


class Largest(TorchDispatchMode):
    """Sees every tensor that an operation makes, in backward too."""

    numbers = 0

    def __torch_dispatch__(self, call, types, args=(), kwargs=None):
        made = call(*args, **(kwargs or {}))
        tensors = [each for each in tree_leaves(made) if isinstance(each, Tensor)]
        self.numbers = max([self.numbers, *(tensor.numel() for tensor in tensors)])
        return made


def test_the_whole_matrix_never_exists() -> None:
    a, b, ids, scale = pairs(64, 4)
    with Largest() as seen:
        info_nce(a, b, ids, scale, block_similarities=64 * 8).backward()
    assert seen.numbers == 64 * 8
    assert a.grad is not None


def test_autocast_does_not_reach_the_backward_pass() -> None:
    a, b, ids, scale = (x.detach() for x in pairs(40, 2, width=64, kinds=100))
    leaves = [x.float().requires_grad_() for x in (a, b)]
    plain = value_and_gradients(info_nce(*leaves, ids, scale.float()), *leaves)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = value_and_gradients(info_nce(*leaves, ids, scale.float()), *leaves)
    assert_equal(inside, plain, 1e-7)


def test_a_collapsed_model_stands_at_chance() -> None:
    same = torch.ones(50, 6)
    ids, scale = torch.arange(50), torch.tensor([20.0])
    assert info_nce(same, same, ids, scale).item() == pytest.approx(chance_loss(50), rel=1e-6)
    twice = masked_margin_softmax(same, same, ids, torch.ones(1), delta=0.0).item()
    assert twice == pytest.approx(2 * chance_loss(50), rel=1e-6)


def test_one_pair_has_nothing_to_lose() -> None:
    a, b, ids, scale = pairs(1, 5)
    assert info_nce(a.float(), b.float(), ids, scale.float()).item() == 0
    assert chance_loss(1) == 0


def test_pairs_carry_a_loss() -> None:
    a, b, ids, scale = pairs(4, 6)
    assert Pairs(a, b, ids, scale, info_nce).value() == info_nce(a, b, ids, scale)


@pytest.mark.parametrize(
    ("shapes", "told"),
    [
        (((3, 2), (4, 2), (3,), (1,)), "(4, 2)"),
        (((3, 2), (3, 2), (2,), (1,)), "(2,)"),
        (((3, 2), (3, 2), (3,), (3,)), "expected"),
        (((3,), (3,), (3,), (1,)), "expected"),
        (((0, 2), (0, 2), (0,), (1,)), "no pairs"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes: tuple[tuple[int, ...], ...], told: str) -> None:
    for loss in (info_nce, masked_margin_softmax):
        with pytest.raises(TriviumError, match=told.replace("(", r"\(").replace(")", r"\)")):
            loss(*(torch.zeros(shape) for shape in shapes))


def test_no_pairs_have_no_chance() -> None:
    with pytest.raises(TriviumError, match="0 pairs"):
        chance_loss(0)


def test_the_examples_in_the_pages_run() -> None:
    tried = doctest.testmod(contrastive)
    assert tried.attempted >= 8
    assert not tried.failed
