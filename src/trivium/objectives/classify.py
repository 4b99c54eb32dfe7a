"""Losses of one answer for a row: a class, a number, a speaker; and what streams share."""

import torch
from torch import Tensor
from torch.nn import functional as F

from trivium.errors import TriviumError


def class_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Minus the log-likelihood of the right classes, summed over rows.

    Needs: `logits` (B, C) and `classes` (B,) of numbers below C.

    Formula: L = - sum_i log softmax(logits_i)[class_i]

    >>> import torch
    >>> round(class_loss(torch.zeros(3, 4), torch.tensor([0, 1, 3])).item(), 4)  # 3 log 4
    4.1589
    """
    _check(logits, classes, "logits", "(B, C)")
    with torch.autocast(logits.device.type, enabled=False):
        return F.cross_entropy(_wide(logits), classes, reduction="sum")


def absolute_loss(scores: Tensor, targets: Tensor) -> Tensor:
    """How far scores (B,) are from their targets (B,), summed over rows.

    Formula: L = sum_i |score_i - target_i|

    >>> import torch
    >>> absolute_loss(torch.tensor([1.0, -2.0]), torch.tensor([3.0, -2.0])).item()
    2.0
    """
    if scores.shape != targets.shape or scores.ndim != 1:
        raise TriviumError(
            f"scores have the shape {tuple(scores.shape)} and targets {tuple(targets.shape)}; "
            "expected (B,) of both"
        )
    return (_wide(scores) - _wide(targets)).abs().sum()


def margin_loss(
    vectors: Tensor, centres: Tensor, classes: Tensor, margin: float = 0.2, scale: float = 30.0
) -> Tensor:
    """Additive-margin softmax, summed over rows: the right centre must be nearer by a margin.

    Needs: `vectors` (B, D), `centres` (C, D) that are learned, `classes` (B,) of numbers below C.

    Formula, with s_ij = cos(v_i, c_j) and y the right class:

        L = - sum_i log [ exp a (s_iy - m) / (exp a (s_iy - m) + sum_{j != y} exp a s_ij) ]

    Paper: Wang et al. 2018 (1801.05599); CosFace, Wang et al. 2018 (1801.09414).

    >>> import torch
    >>> v, right = torch.eye(2), torch.tensor([0, 1])
    >>> near = margin_loss(v, torch.eye(2), right, margin=0.0, scale=1.0)
    >>> nearer = margin_loss(v, torch.eye(2), right, margin=0.5, scale=1.0)
    >>> round(near.item(), 4), round(nearer.item(), 4)  # 2 log(1 + 1/e), 2 log(1 + 1/e^0.5)
    (0.6265, 0.9482)
    """
    _check(vectors, classes, "vectors", "(B, D)")
    if centres.ndim != 2 or centres.shape[1] != vectors.shape[1]:
        raise TriviumError(
            f"centres have the shape {tuple(centres.shape)} and vectors {tuple(vectors.shape)}; "
            "expected (C, D) and (B, D)"
        )
    with torch.autocast(vectors.device.type, enabled=False):
        cosines = F.normalize(_wide(vectors), dim=1) @ F.normalize(_wide(centres), dim=1).T
        right = torch.zeros_like(cosines).scatter_(1, classes[:, None], margin)
        return F.cross_entropy(scale * (cosines - right), classes, reduction="sum")


def overlap_loss(first: Tensor, second: Tensor) -> Tensor:
    """How far vectors (B, D) of one stream are from standing upright on those of another; summed.

    Formula: L = sum_i |cos(first_i, second_i)|, a true cosine: it cannot be lowered by shrinking
    either of the two.

    Paper: Li et al. 2021 (2109.00181); the authors' code divides by the square of one length.

    >>> import torch
    >>> a = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    >>> overlap_loss(a, torch.tensor([[0.0, 5.0], [-0.1, 0.0]])).item()
    1.0
    """
    if first.shape != second.shape or first.ndim != 2:
        raise TriviumError(
            f"vectors have the shapes {tuple(first.shape)} and {tuple(second.shape)}; expected "
            "(B, D) of both"
        )
    with torch.autocast(first.device.type, enabled=False):
        return F.cosine_similarity(_wide(first), _wide(second), dim=1).abs().sum()


def _check(made: Tensor, classes: Tensor, name: str, shape: str) -> None:
    if made.ndim != 2 or classes.shape != made.shape[:1]:
        raise TriviumError(
            f"{name} have the shape {tuple(made.shape)} and classes {tuple(classes.shape)}; "
            f"expected {shape} and (B,)"
        )


def _wide(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
