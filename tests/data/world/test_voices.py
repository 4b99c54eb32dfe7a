"""Voices: the same chunk sounds the same anywhere, phones lie where they are heard.

eSpeak NG is GPL-3 and only ever loaded in a worker process, here as in the package.
"""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context

import numpy as np
import pytest

from trivium.data.world import voices
from trivium.data.world.content import Emotion
from trivium.data.world.voices import (
    PROSODY,
    VOICES,
    Phone,
    Spoken,
    Utterance,
    Voice,
    speak_chunk,
    voices_of,
)
from trivium.errors import TriviumError

Speak = Callable[[list[Utterance]], list[Spoken]]
TEXTS = {
    "en-us": "Two large yellow stars are above a small blue fish.",
    "hi": "दो बड़े पीले तारे एक छोटी नीली मछली के ऊपर हैं।",
    "ja": "ふたつの おおきい きいろい ほしが ちいさい あおい さかなの うえに あります。",
    "es": "Dos estrellas grandes y amarillas están encima de un pez azul pequeño.",
    "de": "Zwei große gelbe Sterne sind über einem kleinen blauen Fisch.",
    "sw": "Nyota mbili kubwa za njano ziko juu ya samaki mdogo wa buluu.",
}
# Alicia, f3 and victor breathe: their noise is what a clock could seed.
BREATHY = [voice for voice in VOICES if voice.variant in ("Alicia", "f3", "victor")][::4]


def workers() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


@pytest.fixture(scope="module")
def speak() -> Iterator[Speak]:
    """One worker for all tests of this file."""
    with workers() as pool:
        yield lambda chunk: pool.submit(speak_chunk, chunk).result()


def mixed_chunk() -> list[Utterance]:
    emotions: list[Emotion] = list(PROSODY)
    return [
        Utterance(text, language, voice, emotions[(number + place) % 4])
        for number, voice in enumerate([*BREATHY, VOICES[6], VOICES[85], VOICES[-1]])
        for place, (language, text) in enumerate(TEXTS.items())
        if (number + place) % 2 == 0
    ]


def assert_same(one: list[Spoken], other: list[Spoken]) -> None:
    assert [s.phones for s in one] == [s.phones for s in other]
    assert [s.samples.tobytes() for s in one] == [s.samples.tobytes() for s in other]


def pitches_hz(samples: np.ndarray) -> np.ndarray:
    """F0 of the voiced frames, by autocorrelation."""
    window = np.hanning(1024)
    norm = np.fft.irfft(np.abs(np.fft.rfft(window, 4096)) ** 2)[:320]
    found = []
    for start in range(0, len(samples) - 1024, 320):
        frame = samples[start : start + 1024].astype(float)
        if (frame**2).mean() < 2e-4:
            continue
        power = np.abs(np.fft.rfft((frame - frame.mean()) * window, 4096)) ** 2
        similarity = np.fft.irfft(power)[:320] / norm
        similarity /= similarity[0]
        peaks = [
            lag
            for lag in range(39, 290)
            if similarity[lag] == similarity[lag - 1 : lag + 2].max() and similarity[lag] > 0.6
        ]
        if peaks:
            best = max(similarity[lag] for lag in peaks)
            found.append(16_000 / next(lag for lag in peaks if similarity[lag] > 0.9 * best))
    return np.array(found)


def test_there_are_a_hundred_speakers_and_none_in_two_splits() -> None:
    by_split = [voices_of(split) for split in ("train", "dev", "test")]
    assert [len(split) for split in by_split] == [80, 10, 10]
    assert len({voice.name for voice in VOICES}) == 100
    assert len({(v.variant, v.pitch, v.rate) for v in VOICES}) == 100
    tracts = [{voice.variant for voice in split} for split in by_split]
    assert sum(map(len, tracts)) == len(set.union(*tracts))  # not even a vocal tract


def test_every_emotion_stays_within_what_the_synthesizer_can_do() -> None:
    """A clipped parameter would make an emotion disappear for some speakers."""
    for voice in VOICES:
        for prosody in PROSODY.values():
            assert 0 <= voice.pitch + prosody.pitch <= 99
            assert 0 <= voice.range + prosody.range <= 99
            assert 80 <= voice.rate * prosody.rate <= 450
            assert voice.volume * prosody.volume <= 200


def test_a_chunk_repeats_bit_for_bit_whatever_came_before_and_whenever(speak: Speak) -> None:
    once = speak(mixed_chunk())
    speak([Utterance("Something else.", "en-us", BREATHY[0], "angry")])
    time.sleep(1.05 - time.time() % 1)  # into another second of the clock
    assert_same(once, speak(mixed_chunk()))


def test_a_chunk_repeats_bit_for_bit_in_another_process(speak: Speak) -> None:
    with workers() as pool:
        assert_same(speak(mixed_chunk()), pool.submit(speak_chunk, mixed_chunk()).result())


@pytest.mark.parametrize("language", TEXTS)
def test_phones_follow_each_other_and_fill_the_speech(language: str, speak: Speak) -> None:
    emotions: list[Emotion] = list(PROSODY)
    chunk = [
        Utterance(TEXTS[language], language, voice, emotions[number % 4])
        for number, voice in enumerate(VOICES[::9])
    ]
    for spoken in speak(chunk):
        assert spoken.samples.dtype == np.float32
        assert spoken.samples.ndim == 1
        seconds = len(spoken.samples) / 16_000
        assert 25 < len(spoken.phones) < 70
        assert all(phone.end_seconds - phone.start_seconds > 0.005 for phone in spoken.phones)
        assert all(a.end_seconds <= b.start_seconds for a, b in pairwise(spoken.phones))
        assert 0 <= spoken.phones[0].start_seconds < 0.1
        assert spoken.phones[-1].end_seconds == pytest.approx(seconds - 0.1, abs=1e-4)
        voiced = sum(phone.end_seconds - phone.start_seconds for phone in spoken.phones)
        assert voiced > 0.8 * seconds
        tail = spoken.samples[-1_600:]
        assert (tail**2).mean() < 0.01 * (spoken.samples**2).mean()
        for phone in spoken.phones:
            assert phone.symbol.isprintable()
            assert phone.symbol.strip() == phone.symbol != ""
            assert not set(phone.symbol) & set("ˈˌ_|:.\ufffd")


@pytest.mark.parametrize(
    ("language", "text", "phones"),
    [
        ("en-us", "cat", "k æ t"),
        ("en-us", "ball", "b ɔː l"),  # its l has no length of its own in the events
        ("es", "casa", "k a s a"),
        ("de", "Fisch", "f ɪ ʃ"),
        ("sw", "samaki", "s a m a k i"),
        ("hi", "पेड़", "p eː ɽ"),
        ("ja", "さかな", "s a k a n a"),
    ],
)
def test_words_have_the_phones_a_listener_would_write(
    language: str, text: str, phones: str, speak: Speak
) -> None:
    spoken = speak([Utterance(text, language, VOICES[0], "neutral")])[0]
    assert " ".join(phone.symbol for phone in spoken.phones) == phones


def test_phones_lie_where_they_are_heard(speak: Speak) -> None:
    """Hissing belongs to s and ʃ; moved by 40 ms either way it would be half lost."""
    chunk = [Utterance(TEXTS[language], language, VOICES[7], "neutral") for language in TEXTS]
    spoken = speak(chunk)

    def hiss(shift_seconds: float) -> float:
        shares = []
        for one in spoken:
            for phone in one.phones:
                if phone.symbol in ("s", "ʃ", "ɕ", "z"):
                    a = max(0, int((phone.start_seconds + shift_seconds) * 16_000))
                    b = int((phone.end_seconds + shift_seconds) * 16_000)
                    power = np.abs(np.fft.rfft(one.samples[a:b])) ** 2
                    shares.append(power[len(power) * 3 // 8 :].sum() / power.sum())
        return float(np.mean(shares))

    assert hiss(0.0) > 0.5
    assert hiss(0.0) > 1.3 * max(hiss(-0.04), hiss(0.04))


@pytest.mark.parametrize("voice", [VOICES[2], VOICES[21], VOICES[82], VOICES[91]], ids=str)
def test_emotions_are_heard_in_pace_pitch_and_loudness(voice: Voice, speak: Speak) -> None:
    chunk = [Utterance(TEXTS["en-us"], "en-us", voice, emotion) for emotion in PROSODY]
    measured = {
        emotion: (
            spoken.phones[-1].end_seconds,
            float(np.median(pitches_hz(spoken.samples))),
            float(np.sqrt((spoken.samples**2).mean())),
        )
        for emotion, spoken in zip(PROSODY, speak(chunk), strict=True)
    }
    seconds, f0, loudness = (
        {emotion: values[i] for emotion, values in measured.items()} for i in range(3)
    )
    assert seconds["sad"] > 1.1 * seconds["neutral"]
    assert seconds["neutral"] > 1.05 * seconds["happy"] > 1.05 * seconds["angry"]
    assert f0["happy"] > 1.08 * f0["neutral"] > 1.08 * 1.05 * f0["sad"]
    assert f0["happy"] > 1.04 * f0["angry"]
    assert loudness["angry"] > 1.1 * loudness["happy"]
    assert loudness["happy"] > 1.05 * loudness["neutral"] > 1.05 * 1.2 * loudness["sad"]


def test_no_voice_clips_and_all_are_about_equally_loud(speak: Speak) -> None:
    tracts = list({voice.variant: voice for voice in VOICES}.values())
    angry = speak([Utterance(TEXTS["en-us"], "en-us", voice, "angry") for voice in tracts])
    assert max(float(np.abs(spoken.samples).max()) for spoken in angry) < 0.97
    loudness = [float(np.sqrt((spoken.samples**2).mean())) for spoken in angry]
    assert max(loudness) < 1.5 * min(loudness)


def test_speakers_of_one_vocal_tract_differ_in_pitch(speak: Speak) -> None:
    same = [voice for voice in VOICES if voice.variant == "boris"]
    chunk = [Utterance(TEXTS["en-us"], "en-us", voice, "neutral") for voice in same]
    f0 = [float(np.median(pitches_hz(spoken.samples))) for spoken in speak(chunk)]
    assert all(higher > 1.08 * lower for lower, higher in pairwise(f0))


def test_a_missing_synthesizer_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(TriviumError, match=r'pip install "trivium\[world\]".*GPL-3'):
        speak_chunk([])


@pytest.mark.parametrize(
    ("text", "language", "sentence"),
    [
        ("hello", "atlantis", "no voice 'atlantis\\+f3'"),
        ("", "en-us", "nothing in the text '' can be spoken in en-us"),
        ("...", "de", "nothing in the text '...' can be spoken in de"),
    ],
)
def test_what_cannot_be_spoken_is_refused_and_the_worker_lives(
    text: str, language: str, sentence: str, speak: Speak
) -> None:
    with pytest.raises(TriviumError, match=sentence):
        speak([Utterance(text, language, VOICES[0], "neutral")])
    assert speak([Utterance("hello", "en-us", VOICES[0], "neutral")])[0].phones


def test_events_without_length_and_modifiers_become_whole_phones() -> None:
    events = [
        (b"\xcb\x88\xc9\x91\xcb\x90\xc9\xb9", 0),  # eight bytes, stress included
        (b"l", 900),  # begins where it ends
        (b"", 900),
        (b"r`"[:1], 1_000),
        ("ʲ".encode(), 1_300),
        (b"k\xca", 1_500),  # cut within a letter
        (b"", 2_000),
    ]
    rate = 22_050
    assert voices._phones(events, 2_500) == [
        Phone("ɑːɹ", 0, 600 / rate),
        Phone("l", 600 / rate, 900 / rate),
        Phone("rʲ", 1_000 / rate, 1_500 / rate),
        Phone("k", 1_500 / rate, 2_000 / rate),
    ]


def test_the_gpl_library_never_enters_this_process() -> None:
    assert "espeakng_loader" not in sys.modules
