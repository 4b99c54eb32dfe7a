"""Vectors of speech, texts and pictures with what they are about, and how a corpus becomes them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trivium.data.audio import Samples
from trivium.data.corpus import Corpus
from trivium.data.image import Pixels, decode_image
from trivium.errors import TriviumError
from trivium.models.towers.networks import Kind
from trivium.tasks.metrics import Integers, Vectors
from trivium.tasks.rows import where_of

# Items decoded and handed to a model at a time: it sorts and batches them as it likes.
EMBED_ITEMS = 512
SOUND = ["id", "audio", "path", "offset", "seconds"]


@dataclass(frozen=True, eq=False)
class VectorSet:
    """Vectors of one kind and language, with what each is about: equal ids match.

    A picture stands here once, however many captions it has.
    """

    kind: Kind
    vectors: Vectors  # (N, D)
    ids: Integers  # (N,)
    language: str = ""

    @property
    def name(self) -> str:
        """`speech.hi`, or `picture`."""
        return f"{self.kind}.{self.language}" if self.language else self.kind

    def take(self, rows: NDArray[np.intp]) -> "VectorSet":
        """Some of the vectors."""
        return replace(self, vectors=self.vectors[rows], ids=self.ids[rows])

    def of_unit_length(self) -> "VectorSet":
        """The same with vectors of length one in float32; a zero vector stays zero."""
        wide = np.asarray(self.vectors, np.float32)
        lengths = np.linalg.norm(wide, axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):  # infinity becomes NaN, which the search refuses
            return replace(self, vectors=wide / np.where(lengths > 0, lengths, 1))


class Embedder(Protocol):
    """What puts things into one space; batches as it likes, and keeps the order."""

    @property
    def kinds(self) -> Sequence[Kind]:
        """What it embeds; the others are not asked for."""

    def embed_speech(self, sounds: Sequence[Samples], language: str) -> Vectors:
        """Vectors (N, D) of 16 kHz sounds in one language."""

    def embed_picture(self, pictures: Sequence[Pixels]) -> Vectors:
        """Vectors (N, D) of RGB pictures."""

    def embed_text(self, texts: Sequence[str], language: str) -> Vectors:
        """Vectors (N, D) of texts in one language."""


def embed_corpus(
    embedder: Embedder,
    corpus: Corpus,
    split: str,
    text_languages: Sequence[str] = ("en",),
    speech_languages: Sequence[str] = (),
    advance: Callable[[int], None] = lambda _: None,
) -> list[VectorSet]:
    """Speech of each language, the texts of some, and the pictures, of what was said of pictures.

    Where languages of speech are named, the others are not heard; nor are captions without a sound,
    nor read those without a text: sets say how many they are. Ids number the pictures. A text
    that stands for a picture several times is taken once. `advance` is told of items done.
    """
    where = where_of(split, "picture is not null")
    said = corpus.columns("utterances", ["picture", "language", "text", "seconds"], where)
    if not len(said):
        raise TriviumError(f"no utterance of the split {split!r} of {corpus.path} has a picture")
    pictures, ids = np.unique(said.column("picture").to_pylist(), return_inverse=True)
    rows = said.column("row").to_numpy()
    languages = np.array([language or "" for language in said.column("language").to_pylist()])
    texts, sounding = said.column("text").to_pylist(), said.column("seconds").is_valid().to_numpy()
    sets = []
    for language in dict.fromkeys(languages.tolist()):
        own = np.flatnonzero(languages == language)
        spoken, heard = [], own[sounding[own]]
        if "speech" in embedder.kinds and language in (speech_languages or [language]):
            for part in _parts(rows[heard]):
                sounds = corpus.sounds(corpus.take("utterances", part, SOUND))
                spoken.append(embedder.embed_speech(sounds, language))
                advance(len(part))
        if spoken:
            sets.append(VectorSet("speech", np.concatenate(spoken), ids[heard], language))
        lines = list(dict.fromkeys((ids[row], texts[row]) for row in own if texts[row]))
        if "text" in embedder.kinds and language in text_languages and lines:
            written = embedder.embed_text([text for _, text in lines], language)
            advance(len(lines))
            sets.append(VectorSet("text", written, np.array([id_ for id_, _ in lines]), language))
    if "picture" not in embedder.kinds:
        return sets
    shown = []
    for part in _parts(corpus.picture_rows(pictures.tolist())):
        shown.append(embedder.embed_picture([decode_image(i) for i in _images(corpus, part)]))
        advance(len(part))
    return [*sets, VectorSet("picture", np.concatenate(shown), np.arange(len(pictures)))]


def _images(corpus: Corpus, rows: Integers) -> list[bytes]:
    images: list[bytes] = corpus.take("pictures", rows, ["image"]).column("image").to_pylist()
    return images


def _parts(rows: Integers) -> Iterator[Integers]:
    for start in range(0, len(rows), EMBED_ITEMS):
        yield rows[start : start + EMBED_ITEMS]
