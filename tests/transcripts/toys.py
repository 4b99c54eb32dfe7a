"""Models that write what they were given, so that tests can tell."""

from trivium.data.audio import SAMPLE_RATE_HZ
from trivium.errors import TriviumError


class Toy:
    """Writes how long a sound is and how loud; counts what it was asked."""

    name, checksum = "toy", "c" * 64

    def __init__(self):
        self.asked = []

    def transcribe_speech(self, sounds, language=""):
        self.asked.append(len(sounds))
        return [f" {language}{len(sound)}:{abs(sound).max():.4f} " for sound in sounds]

    def translate_speech(self, sounds, language, to):
        self.asked.append(len(sounds))
        return [f"{language}>{to} {len(sound) / SAMPLE_RATE_HZ:.2f}" for sound in sounds]

    def translate_text(self, texts, language, to):
        self.asked.append(len(texts))
        return [f"{language}>{to} {text.upper()}" for text in texts]


class Deaf:
    """Does nothing that it is asked."""

    name, checksum = "deaf", "d" * 64

    def transcribe_speech(self, sounds, language=""):
        raise TriviumError(f"deaf cannot, though it was given {len(sounds)} sounds of {language!r}")

    translate_speech = None
