"""Cells: which tokens of one phone are compared with which of another."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trivium.tasks.abx.items import Integers, Items


@dataclass(frozen=True, eq=False)
class Groups:
    """Items with one context, speaker and phone, in this order."""

    items: Integers  # (I,) rows of the items, group after group
    starts: Integers  # (G,) into `items`
    sizes: Integers
    context: Integers  # (G,) numbers
    speaker: Integers
    phone: Integers


@dataclass(frozen=True, eq=False)
class Cells:
    """Triples of groups: is x, a token of a's phone, nearer to a than to b?

    Within speakers x and a are one group.
    """

    x: Integers  # (C,)
    a: Integers
    b: Integers


def group(items: Items, any_context: bool, max_size: int | None, seed: int) -> Groups:
    """The groups of items, of each at most so many, drawn from the seed."""
    phone, speaker = number(items.phone), number(items.speaker)
    context = np.zeros(len(items), np.int64)
    if not any_context:
        previous, following = number(items.previous), number(items.following)
        context = number(previous * (following.max(initial=0) + 1) + following)
    order = np.lexsort((np.arange(len(items)), phone, speaker, context))
    starts = _run_starts(context[order], speaker[order], phone[order])
    sizes = np.diff(starts, append=len(order))
    if max_size is not None:
        run = np.repeat(np.arange(len(starts)), sizes)
        drawn = np.lexsort((np.random.default_rng(seed).random(len(order)), run))
        kept = np.sort(drawn[np.arange(len(order)) - starts[run] < max_size])
        order, sizes = order[kept], np.minimum(sizes, max_size)
        starts = np.cumsum(sizes) - sizes
    first = order[starts]
    return Groups(order, starts, sizes, context[first], speaker[first], phone[first])


def within_cells(groups: Groups) -> Cells:
    """Cells of one speaker; a needs two tokens, one of which is x."""
    a, b = _ordered_pairs(_run_starts(groups.context, groups.speaker), len(groups.sizes))
    told = groups.sizes[a] > 1
    return Cells(a[told], a[told], b[told])


def across_cells(groups: Groups, max_speakers: int | None, seed: int) -> Cells:
    """Cells in which x is said by another speaker than a and b, by at most so many for each a.

    Which speakers is drawn once for a context and both ways, so that distances serve many cells.
    """
    count = len(groups.sizes)
    order = np.lexsort((groups.speaker, groups.phone, groups.context))
    a, x = _ordered_pairs(_run_starts(groups.context[order], groups.phone[order]), count)
    a, x = order[a], order[x]
    speakers = groups.speaker.max(initial=0) + 1
    low, high = np.sort([groups.speaker[a], groups.speaker[x]], axis=0)
    meeting = number((groups.context[a] * speakers + low) * speakers + high)
    draw = np.random.default_rng(seed + 1).random(meeting.max(initial=-1) + 1)
    drawn = np.lexsort((draw[meeting], a))
    a, x = a[drawn], x[drawn]
    start = np.searchsorted(a, np.arange(count))
    kept = np.arange(len(a)) - start[a] < (max_speakers or len(a))
    a, x = a[kept], x[kept]
    heard = np.bincount(a, minlength=count)
    start = np.cumsum(heard) - heard
    first, second = _ordered_pairs(_run_starts(groups.context, groups.speaker), count)
    pair, place = ranges(heard[first])
    first, second = first[pair], second[pair]
    return Cells(x[start[first] + place], first, second)


def ranges(counts: Integers) -> tuple[Integers, Integers]:
    """For each of `counts`: its own number so many times, and 0, 1, ... beside it."""
    own = np.repeat(np.arange(len(counts)), counts)
    return own, np.arange(len(own)) - (np.cumsum(counts) - counts)[own]


def number(values: NDArray[Any]) -> Integers:
    """Equal values as equal numbers from 0, in the order of the values."""
    numbers: Integers = np.unique(values, return_inverse=True)[1].astype(np.int64)
    return numbers


def _run_starts(*columns: Integers) -> Integers:
    """Where rows begin that differ from the one before."""
    changed = np.zeros(len(columns[0]), bool)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changed)


def _ordered_pairs(starts: Integers, count: int) -> tuple[Integers, Integers]:
    """All (i, j), i != j, in the same run; ascending."""
    sizes = np.diff(starts, append=count)
    run = np.repeat(np.arange(len(starts)), sizes)
    first, place = ranges(sizes[run])
    second = starts[run][first] + place
    told = first != second
    return first[told], second[told]
