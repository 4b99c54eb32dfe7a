"""A searchable collection: speech, texts and pictures with what is known of them."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, Self

import numpy as np

from trivium import checkpoint
from trivium.data import store
from trivium.data.store import Table
from trivium.errors import CorpusError, MediaError, SettingsError, TriviumError, did_you_mean
from trivium.library import nearest, tune
from trivium.library.embedding import ARGUMENTS, Embedder, Vectors, unit
from trivium.library.indexing import CARD, Card, Indexed, Indexing
from trivium.library.items import TABLE, Items
from trivium.library.nearest import IndexCard
from trivium.library.sources import Source, open_source
from trivium.models.given import Picture, Sound
from trivium.models.loaded import Model
from trivium.models.towers.networks import Kind

KINDS: tuple[Kind, ...] = tuple(ARGUMENTS)


@dataclass(frozen=True)
class Hit:
    """An item that was found."""

    score: float  # cosine
    item: dict[str, Any]  # id, kind, source, and what else is known of it

    @property
    def id(self) -> str:
        """The id of the item: the name of its source, then its name there."""
        return str(self.item["id"])

    @property
    def kind(self) -> str:
        """speech, text or picture."""
        return str(self.item["kind"])

    def as_dict(self) -> dict[str, Any]:
        """Score and item as one, for JSON."""
        return {"cosine": 0.0} | self.item | {"cosine": round(self.score, 6)}


class Library:
    """An open library. Searching is safe from many threads; it sees what was there when opened."""

    def __init__(self, path: Path, model: Embedder | Path | str | None = None) -> None:
        self.path = path
        self._given = model
        self._sources: dict[str, Source] = {}
        self._opening = RLock()  # what is opened at first use is opened once
        self._model: Embedder | None = None
        self._items: Items | None = None

    @classmethod
    def open(cls, path: Path | str, model: Embedder | Path | str | None = None) -> Self:
        """The library in a folder; `model` is named, or given, if it is not where it was."""
        folder = Path(path)
        if not (folder / CARD).exists():
            what = f"has no {CARD}, so it is no library" if folder.exists() else "is not there"
            raise TriviumError(f"{folder} {what}; `trivium library index MODEL SOURCE {folder}`")
        return cls(folder, model)

    @classmethod
    def create(cls, path: Path | str, model: Path | str, loaded: Embedder | None = None) -> Self:
        """A new and empty library in a folder; `loaded` is the model, if it is in memory."""
        folder = Path(path)
        if folder.exists() and (not folder.is_dir() or any(map(_is_shown, folder.iterdir()))):
            raise TriviumError(f"{folder} holds other things; name a new or empty folder")
        read = loaded or Model.load(model)
        name = str(checkpoint.find(model).resolve()) if Path(model).exists() else str(model)
        folder.mkdir(parents=True, exist_ok=True)
        Card(model=name, checksum=read.checksum).write(folder)
        return cls(folder, read)

    @property
    def card(self) -> Card:
        """Which model made the vectors, and of what."""
        return Card.load(self.path / CARD)

    @property
    def model(self) -> Embedder:
        """The model whose vectors these are, loaded when first asked for."""
        with self._opening:
            if self._model is None:
                self._model = self._load_model()
            return self._model

    def _load_model(self) -> Embedder:
        card = self.card
        given = card.model if self._given is None else self._given
        model = Model.load(given) if isinstance(given, (str, Path)) else given
        if model.checksum != card.checksum:
            raise SettingsError(
                f"{self.path} holds vectors of {card.model} ({card.checksum[:12]}), and the model "
                f"given is another ({model.checksum[:12]}); name that one, or index a new library"
            )
        return model

    @property
    def items(self) -> Items | None:
        """What is searched; None while there is nothing."""
        with self._opening:
            if self._items is None:
                table = Table(self.path / TABLE, store.Reader(self.path))
                if table.count():
                    self._items = Items.read(table, self.card.checksum)
            return self._items

    @property
    def remark(self) -> str:
        """Why searches are slower than they could be, in a sentence; "" if they are not."""
        return self.items.nearest.remark if self.items else ""

    def __len__(self) -> int:
        return len(self.items or ())

    def index(
        self,
        source: Source | Path | str,
        name: str | None = None,
        language: str = "",
        of: Sequence[Kind] = (),
        drop: bool = False,
        advance: Callable[[int], None] = lambda _: None,
    ) -> Indexed:
        """Embed what is new or changed in a folder or a corpus; `drop` removes what is gone.

        Ids begin with the name of the source, by default that of its folder. `language` is that of
        a plain folder's speech and texts; `of` names the kinds to take, if not all.
        """
        opened = open_source(source, language) if isinstance(source, (str, Path)) else source
        called = name or opened.path.resolve().name
        if not called.isprintable() or not called.strip() or "/" in called:
            raise SettingsError(f"{called!r} is no name for a source; give one without a slash")
        for kind in of:
            check_kind(kind)
        self._items = None  # whoever reads keeps the files from being joined
        try:
            done = Indexing(self.path, self.model, opened, called, advance).run(of, drop)
        finally:
            self._items = None
        self._renew_index()
        return done

    def _renew_index(self) -> None:
        """Make the index again if much of it is new or gone; it is used once that is done."""
        if not nearest.wanted(Table(self.path / TABLE).count()) or not nearest.has_faiss():
            return
        try:
            held = store.lock(self.path)
        except CorpusError:
            return  # whoever is writing comes here too
        with closing(held):
            if self.items and self.items.nearest.stale:
                tune.make(self.path, self.items)
            self._items = None

    def tune(self, recall: float = tune.RECALL) -> IndexCard | None:
        """Choose how many lists of the index a search looks at, for a recall among the ten best.

        None if there is no index, as all items are compared: they are few, or there is a GPU.
        """
        if not 0 < recall <= 1:
            raise SettingsError(f"a recall of {recall}; give one above 0 and up to 1")
        items = self.items
        if items is None or not nearest.wanted(len(items)):
            return None
        if not nearest.has_faiss():
            raise TriviumError(items.nearest.remark)
        with closing(store.lock(self.path)):
            card = tune.make(self.path, items, recall)
        self._items = None
        return card

    def search(
        self,
        *,
        text: str | None = None,
        speech: Sound | None = None,
        image: Picture | None = None,
        language: str | None = None,
        k: int = 10,
        of: str | None = None,
        where: str | None = None,
    ) -> list[Hit]:
        """The `k` items nearest to a text, a sound or a picture, best first.

        `of` is the kind to find, `where` a filter such as `language = 'hi' and seconds < 5`;
        `language` is that of the query. If `k` items match a filter, `k` are found.
        """
        queries = {"text": text, "speech": speech, "image": image}
        given = {name: value for name, value in queries.items() if value is not None}
        if len(given) != 1:
            raise TriviumError(
                f"a search with {' and '.join(given) or 'nothing'}; give one of text, speech, image"
            )
        _check_wish(k, of)
        try:
            vector = self.model.embed(**given, language=language)
        except MediaError as error:
            [query] = given.values()
            named = f"{query}: " if isinstance(query, (str, Path)) else ""
            raise MediaError(f"{named}{error}") from error
        return self.nearest(vector[None], k, of, where)[0]

    def near(
        self, id_: str, k: int = 10, of: str | None = None, where: str | None = None
    ) -> list[Hit]:
        """The items nearest to one of them, which is left out."""
        _check_wish(k, of)
        if self.items is None:
            raise TriviumError(f"{self.path} is empty, so it has no item {id_!r}")
        place = self.items.place(id_)
        vector = self.items.vectors[place].astype(np.float32)
        return [hit for hit in self.nearest(vector[None], k + 1, of, where)[0] if hit.id != id_][:k]

    def nearest(
        self, vectors: Vectors, k: int = 10, of: str | None = None, where: str | None = None
    ) -> list[list[Hit]]:
        """The items nearest to each of several vectors (Q, D)."""
        _check_wish(k, of)
        items = self.items
        if items is None:
            return [[] for _ in vectors]
        width = items.vectors.shape[1]
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise TriviumError(f"queries have the shape {vectors.shape}; expected (Q, {width})")
        allowed = None if of is None and where is None else items.matching(of, where)
        found = items.nearest.search(unit(vectors, "the query"), k, allowed)
        told = iter(items.told([place for places, _ in found for place in places.tolist()]))
        return [[Hit(score, next(told)) for score in scores.tolist()] for _, scores in found]

    def media(self, hit: Hit) -> bytes | None:
        """The encoded sound or picture of an item, from where it lies; None for a text."""
        source, _, name = hit.id.partition("/")
        if source not in self._sources:
            self._sources[source] = open_source(self.card.sources[source].path)
        return self._sources[source].media(name)

    def facts(self) -> list[tuple[str, str, str, int, float | None]]:
        """Source, kind, language, items and seconds of speech, for each that there is."""
        if self.items is None:
            return []
        names = ["source", "kind", "language"]
        found = self.items.table.columns([*names, "seconds"])
        counted = found.group_by(names).aggregate([("row", "count"), ("seconds", "sum")])
        rows = counted.select([*names, "row_count", "seconds_sum"]).to_pylist()
        told = [tuple(row.values()) for row in rows]
        return sorted(told, key=lambda row: tuple(part or "" for part in row[:3]))


def _check_wish(k: int, of: str | None) -> None:
    """Refuse a search that cannot be made, before a model is loaded for it."""
    if k < 1:
        raise TriviumError(f"k is {k}; ask for 1 or more")
    if of is not None:
        check_kind(of)


def check_kind(kind: str) -> Kind:
    """A kind of item by its name."""
    for known in KINDS:
        if kind == known:
            return known
    raise TriviumError(f"{kind!r} is no kind of item; {did_you_mean(kind, KINDS)}")


def _is_shown(path: Path) -> bool:
    """Whether a person put a file there; what a killed writer left is hidden."""
    return not path.name.startswith(".")
