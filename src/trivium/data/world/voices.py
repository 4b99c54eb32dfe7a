"""Speech for the made world: a hundred synthetic speakers, four emotions, and phone times.

The synthesizer, eSpeak NG, is under the GPL-3 and the package is not. It is therefore an extra
(`trivium[world]`), and `speak_chunk` must only ever be called in a worker process of its own.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from unicodedata import normalize

import numpy as np

from trivium.data.audio import SAMPLE_RATE_HZ, Samples, resample
from trivium.data.world.content import Emotion
from trivium.data.world.scenes import Split
from trivium.errors import TriviumError

TRAILING_SECONDS: Final = 0.1  # of silence after the last phone

_ESPEAK_RATE_HZ: Final = 22_050
_SYNCHRONOUS, _BUFFER_MS = 2, 500
_PHONE_EVENTS, _IPA, _DO_NOT_EXIT = 1, 2, 0x8000
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_UTF8, _BY_CHARACTER, _EVENT_PHONE = 1, 1, 7
_NOISE_SEED: Final = 1


@dataclass(frozen=True)
class Voice:
    """A speaker, the same in every language; numbers are in eSpeak's own units."""

    name: str
    variant: str  # the vocal tract: one of eSpeak's voice variants
    pitch: int  # 0 to 99
    rate: int  # words a minute
    range: int  # of pitch, 0 to 99
    volume: int  # 0 to 200, brings all speakers to one loudness


@dataclass(frozen=True)
class Utterance:
    """What is to be said, and how."""

    text: str  # as the voice must get it: kana for Japanese
    language: str  # an eSpeak voice: "en-us", "hi", "ja", "es", "de", "sw", ...
    voice: Voice
    emotion: Emotion


class Phone(NamedTuple):
    """One phone; between two phones that do not touch there is a pause."""

    symbol: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Spoken:
    """The sound of an utterance (16 kHz mono) and the phones in it, in order of time."""

    samples: Samples
    phones: list[Phone]


class Prosody(NamedTuple):
    """How an emotion departs from the speaker's usual way."""

    rate: float  # factor
    pitch: int  # added
    range: int  # added
    volume: float  # factor


PROSODY: dict[Emotion, Prosody] = {
    "neutral": Prosody(1.0, 0, 0, 1.0),
    "happy": Prosody(1.1, 14, 28, 1.15),
    "sad": Prosody(0.8, -10, -28, 0.7),
    "angry": Prosody(1.2, 5, 10, 1.5),
}

# Variant and the volume that gives it the loudness of the others. Chosen one after the other, each
# the farthest from those before in long-term spectrum and F0; whispers, robots and novelties are
# left out. A variant belongs to one split, so that dev and test are strangers' vocal tracts.
_VARIANTS: dict[Split, dict[str, int]] = {
    "train": {
        "f3": 55, "iven2": 31, "m8": 99, "steph3": 28, "boris": 71, "anika": 45, "norbert": 41,
        "travis": 45, "Alicia": 51, "ed": 27, "shelby": 55, "Andy": 42, "Nguyen": 64,
        "mike2": 36, "belinda": 41, "Gene": 39, "gustave": 33, "victor": 106, "grandma": 60,
        "Alex": 67,
    },
    "dev": {"Andrea": 36, "pablo": 44, "Henrique": 95},
    "test": {"Annie": 56, "m7": 50, "aunty": 49},
}  # fmt: skip
# Pitch, rate and range of the speakers that share a variant.
_MANNERS = ((26, 172, 46), (42, 146, 62), (58, 190, 38), (74, 158, 54))


def _voices(split: Split) -> list[Voice]:
    speakers = []
    for number, (variant, volume) in enumerate(_VARIANTS[split].items()):
        # Held-out variants have ten speakers among three: four, three and three.
        for place, (pitch, rate, span) in enumerate(_MANNERS):
            if split != "train" and place == number and number:
                continue
            shift = number % 5 - 2  # so that pitch and rate are no common grid
            name = f"{variant.lower()}-{place + 1}"
            speakers.append(
                Voice(name, variant, pitch + 2 * shift, rate + 3 * shift, span + shift, volume)
            )
    return speakers


_BY_SPLIT: dict[Split, tuple[Voice, ...]] = {split: tuple(_voices(split)) for split in _VARIANTS}
VOICES: tuple[Voice, ...] = tuple(voice for voices in _BY_SPLIT.values() for voice in voices)


def voices_of(split: Split) -> tuple[Voice, ...]:
    """The speakers of one split: 80, 10 and 10, none in two."""
    return _BY_SPLIT[split]


def speak_chunk(utterances: Sequence[Utterance]) -> list[Spoken]:
    """Say every utterance, in order; the bytes depend on nothing but the chunk.

    eSpeak carries state from one utterance to the next that no call resets, so the library is
    loaded afresh here (about 6 ms) and what came before a chunk cannot touch it.
    """
    synthesizer = _Synthesizer()
    try:
        return [_speak(synthesizer, utterance) for utterance in utterances]
    finally:
        synthesizer.close()


class _Identity(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identity),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Synthesizer:
    """One load of the library, which has global state: never two at a time in a process."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise TriviumError(
                f"the voices of the made world cannot be loaded ({error}): "
                'pip install "trivium[world]" (eSpeak NG is under the GPL-3)'
            ) from error
        path = espeakng_loader.get_library_path()
        self._library: Any = ctypes.CDLL(str(path))
        self._library.espeak_Synth.argtypes = (
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
            ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
        )  # fmt: skip
        data = str(espeakng_loader.get_data_path()).encode()
        rate = self._library.espeak_Initialize(
            _SYNCHRONOUS, _BUFFER_MS, data, _PHONE_EVENTS | _IPA | _DO_NOT_EXIT
        )
        if rate != _ESPEAK_RATE_HZ:
            raise TriviumError(f"eSpeak NG at {path} answered {rate} instead of {_ESPEAK_RATE_HZ}")
        # Breath is noise seeded from the clock: chunks a second apart would differ without this.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(_NOISE_SEED))
        self._callback = _CALLBACK(self._take)  # the library keeps only a pointer to it
        self._library.espeak_SetSynthCallback(self._callback)
        self._pieces: list[np.ndarray[Any, np.dtype[np.int16]]] = []
        self._events: list[tuple[bytes, int]] = []

    def say(
        self, utterance: Utterance
    ) -> tuple[np.ndarray[Any, np.dtype[np.int16]], list[tuple[bytes, int]]]:
        """Samples at 22,050 Hz, and the symbol and first sample of every phone and pause."""
        voice, prosody = utterance.voice, PROSODY[utterance.emotion]
        name = f"{utterance.language}+{voice.variant}"
        if self._library.espeak_SetVoiceByName(name.encode()) != 0:
            raise TriviumError(
                f"eSpeak NG has no voice {name!r}; expected a language such as en-us and one of "
                "its variants"
            )
        for parameter, value in (
            (_RATE, voice.rate * prosody.rate),
            (_VOLUME, voice.volume * prosody.volume),
            (_PITCH, min(max(voice.pitch + prosody.pitch, 0), 99)),
            (_RANGE, min(max(voice.range + prosody.range, 0), 99)),
        ):
            self._library.espeak_SetParameter(parameter, round(value), 0)
        self._pieces, self._events = [], []
        text = utterance.text.encode() + b"\0"
        self._library.espeak_Synth(text, len(text), 0, _BY_CHARACTER, 0, _UTF8, None, None)
        return np.concatenate(self._pieces or [np.zeros(0, np.int16)]), self._events

    def close(self) -> None:
        """Unload the library, and its state with it."""
        import _ctypes

        self._library.espeak_Terminate()
        _ctypes.dlclose(self._library._handle)

    def _take(self, wave: Any, length: int, events: Any) -> int:
        if wave and length > 0:
            self._pieces.append(np.ctypeslib.as_array(wave, (length,)).copy())
        index = 0
        while events[index].type != 0:
            event = events[index]
            if event.type == _EVENT_PHONE:
                self._events.append((event.id.string, event.sample))
            index += 1
        return 0


def _speak(synthesizer: _Synthesizer, utterance: Utterance) -> Spoken:
    wave, events = synthesizer.say(utterance)
    phones = _phones(events, len(wave))
    if not phones:
        raise TriviumError(
            f"nothing in the text {utterance.text!r} can be spoken in {utterance.language}; "
            "expected words in that language's script"
        )
    samples = resample(wave.astype(np.float32) / np.float32(32_768), _ESPEAK_RATE_HZ)
    wanted = round((phones[-1].end_seconds + TRAILING_SECONDS) * SAMPLE_RATE_HZ)
    return Spoken(np.pad(samples[:wanted], (0, max(0, wanted - len(samples)))), phones)


def _phones(events: list[tuple[bytes, int]], total: int) -> list[Phone]:
    """Phones from events; pauses only end what comes before them.

    A final l may begin where it ends, being drawn as the end of its vowel: it gets that vowel's
    last third.
    """
    spans: list[tuple[str, int, int]] = []
    ends = [start for _, start in events[1:]] + [total]
    for (raw, start), end in zip(events, ends, strict=True):
        symbol = _symbol(raw)
        touching = bool(spans) and spans[-1][2] == start
        if symbol in _MODIFIERS and touching:
            before, began, _ = spans.pop()
            spans.append((before + symbol, began, end))
        elif symbol and end > start:
            spans.append((symbol, start, end))
        elif symbol and touching:
            before, began, _ = spans.pop()
            border = end - (end - began) // 3
            spans += [(before, began, border), (symbol, border, end)]
    return [Phone(symbol, a / _ESPEAK_RATE_HZ, b / _ESPEAK_RATE_HZ) for symbol, a, b in spans]


_MODIFIERS = ("ʲ",)  # Japanese palatalisation comes as a phone of its own
# Stress (ˈ ˌ), and narrow vowel quality (ä o̞ ɯᵝ): the same phone within a language.
_REMOVED = str.maketrans("", "", "\u02c8\u02cc\u0308\u031e\u1d5d")


def _symbol(raw: bytes) -> str:
    """A phone's IPA symbol without stress or narrow detail; empty for a pause.

    eSpeak cuts a symbol after 8 bytes. None in our six languages is longer, and with the stress
    mark (2 bytes) gone what another language could lose is a length mark, or half of one.
    """
    text = normalize("NFD", raw.decode(errors="ignore")).translate(_REMOVED)
    return normalize("NFC", text).replace("r.", "ɽ")  # eSpeak's own name shows through
