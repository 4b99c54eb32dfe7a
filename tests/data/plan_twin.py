"""The twin of the plan: one row at a time, in plain Python."""

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from trivium.data.plan import Plan
from trivium.runtime import derive_seed


@dataclass(frozen=True)
class Case:
    """What a plan is made of, small enough for the twin."""

    lengths: np.ndarray[Any, Any]
    groups: np.ndarray[Any, Any] | None
    budget: float
    micros_per_step: int
    seed: int
    temperature: float

    def plan(self) -> Plan:
        return Plan(
            self.lengths,
            self.groups,
            budget=self.budget,
            micros_per_step=self.micros_per_step,
            seed=self.seed,
            temperature=self.temperature,
        )


@st.composite
def cases(draw: st.DrawFn, temperatures: tuple[float, ...] = (1.0, 1.0, 2.5, 100.0)) -> Case:
    count = draw(st.integers(6, 80))
    whole = draw(st.booleans())
    numbers = st.integers(1, 60) if whole else st.floats(0.125, 30, width=32)
    lengths = np.array(
        draw(st.lists(numbers, min_size=count, max_size=count)), np.int32 if whole else np.float32
    )
    groups = draw(st.none() | st.lists(st.integers(0, 4), min_size=count, max_size=count))
    temperature = 1.0 if groups is None else draw(st.sampled_from(temperatures))
    return Case(
        lengths,
        None if groups is None else np.array(groups, np.int32),
        budget=float(lengths.max()) * draw(st.floats(3, 12)),
        micros_per_step=draw(st.integers(1, 2)),
        seed=draw(st.integers(0, 1000)),
        temperature=temperature,
    )


def slow_buckets(case: Case, drawn: list[int], sizes: list[int]) -> list[int]:
    bins = [struct.unpack("<i", struct.pack("<f", length))[0] >> 16 for length in case.lengths]
    mass: dict[int, float] = {}
    for row, bin_ in enumerate(bins):
        group = 0 if case.groups is None else int(case.groups[row])
        share = np.float32(drawn[group] / sizes[group] / case.budget)
        place = min(max(bins) - bin_, 2047)
        mass[place] = mass.get(place, 0.0) + float(case.lengths[row] * share)
    wanted = min(8.0, math.fsum(mass.values()) / 64)  # exact: a bin may hold just as much
    members: list[list[int]] = [[]]
    for place in sorted(mass):
        if members[-1]:
            span = place - members[-1][0]
            held = sum(mass[member] for member in members[-1])
            if span >= 10 or (held >= wanted and span >= 2):
                members.append([])
        members[-1].append(place)
    return [
        next(i for i, places in enumerate(members) if min(max(bins) - bin_, 2047) in places)
        for bin_ in bins
    ]


def slow_quota(taken: int, counts: list[int]) -> list[int]:
    if len(counts) == 1:
        return [taken]
    half = 1 << (len(counts) - 1).bit_length() - 1
    left, whole = sum(counts[:half]), sum(counts)
    share = (2 * taken * left + whole) // (2 * whole) if whole else 0
    return slow_quota(share, counts[:half]) + slow_quota(taken - share, counts[half:])


def slow_line(case: Case, epoch: int) -> list[int]:
    """Rows of an epoch, longest bucket first, each group walking its permutations row by row."""
    count = len(case.lengths)
    groups = [0] * count if case.groups is None else case.groups.tolist()
    sizes = [groups.count(group) for group in range(max(groups) + 1)]
    weights = [size ** (1 / case.temperature) if size else 0 for size in sizes]
    drawn = [max(1, round(weight / sum(weights) * count)) if weight else 0 for weight in weights]
    buckets = slow_buckets(case, drawn, [max(size, 1) for size in sizes])
    order = sorted(range(count), key=lambda row: (groups[row], buckets[row], row))

    def words(number: int, *names: str | int) -> list[int]:
        seed = derive_seed(case.seed, "plan", *names)
        return [int(word) for word in np.random.PCG64(seed).random_raw(number)]

    mix = words(count, "mix", epoch)
    line = []
    for group in set(groups):
        places = [place for place in range(count) if groups[order[place]] == group]
        size, take = len(places), drawn[group]
        first, last = take * epoch // size, take * (epoch + 1) // size
        distance = 2**64 // (last - first + 1) - 1
        for slot in range(take * epoch, take * (epoch + 1)):
            number, k = divmod(slot, size)
            place = slow_pass(places, [buckets[order[p]] for p in places],
                              words(size, "pass", group, number))[k]  # fmt: skip
            key = (mix[place] + (number - first) * distance) % 2**64
            line.append((buckets[order[place]], key >> 42, place))
    return [order[place] for _, _, place in sorted(line)]


def slow_pass(places: list[int], buckets: list[int], keys: list[int]) -> list[int]:
    """One pass of a group: slot k goes to the bucket whose quota grows there."""
    waiting = [
        sorted((keys[i] >> 42, place) for i, place in enumerate(places) if buckets[i] == bucket)
        for bucket in range(max(buckets) + 1)
    ]
    counts = [len(rows) for rows in waiting]
    walk = []
    for k in range(len(places)):
        before, after = slow_quota(k, counts), slow_quota(k + 1, counts)
        [bucket] = [b for b in range(len(counts)) if after[b] > before[b]]
        walk.append(waiting[bucket].pop(0)[1])
    return walk
