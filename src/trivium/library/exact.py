"""Exact search: one product with every vector, then the best of it computed again in float64.

A product may be rounded, in bfloat16 too where the processor is quick at it. How far it can be off
is bounded, so that all that may belong to the best is looked at again; what is found, and the order
of ties, depends on no block, thread or device.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trivium.runtime import best_rate

Halves = NDArray[np.float16]
Floats = NDArray[np.float32]
Places = NDArray[np.intp]

BLOCK_SCORES = 1 << 23  # scores in memory at once
BLOCK_ROWS = 1 << 16  # vectors widened at once
ROUNDING = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8}


class Exact:
    """Vectors of about unit length, ready to be searched; those of lower places win ties."""

    def __init__(
        self, vectors: Halves, device: str | None = None, kind: torch.dtype | None = None
    ) -> None:
        self.vectors = vectors  # (N, D)
        self._device = device or best_device()
        self._kind = kind or _quickest(self._device)
        self._rounded = torch.from_numpy(vectors).to(self._device, self._kind)
        self._longest, self._moved = 0.0, 0.0  # of the rounded vectors, and what rounding changed
        for start in range(0, len(vectors), BLOCK_ROWS):
            block = self._rounded[start : start + BLOCK_ROWS].float()
            self._longest = max(self._longest, float(block.norm(dim=1).max()))
            if self._kind != torch.float32:
                true = torch.from_numpy(vectors[start : start + BLOCK_ROWS]).to(block)
                self._moved = max(self._moved, float((block - true).norm(dim=1).max()))

    @property
    def nbytes(self) -> int:
        """Memory that is held: the vectors, and what they were rounded to."""
        return self.vectors.nbytes + self._rounded.nbytes

    def search(
        self,
        queries: Floats,
        count: int,
        allowed: NDArray[np.bool_] | None = None,
        block_scores: int = BLOCK_SCORES,
    ) -> list[tuple[Places, Floats]]:
        """Places and scores of the `count` best of what is allowed, best first, for each query."""
        there = len(self.vectors) if allowed is None else int(allowed.sum())
        count = min(count, there)
        if not count:
            nothing = np.zeros(0, np.intp), np.zeros(0, np.float32)
            return [nothing] * len(queries)
        forbidden = None if allowed is None else torch.from_numpy(~allowed).to(self._device)
        rows = max(1, block_scores // len(self.vectors))
        found = []
        for start in range(0, len(queries), rows):
            block = queries[start : start + rows]
            for query, near in zip(block, self._near(block, count, forbidden), strict=True):
                found.append(best_of(self.vectors, query, near, count))
        return found

    def _near(self, queries: Floats, count: int, forbidden: Tensor | None) -> Iterator[Places]:
        """Places, ascending, of all that may be among the best of each query, and few others."""
        true = torch.from_numpy(queries).to(self._device)
        rounded = true.to(self._kind)
        scores = (rounded @ self._rounded.T).float()  # (Q, N)
        if forbidden is not None:
            scores.masked_fill_(forbidden, -torch.inf)
        last = scores.topk(count, dim=1).values[:, -1]
        enough = last - 2.02 * self._error(true, rounded.float(), last)
        for near in (scores >= enough[:, None]).cpu().numpy():
            yield np.flatnonzero(near)

    def _error(self, true: Tensor, rounded: Tensor, last: Tensor) -> Tensor:
        """How far the score of one of the best may be from what exact numbers give: (Q,)."""
        length = true.norm(dim=1)
        moved = length * self._moved + (true - rounded).norm(dim=1) * self._longest
        # A sum of D products in float32, and one rounding of the exact score, which makes ties.
        kept = torch.get_float32_matmul_precision() == "highest"
        sums = (true.shape[1] + 2) * ROUNDING[torch.float32] + (0 if kept else 2.0**-7)
        error: Tensor = moved + sums * length * self._longest + ROUNDING[self._kind] * last.abs()
        return error


def best_of(vectors: Halves, query: Floats, near: Places, count: int) -> tuple[Places, Floats]:
    """The best of some places, ascending, by products in float64."""
    wide = query.astype(np.float64)
    blocks = (near[start : start + BLOCK_ROWS] for start in range(0, len(near), BLOCK_ROWS))
    exact = [(vectors[block] * wide).sum(axis=1) for block in blocks]
    scores = np.concatenate(exact).astype(np.float32)
    order = np.argsort(-scores, kind="stable")[:count]
    return near[order], scores[order]


def best_device() -> str:
    """A GPU if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@lru_cache
def _quickest(device: str) -> torch.dtype:
    """bfloat16 on processors that multiply it faster than float32, else float32."""
    if torch.device(device).type != "cpu":
        return torch.float32
    left, right = torch.ones(64, 256), torch.ones(4_096, 256)

    def rate(kind: torch.dtype) -> float:
        few, many, made = left.to(kind), right.to(kind), torch.empty(64, 4_096, dtype=kind)

        def multiply() -> None:
            torch.mm(few, many.T, out=made)

        return best_rate(multiply, 1.0)

    return max((torch.float32, torch.bfloat16), key=rate)
