"""What a server serves: models behind queues, and libraries with the model of their vectors."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from trivium.errors import TriviumError, did_you_mean
from trivium.serve.engine import Ask, Engine, Served
from trivium.serve.media import Decoders
from trivium.serve.refusal import Refusal
from trivium.serve.settings import ServeSettings

if TYPE_CHECKING:
    from trivium.library.library import Hit, Library

LOG = logging.getLogger("trivium.serve")
Load = Callable[[str, str | None], Served]
T = TypeVar("T")


def load_model(name: str, device: str | None) -> Served:
    """A model by its name or folder, trained here or published by others."""
    # Sounds have as many shapes as lengths, and torch would keep what it prepared for a thousand.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16")
    from trivium.models import published
    from trivium.models.loaded import Model

    if published.find(name) is not None:
        return published.load(name, device)
    return Model.load(name, device)


class Collection:
    """Models and libraries by name; nothing of them is there until they are loaded."""

    def __init__(self, settings: ServeSettings, load: Load) -> None:
        self.settings = settings
        self.engines: dict[str, Engine] = {}
        self.libraries: dict[str, Library] = {}
        self.decoders = Decoders(settings)
        self.since = 0
        self.failed: str | None = None
        self.ready = False
        self.on_failure: Callable[[], None] = lambda: None  # who started the server may end it
        self._load = load
        self._threads = ThreadPoolExecutor(2, "search")

    async def start(self) -> None:
        """Load everything and compute something once; whoever asks before is told to wait."""
        try:
            models, libraries = await self.off(self._read)
            self.engines = {name: Engine(name, m, self.settings) for name, m in models.items()}
            self.libraries = libraries
            await self.decoders.start()
            for engine in self.engines.values():
                await _warm(engine)
        except Exception as error:
            ours = isinstance(error, TriviumError)
            self.failed = str(error) if ours else f"{type(error).__name__}: {error}"
            if ours:
                LOG.error("loading failed: %s", error)  # noqa: TRY400 (the sentence says it all)
            else:
                LOG.exception("loading failed")
            self.on_failure()
            return
        self.since, self.ready = int(time.time()), True
        LOG.info("ready: models %s; libraries %s", ", ".join(self.engines) or "none",
                 ", ".join(self.libraries) or "none")  # fmt: skip

    async def stop(self) -> None:
        """Answer what waits, then end threads and processes."""
        for engine in self.engines.values():
            await engine.stop()
        await self.decoders.stop()
        self._threads.shutdown(cancel_futures=True)

    async def off(self, work: Callable[[], T]) -> T:
        """What a function gives that would hold up everybody else."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def check(self) -> None:
        """Refuse whoever comes before all is loaded."""
        if self.failed is not None:
            raise Refusal(503, f"nothing is served: {self.failed}", "failed")
        if not self.ready:
            raise Refusal(503, "the models are being loaded; try again soon", "loading", retry=2)

    def engine(self, name: str | None) -> Engine:
        """A model by its name; the first where none is named."""
        return _named("model", name, self.engines)

    def chosen(self, name: str | None) -> "dict[str, Library]":
        """A library by its name, or all; all must have the same model, else cosines mislead."""
        if name is not None:
            return {name: _named("library", name, self.libraries)}
        models = {self.engine_of(library).name for library in self.libraries.values()}
        if len(models) != 1:
            raise Refusal(
                400, f"libraries of {len(models)} models are served; name one as library: "
                f"{', '.join(self.libraries) or 'there is none'}", "no_library",
            )  # fmt: skip
        return self.libraries

    def engine_of(self, library: "Library") -> Engine:
        """The model whose vectors a library holds."""
        checksum = library.model.checksum
        return next(e for e in self.engines.values() if e.model.checksum == checksum)

    async def item(self, id_: str, name: str | None) -> "tuple[Library, Hit]":
        """An item by its id: of the library that is named, or of the first that has it."""
        from trivium.library.library import Hit

        one = None if name is None else _named("library", name, self.libraries)
        for library in self.libraries.values() if one is None else [one]:
            found = await self.off(lambda library=library: _told(library, id_))  # type: ignore[misc]
            if found is not None:
                return library, Hit(1.0, found)
        raise Refusal(404, f"no item has the id {id_!r}")

    async def found(
        self,
        ask: Ask,
        thing: Any,
        libraries: "Mapping[str, Library]",
        k: int,
        of: str | None,
        where: str | None,
    ) -> "list[tuple[str, Hit]]":
        """The items nearest to a thing, best first, with the name of their library."""
        engine = self.engine_of(next(iter(libraries.values())))
        [vector] = await engine.made(ask, [thing])

        def search() -> "list[tuple[str, Hit]]":
            found = [
                (name, hit)
                for name, library in libraries.items()
                for hit in library.nearest(np.asarray(vector)[None], k, of, where)[0]
            ]
            return sorted(found, key=lambda pair: -pair[1].score)[:k]

        return await self.off(search)

    def _read(self) -> "tuple[dict[str, Served], dict[str, Library]]":
        """Models and libraries from the disk; in a thread."""
        paths = {path.resolve().name: path for path in self.settings.libraries}
        if len(paths) < len(self.settings.libraries):
            told = ", ".join(map(str, self.settings.libraries))
            raise TriviumError(f"{told}: libraries are called by their folders; rename one")
        if not paths and not self.settings.models:
            raise TriviumError(f"nothing is served with models {self.settings.models} and no "
                               "library; name one of either")  # fmt: skip
        from trivium.library.library import Library

        models: dict[str, Served] = {}
        libraries: dict[str, Library] = {}

        def add(name: str) -> Served:
            short = _short(name)
            if short in models:
                raise TriviumError(
                    f"two models would be called {short!r}; rename the folder {name}"
                )
            models[short] = self._load(name, self.settings.device)
            return models[short]

        for name in self.settings.models:
            add(name)
        for short, path in paths.items():
            card = Library.open(path).card
            alike = (model for model in models.values() if model.checksum == card.checksum)
            model: Any = next(alike, None) or add(card.model)
            library = Library.open(path, model)
            library.model  # noqa: B018 (refuses another's)
            if library.items is not None:  # read now, not at the first search
                library.nearest(library.items.vectors[:1].astype(np.float32), 1)
            libraries[short] = library
        return models, libraries


async def _warm(engine: Engine) -> None:
    """Compute a second of silence, a word, a grey picture: the first time takes longer."""
    things = {
        "embed_speech": np.zeros(16_000, np.float32), "embed_text": "warm",
        "embed_picture": np.full((224, 224, 3), 128, np.uint8),
    }  # fmt: skip
    for method, thing in things.items():
        if engine.can(method):  # type: ignore[arg-type]
            await engine.made(Ask(method), [thing])  # type: ignore[arg-type]


def _short(name: str) -> str:
    """What a model is called: the folder of a run, and not that of its checkpoint."""
    path = Path(name).resolve()
    if not path.exists():
        return name
    return path.parents[1].name if path.parent.name == "checkpoints" else path.name


def _named(what: str, name: str | None, known: Mapping[str, T]) -> T:
    if name is None and known:
        return next(iter(known.values()))
    if name is None or name not in known:
        raise Refusal(
            404, f"no {what} is called {name!r}; {did_you_mean(str(name), known)}",
            f"{what}_not_found",
        )  # fmt: skip
    return known[name]


def _told(library: "Library", id_: str) -> dict[str, Any] | None:
    """What a library knows of an item; None if it has none of that id."""
    items = library.items
    try:
        return None if items is None else items.told([items.place(id_)])[0]
    except TriviumError:
        return None
