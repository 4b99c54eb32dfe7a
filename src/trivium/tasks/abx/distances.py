"""Distances between the items of groups, each two groups once, in large products of frames."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trivium.tasks.abx.cells import Groups, ranges
from trivium.tasks.abx.dtw import warp
from trivium.tasks.abx.items import Integers

# Cosines nearer to one than float32 can tell are one: equal frames have no distance.
NEAR_ONE = 1 - 1e-6


@dataclass(frozen=True)
class Sizes:
    """How much is done at a time."""

    row_frames: int
    """Frames of the items that stand in the rows of one product."""
    pool_pairs: int
    """Pairs of items that are collected before they are sorted by length."""
    warp_cells: int
    """Costs that are warped at a time."""


# Small ones stay in a processor's caches; large ones keep a GPU busy.
CPU, GPU = Sizes(64, 1 << 15, 1 << 18), Sizes(1024, 1 << 19, 1 << 24)
POOL_COSINES = 1 << 25


@dataclass(frozen=True, eq=False)
class Blocks:
    """Pairs of groups, row <= column, and where the distances of their items begin."""

    row: Integers  # (K,) groups, ascending
    column: Integers
    starts: Integers  # (K,)
    total: int
    """How many distances there are."""


def blocks_of(groups: Groups, first: Integers, second: Integers) -> tuple[Blocks, Integers]:
    """The distinct unordered pairs among pairs of groups, and which of them each is."""
    count = len(groups.sizes)
    low, high = np.minimum(first, second), np.maximum(first, second)
    keys, which = np.unique(low * count + high, return_inverse=True)
    row, column = keys // max(count, 1), keys % max(count, 1)
    sizes = groups.sizes[row] * groups.sizes[column]
    return Blocks(row, column, np.cumsum(sizes) - sizes, int(sizes.sum())), which.astype(np.int64)


def distances(
    frames: Tensor, first: Integers, count: Integers, groups: Groups, blocks: Blocks
) -> Tensor:
    """Of every block the distance of each row item to each column item, and the other way: (2, P).

    Item i has `count[i]` of the frames, from `first[i]` on.
    """
    sizes = CPU if frames.device.type == "cpu" else GPU
    found = torch.empty((2, blocks.total), device=frames.device)
    first, count = first[groups.items], count[groups.items]
    tiles = list(_tiles(groups, blocks, count, sizes.row_frames))

    def work(own: Sequence[slice]) -> None:
        pool = _Pool(found, sizes)
        for tile in own:
            pool.add(frames, first, count, groups, blocks, tile)
        pool.flush()

    threads = torch.get_num_threads() if sizes is CPU else 1
    with _one_thread_each(), ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, (tiles[start::threads] for start in range(threads))))
    return found


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Torch computes each operation in the thread that asks for it.

    Ours are many and short: sharing one among threads that wait for each other costs several
    times what it saves, as soon as something else wants a core.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Pool:
    """Products of frames that wait to be warped, until there are many pairs of like lengths."""

    def __init__(self, found: Tensor, sizes: Sizes) -> None:
        self.found, self.sizes = found, sizes
        self.products: list[Tensor] = []
        self.pairs: list[Integers] = []  # (5, P): target, start, stride, rows, columns
        self.cosines = self.count = 0

    def add(
        self, frames: Tensor, first: Integers, count: Integers, groups: Groups,
        blocks: Blocks, tile: slice,
    ) -> None:  # fmt: skip
        """The pairs of some blocks, whose rows are of one context."""
        row, column = blocks.row[tile], blocks.column[tile]
        rows, row_start = _members(groups, row)
        columns, column_start = _members(groups, column)
        width = groups.sizes[column]
        block, place = ranges(groups.sizes[row] * width)
        i = row_start[block] + place // width[block]
        j = column_start[block] + place % width[block]
        height, length = count[rows], count[columns]  # in frames
        down, along = _frames_of(first[rows], height), _frames_of(first[columns], length)
        product = _take(frames, down) @ _take(frames, along).T
        top, left = np.cumsum(height) - height, np.cumsum(length) - length
        start = self.cosines + top[i] * len(along) + left[j]
        target = blocks.starts[tile][block] + place
        stride = np.full(len(i), len(along))
        self.pairs.append(np.stack((target, start, stride, height[i], length[j])))
        self.products.append(product.flatten())
        self.cosines += product.numel()
        self.count += len(i)
        if self.count >= self.sizes.pool_pairs or self.cosines >= POOL_COSINES:
            self.flush()

    def flush(self) -> None:
        """Warp what waits, pairs of like lengths together."""
        if not self.count:
            return
        flat, pairs = torch.cat(self.products), np.concatenate(self.pairs, axis=1)
        self.products, self.pairs, self.cosines, self.count = [], [], 0, 0
        for part in _alike(pairs[3], pairs[4], self.sizes.warp_cells):
            target, start, stride, rows, columns = torch.from_numpy(pairs[:, part]).to(flat.device)
            down = torch.arange(pairs[3, part].max(), device=flat.device)[:, None]
            along = torch.arange(pairs[4, part].max(), device=flat.device)[:, None]
            at = (start + down * stride)[:, None] + along  # (N, M, P)
            cosines = flat[at.clamp_(max=len(flat) - 1)]
            cosines = cosines.clamp_(-1, 1).masked_fill_(cosines >= NEAR_ONE, 1)
            self.found[:, target] = torch.stack(warp(cosines.acos_() / math.pi, rows, columns))


def _tiles(groups: Groups, blocks: Blocks, count: Integers, row_frames: int) -> Iterator[slice]:
    """Runs of blocks whose rows are of one context and have about so many frames."""
    frames = np.add.reduceat(count, groups.starts)
    rows, starts = np.unique(blocks.row, return_index=True)
    begin, held, context = 0, 0, -1
    for row, start in zip(rows.tolist(), starts.tolist(), strict=True):
        if start > begin and (held >= row_frames or groups.context[row] != context):
            yield slice(begin, start)
            begin, held = start, 0
        held += int(frames[row])
        context = int(groups.context[row])
    yield slice(begin, len(blocks.row))


def _members(groups: Groups, of: Integers) -> tuple[Integers, Integers]:
    """Places of the items of the groups that occur, and where those of each of `of` begin."""
    which, number = np.unique(of, return_inverse=True)
    sizes = groups.sizes[which]
    group, place = ranges(sizes)
    return groups.starts[which][group] + place, (np.cumsum(sizes) - sizes)[number]


def _frames_of(first: Integers, count: Integers) -> Integers:
    item, place = ranges(count)
    return first[item] + place


def _take(frames: Tensor, rows: Integers) -> Tensor:
    return frames.index_select(0, torch.from_numpy(rows).to(frames.device))


def _alike(rows: Integers, columns: Integers, cells: int) -> Iterator[Integers]:
    """Parts of pairs with like numbers of rows and of columns, each of at most so many cells."""
    strips = 1 + round(math.sqrt(int(rows @ columns) / cells))
    for strip in np.array_split(np.argsort(rows, kind="stable"), min(strips, len(rows))):
        order = strip[np.argsort(columns[strip], kind="stable")]
        most = len(strip) * int(rows[strip].max()) * int(columns[strip].max())
        yield from np.array_split(order, min(len(strip), -(-most // cells)))
