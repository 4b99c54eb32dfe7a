"""Losses that pull the two views of an item together and push the views of other items apart.

Each has the form of `PairLoss`: two batches of N vectors, the ids of their rows, the scale; and
gives one number. N is every pair of a step: the loop gathers them over micros and devices first.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import normalize

from trivium.errors import TriviumError

# Each direction's share in InfoNCE: their mean, as CLIP and SpeechCLIP have it.
DIRECTION_WEIGHT = 0.5

# How many similarities exist at once (16 MB of float32, which caches like better than more); of
# more pairs, backward makes them again.
BLOCK_SIMILARITIES = 1 << 22


def info_nce(
    a: Tensor,
    b: Tensor,
    ids: Tensor,
    scale: Tensor,
    *,
    block_similarities: int = BLOCK_SIMILARITIES,
) -> Tensor:
    """Symmetric InfoNCE on cosines: each row must find its own partner among all, both ways.

    Needs: `a` and `b` (N, D) of any length and dtype (compared in float32 at least), `ids` (N,),
    `scale` the inverse temperature, of one element. Rows of equal ids, such as captions of one
    picture, are taken out of one another's negatives; each keeps the partner in its own row.

    Formula, with s_ij = scale * cos(a_i, b_j) and N_i = {j: j = i or id_j != id_i}:

        L = 1/N sum_i [ ½ (log sum_{j in N_i} exp s_ij - s_ii)
                      + ½ (log sum_{j in N_i} exp s_ji - s_ii) ]

    Paper: van den Oord et al. 2018 (1807.03748); both directions and the learned scale, Radford et
    al. 2021 (2103.00020); captions of one picture left out, Shih et al. 2022 (2210.00705).

    >>> import torch
    >>> speech, pictures = torch.eye(3), torch.eye(3)
    >>> info_nce(speech, pictures, torch.tensor([0, 1, 2]), torch.tensor([10.0])).item() < 1e-3
    True
    >>> same = torch.ones(8, 3)  # a collapsed model
    >>> round(info_nce(same, same, torch.arange(8), torch.tensor([10.0])).item(), 4)
    2.0794
    >>> round(chance_loss(8), 4)
    2.0794
    """
    _check(a, b, ids, scale)
    with torch.autocast(a.device.type, enabled=False):  # it would make float16 of the product
        a, b, scale = _wide(a), _wide(b), _wide(scale)
        a, b = normalize(a, dim=1), normalize(b, dim=1)
        finds_b, finds_a = _directions(a * scale, b, ids, 0.0, block_similarities)
        return DIRECTION_WEIGHT * (finds_b + finds_a)


def masked_margin_softmax(
    a: Tensor,
    b: Tensor,
    ids: Tensor,
    scale: Tensor,
    *,
    delta: float = 0.001,
    mask_duplicates: bool = False,
    block_similarities: int = BLOCK_SIMILARITIES,
) -> Tensor:
    """Masked-margin softmax: a partner must beat the others by a margin; both directions summed.

    Needs: as `info_nce`, but vectors are compared by their dot product as they come: the authors
    normalise neither side and have no temperature, which is a `scale` of one. Their code masks no
    captions of one picture, despite the name; `mask_duplicates` does. Another `delta` is set with
    `functools.partial`.

    Formula, with s_ij = scale * a_i · b_j - delta [i = j], and j over all rows (or over N_i):

        L = 1/N sum_i [ (log sum_j exp s_ij - s_ii) + (log sum_j exp s_ji - s_ii) ]

    It is the sum of the directions and not their mean: at chance it is 2 `chance_loss(N)`.

    Paper: Ilharco et al. 2019 (1909.08782); with a constant delta of 0.001, Berry et al. 2022
    (2211.01180).

    >>> import torch
    >>> speech, pictures = torch.zeros(4, 2), torch.zeros(4, 2)
    >>> loss = masked_margin_softmax(speech, pictures, torch.arange(4), torch.ones(1), delta=0.0)
    >>> abs(loss.item() - 2 * chance_loss(4)) < 1e-6
    True
    """
    _check(a, b, ids, scale)
    with torch.autocast(a.device.type, enabled=False):
        a, b, scale = _wide(a), _wide(b), _wide(scale)
        masked = ids if mask_duplicates else torch.arange(len(a), device=a.device)
        finds_b, finds_a = _directions(a * scale, b, masked, delta, block_similarities)
        return finds_b + finds_a


def chance_loss(count: int) -> float:
    """The natural logarithm of `count`: InfoNCE of a model that gives every item one vector.

    A loss that stays here has collapsed or has not begun to learn. Masked duplicates make chance a
    little lower: each row's is the logarithm of how many rows it is compared with.
    """
    if count < 1:
        raise TriviumError(f"{count} pairs have no loss; expected one or more")
    return math.log(count)


def _wide(tensor: Tensor) -> Tensor:
    """The tensor in float32, or wider where it is."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _check(a: Tensor, b: Tensor, ids: Tensor, scale: Tensor) -> None:
    """Refuse pairs whose shapes do not belong together."""
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in (a, b, ids, scale))
    if a.ndim != 2 or a.shape != b.shape or ids.shape != a.shape[:1] or scale.numel() != 1:
        raise TriviumError(
            f"a, b, ids and scale have the shapes {shapes}; expected (N, D), (N, D), (N,) and (1,)"
        )
    if not len(a):
        raise TriviumError(f"there are no pairs to compare: the shapes are {shapes}")


def _directions(
    a: Tensor, b: Tensor, ids: Tensor, margin: float, block_similarities: int
) -> tuple[Tensor, Tensor]:
    """The mean loss of rows of `a` finding theirs in `b`, and of rows of `b` finding theirs in `a`.

    Exact however many blocks: a row's sum of exponentials lies within a block of rows, a column's
    is the sum over blocks.
    """
    grid = _Grid(ids, margin, max(1, block_similarities // len(a)))
    over_b, over_a, partners = _Sums.apply(a, b, grid)  # type: ignore[no-untyped-call]
    return (over_b - partners).mean(), (over_a - partners).mean()


@dataclass(frozen=True)
class _Grid:
    """Which similarities exist, and how many rows of them at once."""

    ids: Tensor  # (N,)
    margin: float
    rows: int

    def blocks(self) -> Iterator[slice]:
        """The rows of each block."""
        for start in range(0, len(self.ids), self.rows):
            yield slice(start, min(start + self.rows, len(self.ids)))

    def block(self, a: Tensor, b: Tensor, own: slice) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Similarities (R, N) of some rows, minus infinity where masked; where partners stand."""
        similarities = a[own] @ b.T
        columns = torch.arange(own.start, own.stop, device=a.device)
        partner = (columns - own.start, columns)
        masked = self.ids[own, None] == self.ids[None, :]
        masked[partner] = False
        similarities.masked_fill_(masked, -math.inf)
        similarities[partner] -= self.margin
        return similarities, partner


class _Sums(torch.autograd.Function):
    """Log-sum-exp over rows and over columns, and partners' similarities, (N,) each.

    Only vectors are kept for backward, which makes each block of similarities again: plain autograd
    would keep the whole matrix several times.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, grid: _Grid) -> tuple[Tensor, Tensor, Tensor]:
        """Block by block."""
        over_b, partners = a.new_empty(len(a)), a.new_empty(len(a))
        # Made at once: a small result kept after each block would keep malloc from giving the
        # blocks' memory out again, and a thousand blocks would take what the whole matrix takes.
        columns = a.new_empty(-(-len(a) // grid.rows), len(b))
        for number, own in enumerate(grid.blocks()):
            similarities, partner = grid.block(a, b, own)
            over_b[own] = similarities.logsumexp(1)
            columns[number] = similarities.logsumexp(0)
            # Taken from the product itself: computed apart, rounding could make a loss negative.
            partners[own] = similarities[partner]
        over_a = columns.logsumexp(0)
        ctx.grid = grid
        ctx.save_for_backward(a, b, over_b, over_a)
        return over_b, over_a, partners

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, to_rows: Tensor, to_columns: Tensor, to_partners: Tensor
    ) -> tuple[Tensor, Tensor, None]:
        """The derivative of a log-sum-exp is a softmax."""
        a, b, over_b, over_a = ctx.saved_tensors
        grad_a, grad_b = torch.empty_like(a), torch.zeros_like(b)
        with torch.autocast(a.device.type, enabled=False):
            for own in ctx.grid.blocks():
                similarities, partner = ctx.grid.block(a, b, own)
                share = (similarities - over_a).exp_().mul_(to_columns)
                similarities.sub_(over_b[own, None]).exp_().mul_(to_rows[own, None]).add_(share)
                similarities[partner] += to_partners[own]
                grad_a[own] = similarities @ b
                grad_b.addmm_(similarities.T, a[own])
        return grad_a, grad_b, None
