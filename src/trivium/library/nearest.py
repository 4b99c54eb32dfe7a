"""Search through an index of faiss where there are many vectors: most are never compared.

The index is derived from the table and lies beside it. It knows vectors by what is in them, not by
their rows: whatever happened to the table since, entries without an item are never returned, and
items without an entry are compared one by one. What is found through it is scored as exact search
scores it, from the vectors themselves.
"""

import hashlib
import importlib
import importlib.util
import math
import shutil
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from trivium.checkpoint import new_folder
from trivium.config import Settings
from trivium.errors import TriviumError
from trivium.library.exact import BLOCK_ROWS, Exact, Floats, Halves, Places, best_device, best_of

INDEX_FROM = 200_000  # items; fewer are compared as quickly without an index
FOLDER, CARD, VECTORS, KEYS = "index", "card.json", "vectors.faiss", "keys.npy"
TUNED_FOR = 10  # results; a search for more looks at as many times more lists
COMPARED = 8_192  # matching vectors at least, under a filter: their best lie in many lists
TAKEN = 4  # candidates for one result, as the index rounds vectors to bytes
TRAINED, ROUNDS = 64, 10  # vectors a list, and rounds, of its clustering
STALE = 0.01  # more of the items are new or gone, and the index is made again

Keys = NDArray[np.uint64]
Allowed = NDArray[np.bool_]


class Tried(Settings):
    """What looking at so many lists finds."""

    probes: int = Field(ge=1)
    """Lists that are looked at for a query."""
    recall: float
    """Of the ten that exact search finds, how many are found."""
    filtered: float
    """The same under filters: the least of several."""
    seconds: float
    """Of a query among many, without a filter."""


class IndexCard(Settings):
    """What is known of an index."""

    model: str
    """The checksum of the model whose vectors are in it."""
    version: int
    """Of the table it was made from."""
    lists: int = Field(ge=1)
    """Groups of near vectors; a search looks at the nearest of them."""
    sha256: str = ""
    """Of its file."""
    recall: float
    """What searches shall find of the ten best."""
    tried: tuple[Tried, ...] = ()
    """In the order of lists looked at."""

    @property
    def name(self) -> str:
        """That of its folder."""
        return f"{self.version}-{self.model[:12]}"

    def probes(self, recall: float, filtered: bool) -> int:
        """The fewest lists that were measured to reach a recall, or all."""
        for one in self.tried:
            if (one.filtered if filtered else one.recall) >= recall:
                return one.probes
        return self.lists


def wanted(count: int, device: str | None = None) -> bool:
    """Whether so many vectors are searched quicker through an index; a GPU compares with all."""
    return count >= INDEX_FROM and (device or best_device()) == "cpu"


def has_faiss() -> bool:
    """Whether faiss, of the extra `search`, is installed."""
    return importlib.util.find_spec("faiss") is not None


class _Part(NamedTuple):
    """The entries that a search may find."""

    rows: Any  # faiss.IDSelector of them; None for all
    sizes: NDArray[np.int64]  # how many are in each list
    lists: Any  # faiss.IDSelector of the lists that hold some; None for all


class Nearest:
    """Vectors of about unit length, searched through their index, or all of them without one.

    Searching is safe from many threads.
    """

    def __init__(self, vectors: Halves, device: str | None = None, remark: str = "") -> None:
        self.vectors = vectors  # (N, D)
        self.remark = remark  # why there is no index where there could be one
        self.card: IndexCard | None = None
        self.probes = (0, 0)  # lists to look at, without and with a filter
        self.one_kind = False  # all items are: what is asked for is often of another, and elsewhere
        self._device = device or best_device()
        self._opening = Lock()
        self._exact: Exact | None = None
        self._index: Any = None  # faiss.IndexIVF

    @classmethod
    def open(cls, folder: Path, vectors: Halves, model: str, device: str | None = None) -> Self:
        """Through the newest index in a library's folder, if there is a whole one of that model."""
        opened = cls(vectors, device)
        if not wanted(len(vectors), opened._device):
            return opened
        every = f"all {len(vectors):,} items of {folder} are compared"
        if not has_faiss():
            opened.remark = (
                f"{every}; `pip install 'trivium[search]'` and `trivium library tune {folder}` "
                "make that quicker"
            )
            return opened
        broken = ""
        for path in sorted((folder / FOLDER).glob("[0-9]*"), key=_version, reverse=True):
            try:
                opened.use(*load(path, model, vectors.shape[1]))
            except TriviumError as error:
                broken = broken or f"{error}; "
            else:
                break
        if opened.card is None:
            opened.remark = f"{broken}{every} until `trivium library tune {folder}` makes an index"
        return opened

    def use(self, index: Any, keys: Keys, card: IndexCard) -> None:
        """Search through an index of vectors with these keys."""
        self._index, self.card = index, card
        self.probes = card.probes(card.recall, False), card.probes(card.recall, True)
        self._places = _counterparts(keys, keys_of(self.vectors))  # (E,): of entries; -1 if gone
        self._there = self._places >= 0
        new = np.ones(len(self.vectors), bool)
        new[self._places[self._there]] = False
        self._new = np.flatnonzero(new)
        self._fresh = Exact(self.vectors[self._new], self._device)
        self._lists = _lists(index)  # (E,)
        self._all = self._part(self._there)

    @property
    def stale(self) -> bool:
        """Whether there is no index, or much of it is gone or not in it."""
        if self._index is None:
            return True
        gone = len(self._places) - int(self._there.sum())
        return gone + len(self._new) > STALE * len(self.vectors)

    def held_out(self, count: int) -> Places:
        """Items that are in the index, and had no part in its training."""
        places = self._places[shuffled(len(self._places))[-count:]]
        return places[places >= 0]

    @property
    def exact(self) -> Exact:
        """The search that compares with all."""
        with self._opening:
            if self._exact is None:
                self._exact = Exact(self.vectors, self._device)
            return self._exact

    def search(
        self, queries: Floats, count: int, allowed: Allowed | None = None
    ) -> list[tuple[Places, Floats]]:
        """Places and scores of the `count` best of what is allowed, best first, for each query.

        If so many are allowed, so many are found, with an index too.
        """
        if self._index is None:
            return self.exact.search(queries, count, allowed)
        part = self._all if allowed is None else self._part(self._there & allowed[self._places])
        matching = int(part.sizes.sum())
        wide = allowed is not None or count > TUNED_FOR or self.one_kind
        compared = self.probes[wide] * len(self._places) / self._index.nlist
        if wide:
            compared = max(COMPARED, compared * max(1, count / TUNED_FOR))
        if compared >= matching:
            return self._compare(queries, count, allowed)
        near = self._candidates(queries, min(count, matching), part, compared)
        if len(self._new):
            own = None if allowed is None else allowed[self._new]
            fresh = self._fresh.search(queries, count, own)
            near = [np.concatenate([old, self._new[new]])
                    for old, (new, _) in zip(near, fresh, strict=True)]  # fmt: skip
        return [best_of(self.vectors, query, np.sort(places), count)
                for query, places in zip(queries, near, strict=True)]  # fmt: skip

    def _compare(
        self, queries: Floats, count: int, allowed: Allowed | None
    ) -> list[tuple[Places, Floats]]:
        """Compare with all that is allowed; if that is little, with nothing else."""
        if allowed is None or 16 * int(allowed.sum()) > len(allowed):
            return self.exact.search(queries, count, allowed)
        places = np.flatnonzero(allowed)
        few = Exact(self.vectors[places], self._device, torch.float32)
        return [(places[near], scores) for near, scores in few.search(queries, count)]

    def _part(self, entries: Allowed) -> _Part:
        sizes = np.bincount(self._lists[entries], minlength=self._index.nlist)
        return _Part(_selector(entries), sizes, _selector(sizes > 0))

    def _candidates(
        self, queries: Floats, count: int, part: _Part, compared: float
    ) -> list[Places]:
        """Places of entries that may be among the best, at least `count`, for each query.

        Only lists that hold such an entry are looked at: what matches may lie far from the query,
        as pictures do from speech.
        """
        faiss = _faiss()
        lists = faiss.SearchParameters(sel=part.lists)
        filled = int((part.sizes > 0).sum())
        probes = math.ceil(compared / part.sizes.sum() * filled)
        found: list[Places] = [np.zeros(0, np.intp)] * len(queries)
        left = np.arange(len(queries))
        while len(left):
            probes = min(probes, filled)
            how = faiss.SearchParametersIVF(nprobe=probes, sel=part.rows, quantizer_params=lists)
            _, ids = self._index.search(queries[left], TAKEN * count, params=how)
            for query, near in zip(left.tolist(), ids, strict=True):
                found[query] = self._places[near[near >= 0]]
            few = ((ids >= 0).sum(axis=1) < count) & (probes < filled)
            left, probes = left[few], 4 * probes
        return found


def keys_of(vectors: Halves) -> Keys:
    """A number for each vector by which it is known: equal for equal ones, else different."""
    odd = -vectors.shape[1] % 4
    even = np.pad(vectors, ((0, 0), (0, odd))) if odd else vectors
    words = np.ascontiguousarray(even).view(np.uint64)  # (N, W)
    factors = np.random.default_rng(0).integers(0, 2**64, words.shape[1], np.uint64) | np.uint64(1)
    keys = np.empty(len(words), np.uint64)
    for start in range(0, len(words), BLOCK_ROWS):
        block = words[start : start + BLOCK_ROWS]
        mixed = (block ^ (block >> np.uint64(31))) * factors
        keys[start : start + BLOCK_ROWS] = (mixed ^ (mixed >> np.uint64(29))).sum(axis=1)
    return keys


def lists_for(count: int) -> int:
    """How many lists an index of so many vectors has."""
    return max(1, min(4 * math.isqrt(count), count // (2 * TRAINED)))


def shuffled(count: int) -> Places:
    """Entries in the order in which they are taken to train an index; the last are not."""
    return np.random.default_rng(0).permutation(count)


def trained(vectors: Halves) -> Any:
    """An index of vectors in bytes, grouped around the centres of their clusters."""
    faiss = _faiss()
    count, width = vectors.shape
    lists = lists_for(count)
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(width), width, lists, faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )  # fmt: skip
    index.cp.niter, index.cp.max_points_per_centroid = ROUNDS, TRAINED
    index.cp.min_points_per_centroid = 1
    index.train(vectors[np.sort(shuffled(count)[: TRAINED * lists])].astype(np.float32))
    for start in range(0, count, BLOCK_ROWS):
        index.add(vectors[start : start + BLOCK_ROWS].astype(np.float32))
    return index


def write(folder: Path, index: Any, keys: Keys, card: IndexCard) -> IndexCard:
    """Put an index beside the table, whole or not at all, in the place of all others."""
    faiss = _faiss()
    (folder / FOLDER).mkdir(exist_ok=True)
    path = folder / FOLDER / card.name
    with new_folder(path) as new:
        faiss.write_index(index, str(new / VECTORS))
        np.save(new / KEYS, keys)
        told = card.model_copy(update={"sha256": _checksum(new / VECTORS)})
        (new / CARD).write_text(told.to_json(), encoding="utf-8")
    for other in (folder / FOLDER).iterdir():
        if other != path:
            shutil.rmtree(other)
    return told


def load(path: Path, model: str, width: int) -> tuple[Any, Keys, IndexCard]:
    """An index that is whole and of that model; it is mapped into memory, not read."""
    faiss = _faiss()
    card = IndexCard.load(path / CARD)
    if card.model != model:
        raise TriviumError(f"{path} is an index of another model ({card.model[:12]})")
    try:
        if _checksum(path / VECTORS) != card.sha256:
            raise TriviumError(f"{path / VECTORS} is not what was written")
        index = faiss.read_index(str(path / VECTORS), faiss.IO_FLAG_MMAP_IFC)
        keys = np.load(path / KEYS)
    except (OSError, ValueError, RuntimeError) as error:
        raise TriviumError(f"{path} is damaged: {str(error)[:160]}") from error
    if keys.shape != (index.ntotal,) or keys.dtype != np.uint64 or index.d != width:
        raise TriviumError(f"{path} is damaged: {keys.dtype} keys {keys.shape}, {index.ntotal}")
    return index, keys, card


def _version(path: Path) -> int:
    number = path.name.partition("-")[0]
    return int(number) if number.isdecimal() else -1


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _counterparts(old: Keys, new: Keys) -> Places:
    """Where each of the old is among the new, or -1; of equal ones, one has one."""
    if np.array_equal(old, new):
        return np.arange(len(old))
    order, there = np.argsort(old, kind="stable"), np.argsort(new, kind="stable")
    left, right = old[order], new[there]
    number = np.arange(len(old)) - np.searchsorted(left, left)  # among its equals
    place = np.searchsorted(right, left) + number
    inside = place < len(new)
    same = np.zeros(len(old), bool)
    same[inside] = right[place[inside]] == left[inside]
    found = np.full(len(old), -1)
    found[order[same]] = there[place[same]]
    return found


def _lists(index: Any) -> NDArray[np.int32]:
    """The list of each entry."""
    faiss = _faiss()
    found = np.empty(index.ntotal, np.int32)
    for number in range(index.nlist):
        size = index.invlists.list_size(number)
        if size:
            found[faiss.rev_swig_ptr(index.invlists.get_ids(number), size)] = number
    return found


def _faiss() -> Any:
    """Its types are no types that mypy could use."""
    return importlib.import_module("faiss")


def _selector(chosen: Allowed) -> Any:
    if chosen.all():
        return None
    return _faiss().IDSelectorBitmap(np.packbits(chosen, bitorder="little"))
