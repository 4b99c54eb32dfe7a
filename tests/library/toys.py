"""A model that knows things by their bytes, and one indexing of it that a test can kill."""

import hashlib
import shutil
from pathlib import Path

import numpy as np

from trivium.errors import TriviumError
from trivium.library import embedding, indexing, nearest
from trivium.library.library import Library

WIDTH = 8


class Toy:
    """The same thing, the same direction; counts what it is asked."""

    def __init__(self, checksum="toy", kinds=("speech", "text", "picture"), refuse=lambda _: False):
        self.checksum, self.kinds, self.refuse = checksum, kinds, refuse
        self.asked = []

    def embed(self, *, speech=None, text=None, image=None, language=None):
        (things,) = [given for given in (speech, text, image) if given is not None]
        single = not isinstance(things, list)
        many = [things] if single else things
        if any(self.refuse(thing) for thing in many):
            raise TriviumError(f"this toy does not take one of {len(many)}")
        self.asked.append((len(many), language))
        made = np.stack([vector(thing) for thing in many])
        return made[0] if single else made


def vector(thing):
    """The direction of a text, samples or pixels, as the toy gives it."""
    data = thing.encode() if isinstance(thing, str) else np.ascontiguousarray(thing).tobytes()
    seed = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
    made = np.random.default_rng(seed).standard_normal(WIDTH).astype(np.float32)
    return made / np.linalg.norm(made)


def ids(hits):
    """The ids of what was found."""
    return [hit.id for hit in hits]


def index_again_and_again(folder: str) -> None:
    """What a test kills: the index of a library is removed, made and removed again."""
    nearest.INDEX_FROM, nearest.TRAINED, nearest.best_device = 200, 8, lambda: "cpu"
    while True:
        shutil.rmtree(Path(folder) / nearest.FOLDER, ignore_errors=True)
        Library.open(folder, Toy()).tune()


def index_in_many_commits(source: str, folder: str) -> None:
    """What a test kills: texts are embedded and committed four at a time, what is gone dropped."""
    embedding.EMBED_ITEMS = indexing.COMMIT_ROWS = 4
    there = (Path(folder) / indexing.CARD).exists()
    library = Library.open(folder, Toy()) if there else Library.create(folder, "toy", Toy())
    library.index(source, "s", drop=True)
