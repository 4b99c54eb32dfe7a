"""From recordings to transcripts: pieces of many of them in the same passes of a model, joined."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from trivium.data.audio import SAMPLE_RATE_HZ, Samples
from trivium.errors import SettingsError, TriviumError
from trivium.transcripts.pieces import CuttingSettings, Piece, cut
from trivium.transcripts.transcript import Segment, Transcript

Name = TypeVar("Name")
# What is in memory before the model is asked; a longer recording comes alone.
BLOCK_SECONDS = 600.0


class Writer(Protocol):
    """What writes: `trivium.Model`, a published model, or anything like them."""

    name: str

    def transcribe_speech(self, sounds: Sequence[Samples], language: str) -> Sequence[str]:
        """What is said in 16 kHz sounds."""

    def translate_speech(self, sounds: Sequence[Samples], language: str, to: str) -> Sequence[str]:
        """What 16 kHz sounds say, in another language."""


@dataclass(frozen=True)
class Wish:
    """What is asked of a model."""

    language: str = ""  # that is spoken; empty: the model finds out
    to: str | None = None  # what to translate into; None: write down what is said
    cutting: CuttingSettings = field(default_factory=CuttingSettings)


def transcripts(
    model: Writer, recordings: Iterable[tuple[Name, Samples]], wish: Wish
) -> Iterator[tuple[Name, Transcript]]:
    """The transcript of each recording, in their order.

    What the model cannot do is refused before the first recording is asked for.
    """
    write = _writing(model, wish)
    return _written(write, recordings, wish)


def _writing(model: Writer, wish: Wish) -> Callable[[list[Samples]], Sequence[str]]:
    """The model's method, which was tried with nothing."""
    longest: float | None = getattr(model, "max_seconds", None)
    if longest is not None and wish.cutting.max_seconds > longest:
        raise SettingsError(
            f"pieces may last {wish.cutting.max_seconds:g} s, and {model.name} hears {longest:g} s "
            "at once; ask for shorter ones (--max-seconds)"
        )

    def write(sounds: list[Samples]) -> Sequence[str]:
        if wish.to is None:
            return model.transcribe_speech(sounds, wish.language)
        return model.translate_speech(sounds, wish.language, wish.to)

    write([])
    return write


def _written(
    write: Callable[[list[Samples]], Sequence[str]],
    recordings: Iterable[tuple[Name, Samples]],
    wish: Wish,
) -> Iterator[tuple[Name, Transcript]]:
    block: list[tuple[Name, Samples, list[Piece]]] = []
    held = 0
    for name, samples in recordings:
        block.append((name, samples, cut(samples, wish.cutting)))
        held += len(samples)
        if held >= BLOCK_SECONDS * SAMPLE_RATE_HZ:
            yield from _of_block(write, block, wish)
            block, held = [], 0
    yield from _of_block(write, block, wish)


def _of_block(
    write: Callable[[list[Samples]], Sequence[str]],
    block: Sequence[tuple[Name, Samples, list[Piece]]],
    wish: Wish,
) -> Iterator[tuple[Name, Transcript]]:
    """Transcripts of some recordings; the model is given what is heard of their pieces, at once."""
    sounds = [sound for _, samples, pieces in block for sound in heard(samples, pieces)]
    made = write(sounds) if sounds else []
    if len(made) != len(sounds):
        raise TriviumError(f"the model wrote {len(made)} texts of {len(sounds)} pieces of sound")
    texts = iter(made)
    for name, _, pieces in block:
        yield name, joined(pieces, texts, wish.to or wish.language)


def heard(samples: Samples, pieces: Sequence[Piece]) -> list[Samples]:
    """What is heard of pieces; of some that is nothing."""
    return [samples[slice(*piece.heard)] for piece in pieces if piece.heard]


def joined(pieces: Sequence[Piece], texts: Iterator[str], language: str) -> Transcript:
    """Segments of pieces, with a text for each that is heard.

    Pieces in a row in which nothing is heard are one segment.
    """
    written = [next(texts).strip() if piece.heard else "" for piece in pieces]
    segments: list[Segment] = []
    warnings: list[str] = []
    silent_since: int | None = None
    for place, (piece, text) in enumerate(zip(pieces, written, strict=True)):
        if piece.heard is None:
            silent_since = piece.start if silent_since is None else silent_since
            if place + 1 < len(pieces) and pieces[place + 1].heard is None:
                continue
            start, stop, what = silent_since, piece.stop, "nothing is heard"
            silent_since = None
        else:
            (start, stop), what = piece.heard, "the model wrote nothing"
        segments.append(Segment(start / SAMPLE_RATE_HZ, stop / SAMPLE_RATE_HZ, text))
        if not text:
            warnings.append(
                f"{what} from {start / SAMPLE_RATE_HZ:.1f} s to {stop / SAMPLE_RATE_HZ:.1f} s"
            )
    return Transcript(tuple(segments), language, tuple(warnings))
