"""Pieces: all samples once, none too long, and cut where a slow twin finds nothing quieter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import tone
from trivium.errors import SettingsError
from trivium.transcripts.pieces import (
    AROUND,
    SILENCE,
    STEP,
    CuttingSettings,
    cut,
    is_silent,
    loudness,
)

LEVELS = [0.0, 1e-4, 0.01, 0.3]
RATE = 16_000


@st.composite
def recordings(draw):
    """Stretches of noise of several levels, ending anywhere."""
    parts = draw(st.lists(st.tuples(st.sampled_from(LEVELS), st.integers(1, 12_000)), max_size=8))
    drawn = np.random.default_rng(draw(st.integers(0, 99)))
    noise = [level * drawn.standard_normal(length) for level, length in parts]
    return np.concatenate([*noise, np.zeros(0)]).astype(np.float32)


@st.composite
def settings(draw):
    least = draw(st.floats(0.02, 0.5))
    return CuttingSettings(
        min_seconds=least, max_seconds=2 * least + draw(st.floats(0.1, 1.5, exclude_min=True))
    )


def slow_loudness(samples, place):
    """Root mean square of the steps around a place, each without its mean, silence outside."""
    power = 0.0
    for step in range(place - AROUND, place + AROUND):
        own = samples[step * STEP : (step + 1) * STEP].astype(np.float64) if step >= 0 else []
        if len(own):
            whole = np.pad(own, (0, STEP - len(own)))
            power += float(np.mean((whole - whole.mean()) ** 2))
    return float(np.sqrt(power / (2 * AROUND)))


@given(recordings(), settings())
def test_pieces_are_the_recording_and_end_where_it_is_quietest(samples, how):
    pieces = cut(samples, how)
    assert [piece.start for piece in pieces] == [0, *(p.stop for p in pieces[:-1])][: len(pieces)]
    assert (pieces[-1].stop if pieces else 0) == len(samples)
    least, most = round(how.min_seconds * RATE), round(how.max_seconds * RATE)
    lengths = [piece.stop - piece.start for piece in pieces]
    assert all(0 < length <= most for length in lengths)
    assert len(pieces) <= 1 or all(length >= least for length in lengths)
    for piece in pieces[:-1]:
        last = min(piece.start + most, len(samples) - least)
        reach = range(-(-(piece.start + least) // STEP), last // STEP + 1)
        quietest = min(slow_loudness(samples, place) for place in reach)
        assert slow_loudness(samples, piece.stop // STEP) == pytest.approx(quietest, abs=1e-9)


@given(recordings(), settings())
def test_what_is_heard_has_all_that_is_loud(samples, how):
    threshold = max(SILENCE, 0.01 * max(map(float, loudness(samples))))
    for piece in cut(samples, how):
        loud = [
            place * STEP
            for place in range(-(-piece.start // STEP), -(-piece.stop // STEP))
            if slow_loudness(samples, place) > threshold * (1 + 1e-6)
        ]
        if piece.heard is None:
            assert not loud
        else:
            start, stop = piece.heard
            assert piece.start <= start < stop <= piece.stop
            assert all(start <= place < stop for place in loud)


@given(recordings())
def test_loudness_is_the_slow_twins(samples):
    found = loudness(samples)
    wanted = [slow_loudness(samples, place) for place in range(len(found))]
    np.testing.assert_allclose(found, wanted, atol=1e-7)
    assert len(found) == -(-len(samples) // STEP) + 1
    assert is_silent(samples) == (max(wanted) <= SILENCE)


def test_words_are_not_cut_when_there_is_a_pause():
    pause = np.zeros(RATE // 2, np.float32)
    samples = np.concatenate([tone(6.0), pause, tone(7.0), pause, tone(9.0)])
    first, second, third = cut(samples, CuttingSettings(min_seconds=5, max_seconds=11))
    assert 6.0 < first.stop / RATE < 6.5
    assert 13.5 < second.stop / RATE < 14.0
    assert third.stop == len(samples)
    for piece, start, stop in ((first, 0, 6), (second, 6.5, 13.5), (third, 14, 23)):
        assert np.allclose(np.array(piece.heard) / RATE, (start, stop), atol=0.13)


def test_silence_is_no_sound_whatever_its_direct_current():
    drawn = np.random.default_rng(0)
    hum = (0.2 + 1e-4 * drawn.standard_normal(RATE)).astype(np.float32)
    assert is_silent(hum)
    assert [piece.heard for piece in cut(hum, CuttingSettings())] == [None]
    assert not is_silent(0.01 * tone(0.3))
    assert cut(np.zeros(0, np.float32), CuttingSettings()) == []


def test_a_noise_far_below_the_speech_is_silence_beside_it():
    drawn = np.random.default_rng(0)
    noise = (2e-3 * drawn.standard_normal(6 * RATE)).astype(np.float32)
    settings = CuttingSettings(min_seconds=1, max_seconds=6)
    assert cut(noise, settings)[0].heard
    pieces = cut(np.concatenate([tone(5.0), noise]), settings)
    assert pieces[0].heard
    assert pieces[-1].heard is None


def test_lengths_that_leave_no_choice_are_refused():
    with pytest.raises(SettingsError, match="max_seconds is 9; it must be at least twice"):
        CuttingSettings.parse({"min_seconds": 5, "max_seconds": 9})
