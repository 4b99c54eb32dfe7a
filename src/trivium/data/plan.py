"""Which rows make which micro of which step: a pure function of lengths, groups, seed and step.

Rows are divided once, by length, into narrow buckets. A group (a language, a corpus) walks
permutations of its own rows and gives every epoch the same number of them, spread evenly over the
buckets; so an epoch always has the same number of micros, step -> (epoch, place) is arithmetic,
and starting at step 1,000,000 costs what starting at step 0 costs.

An epoch's rows lie in a line, longest bucket first, shuffled inside each bucket, and are cut into
micros; the bucket of a micro's first row says how many rows fit. The first cut falls at a random
place, so that the borders move from epoch to epoch. Then the micros are shuffled.
"""

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trivium.errors import SettingsError
from trivium.runtime import derive_seed

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
Places = NDArray[np.uint32]

# Lengths are told apart by the leading 7 bits of a float's fraction: 0.4 to 0.8 % apart, down to
# 1/65,536 of the longest. Unlike a logarithm that is the same on every processor.
DROPPED_BITS, MAX_BINS = 16, 2_048
# A bucket spans about 1 to 6 % of length and holds 8 micros, or fewer in a small corpus.
MIN_SPAN_BINS, MAX_SPAN_BINS = 2, 10
BUCKET_MICROS, MIN_BUCKETS = 8.0, 64
MAX_ROWS_A_MICRO = 65_536


@dataclass(frozen=True)
class Group:
    """Rows that share a rate: `start` to `stop` of the rows sorted by group and bucket."""

    number: int
    start: int
    stop: int
    drawn: int  # rows given to every epoch
    counts: Integers  # (buckets,) rows in each

    @property
    def rows(self) -> int:
        """How many rows the group has."""
        return self.stop - self.start


@dataclass(frozen=True)
class Epoch:
    """The micros of an epoch in the order of training: micro i is `rows[starts[i]:stops[i]]`."""

    rows: NDArray[np.uint32]  # (rows of an epoch,) positions in the source, longest bucket first
    starts: Integers  # (micros,)
    stops: Integers  # (micros,)


class Plan:
    """The micros of every step, for rows of given lengths in groups mixed by temperature.

    `lengths` are in the unit of `budget`; `groups` number the group of each row. The share of a
    group of n rows is proportional to n ** (1 / temperature): 1 takes every row once an epoch.
    Positions in `lengths` are all a plan knows of rows; rank and world only choose among micros.
    Safe to share between threads.
    """

    def __init__(
        self,
        lengths: NDArray[Any],
        groups: NDArray[Any] | None = None,
        *,
        budget: float,
        micros_per_step: int,
        seed: int,
        temperature: float = 1.0,
    ) -> None:
        _check(lengths, groups, budget, micros_per_step, temperature)
        self.budget, self.seed = float(budget), seed
        self.micros_per_step = micros_per_step
        sizes = np.array([len(lengths)]) if groups is None else np.bincount(groups)
        drawn = rows_per_epoch(sizes, temperature)
        buckets = _buckets(lengths, groups, drawn / np.maximum(sizes, 1), self.budget)
        self._order = _sorted(buckets, groups)  # (N,) positions by group and bucket
        self._bucket_of = buckets[self._order]  # (N,)
        # (buckets,) longest length in each; so large that MAX_ROWS_A_MICRO is never exceeded.
        self._widths = np.full(int(buckets.max()) + 1, self.budget / MAX_ROWS_A_MICRO)
        np.maximum.at(self._widths, self._bucket_of, lengths[self._order])
        self._groups = self._make_groups(sizes, drawn)
        self.micros_per_epoch = self._constant_micros()
        self._lock = threading.Lock()
        self._epochs: dict[int, Epoch] = {}

    @property
    def steps_per_epoch(self) -> int:
        """An epoch is this many whole steps, always."""
        return self.micros_per_epoch // self.micros_per_step

    @property
    def rows_per_epoch(self) -> int:
        """Rows in an epoch, repeats of small groups included."""
        return sum(group.drawn for group in self._groups)

    def epoch_of(self, step: int) -> int:
        """The epoch a step belongs to."""
        return step // self.steps_per_epoch

    def step(self, step: int) -> list[Integers]:
        """Positions of the rows of each of the step's micros."""
        if step < 0:
            raise SettingsError(f"there is no step {step}; steps are counted from 0")
        number, place = divmod(step, self.steps_per_epoch)
        epoch = self.epoch(number)
        first = place * self.micros_per_step
        return [
            epoch.rows[epoch.starts[micro] : epoch.stops[micro]].astype(np.int64)
            for micro in range(first, first + self.micros_per_step)
        ]

    def micros_of(self, step: int, rank: int = 0, world: int = 1) -> list[Integers]:
        """The micros `rank`, `rank + world`, ... of a step: what one of `world` devices trains."""
        check_world(self.micros_per_step, rank, world)
        return self.step(step)[rank::world]

    def epoch(self, number: int) -> Epoch:
        """All micros of an epoch; the last two asked for are kept."""
        with self._lock:
            if number not in self._epochs:
                while len(self._epochs) > 1:
                    del self._epochs[next(iter(self._epochs))]
                self._epochs[number] = self._make_epoch(number)
            return self._epochs[number]

    def _make_groups(self, sizes: Integers, drawn: Integers) -> list[Group]:
        groups, start = [], 0
        for number, (size, take) in enumerate(zip(sizes.tolist(), drawn.tolist(), strict=True)):
            own = self._bucket_of[start : start + size]
            counts = np.bincount(own, minlength=len(self._widths))
            if size:
                groups.append(Group(number, start, start + size, take, counts))
            start += size
        return groups

    def _constant_micros(self) -> int:
        """Micros that are enough for any epoch, rounded up to whole steps."""
        most = np.zeros(len(self._widths), np.int64)
        for group in self._groups:
            most += most_rows(group.counts, group.drawn)
        rows = int(most[-1])
        # One more than the best cut, for the first micro ends at a random place.
        needed = min(count_micros(most, self._widths, self.budget) + 1, rows)
        possible = [
            size for size in range(1, self.micros_per_step + 1) if _up(needed, size) <= rows
        ]
        if possible[-1] != self.micros_per_step:
            raise SettingsError(
                f"{rows:,} rows do not fill steps of {self.micros_per_step} micros, none empty; "
                f"use at most {possible[-1]} micros a step, or more rows"
            )
        return _up(needed, self.micros_per_step)

    def _make_epoch(self, number: int) -> Epoch:
        line = self._line(number)
        ends = np.cumsum(np.bincount(self._bucket_of[line], minlength=len(self._widths)))
        phase = derive_seed(self.seed, "plan", "phase", number) / 2**63
        cuts = cut_micros(ends, self._widths, self.budget, phase, self.micros_per_epoch)
        turn = np.argsort(self._draw(self.micros_per_epoch, "turn", number), kind="stable")
        return Epoch(self._order[line], cuts[:-1][turn], cuts[1:][turn])

    def _line(self, epoch: int) -> Places:
        """The epoch's rows, as places in `_order`, longest bucket first, shuffled in buckets."""
        draws = self._draw(len(self._order), "mix", epoch)
        if all(group.drawn == group.rows for group in self._groups):
            return _shuffled(self._bucket_of, draws)
        parts = [self._part(group, epoch, draws) for group in self._groups]
        places = np.concatenate([places for places, _ in parts])
        keys = np.concatenate([keys for _, keys in parts])
        del parts, draws
        return _shuffled(self._bucket_of[places], keys, places)

    def _part(self, group: Group, epoch: int, draws: Words) -> tuple[Places, Words]:
        """What a group gives to an epoch: places in `_order`, and keys to shuffle them by."""
        first, begin = divmod(group.drawn * epoch, group.rows)
        last, end = divmod(group.drawn * (epoch + 1), group.rows)
        whole = np.arange(group.start, group.stop, dtype=np.uint32)
        turns = np.arange(first + (begin > 0), last, dtype=np.uint64)  # passes that lie inside
        pieces, passes = [np.tile(whole, len(turns))], [np.repeat(turns, group.rows)]
        borders = [(first, begin, group.rows), (last, 0, end)]
        if first == last:
            borders = [(first, begin, end)]
        for number, start, stop in borders:
            if start == stop or (start, stop) == (0, group.rows):
                continue
            pieces.append(self._window(group, number, start, stop))
            passes.append(np.full(stop - start, number, np.uint64))
        places, pass_ = np.concatenate(pieces), np.concatenate(passes)
        # A row that comes up k times in an epoch does so at even distances on the line.
        distance = np.uint64(2**64 // (last - first + 1) - 1)
        return places, draws[places] + (pass_ - np.uint64(first)) * distance

    def _window(self, group: Group, pass_: int, begin: int, end: int) -> Places:
        """Rows `begin` to `end` of a pass, each bucket walking a permutation of its own."""
        draws = self._draw(group.rows, "pass", group.number, pass_)
        shuffled = _shuffled(self._bucket_of[group.start : group.stop], draws)
        skip = quotas(begin, group.counts)
        taken = quotas(end, group.counts) - skip
        # Of each bucket the piece from `skip` on, `taken` long.
        offsets = np.cumsum(group.counts) - group.counts
        shift = np.repeat(offsets + skip - (np.cumsum(taken) - taken), taken)
        return np.asarray(shuffled[np.arange(len(shift)) + shift] + group.start, np.uint32)

    def _draw(self, count: int, *names: str | int) -> Words:
        # Raw words of a bit generator: numpy promises that these never change.
        generator = np.random.PCG64(derive_seed(self.seed, "plan", *names))
        return np.asarray(generator.random_raw(count), np.uint64)


def check_world(micros_per_step: int, rank: int, world: int) -> None:
    """Refuse a number of devices that cannot share a step's micros evenly."""
    if micros_per_step % world:
        fits = [size for size in range(1, micros_per_step + 1) if micros_per_step % size == 0]
        raise SettingsError(
            f"{micros_per_step} micros a step cannot be shared evenly by {world} devices; use "
            f"{_up(micros_per_step, world)} micros a step (training.loader.micros_per_step), or "
            f"{' or '.join(map(str, fits))} devices"
        )
    if not 0 <= rank < world:
        raise SettingsError(f"rank {rank} is not one of {world} devices, 0 to {world - 1}")


def rows_per_epoch(sizes: Integers, temperature: float) -> Integers:
    """Rows each group gives to an epoch, about as many in all as there are rows."""
    present = sizes > 0
    weights = np.where(present, np.maximum(sizes, 1) ** (1.0 / temperature), 0.0)
    drawn = np.rint(weights / weights.sum() * sizes.sum()).astype(np.int64)
    return np.asarray(np.maximum(drawn, present), np.int64)


def quotas(taken: int, counts: Integers) -> Integers:
    """How many of the first `taken` rows of a pass come from each bucket.

    Shares are halved down a binary tree, each node rounding its left half. So the quotas add up to
    `taken`, never fall as it grows, end at `counts`, and the rows of the first j buckets together
    are never further than half the depth of the tree from their fair number.
    """
    levels = [np.pad(counts, (0, 2 ** _depth(counts) - len(counts)))]
    while len(levels[-1]) > 1:
        levels.append(levels[-1].reshape(-1, 2).sum(1))
    share = np.array([taken])
    for level in reversed(levels[:-1]):
        left, whole = level[::2], np.maximum(level[::2] + level[1::2], 1)
        left = (2 * share * left + whole) // (2 * whole)
        share = np.stack([left, share - left], axis=1).ravel()
    return np.asarray(share[: len(counts)], np.int64)


def most_rows(counts: Integers, drawn: int) -> Integers:
    """The most rows an epoch can get from the first j buckets of a group, for each j."""
    reached = np.cumsum(counts)
    fair = drawn * reached // reached[-1]
    # An epoch lies between two places of the walk, each off by half the depth at most.
    off = 0 if drawn % int(reached[-1]) == 0 else _depth(counts)
    return np.asarray(np.where(reached > 0, np.minimum(fair + off, drawn), 0), np.int64)


def count_micros(ends: Integers, widths: Floats, budget: float, phase: float = 1.0) -> int:
    """How many micros a line of rows is cut into; bucket j ends at `ends[j]`."""
    return sum(number for _, _, number in _runs(ends, widths, budget, phase))


def cut_micros(
    ends: Integers, widths: Floats, budget: float, phase: float, micros: int
) -> Integers:
    """Cut a line of rows into exactly `micros` of nearly equal size; the micros + 1 borders.

    Uses the smallest budget for which `micros` are enough, and splits the largest for the rest.
    """
    low, high = float(widths.max()), budget
    while high - low > 1e-4 * budget:
        middle = (low + high) / 2
        enough = count_micros(ends, widths, middle, phase) <= micros
        low, high = (low, middle) if enough else (middle, high)
    runs = list(_runs(ends, widths, high, phase))
    starts = [first + np.arange(number) * size for first, size, number in runs]
    cuts = np.concatenate([*starts, ends[-1:]]).astype(np.int64)
    while (missing := micros + 1 - len(cuts)) > 0:
        rows = np.diff(cuts)
        sizes = rows * widths[np.searchsorted(ends, cuts[:-1], side="right")]
        sizes[rows == 1] = 0
        largest = np.argsort(-sizes, kind="stable")[:missing]
        halved = largest[sizes[largest] > sizes.max() / 2]
        cuts = np.sort(np.append(cuts, cuts[halved] + (rows[halved] + 1) // 2))
    return cuts


def _runs(
    ends: Integers, widths: Floats, budget: float, phase: float
) -> Iterator[tuple[int, int, int]]:
    """(first row, rows a micro, number of micros) of each run of equal micros along the line."""
    place = 0
    for end, width in zip(ends.tolist(), widths.tolist(), strict=True):
        if place >= end:
            continue
        fit = _fit(width, budget)
        if not place:
            yield 0, (place := max(1, math.ceil(phase * fit))), 1
        if number := max(0, -(-(end - place) // fit)):
            yield place, fit, number
            place += number * fit


def _fit(width: float, budget: float) -> int:
    """Rows of a length that fit a budget; at least one, though rounding says otherwise."""
    fit = int(budget / width)
    return max(1, fit - (fit * width > budget))


def _shuffled(buckets: NDArray[np.uint16], keys: Words, places: Places | None = None) -> Places:
    """Places ordered by bucket, and inside a bucket at random."""
    # One word a row: bucket (10 bits), key (22), place (32). Sorting words is twice as fast as
    # argsort, and takes a third of the memory.
    words = (keys >> np.uint64(42)) << np.uint64(32)
    words |= buckets.astype(np.uint64) << np.uint64(54)
    words |= np.arange(len(keys), dtype=np.uint32) if places is None else places
    words.sort()
    return words.astype(np.uint32)


def _buckets(
    lengths: NDArray[Any], groups: NDArray[Any] | None, rates: Floats, budget: float
) -> NDArray[np.uint16]:
    """The bucket of each row; 0 has the longest."""
    steps = lengths.astype(np.float32).view(np.int32) >> DROPPED_BITS
    bin_of = np.minimum(steps.max() - steps, MAX_BINS - 1).astype(np.uint16)
    mass = lengths * (rates / budget).astype(np.float32)[0 if groups is None else groups]
    micros = np.bincount(bin_of, weights=mass, minlength=MAX_BINS)
    wanted = min(BUCKET_MICROS, math.fsum(micros) / MIN_BUCKETS)
    bucket_of_bin = np.zeros(MAX_BINS, np.uint16)
    bucket, held, span = 0, 0.0, 0
    for place in np.flatnonzero(np.bincount(bin_of, minlength=MAX_BINS)).tolist():
        full = held >= wanted and place - span >= MIN_SPAN_BINS
        if held and (full or place - span >= MAX_SPAN_BINS):
            bucket, held, span = bucket + 1, 0.0, place
        span = span if held else place
        held += micros[place]
        bucket_of_bin[place] = bucket
    return np.asarray(bucket_of_bin[bin_of], np.uint16)


def _sorted(buckets: NDArray[np.uint16], groups: NDArray[Any] | None) -> NDArray[np.uint32]:
    """Positions by group, then bucket, then as they stand."""
    order = np.argsort(buckets, kind="stable").astype(np.uint32)
    if groups is None:
        return order
    # Stable sorts of 16-bit numbers are radix sorts.
    return order[np.argsort(groups[order].astype(np.uint16), kind="stable")]


def _depth(counts: Integers) -> int:
    return max(0, len(counts) - 1).bit_length()


def _up(number: int, unit: int) -> int:
    return math.ceil(number / unit) * unit


def _check(
    lengths: NDArray[Any],
    groups: NDArray[Any] | None,
    budget: float,
    micros_per_step: int,
    temperature: float,
) -> None:
    if not len(lengths):
        raise SettingsError(f"a plan of {len(lengths)} rows was asked for; at least one is needed")
    if micros_per_step < 1:
        raise SettingsError(f"micros_per_step is {micros_per_step}; a step has at least one micro")
    if not temperature >= 1:
        raise SettingsError(f"temperature is {temperature}; it is 1 (as it is) or larger (evener)")
    shortest, longest = float(lengths.min()), float(lengths.max())
    if not (shortest >= 0 and longest <= budget):  # NaN fails both
        raise SettingsError(
            f"lengths go from {shortest:g} to {longest:g}; a row must have 0 to {budget:g}, "
            "the budget of a micro"
        )
    if groups is not None and (len(groups) != len(lengths) or groups.max() >= 2**16):
        raise SettingsError(
            f"{len(groups):,} group numbers up to {groups.max():,} were given for {len(lengths):,} "
            "rows; each row has one, below 65,536"
        )
