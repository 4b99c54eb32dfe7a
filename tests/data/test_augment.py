"""Changes to sound: seeded, as strong as asked, and nothing where nothing is asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.data.audio import SAMPLE_RATE_HZ
from trivium.data.augment import (
    AugmentSettings,
    add_noise,
    amplify,
    augment,
    reverberate,
    warp,
)
from trivium.errors import SettingsError

ALL = AugmentSettings(
    warp=(0.9, 1.1), reverb_seconds=(0.1, 0.4), noise_snr_db=(5, 30), gain_db=(-6, 6)
)


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def sine(seconds: float, hertz: float = 440.0) -> np.ndarray:
    times = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


@given(st.integers(0, 2**32), st.integers(0, 40_000), st.floats(0, 1))
def test_the_same_seed_gives_the_same_bits(seed: int, count: int, probability: float) -> None:
    sound = sine(count / SAMPLE_RATE_HZ)
    settings = ALL.model_copy(update={"probability": probability})
    first, second = (augment(sound, settings, generator(seed)) for _ in range(2))
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert first.tobytes() == second.tobytes()


def test_other_seeds_give_other_sounds() -> None:
    sound = sine(1)
    assert (
        augment(sound, ALL, generator(1)).tobytes() != augment(sound, ALL, generator(2)).tobytes()
    )


@pytest.mark.parametrize(
    "settings", [AugmentSettings(), ALL.model_copy(update={"probability": 0.0})]
)
def test_switched_off_the_sound_is_itself(settings: AugmentSettings) -> None:
    sound = sine(0.5)
    assert augment(sound, settings, generator(0)) is sound


@given(st.floats(-10, 40), st.integers(0, 1000), st.integers(200, 400_000))
def test_noise_is_as_far_below_the_sound_as_asked(snr_db: float, seed: int, count: int) -> None:
    sound = sine(count / SAMPLE_RATE_HZ)
    noise = add_noise(sound, snr_db, generator(seed)).astype(np.float64) - sound
    found = 10 * np.log10((sound.astype(np.float64) ** 2).sum() / (noise**2).sum())
    assert found == pytest.approx(snr_db, abs=0.05)


def test_silence_stays_silent() -> None:
    changed = augment(np.zeros(1_000, np.float32), ALL, generator(0))
    assert len(changed) > 900
    assert not changed.any()


@given(st.integers(2, 40_000), st.floats(0.05, 2.2), st.integers(0, 99))
def test_reverberation_is_a_convolution_with_a_fading_room(
    count: int, fade_seconds: float, seed: int
) -> None:
    impulse = np.zeros(count, np.float32)
    impulse[0] = 1.0
    room = reverberate(impulse, fade_seconds, generator(seed))
    assert len(room) == count
    assert room[0] == pytest.approx(1, abs=1e-5)
    assert np.abs(room[int(fade_seconds * SAMPLE_RATE_HZ) :]).max(initial=0) < 1e-5
    sound = generator(seed).standard_normal(count).astype(np.float32)
    spectrum = np.fft.rfft(sound, 2 * count) * np.fft.rfft(room, 2 * count)
    slow = np.fft.irfft(spectrum, 2 * count)[:count]
    assert np.allclose(reverberate(sound, fade_seconds, generator(seed)), slow, atol=1e-4)


@pytest.mark.parametrize("fade_seconds", [0.4, 0.6, 1.0, 2.0])
def test_a_room_of_any_length_fades_by_60_db(fade_seconds: float) -> None:
    impulse = np.zeros(round(2.5 * SAMPLE_RATE_HZ), np.float32)
    impulse[0] = 1.0
    room = reverberate(impulse, fade_seconds, generator(0)).astype(np.float64)
    count = int(fade_seconds * SAMPLE_RATE_HZ)
    parts = room[1:count][: (count - 1) // 10 * 10].reshape(10, -1)
    levels = 10 * np.log10((parts**2).mean(axis=1))
    assert np.diff(levels) == pytest.approx(-6, abs=0.8)  # a tenth of the way at a time
    assert (room**2).sum() == pytest.approx(1.25, abs=0.01)


def test_the_tail_that_a_short_sound_never_hears_changes_nothing() -> None:
    sound = generator(1).standard_normal(20_000).astype(np.float32)
    whole, begun = (reverberate(sound[:n], 3.0, generator(0)) for n in (20_000, 9_000))
    assert np.allclose(whole[:9_000], begun, atol=1e-5)


@given(st.floats(0.8, 1.25), st.floats(100, 1_000))
def test_a_warped_sine_is_another_sine(factor: float, hertz: float) -> None:
    sound = sine(0.5, hertz)
    warped = warp(sound, factor, generator(0))
    assert len(warped) == pytest.approx(len(sound) / factor, abs=3)
    expected = sine(len(warped) / SAMPLE_RATE_HZ, hertz * factor)
    # Linear interpolation is off by (w / rate)^2 / 8 of the amplitude at most.
    assert np.abs(warped - expected).max() < 0.3 * (2 * np.pi * hertz / 16_000) ** 2 / 8 + 1e-4


@given(st.floats(-30, 30))
def test_gain_is_as_asked_and_does_not_clip(gain_db: float) -> None:
    sound = sine(0.1)
    peak = float(np.abs(amplify(sound, gain_db, generator(0))).max())
    assert peak == pytest.approx(min(1.0, 0.3 * 10 ** (gain_db / 20)), rel=1e-3)


def test_one_setting_does_not_shift_what_the_others_draw() -> None:
    sound = sine(0.3)
    gain = AugmentSettings(gain_db=(-20, 0))
    both = gain.model_copy(update={"reverb_seconds": (0.0, 0.0)})  # a room of no length
    assert np.array_equal(augment(sound, gain, generator(3)), augment(sound, both, generator(3)))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"gain_db": (3, -3)}, "gain_db = .*3 to -3 is no range"),
        ({"warp": (0.0, 1.1)}, "0 is no speed"),
        ({"reverb_seconds": (0.1, 30)}, "30 s is no room; at most 10 s can be"),
        ({"probability": 2}, "probability = 2"),
        ({"noise_snr": (0, 1)}, "no setting 'noise_snr'; did you mean 'noise_snr_db'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        AugmentSettings.parse(values)


def test_the_longest_stretch_is_that_of_the_slowest_warp() -> None:
    assert ALL.longest_stretch == pytest.approx(1 / 0.9)
    assert AugmentSettings().longest_stretch == 1
    slowest = AugmentSettings(warp=(0.9, 0.9))
    sound = sine(1)
    assert len(augment(sound, slowest, generator(0))) <= len(sound) * slowest.longest_stretch


@given(st.integers(0, 2**31))
def test_one_change_does_not_shift_the_others(seed):
    samples = np.random.default_rng(seed).standard_normal(4_000).astype(np.float32)

    def noise_of(**others):
        settings = AugmentSettings(noise_snr_db=(10, 10), **others)
        changed = augment(samples, settings, np.random.Generator(np.random.PCG64(seed)))
        before = AugmentSettings(**others)
        return changed - augment(samples, before, np.random.Generator(np.random.PCG64(seed)))

    alone, with_room = noise_of(), noise_of(reverb_seconds=(0.1, 0.1))
    scale = np.linalg.norm(alone) / np.linalg.norm(with_room)
    np.testing.assert_allclose(with_room * scale, alone, atol=1e-4)
