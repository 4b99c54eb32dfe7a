"""The plan against its promises, and against a twin that walks row by row."""

import hashlib
import itertools
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.plan_twin import Case, cases, slow_line
from trivium.data.plan import (
    Plan,
    check_world,
    count_micros,
    cut_micros,
    most_rows,
    quotas,
    rows_per_epoch,
)
from trivium.errors import SettingsError


def epoch_micros(plan: Plan, epoch: int) -> list[list[int]]:
    steps = range(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch)
    return [micro.tolist() for step in steps for micro in plan.step(step)]


@given(cases(), st.integers(0, 3))
def test_the_line_of_an_epoch_is_that_of_the_slow_twin(case: Case, epoch: int) -> None:
    assert case.plan().epoch(epoch).rows.tolist() == slow_line(case, epoch)


@given(cases(temperatures=(1.0,)), st.integers(0, 5))
def test_at_temperature_one_an_epoch_has_every_row_once(case: Case, epoch: int) -> None:
    rows = list(itertools.chain(*epoch_micros(case.plan(), epoch)))
    assert sorted(rows) == list(range(len(case.lengths)))


@given(cases(temperatures=(1.5, 4.0, 100.0)), st.integers(1, 9))
def test_at_every_epochs_end_rows_of_a_group_were_seen_equally_often(
    case: Case, epochs: int
) -> None:
    plan, seen = case.plan(), np.zeros(len(case.lengths), int)
    groups = np.zeros(len(seen), int) if case.groups is None else case.groups
    for epoch in range(epochs):
        for micro in epoch_micros(plan, epoch):
            np.add.at(seen, micro, 1)
        for group in np.unique(groups):
            assert np.ptp(seen[groups == group]) <= 1
    sizes = np.bincount(groups)
    drawn = rows_per_epoch(sizes, case.temperature)
    assert np.bincount(groups, weights=seen).tolist() == (drawn * epochs).tolist()


@given(cases(), st.integers(0, 50))
def test_every_step_has_its_micros_none_empty_each_within_budget(case: Case, step: int) -> None:
    micros = case.plan().step(step)
    assert len(micros) == case.micros_per_step
    for micro in micros:
        assert len(micro) > 0
        assert float(case.lengths[micro].max()) * len(micro) <= case.budget


@given(cases(), st.integers(0, 30))
def test_devices_share_the_micros_of_a_step(case: Case, step: int) -> None:
    case = Case(**{**vars(case), "micros_per_step": 4})
    try:
        plan = case.plan()
    except SettingsError:
        return  # too few rows for four micros a step
    whole = [micro.tolist() for micro in plan.step(step)]
    for world in (1, 2, 4):
        shares = [plan.micros_of(step, rank, world) for rank in range(world)]
        turns = [micro for turn in zip(*shares, strict=True) for micro in turn]
        assert [micro.tolist() for micro in turns] == whole


@given(cases(), st.integers(0, 60))
def test_a_fresh_plan_continues_at_any_step(case: Case, start: int) -> None:
    running = case.plan()
    for step in range(start):
        running.step(step)
    fresh = case.plan()
    for step in range(start, start + 3):
        ours, theirs = fresh.step(step), running.step(step)
        assert [micro.tolist() for micro in ours] == [micro.tolist() for micro in theirs]


def test_any_number_of_threads_gets_the_same_steps(durations: np.ndarray[Any, Any]) -> None:
    lengths = durations[:2_000]
    alone = Plan(lengths, budget=200, micros_per_step=4, seed=1)
    expected = [[m.tolist() for m in alone.step(step)] for step in range(60)]
    shared = Plan(lengths, budget=200, micros_per_step=4, seed=1)
    steps = list(range(60))
    np.random.default_rng(0).shuffle(steps)
    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(steps, pool.map(shared.step, steps), strict=True))
    assert [[m.tolist() for m in found[step]] for step in range(60)] == expected


def test_threads_that_need_an_epoch_at_once_make_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(np.ones(100), budget=10, micros_per_step=1, seed=0)
    make, made = plan._make_epoch, []

    def slowly(number: int) -> Any:
        made.append(number)
        time.sleep(0.01)
        return make(number)

    monkeypatch.setattr(plan, "_make_epoch", slowly)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(plan.step, range(2 * plan.steps_per_epoch)))
    assert made == [0, 1]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=20).filter(any), st.data())
def test_quotas_grow_by_one_row_at_a_time_and_stay_near_the_fair_number(
    counts: list[int], data: st.DataObject
) -> None:
    rows = sum(counts)
    array = np.array(counts)
    walk = np.array([quotas(taken, array) for taken in range(rows + 1)])
    assert walk[0].tolist() == [0] * len(counts)
    assert walk[-1].tolist() == counts
    steps = np.diff(walk, axis=0)
    assert steps.min(initial=0) >= 0
    assert steps.sum(1).tolist() == [1] * rows
    depth = (len(counts) - 1).bit_length()
    fair = np.arange(rows + 1)[:, None] * np.cumsum(counts) / rows
    assert np.abs(walk.cumsum(1) - fair).max() <= depth / 2
    # What an epoch gets of the first j buckets is never more than the plan counts on.
    drawn = data.draw(st.integers(1, 3 * rows))
    most = most_rows(array, drawn)
    assert np.all(np.diff(most) >= 0)
    assert most[-1] == drawn
    for epoch in range(6):
        (first, begin), (last, end) = (
            divmod(drawn * epoch, rows),
            divmod(drawn * epoch + drawn, rows),
        )
        got = (last - first) * array + walk[end] - walk[begin]
        assert np.all(got.cumsum() <= most)


@given(
    st.lists(st.tuples(st.integers(1, 40), st.floats(0.5, 1.0)), min_size=1, max_size=12),
    st.floats(1.0, 20.0), st.floats(0.0, 1.0, exclude_max=True), st.integers(0, 9),
)  # fmt: skip
def test_a_line_is_cut_into_just_as_many_micros_as_asked(
    buckets: list[tuple[int, float]], budget: float, phase: float, spare: int
) -> None:
    ends = np.cumsum([count for count, _ in buckets])
    widths = np.cumprod([width for _, width in buckets])
    least = count_micros(ends, widths, budget)
    # The random place of the first cut costs one more micro at most.
    assert least <= count_micros(ends, widths, budget, phase) + 1
    assert count_micros(ends, widths, budget, phase) <= least + 1
    micros = min(least + 1 + spare, int(ends[-1]))
    cuts = cut_micros(ends, widths, budget, phase, micros)
    assert len(cuts) == micros + 1
    assert (cuts[0], cuts[-1]) == (0, ends[-1])
    rows = np.diff(cuts)
    first_width = np.repeat(widths, np.diff(ends, prepend=0))[cuts[:-1]]
    assert rows.min() >= 1
    assert np.all(rows * first_width <= budget)


@pytest.fixture(scope="module")
def durations() -> np.ndarray[Any, Any]:
    """Utterances of 1 to 8 s, about 50 hours."""
    drawn = np.random.default_rng(7).gamma(6, 0.6, 50_000)
    return np.clip(drawn, 1, 8).astype(np.float32)


def padding(plan: Plan, lengths: np.ndarray[Any, Any], epoch: int) -> tuple[float, float]:
    """The padded share of an epoch's micros, and how full of the budget they are."""
    micros = epoch_micros(plan, epoch)
    room = [float(lengths[micro].max()) * len(micro) for micro in micros]
    held = sum(float(lengths[micro].sum()) for micro in micros)
    return 1 - held / sum(room), sum(room) / len(room) / plan.budget


@pytest.mark.parametrize("temperature", [1.0, 5.0])
def test_micros_of_fifty_hours_are_full_and_padded_by_less_than_three_percent(
    durations: np.ndarray[Any, Any], temperature: float
) -> None:
    shares = [0.5, 0.3, 0.1, 0.07, 0.03]
    groups = np.random.default_rng(1).choice(5, len(durations), p=shares)
    plan = Plan(durations, groups, budget=200, micros_per_step=8, seed=3, temperature=temperature)
    padded, full = padding(plan, durations, epoch=4)
    assert padded < 0.015
    assert full > 0.97


def sorted_padding(lengths: np.ndarray[Any, Any], micros: int) -> float:
    """The padded share where sorted rows are cut into equally many of equal size: the least."""
    longest_first = np.sort(lengths)[::-1]
    low, high = 0.0, float(lengths.sum()) * 2
    while high - low > 0.01:
        budget, found, place = (low + high) / 2, [], 0
        while place < len(lengths):
            rows = max(1, int(budget / longest_first[place]))
            found.append(longest_first[place : place + rows])
            place += rows
        low, high = (low, budget) if len(found) <= micros else (budget, high)
    return 1 - float(lengths.sum()) / sum(float(rows[0]) * len(rows) for rows in found)


@pytest.mark.parametrize("micros_per_step", [1, 2, 4, 8])
def test_a_small_corpus_is_padded_little_more_than_sorted_rows(
    durations: np.ndarray[Any, Any], micros_per_step: int
) -> None:
    lengths = durations[:200]  # four micros' worth
    plan = Plan(lengths, budget=200, micros_per_step=micros_per_step, seed=0)
    padded = np.mean([padding(plan, lengths, epoch)[0] for epoch in range(10)])
    assert padded < 1.3 * sorted_padding(lengths, plan.micros_per_epoch) + 0.01


@pytest.mark.parametrize(("rows", "times"), [(50_000, 5.0), (5_000, 2.2), (200, 1.25)])
def test_rows_meet_other_rows_in_every_epoch(
    durations: np.ndarray[Any, Any], rows: int, times: float
) -> None:
    plan = Plan(durations[:rows], budget=200, micros_per_step=2, seed=0)
    met: set[int] = set()
    sizes = []
    for epoch in range(10):
        [micro] = [micro for micro in epoch_micros(plan, epoch) if 17 in micro]
        met.update(micro)
        sizes.append(len(micro))
    assert len(met) > times * np.mean(sizes)


def test_a_row_that_an_epoch_repeats_is_not_repeated_inside_a_micro() -> None:
    groups = np.repeat([0, 1], [1_000, 10])
    plan = Plan(np.ones(1_010, np.int32), groups, budget=8, micros_per_step=1, seed=0,
                temperature=5.0)  # fmt: skip
    micros = epoch_micros(plan, 3)
    rows = list(itertools.chain(*micros))
    assert rows.count(1_005) >= 28
    assert all(len(set(micro)) == len(micro) for micro in micros)


def test_a_wide_gap_between_lengths_does_not_pad_the_short_rows() -> None:
    lengths = np.array([30.0] * 3 + [2.0] * 500, np.float32)
    plan = Plan(lengths, budget=100, micros_per_step=1, seed=0)
    assert padding(plan, lengths, epoch=0)[0] < 0.12


def test_epochs_and_seeds_differ() -> None:
    lengths = np.linspace(1, 8, 500, dtype=np.float32)
    plans = [Plan(lengths, budget=50, micros_per_step=4, seed=seed) for seed in (1, 2)]
    lines = [plan.epoch(epoch).rows.tolist() for plan in plans for epoch in (0, 1)]
    firsts = [epoch_micros(plan, epoch)[0] for plan in plans for epoch in (0, 1)]
    for drawn in (lines, firsts):
        assert all(a != b for a, b in itertools.combinations(drawn, 2))


def test_rounding_never_exceeds_the_budget() -> None:
    assert 38 * 4.82 > 183.16  # though 183.16 / 4.82 is 38.0
    assert count_micros(np.array([76]), np.array([4.82]), 183.16) == 3


def test_rows_of_length_zero_are_planned_like_the_others() -> None:
    lengths = np.array([0.0] * 40 + [3.0], np.float32)
    for values in (lengths, np.zeros(41, np.float32)):
        plan = Plan(values, budget=10, micros_per_step=2, seed=0)
        assert sorted(itertools.chain(*epoch_micros(plan, 1))) == list(range(41))


def test_the_order_is_the_same_in_every_version() -> None:
    # A run resumed by a newer version, or on another machine, must go on with the same rows.
    lengths = 1 + np.arange(3_000) * 7_919 % 700 / np.float32(100)
    groups = np.arange(3_000) % 7 // 3
    plan = Plan(lengths.astype(np.float32), groups, budget=100, micros_per_step=4, seed=5,
                temperature=2.0)  # fmt: skip
    words = repr([[micro.tolist() for micro in plan.step(step)] for step in (0, 77)])
    assert hashlib.sha256(words.encode()).hexdigest()[:16] == "c0ed20a61d100c64"


def test_steps_that_rows_cannot_fill_are_refused_with_what_can_be_done() -> None:
    with pytest.raises(SettingsError, match=r"5 rows do not fill steps of 8 micros.*at most 5"):
        Plan(np.ones(5), budget=10, micros_per_step=8, seed=0)
    # Seven rows of which each needs a micro of its own.
    with pytest.raises(SettingsError, match=r"7 rows do not fill steps of 4 .* at most 1 micros"):
        Plan(np.ones(7), budget=1, micros_per_step=4, seed=0)


def test_devices_that_cannot_share_are_refused_with_what_can_be_done() -> None:
    with pytest.raises(
        SettingsError, match=r"6 micros a step .* 4 devices; use 8 micros .* 1 or 2"
    ):
        check_world(6, 0, 4)
    with pytest.raises(SettingsError, match="rank 2 is not one of 2 devices, 0 to 1"):
        check_world(6, 2, 2)
    with pytest.raises(SettingsError, match="no step -1"):
        Plan(np.ones(5), budget=10, micros_per_step=1, seed=0).step(-1)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"lengths": np.zeros(0)}, "0 rows"),
        ({"lengths": np.array([1.0, 11.0])}, "from 1 to 11; .* 0 to 10"),
        ({"lengths": np.array([1.0, np.nan])}, "from nan to nan"),
        ({"lengths": np.array([-1.0, 2.0])}, "from -1 to 2"),
        ({"groups": np.zeros(3, int)}, "3 group numbers .* for 2 rows"),
        ({"groups": np.array([0, 70_000])}, "up to 70,000"),
        ({"micros_per_step": 0}, "micros_per_step is 0"),
        ({"temperature": 0.5}, "temperature is 0.5"),
    ],
)
def test_what_cannot_be_planned_is_refused(changed: dict[str, Any], sentence: str) -> None:
    given_ = {"lengths": np.ones(2), "budget": 10, "micros_per_step": 1, "seed": 0, **changed}
    with pytest.raises(SettingsError, match=sentence):
        Plan(**given_)


def test_200_000_rows_start_at_a_late_epoch() -> None:
    lengths = np.tile(np.linspace(1, 20, 50_000, dtype=np.float32), 4)
    plan = Plan(lengths, budget=200, micros_per_step=8, seed=0)
    rows = plan.epoch(plan.epoch_of(10**6)).rows
    assert np.array_equal(np.sort(rows), np.arange(200_000))
    assert sum(map(len, plan.step(10**6))) > 8


LARGE = """
import numpy as np
from trivium.data.plan import Plan
from trivium.runtime import peak_memory_bytes
generator = np.random.default_rng(0)
lengths = np.clip(generator.standard_gamma(6, 10_000_000, np.float32), 1, 20)
groups = generator.integers(0, 4, 10_000_000, dtype=np.int32) ** 2
plan = Plan(lengths, groups, budget=200, micros_per_step=8, seed=0, temperature=5.0)
plan.step(10**7)
print(peak_memory_bytes())
"""


@pytest.mark.slow
def test_ten_million_rows_take_less_than_a_gigabyte() -> None:
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 10**9
