"""ABX by its definition: one token of a, b and x at a time, in Python's own numbers."""

import math
from collections import defaultdict
from fractions import Fraction
from itertools import product
from typing import NamedTuple

import numpy as np


class Item(NamedTuple):
    """A line of an item file; times are decimals as text."""

    file: str
    onset: str
    offset: str
    phone: str
    previous: str
    following: str
    speaker: str


def slow_frames(item, rate_hz, total, librilight=False):
    """Numbers of the frames whose time lies in the item."""
    middle = Fraction(1, 2)
    inside = [
        i for i in range(total)
        if Fraction(item.onset) <= (i + middle) / rate_hz <= Fraction(item.offset)
    ]  # fmt: skip
    return inside[:-1] if librilight else inside


def slow_angle(x, y):
    if not x.any() or not y.any():
        return float(x.any() != y.any())
    cosine = float(x @ y) / math.sqrt(float(x @ x) * float(y @ y))
    return 0.0 if cosine > 1 - 1e-6 else math.acos(max(-1.0, cosine)) / math.pi


def slow_warp(costs):
    """Mean cost along the cheapest path, found by going back from its end."""
    height, width = len(costs), len(costs[0])
    total = [[0.0] * width for _ in range(height)]
    for i, j in product(range(height), range(width)):
        ways = [total[i - di][j - dj] for di, dj in ((1, 1), (0, 1), (1, 0)) if i >= di and j >= dj]
        total[i][j] = costs[i][j] + min(ways, default=0.0)
    i, j, steps = height - 1, width - 1, 1
    while (i, j) != (0, 0):
        if i and j:
            diagonal, left, up = total[i - 1][j - 1], total[i][j - 1], total[i - 1][j]
            best = min(diagonal, left, up)
            di, dj = (1, 1) if diagonal == best else (0, 1) if left == best else (1, 0)
        else:
            di, dj = int(j == 0), int(i == 0)
        i, j, steps = i - di, j - dj, steps + 1
    return total[-1][-1] / steps


def slow_distance(x, y):
    return slow_warp([[slow_angle(one, other) for other in y] for one in x])


def slow_abx(items, frames, across, any_context=False):
    """The error; None without a cell. `frames` are those of each item."""
    groups = defaultdict(list)
    for item, own in zip(items, frames, strict=True):
        context = "" if any_context else (item.previous, item.following)
        groups[context, item.speaker, item.phone].append(own.astype(np.float64))
    found = defaultdict(lambda: defaultdict(list))
    for (context, speaker, a), (context_b, speaker_b, b) in product(groups, groups):
        if context != context_b or speaker != speaker_b or a == b:
            continue
        own, others = groups[context, speaker, a], groups[context, speaker, b]
        for context_x, speaker_x, phone_x in list(groups):
            if context_x != context or phone_x != a or (speaker_x != speaker) != across:
                continue
            score = slow_cell(groups[context, speaker_x, a], own, others, across)
            if score is not None:
                found[a, b][speaker].append(score)
    if not found:
        return None
    by_pair = [np.mean([np.mean(s) for s in speakers.values()]) for speakers in found.values()]
    return float(np.mean(by_pair))


def slow_cell(xs, own, others, across):
    """The share of wrong answers; within a speaker the x are the a."""
    wrong = []
    for i, x in enumerate(xs):
        for k, a in enumerate(own):
            if not across and i == k:
                continue
            # Within a group a distance is that of the first to the second, both ways.
            to_a = slow_distance(x, a) if across or i < k else slow_distance(a, x)
            for b in others:
                to_b = slow_distance(x, b)
                wrong.append(1.0 if to_a > to_b else 0.5 if to_a == to_b else 0.0)
    return float(np.mean(wrong)) if wrong else None
