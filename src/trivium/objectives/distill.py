"""Learning from texts and from other networks: guided cross-entropy, and states that should agree.

A vocabulary may have a quarter of a million entries, so scores are made of states a block at a
time, and made again for the gradient where there is more than one block.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from trivium.data.batch import Ragged
from trivium.errors import TriviumError

# How many scores exist at once: 1 GB of float32.
BLOCK_SCORES = 1 << 28


@dataclass(frozen=True)
class Head:
    """What makes scores (N, V) of states (N, D)."""

    weight: Tensor  # (V, D)
    bias: Tensor | None = None  # (V,)

    def scores(self, states: Tensor) -> Tensor:
        """In float32 at least."""
        found = F.linear(states, self.weight, self.bias)
        return found.to(torch.promote_types(found.dtype, torch.float32))


@dataclass(frozen=True)
class Taught:
    """What a teacher has to say of the same N places; nothing flows back to it."""

    states: Tensor  # (N, D)
    head: Head
    guide: float
    """How much of the loss it is."""


def guided_loss(
    states: Tensor,
    head: Head,
    targets: Tensor,
    taught: Taught | None = None,
    *,
    block_scores: int = BLOCK_SCORES,
) -> Tensor:
    """Cross-entropy with the targets, and with what a teacher holds likely, summed over places.

    Needs: `states` (N, D) at the places that count, `targets` (N,) of numbers below V. Without a
    teacher it is the cross-entropy alone.

    Formula, with p = softmax of the scores, q that of the teacher's, a its guide:

        L = sum_i [ - a sum_v q_iv log p_iv - (1 - a) log p_i,y_i ]

    Paper: Hinton et al. 2015 (1503.02531); ComSL, 2305.14838, with a = 0.8 and 0.2.

    >>> import torch
    >>> head = Head(torch.eye(4))
    >>> guided_loss(torch.zeros(2, 4), head, torch.tensor([1, 3])).item() / 2  # log 4
    1.3862943649291992
    >>> sure = 30 * torch.eye(4)[[1, 3]]
    >>> guided_loss(sure, head, torch.tensor([1, 3]), Taught(sure, head, 0.8)).item() < 1e-6
    True
    """
    count = len(states)
    if targets.shape != (count,) or (taught is not None and len(taught.states) != count):
        others = () if taught is None else tuple(taught.states.shape)
        raise TriviumError(
            f"states {tuple(states.shape)}, targets {tuple(targets.shape)} and the teacher's "
            f"states {others or 'none'} are not of the same places; expected N rows of each"
        )
    if not count:
        return states.sum()
    size = max(1, block_scores // len(head.weight))
    if count <= size:
        return _block(states, head, targets, taught)
    total = states.new_zeros((), dtype=torch.promote_types(states.dtype, torch.float32))
    for start in range(0, count, size):
        block = slice(start, start + size)
        own = taught and replace(taught, states=taught.states[block])
        arguments = (states[block], head, targets[block], own)
        made: Tensor = checkpoint(_block, *arguments, use_reentrant=False, preserve_rng_state=False)
        total = total + made
    return total


def matching_loss(a: Ragged, b: Ragged) -> Tensor:
    """How far the states of two passes point apart, summed over positions.

    Needs: `a` and `b` (B, T, D), of equal lengths. The gradient goes to both.

    Formula: L = sum_t || a_t / |a_t| - b_t / |b_t| ||, which is sqrt(2 - 2 cos(a_t, b_t))

    Paper: encoder representation matching of ComSL (2305.14838).

    >>> import torch
    >>> x = Ragged(torch.tensor([[[3.0, 0], [0, 2]]]), torch.tensor([2]))
    >>> matching_loss(x, x).item()
    0.0
    >>> matching_loss(x, Ragged(-x.data, x.lengths)).item()
    4.0
    """
    if a.data.shape != b.data.shape:
        raise TriviumError(
            f"states of shape {tuple(a.data.shape)} and {tuple(b.data.shape)} do not match; "
            "expected the same positions of both"
        )
    wide = torch.promote_types(a.data.dtype, torch.float32)
    apart = F.normalize(a.data.to(wide), dim=-1) - F.normalize(b.data.to(wide), dim=-1)
    # Of two equal vectors this norm has the gradient 0, where a root would have none.
    apart = apart.masked_fill(~a.mask()[..., None], 0)
    total: Tensor = torch.linalg.vector_norm(apart, dim=-1).sum()
    return total


def _block(states: Tensor, head: Head, targets: Tensor, taught: Taught | None) -> Tensor:
    scores = head.scores(states)
    if taught is None:
        return F.cross_entropy(scores, targets, reduction="sum")
    with torch.no_grad():
        wanted = taught.head.scores(taught.states).softmax(-1) * taught.guide
        wanted.scatter_add_(1, targets[:, None], torch.full_like(wanted[:, :1], 1 - taught.guide))
    return F.cross_entropy(scores, wanted, reduction="sum")
