"""The error of ABX: as fastabx has it, and as its definition says."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.tasks.abx.slow import Item, slow_abx, slow_frames
from trivium.errors import TriviumError
from trivium.tasks.abx import distances
from trivium.tasks.abx.cells import across_cells, group, within_cells
from trivium.tasks.abx.errors import comparisons
from trivium.tasks.abx.frames import locate, slices, unit_frames
from trivium.tasks.abx.items import Items, picoseconds, read_items

FIXTURES = Path(__file__).parent / "fixtures"
EVERYTHING = {"any_context": False, "max_group": None, "max_x_speakers": None, "seed": 0}
# The file of fastabx's scores for each way to slice.
SCORES = {"whole": "scores.json", "librilight": "scores_librilight_bug.json"}


def of_items(items):
    """Items as the package has them."""
    return Items.of_rows(
        [(i.file, picoseconds(i.onset), picoseconds(i.offset), *i[3:]) for i in items]
    )


@pytest.mark.parametrize("slicing", SCORES)
@pytest.mark.parametrize("name", json.loads((FIXTURES / "scores.json").read_text()))
def test_scores_are_those_of_fastabx(name, slicing):
    unit, speakers, context = name.split("/")
    speakers = speakers.removesuffix("-speaker")
    features = np.load(FIXTURES / "features.npz")
    items = read_items(FIXTURES / f"{unit}.item")
    counts = {file: len(features[file]) for file in features}
    items, first, count = locate(items, counts, slices(items, Fraction(50), slicing), "error")
    asked = EVERYTHING | {"any_context": context == "any-context"}
    frames = unit_frames(torch.from_numpy(np.concatenate([features[file] for file in features])))
    found = comparisons(items, first, count, (speakers,), **asked).errors(frames)
    expected = json.loads((FIXTURES / SCORES[slicing]).read_text())[name]
    assert found == {speakers: pytest.approx(expected, abs=1e-6)}


@st.composite
def spoken(draw):
    """Items of a few files, how frames are made for them, and the frame rate."""
    milliseconds = st.integers(0, 500), st.integers(1, 150)
    items = []
    for _ in range(draw(st.integers(3, 12))):
        onset, length = map(draw, milliseconds)
        times = f"{onset / 1000:.3f}", f"{(onset + length) / 1000:.3f}"
        file, phone, previous, speaker = (
            draw(st.sampled_from(c)) for c in ("fg", "abc", "pq", "st")
        )
        items.append(Item(file, *times, phone, previous, "n", speaker))
    rate_hz = draw(st.sampled_from([Fraction(50), Fraction(25), Fraction(100, 3)]))
    return items, draw(st.booleans()), rate_hz, draw(st.integers(0, 2**32))


@given(spoken(), st.booleans(), st.booleans(), st.booleans())
def test_the_error_is_that_of_the_definition(case, across, any_context, librilight):
    items, ties, rate_hz, seed = case
    random = np.random.default_rng(seed)
    total = 40
    files = {}
    for file in "fg":
        if ties:  # few different frames, some of them zero: every cost is exact
            files[file] = np.eye(4, dtype=np.float32)[random.integers(4, size=total)]
            files[file][:, 3] = 0
        else:
            files[file] = random.standard_normal((total, 5)).astype(np.float32)
    sliced = [slow_frames(item, rate_hz, total, librilight) for item in items]
    kept = [(i, files[i.file][rows]) for i, rows in zip(items, sliced, strict=True) if rows]
    expected = slow_abx(*zip(*kept, strict=True), across, any_context) if kept else None
    assume(expected is not None)

    given_ = of_items(items)
    found, first, count = locate(
        given_, dict.fromkeys(files, total),
        slices(given_, rate_hz, "librilight" if librilight else "whole"), "skip",
    )  # fmt: skip
    assert count.tolist() == [len(frames) for _, frames in kept]
    frames = unit_frames(torch.from_numpy(np.concatenate(list(files.values()))))
    speakers = "across" if across else "within"
    asked = EVERYTHING | {"any_context": any_context}
    made = comparisons(found, first, count, (speakers,), **asked).errors(frames)
    assert made[speakers] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("across", [True, False])
def test_paths_that_tie_are_walked_from_x(across):
    # Of these items many pairs have another distance when their sides are swapped.
    random = np.random.default_rng(4)
    own = [np.eye(4, 3, dtype=np.float32)[random.integers(4, size=n)] for n in [4, 5, 6, 7] * 12]
    kinds = [(phone, speaker) for phone in "ab" for speaker in "st"] * 12
    items = [Item("f", "0", "1", phone, "p", "n", speaker) for phone, speaker in kinds]
    count = np.array([len(frames) for frames in own])
    frames = unit_frames(torch.from_numpy(np.concatenate(own)))
    speakers = "across" if across else "within"
    first = np.cumsum(count) - count
    made = comparisons(of_items(items), first, count, (speakers,), **EVERYTHING).errors(frames)
    assert made[speakers] == pytest.approx(slow_abx(items, own, across), abs=1e-9)


def many(tokens=4, speakers=7, phones="ab"):
    """Groups of equal size, the frames of each item its own."""
    rows = [
        (f"{speaker}", 0, 10**12, phone, "p", "n", f"s{speaker}")
        for speaker in range(speakers) for phone in phones for _ in range(tokens)
    ]  # fmt: skip
    return Items.of_rows(rows)


def test_groups_and_speakers_are_drawn_from_the_seed():
    items = many()
    groups = group(items, False, 3, seed=1)
    assert groups.sizes.tolist() == [3] * 14
    assert len(set(groups.items.tolist())) == 42
    assert (np.diff(groups.items) > 0).all()  # tokens keep their order
    again, other = group(items, False, 3, seed=1), group(items, False, 3, seed=2)
    assert groups.items.tolist() == again.items.tolist() != other.items.tolist()
    cells = across_cells(groups, 2, seed=1)
    for a in range(len(groups.sizes)):
        own = cells.x[cells.a == a]
        assert len(own) == len(set(own.tolist())) == 2
        assert (groups.phone[own] == groups.phone[a]).all()
        assert (groups.speaker[own] != groups.speaker[a]).all()
    assert cells.x.tolist() != across_cells(groups, 2, seed=2).x.tolist()
    assert len(across_cells(groups, None, seed=1).x) == 14 * 6


def test_limits_that_bind_nothing_change_nothing():
    items = many(tokens=3, speakers=4, phones="abc")
    frames = unit_frames(
        torch.from_numpy(np.random.default_rng(0).standard_normal((180, 4), np.float32))
    )
    first, count = 5 * np.arange(36), np.full(36, 5)
    errors = [
        comparisons(
            items, first, count, ("within", "across"), any_context=False, max_group=group_,
            max_x_speakers=speakers, seed=seed,
        ).errors(frames)
        for group_, speakers, seed in ((None, None, 0), (3, 3, 1), (10, 5, 2))
    ]  # fmt: skip
    assert errors[0] == pytest.approx(errors[1], abs=1e-12)
    assert errors[0] == pytest.approx(errors[2], abs=1e-12)


@pytest.mark.parametrize("sizes", [distances.GPU, distances.Sizes(1, 1, 1)])
def test_how_much_is_done_at_a_time_changes_nothing(monkeypatch, sizes):
    items = many(tokens=3, speakers=4, phones="abc")
    frames = unit_frames(
        torch.from_numpy(np.random.default_rng(0).standard_normal((360, 4), np.float32))
    )
    count = np.random.default_rng(1).integers(1, 9, endpoint=True, size=36)
    made = comparisons(items, np.cumsum(count), count, ("within", "across"), **EVERYTHING)
    threads = torch.get_num_threads()
    expected = made.errors(frames)
    monkeypatch.setattr(distances, "CPU", sizes)
    torch.set_num_threads(3)
    try:
        assert made.errors(frames) == pytest.approx(expected, abs=1e-12)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_each_two_groups_are_compared_once():
    items = many()
    made = comparisons(
        items, np.zeros(56, np.int64), np.ones(56, np.int64), ("within", "across"), **EVERYTHING
    )
    blocks = list(zip(made.blocks.row.tolist(), made.blocks.column.tolist(), strict=True))
    assert len(blocks) == len(set(blocks)) == 14 * 15 // 2
    assert (made.blocks.row <= made.blocks.column).all()
    cells = len(within_cells(made.groups).x) + len(across_cells(made.groups, None, 0).x)
    assert 2 * cells > len(blocks)


def test_one_phone_cannot_be_told_from_another():
    items = many(phones="a")
    with pytest.raises(TriviumError, match=r"28 items make 0 cells within speakers; expected"):
        comparisons(items, np.arange(28), np.ones(28, np.int64), ("within",), **EVERYTHING)
