"""The error of ABX from frames and items: cells, their scores, and the field's way to average."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trivium.errors import TriviumError
from trivium.tasks.abx.cells import Cells, Groups, across_cells, group, within_cells
from trivium.tasks.abx.distances import Blocks, blocks_of, distances
from trivium.tasks.abx.items import Integers, Items

Speakers = Literal["within", "across"]
Floats = NDArray[np.float64]
# Comparisons of a token of a, b and x that are in memory at a time.
COMPARED = 1 << 24


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Everything that does not depend on the frames' values: the same for every layer."""

    first: Integers  # (N,) where an item's frames begin
    count: Integers
    groups: Groups
    cells: Mapping[Speakers, Cells]
    blocks: Blocks
    pairs: Mapping[Speakers, tuple[Integers, Integers]]
    """Of each cell, the blocks of (x, a) and (x, b)."""

    def errors(self, frames: Tensor) -> dict[Speakers, float]:
        """Shares of wrong answers, 0.5 being chance."""
        found = distances(frames, self.first, self.count, self.groups, self.blocks)
        return {
            speakers: average(self.groups, cells, self._scores(speakers, found))
            for speakers, cells in self.cells.items()
        }

    def _scores(self, speakers: Speakers, found: Tensor) -> Floats:
        """Of each cell, the share of wrong answers."""
        cells, sizes = self.cells[speakers], self.groups.sizes
        scores = np.empty(len(cells.x))
        shape = np.stack((sizes[cells.x], sizes[cells.a], sizes[cells.b]), axis=1)
        same = cells.x[0] == cells.a[0]
        kinds, which = np.unique(shape, axis=0, return_inverse=True)
        for number, (x, a, b) in enumerate(kinds.tolist()):
            own = np.flatnonzero(which == number)
            for part in np.array_split(own, -(-len(own) * x * a * b // COMPARED)):
                to_a = self._block(found, speakers, 0, part, x, a)
                to_b = self._block(found, speakers, 1, part, x, b)
                if same:
                    # The same both ways, and no token is compared with itself.
                    upper = to_a.triu(1)
                    to_a = upper + upper.mT
                    to_a.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
                wrong = (to_a[..., None] > to_b[:, :, None]).sum((1, 2, 3))
                equal = (to_a[..., None] == to_b[:, :, None]).sum((1, 2, 3))
                told = x * (a - same) * b
                scores[part] = (2 * wrong + equal).cpu().numpy() / (2 * told)
        return scores

    def _block(
        self, found: Tensor, speakers: Speakers, side: int, cells: Integers, height: int, width: int
    ) -> Tensor:
        """Distances of x's tokens to those of a (`side` 0) or b, for cells of one shape."""
        chosen = self.cells[speakers]
        x, other = chosen.x[cells], (chosen.a, chosen.b)[side][cells]
        start = self.blocks.starts[self.pairs[speakers][side][cells]]
        swapped = x > other
        down = np.where(swapped, 1, width)[:, None, None] * np.arange(height)[:, None]
        along = np.where(swapped, height, 1)[:, None, None] * np.arange(width)
        at = (start + swapped * self.blocks.total)[:, None, None] + down + along
        return found.flatten()[torch.from_numpy(at).to(found.device)]


def comparisons(
    items: Items,
    first: Integers,
    count: Integers,
    speakers: tuple[Speakers, ...],
    *,
    any_context: bool,
    max_group: int | None,
    max_x_speakers: int | None,
    seed: int,
) -> Comparisons:
    """What is compared with what, of items whose frames are known."""
    groups = group(items, any_context, max_group, seed)
    made = {
        "within": lambda: within_cells(groups),
        "across": lambda: across_cells(groups, max_x_speakers, seed),
    }
    cells = {name: made[name]() for name in speakers}
    for name, those in cells.items():
        if not len(those.x):
            raise TriviumError(
                f"{len(items):,} items make {len(those.x)} cells {name} speakers; expected items "
                "of two phones between equal neighbours"
            )
    rows = np.concatenate([np.concatenate((c.x, c.x)) for c in cells.values()])
    columns = np.concatenate([np.concatenate((c.a, c.b)) for c in cells.values()])
    blocks, which = blocks_of(groups, rows, columns)
    pairs, start = {}, 0
    for name, those in cells.items():
        size = len(those.x)
        pairs[name] = (which[start : start + size], which[start + size : start + 2 * size])
        start += 2 * size
    return Comparisons(first, count, groups, cells, blocks, pairs)


def average(groups: Groups, cells: Cells, scores: Floats) -> float:
    """Over contexts and speakers of x, then over speakers of a and b, then over pairs of phones."""
    keys = np.stack((groups.phone[cells.a], groups.phone[cells.b], groups.speaker[cells.a]), axis=1)
    for columns in (3, 2):
        keys, which = np.unique(keys[:, :columns], axis=0, return_inverse=True)
        scores = np.bincount(which, scores) / np.bincount(which)
    return float(scores.mean())
