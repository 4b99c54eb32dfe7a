"""Frames: which of a file belong to an item, and how they lie in memory."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trivium.errors import TriviumError
from trivium.tasks.abx.items import PICOSECONDS, Integers, Items

Slicing = Literal["whole", "librilight"]
# How many are named of the items that cannot be measured.
NAMED = 3


def slices(items: Items, rate_hz: Fraction, slicing: Slicing) -> tuple[Integers, Integers]:
    """First frame and count of each item; frame i stands for the time (i + 0.5) / rate.

    An item has the frames whose time lies in it, both ends included. `librilight` leaves out the
    last of them, as Libri-light's code does.
    """
    second = rate_hz.denominator * 10**PICOSECONDS
    onset, offset = (
        2 * times.astype(object) * rate_hz.numerator - second
        for times in (items.onset, items.offset)
    )  # in Python's integers, which are exact
    first = (-(-onset // (2 * second))).astype(np.int64)
    last = (offset // (2 * second)).astype(np.int64)
    return first, last - first + (slicing == "whole")


def locate(
    items: Items,
    frames_of: Mapping[str, int],
    sliced: tuple[Integers, Integers],
    outside: Literal["error", "skip"],
) -> tuple[Items, Integers, Integers]:
    """The items that have frames, the first frame of each among all files, and their counts.

    `frames_of` are the files in the order of their frames, and how many each has.
    """
    names = np.array(list(frames_of), np.str_)
    counts = np.array(list(frames_of.values()), np.int64)
    order = np.argsort(names)
    place = order[np.searchsorted(names, items.file, sorter=order).clip(max=len(names) - 1)]
    first, count = sliced
    beyond = (names[place] != items.file) | (first + count > counts[place])
    lost = beyond | (count < 1)
    if lost.any() and (outside == "error" or lost.all()):
        some = "; ".join(items.words(row) for row in np.flatnonzero(lost)[:NAMED])
        behind, short = int(beyond.sum()), int((lost & ~beyond).sum())
        raise TriviumError(
            f"of {len(items):,} items {behind:,} reach behind the last frame of their file and "
            f"{short:,} are too short to have one: {some}; pad the sounds, take a model with more "
            "frames a second, or leave such items out with outside='skip'"
        )
    kept = np.flatnonzero(~lost)
    starts = np.cumsum(counts) - counts
    return items.take(kept), (starts[place] + first)[kept], count[kept]


def unit_frames(frames: Tensor) -> Tensor:
    """Frames (F, D) made to be of unit length, in place where that can be.

    Where some are zero, a last column sets them apart: a zero is as far as can be from all that
    is none, and equal to other zeros.
    """
    lengths = torch.linalg.vector_norm(frames, dim=1, keepdim=True)
    if not bool(torch.isfinite(lengths).all()):
        row = int((~torch.isfinite(lengths[:, 0])).nonzero()[0])
        raise TriviumError(f"frame {row:,} has the length {float(lengths[row])}; expected numbers")
    zero = lengths == 0
    frames /= lengths.masked_fill(zero, 1)
    if not bool(zero.any()):
        return frames
    # Products with the border are -2 and less, 4e24, or too small to be seen.
    border = torch.where(zero, -2e12, 1e-12)
    return torch.cat([frames, border], dim=1)


def read_features(folder: Path, names: Sequence[str]) -> tuple[dict[str, int], Tensor]:
    """Frames of `<name>.npy`, an array (T, D) each: how many each has, and all of unit length."""
    counts: dict[str, int] = {}
    width = 0
    for name in names:
        shape = _array(folder / f"{name}.npy").shape
        width = width or shape[-1]
        if len(shape) != 2 or shape[1] != width:
            raise TriviumError(f"{name}.npy has the shape {shape}; expected (frames, {width})")
        counts[name] = shape[0]
    frames = np.empty((sum(counts.values()), width), np.float32)
    start = 0
    for name, count in counts.items():
        frames[start : start + count] = _array(folder / f"{name}.npy")
        start += count
    return counts, unit_frames(torch.from_numpy(frames))


def _array(path: Path) -> NDArray[Any]:
    try:
        found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise TriviumError(f"{path} cannot be read as an array: {error}") from error
    return found
