"""A cascade: what one model writes down another translates; the baseline of speech translation."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from trivium.config import Settings
from trivium.data.audio import Samples
from trivium.tasks.score import HASH_CHARACTERS
from trivium.tasks.words.translation import Translation

SYSTEMS = ("direct", "cascade")


class Recogniser(Protocol):
    """What writes down what it hears."""

    checksum: str

    def transcribe_speech(self, sounds: Sequence[Samples], language: str = "") -> Sequence[str]:
        """What is said in 16 kHz sounds of one language."""


class TextTranslator(Protocol):
    """What translates texts."""

    checksum: str

    def translate_text(self, texts: Sequence[str], language: str, to: str) -> Sequence[str]:
        """What texts of one language say, in another."""


class Chain:
    """A recogniser and a translator of texts, as one that translates speech.

    Its checksum says that it is a cascade, and of which models.
    """

    def __init__(self, recogniser: Recogniser, translator: TextTranslator) -> None:
        self.recogniser, self.translator = recogniser, translator
        parts = (recogniser.checksum, translator.checksum)
        self.checksum = "cascade " + "+".join(part[:HASH_CHARACTERS] for part in parts)

    def translate_speech(self, sounds: Sequence[Samples], language: str, to: str) -> list[str]:
        """What 16 kHz sounds of one language say, in another; nothing of what was not heard."""
        texts = self.recogniser.transcribe_speech(sounds, language)
        heard = [place for place, text in enumerate(texts) if text.strip()]
        made = self.translate_text([texts[place] for place in heard], language, to)
        found = dict(zip(heard, made, strict=True))
        return [found.get(place, "") for place in range(len(texts))]

    def translate_text(self, texts: Sequence[str], language: str, to: str) -> Sequence[str]:
        """What texts of one language say, in another."""
        return self.translator.translate_text(texts, language, to) if texts else []


class Cascade(Translation):
    """The result of a cascade; its files are named after it."""


class Compared(Settings):
    """What a cascade makes of the rows of a split, beside what a model makes of them directly."""

    direct: Translation | None
    """By a model that hears and translates; null of one that reads alone."""
    cascade: Cascade
    """By a recogniser and that model."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Of both, each once."""
        return tuple(dict.fromkeys(remark for one in self._there() for remark in one[1].remarks))

    def write(self, folder: Path) -> None:
        """`cascade.json` and its lines, and the files of the translation."""
        for _, one in self._there():
            one.write(folder)

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headers; of each direction and each mean a row for either."""
        headers = ["direction", "system"]
        rows: list[list[str]] = []
        tables = {name: one.table() for name, one in self._there()}
        for place, first in enumerate(tables["cascade"][1]):
            rows += [[first[0], name, *told[place][1:]] for name, (_, told) in tables.items()]
        return [*headers, *self.cascade.table()[0][1:]], rows

    def _there(self) -> Iterator[tuple[str, Translation]]:
        """The results by name, the direct one first."""
        for name, one in zip(SYSTEMS, (self.direct, self.cascade), strict=True):
            if one is not None:
                yield name, one
