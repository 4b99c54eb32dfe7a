"""Hidden frames: how many, which, what is shown there; and the loss of plain loops in float64."""

import doctest

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trivium.data.batch import Ragged
from trivium.errors import SettingsError, TriviumError
from trivium.objectives import acoustic
from trivium.objectives.acoustic import (
    NOTHING,
    AcousticSettings,
    acoustic_loss,
    draw_acoustic,
    draw_frames,
    show,
)

seeds = st.integers(0, 2**31)
DICE = ("frame", "span", "utterance")


def drawn(frames, times, **changes):
    generator = np.random.default_rng(0)
    settings = AcousticSettings(**changes)
    return [draw_frames(frames, settings, generator) for _ in range(times)]


@given(st.integers(1, 400), st.sampled_from(DICE), seeds)
def test_spans_are_whole_and_at_least_one(frames, die, seed):
    settings = AcousticSettings(die=die)
    hidden, shown = draw_frames(frames, settings, np.random.default_rng(seed))
    assert len(shown) == frames
    assert len(hidden) >= 1
    assert (np.diff(hidden) > 0).all()
    assert 0 <= hidden[0] <= hidden[-1] < frames
    seen = np.setdiff1d(np.arange(frames), hidden)
    assert (shown[seen] == seen).all()
    assert shown.min() >= NOTHING
    assert shown.max() < frames
    pieces = np.split(hidden, np.flatnonzero(np.diff(hidden) > 1) + 1)
    least = 20 if frames > 50 else min(20, max(1, frames // 2))
    assert min(map(len, pieces)) >= least
    assert len(hidden) < frames or frames == 1


@pytest.mark.parametrize("frames", [400, 1_200])
def test_fourteen_percent_are_hidden_because_spans_overlap(frames):
    share = np.mean([len(hidden) / frames for hidden, _ in drawn(frames, 4_000)])
    assert share == pytest.approx(0.14, abs=0.003)


def test_a_short_utterance_always_has_a_span():
    """The authors' rule rounds 7 of 10 to none at 100 frames."""
    assert min(len(hidden) for hidden, _ in drawn(100, 500)) >= 20


@pytest.mark.parametrize("die", DICE)
def test_eight_are_zeros_one_is_another_and_one_is_itself(die):
    shares = []
    for hidden, shown in drawn(300, 3_000, die=die):
        zeros, kept = shown[hidden] == NOTHING, shown[hidden] == hidden
        shares.append((zeros.mean(), kept.mean()))
        if die == "utterance":
            assert zeros.all() or kept.all() or not (zeros.any() or kept.sum() > 5)
    zeros, kept = np.mean(shares, 0)
    assert zeros == pytest.approx(0.8, abs=0.03)
    assert kept == pytest.approx(0.1, abs=0.02)
    mixed = np.mean([0 < zeros < 1 for zeros, _ in shares])
    assert {"frame": mixed > 0.99, "span": 0.05 < mixed < 0.6, "utterance": mixed == 0}[die]


def test_one_die_for_a_span_decides_for_all_of_it():
    for hidden, shown in drawn(90, 300, die="span", zeros=0.5, others=0.0):
        pieces = np.split(hidden, np.flatnonzero(np.diff(hidden) > 1) + 1)
        for piece in pieces:
            if len(piece) <= 50 and len(pieces) == 1:
                assert len({bool(place == NOTHING) for place in shown[piece]}) == 1


@given(st.lists(st.integers(1, 60), min_size=1, max_size=4), seeds)
def test_a_row_s_frames_do_not_depend_on_its_neighbours(frames, seed):
    def generator(row, purpose):
        return np.random.default_rng([seed, row, len(purpose)])

    together = draw_acoustic(frames, AcousticSettings(spans=(2, 9)), generator)
    for row, own in enumerate(frames):
        alone = draw_acoustic(
            [own], AcousticSettings(spans=(2, 9)), lambda _, p, r=row: generator(r, p)
        )
        for whole, part in zip(together, alone, strict=True):
            assert torch.equal(whole.rows()[row], part.rows()[0])


@given(st.lists(st.integers(1, 12), min_size=1, max_size=3), seeds)
def test_places_show_what_plain_loops_show(counts, seed):
    generator = torch.Generator().manual_seed(seed)
    frames = Ragged(torch.randn(len(counts), max(counts) + 2, 3, generator=generator),
                    torch.tensor(counts))  # fmt: skip
    places = [np.random.default_rng(seed).integers(NOTHING, count, count) for count in counts]
    seen = show(frames, Ragged.from_rows(places))
    for row, own in enumerate(places):
        for frame, place in enumerate(own):
            wanted = torch.zeros(3) if place == NOTHING else frames.data[row, place]
            assert torch.equal(seen.data[row, frame], wanted)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), seeds)
def test_frames_lose_what_plain_loops_lose(counts, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = (len(counts), max(counts) + 1, 3)
    said = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    there = torch.randn(shape, generator=generator, dtype=torch.float64)
    loss = acoustic_loss(said, Ragged(there, torch.tensor(counts)))
    slow = sum(
        abs(said[row, place, channel].item() - there[row, place, channel].item()) / 3
        for row, count in enumerate(counts) for place in range(count) for channel in range(3)
    )  # fmt: skip
    assert loss.item() == pytest.approx(slow, abs=1e-9)
    loss.backward()
    for row, count in enumerate(counts):
        assert not said.grad[row, count:].any()


def test_what_cannot_be_is_refused():
    with pytest.raises(TriviumError, match="an utterance of 0 frames has none to hide"):
        draw_frames(0, AcousticSettings(), np.random.default_rng(0))
    with pytest.raises(SettingsError, match=r"spans of \(5, 4\) frames are none"):
        AcousticSettings.parse({"spans": (5, 4)})
    with pytest.raises(SettingsError, match=r"zeros 0.8 and others 0.3 are more than 1"):
        AcousticSettings.parse({"others": 0.3})
    with pytest.raises(TriviumError, match=r"predictions have the shape \(1, 2, 3\)"):
        acoustic_loss(torch.zeros(1, 2, 3), Ragged(torch.zeros(1, 2, 4), torch.tensor([2])))


def test_the_examples_in_the_page_run():
    tried = doctest.testmod(acoustic)
    assert tried.attempted >= 3
    assert not tried.failed
