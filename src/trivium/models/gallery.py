"""Vectors of pictures under a frozen tower: made once, kept beside the corpus, looked up by row.

`<corpus>/../.trivium/<fingerprint>/<tower>.npy` holds a row of float16 for each picture of the
corpus, in the order of its table; `TRIVIUM_CACHE` names another folder than `.trivium`.
"""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trivium.checkpoint import new_file
from trivium.data.batch import Batch
from trivium.data.corpus import Corpus
from trivium.data.image import decode_image
from trivium.data.source import Source
from trivium.errors import TriviumError
from trivium.models.towers.picture import PictureTower
from trivium.runtime import cores

Halves = NDArray[np.float16]
BLOCK = 256  # pictures read, decoded and embedded at a time


class Gallery:
    """All pictures of a source's corpora as vectors, and which of them its rows show."""

    def __init__(self, source: Source, tower: PictureTower) -> None:
        self._source = source
        self._files = [picture_vectors(corpus, tower) for corpus in source.corpora]
        self._starts = np.cumsum([0, *map(len, self._files)])
        self.shown = self._find_shown()  # (G,) places of the pictures that rows show, sorted

    def places(self, batch: Batch) -> NDArray[np.int64]:
        """Where the pictures of a batch's rows stand among all: (B,)."""
        names, corpus_of = batch.columns["picture"], self._source.corpus_of[batch.rows]
        found = np.empty(len(batch), np.int64)
        for number in np.unique(corpus_of):
            own = np.flatnonzero(corpus_of == number)
            rows = self._source.corpora[number].picture_rows(names[place] for place in own)
            found[own] = self._starts[number] + rows
        return found

    def vectors(self, places: NDArray[np.int64]) -> Tensor:
        """Vectors of pictures by place, (B, D) of float32, not of unit length."""
        corpus_of = np.searchsorted(self._starts, places, "right") - 1
        found = np.empty((len(places), self._files[0].shape[1]), np.float32)
        for number in np.unique(corpus_of):
            own = np.flatnonzero(corpus_of == number)
            found[own] = self._files[number][places[own] - self._starts[number]]
        return torch.from_numpy(found)

    def numbers(self, places: NDArray[np.int64]) -> Tensor:
        """Where pictures stand among the shown ones: (B,)."""
        return torch.from_numpy(np.searchsorted(self.shown, places))

    def _find_shown(self) -> NDArray[np.int64]:
        settings = self._source.settings
        shown = []
        for corpus, start in zip(self._source.corpora, self._starts[:-1], strict=True):
            named = corpus.columns("utterances", ["picture"], settings.filter)["picture"].unique()
            names = [name for name in named.to_pylist() if name is not None]
            shown.append(start + corpus.picture_rows(names))
        return np.sort(np.concatenate(shown))


def picture_vectors(corpus: Corpus, tower: PictureTower) -> Halves:
    """A vector for each row of the corpus' pictures, (N, D), mapped from the disk."""
    path = _path(corpus, tower)
    if not path.exists():
        shape = (corpus.count("pictures"), tower.width)
        if not shape[0]:
            raise TriviumError(f"{corpus.path} has {shape[0]} pictures to make vectors of")
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as part:
            made: Any = np.lib.format.open_memmap(part, "w+", np.float16, shape)
            for start, vectors in _embedded(corpus, tower):
                made[start : start + len(vectors)] = vectors
            made.flush()
    found: Halves = np.load(path, mmap_mode="r")
    return found


def _path(corpus: Corpus, tower: PictureTower) -> Path:
    beside = corpus.path.resolve().parent / ".trivium"
    folder = Path(os.environ.get("TRIVIUM_CACHE") or beside)
    # The fingerprint is of ids: other pictures under the same ones are in other files.
    fragments = corpus.table("pictures").dataset.get_fragments()
    files = sorted(file.path for fragment in fragments for file in fragment.data_files())
    words = f"{tower.checksum()} {tower.side} {tower.mean} {tower.deviation} {files}"
    return folder / corpus.card.fingerprint / f"{hashlib.sha256(words.encode()).hexdigest()}.npy"


def _embedded(corpus: Corpus, tower: PictureTower) -> Iterator[tuple[int, Halves]]:
    """Blocks of vectors and where they begin; pictures are decoded by all cores."""
    device = next(tower.parameters()).device

    def pixels(image: bytes) -> Tensor:
        return tower.pixels(torch.from_numpy(np.array(decode_image(image)))[None])

    with ThreadPoolExecutor(cores()) as pool, torch.inference_mode():
        for start in range(0, corpus.count("pictures"), BLOCK):
            rows = np.arange(start, min(start + BLOCK, corpus.count("pictures")))
            images = corpus.take("pictures", rows, ["image"])["image"].to_pylist()
            vectors = tower(torch.cat(list(pool.map(pixels, images))).to(device))
            yield start, vectors.cpu().numpy().astype(np.float16)
