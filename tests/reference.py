"""Slow twins: the same numbers by full matrices and plain loops in float64, to test against."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Matrix = Sequence[Sequence[float]]


def slow_info_nce(a: Tensor, b: Tensor, ids: Sequence[int], scale: Tensor) -> Tensor:
    """Symmetric InfoNCE of cosines, rows of equal ids no negatives of one another."""
    similarities = [
        [scale.reshape(()) * (x @ y) / (x.norm() * y.norm()) for y in b.double()]
        for x in a.double()
    ]
    rows, columns = _both_ways(similarities, ids, 0.0)
    return (rows + columns) / 2


def slow_margin_softmax(
    a: Tensor, b: Tensor, ids: Sequence[int], scale: Tensor, delta: float
) -> Tensor:
    """Masked-margin softmax of dot products; give distinct ids for the published one."""
    similarities = [[scale.reshape(()) * (x @ y) for y in b.double()] for x in a.double()]
    rows, columns = _both_ways(similarities, ids, delta)
    return rows + columns


def _both_ways(
    similarities: list[list[Tensor]], ids: Sequence[int], delta: float
) -> tuple[Tensor, Tensor]:
    count = len(ids)
    rows = columns = torch.zeros((), dtype=torch.float64)
    for i in range(count):
        own = (similarities[i][i] - delta).exp()
        row = column = own
        for j in range(count):
            if j != i and ids[j] != ids[i]:
                row = row + similarities[i][j].exp()
                column = column + similarities[j][i].exp()
        rows = rows - (own / row).log() / count
        columns = columns - (own / column).log() / count
    return rows, columns


def slow_ranks(
    scores: Matrix, query_ids: Sequence[int], gallery_ids: Sequence[int]
) -> list[list[int]]:
    """For each query the ranks of its positives; of equal scores the negatives come first."""
    ranks = []
    for row, query in zip(scores, query_ids, strict=True):
        negatives = [s for s, i in zip(row, gallery_ids, strict=True) if i != query]
        positives = sorted((s for s, i in zip(row, gallery_ids, strict=True) if i == query))
        own = []
        for place, score in enumerate(reversed(positives)):
            own.append(1 + place + sum(other >= score for other in negatives))
        ranks.append(own)
    return ranks


def slow_recall(ranks: list[list[int]], k: int) -> float:
    """The share of queries with any positive among the first k."""
    return sum(any(rank <= k for rank in own) for own in ranks) / len(ranks)


def slow_average_precision(own: list[int]) -> float:
    """The mean, over all positives of a query, of the precision where each stands."""
    return math.fsum((place + 1) / rank for place, rank in enumerate(sorted(own))) / len(own)


def slow_median_rank(ranks: list[list[int]]) -> float:
    """The median over queries of where the best positive stands."""
    return float(np.median([min(own) for own in ranks]))
