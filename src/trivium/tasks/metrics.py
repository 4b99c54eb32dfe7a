"""Where the right answers of a search stand: ranks, and what is told of them beside chance.

Positives share an id; a query may have several. Ties are broken against the model: a positive
comes after every negative of the same score, so that a constant model never beats chance.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trivium.errors import TriviumError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Vectors = NDArray[np.floating[Any]]

# How many scores are in memory at once: 32 MB of float32.
BLOCK_SCORES = 1 << 23
# Scores this near are a tie, as a part of the largest score that the lengths of the vectors allow:
# equal vectors get products that differ in the last bits, by where they lie in a block.
TIE = 1e-6
BOOTSTRAP_RESAMPLES = 1000


@dataclass(frozen=True)
class Ranks:
    """Where the positives of each query stand in its gallery, best first, counted from one."""

    first: Integers  # (Q,) rank of the best positive
    average_precision: Floats  # (Q,) 1 / rank where there is one positive
    positives: Integers  # (Q,) how many the gallery holds
    gallery: Integers  # (Q,) how many items were searched

    def __len__(self) -> int:
        return len(self.first)

    def where(self, chosen: NDArray[np.bool_]) -> "Ranks":
        """The ranks of some queries, such as those of one language."""
        return Ranks(
            self.first[chosen],
            self.average_precision[chosen],
            self.positives[chosen],
            self.gallery[chosen],
        )

    @classmethod
    def join(cls, parts: Sequence[Self]) -> "Ranks":
        """The ranks of several searches, as if of one."""
        return Ranks(
            np.concatenate([part.first for part in parts]),
            np.concatenate([part.average_precision for part in parts]),
            np.concatenate([part.positives for part in parts]),
            np.concatenate([part.gallery for part in parts]),
        )

    def recall(self, k: int) -> float:
        """The share of queries with any positive among the first `k`."""
        return float(np.mean(self.first <= k))

    def median_rank(self) -> float:
        """The median over queries of the best positive's rank."""
        return float(np.median(self.first))

    def mean_average_precision(self) -> float:
        """The mean over queries of average precision over *all* positives.

        Divided by the number of positives, however short a list is shown; with one positive per
        query it is the mean reciprocal rank.
        """
        return float(np.mean(self.average_precision))

    def chance_recall(self, k: int) -> float:
        """`recall` of galleries in random order, expected."""
        return self._expected(lambda positives, size: _chance_hit(k, positives, size))

    def chance_mean_average_precision(self) -> float:
        """`mean_average_precision` of galleries in random order, expected."""
        return self._expected(_chance_average_precision)

    def chance_median_rank(self) -> float:
        """`median_rank` of galleries in random order, for many queries."""
        # The middle between the first rank that half of the queries reach and the first that
        # more than half do; the small number is for sums that should be exactly a half.
        low = self._first_reaching(0.5 - 1e-12)
        return (low + self._first_reaching(0.5 + 1e-12)) / 2

    def _first_reaching(self, share: float) -> int:
        low, high = 1, int(self.gallery.max())
        while low < high:
            middle = (low + high) // 2
            if self.chance_recall(middle) >= share:
                high = middle
            else:
                low = middle + 1
        return low

    def _expected(self, chance: Callable[[int, int], float]) -> float:
        pairs = np.stack([self.positives, self.gallery], axis=1)
        kinds, counts = np.unique(pairs, axis=0, return_counts=True)
        each = [chance(int(positives), int(size)) for positives, size in kinds]
        return float(np.average(each, weights=counts))


def rank(
    queries: Vectors,
    gallery: Vectors,
    query_ids: Integers,
    gallery_ids: Integers,
    block_scores: int = BLOCK_SCORES,
) -> Ranks:
    """Search a gallery by dot product for what shares each query's id.

    Memory is bounded by `block_scores`, whatever the sizes; the scores of all pairs never exist
    together. Every query needs a positive: `answerable` tells which have one.
    """
    _check(queries, query_ids, "queries")
    _check(gallery, gallery_ids, "gallery")
    missing = np.flatnonzero(~answerable(query_ids, gallery_ids))
    if len(missing):
        raise TriviumError(
            f"{len(missing)} of {len(query_ids)} queries have no positive in the gallery, first "
            f"that of id {query_ids[missing[0]]}; leave them out"
        )
    # Ordered by id, the positives of a query are neighbours.
    order = np.argsort(gallery_ids, kind="stable")
    found = np.asarray(gallery, np.float32)[order]
    starts = np.searchsorted(gallery_ids[order], query_ids, "left")
    stops = np.searchsorted(gallery_ids[order], query_ids, "right")
    longest = float(np.linalg.norm(found, axis=1).max())
    first = np.empty(len(queries), np.int64)
    precision = np.empty(len(queries))
    for rows, columns in _blocks(len(queries), len(found), block_scores):
        own = np.asarray(queries[rows], np.float32)
        tie = TIE * longest * np.linalg.norm(own, axis=1)
        search = _Search(own, found, starts[rows], stops[rows])
        first[rows], precision[rows] = search.places(tie, columns)
    return Ranks(first, precision, stops - starts, np.full(len(queries), len(found)))


def answerable(query_ids: Integers, gallery_ids: Integers) -> NDArray[np.bool_]:
    """Which queries have a positive in the gallery at all."""
    return np.isin(query_ids, gallery_ids)


def bootstrap(
    values: Floats, ids: Integers, seed: int, resamples: int = BOOTSTRAP_RESAMPLES
) -> Floats:
    """Means of `values` (Q, M) over resampled queries, (resamples, M).

    What is drawn again are ids, each with all its queries: captions of one picture are not
    independent. Equal sets of ids and equal seeds draw the same ids.
    """
    _, groups = np.unique(ids, return_inverse=True)
    sizes = np.bincount(groups)
    sums = np.stack([np.bincount(groups, column) for column in values.T], axis=1)  # (groups, M)
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    for number in range(resamples):
        drawn = generator.integers(len(sizes), size=len(sizes))
        times = np.bincount(drawn, minlength=len(sizes))
        means[number] = times @ sums / (times @ sizes)
    return means


def interval(means: Floats, level: float = 0.95) -> list[tuple[float, float]]:
    """The middle `level` of bootstrapped means, for each column."""
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


@dataclass(frozen=True)
class _Search:
    """A block of queries, and where their positives lie in a gallery ordered by id."""

    queries: NDArray[np.float32]  # (R, D)
    gallery: NDArray[np.float32]  # (G, D)
    starts: Integers  # (R,)
    stops: Integers  # (R,)

    def places(self, tie: NDArray[np.float32], columns: int) -> tuple[Integers, Floats]:
        """Rank of the first positive and average precision, scoring `columns` items at a time."""
        scores = [np.sort(row)[::-1] for row in self._positive_scores()]
        marks = [row - near for row, near in zip(scores, tie, strict=True)]
        above = [np.zeros(len(row), np.int64) for row in scores]  # negatives, for each positive
        for left in range(0, len(self.gallery), columns):
            negatives = self._negative_scores(left, min(left + columns, len(self.gallery)))
            negatives.sort(axis=1)
            for row, mark, counts in zip(negatives, marks, above, strict=True):
                np.add(counts, len(row) - np.searchsorted(row, mark, "left"), out=counts)
        first = np.array([1 + count[0] for count in above])
        precision = np.array([_average_precision(count) for count in above])
        return first, precision

    def _positive_scores(self) -> list[NDArray[np.float32]]:
        return [
            self.gallery[start:stop] @ query
            for query, start, stop in zip(self.queries, self.starts, self.stops, strict=True)
        ]

    def _negative_scores(self, left: int, right: int) -> NDArray[np.float32]:
        """Scores of a part of the gallery, minus infinity where it is positive."""
        scores: NDArray[np.float32] = self.queries @ self.gallery[left:right].T
        spans = zip(self.starts.clip(left) - left, self.stops.clip(left) - left, strict=True)
        for row, (start, stop) in zip(scores, spans, strict=True):
            row[start:stop] = -np.inf
        return scores


def _average_precision(above: Integers) -> float:
    """Of the numbers of negatives before each positive, best positive first."""
    places = np.arange(1, len(above) + 1)
    return float(np.mean(places / (places + above)))


def _blocks(queries: int, gallery: int, block_scores: int) -> Iterator[tuple[slice, int]]:
    """Rows of each block, and how many items of the gallery to score at once."""
    # Neither side so short that the product becomes a walk over memory.
    columns = min(gallery, max(1, block_scores // min(queries, 512)))
    rows = max(1, block_scores // columns)
    for start in range(0, queries, rows):
        yield slice(start, start + rows), columns


def _check(vectors: Vectors, ids: Integers, name: str) -> None:
    if vectors.ndim != 2 or ids.shape != vectors.shape[:1] or not len(ids):
        raise TriviumError(
            f"the {name} have vectors of shape {vectors.shape} and ids of shape {ids.shape}; "
            "expected (N, D) and (N,), with N > 0"
        )
    # A comparison with NaN is false, which would make a broken model the best of all.
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(broken):
        raise TriviumError(
            f"{len(broken)} of {len(ids)} vectors of the {name} hold NaN or infinity, first in "
            f"row {broken[0]}; the model has diverged or its input is broken"
        )


def _chance_hit(k: int, positives: int, size: int) -> float:
    """How likely the first k of a random order hold a positive, 1 - C(N - P, k) / C(N, k)."""
    if k + positives > size:
        return 1.0
    # The same ratio with k and P exchanged; the shorter product is the more exact.
    few, many = sorted((k, positives))
    return 1.0 - math.prod((size - many - i) / (size - i) for i in range(few))


def _chance_average_precision(positives: int, size: int) -> float:
    """Expected average precision of a random order.

    The item at rank i is positive with probability P / N, and of the i - 1 before it a share of
    (P - 1) / (N - 1) is positive too: 1/N sum_i [1 + (i - 1) (P - 1) / (N - 1)] / i.
    """
    if size == 1:
        return 1.0
    harmonic = math.fsum(1 / i for i in range(1, size + 1))
    others = (positives - 1) / (size - 1)
    return (harmonic + others * (size - harmonic)) / size
