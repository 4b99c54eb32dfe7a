"""The steps of a run, ready for a model: threads take, decode, change, pad and prepare ahead.

Threads, not processes: Lance must not be forked, and decoding leaves Python's lock alone.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from trivium.config import Settings
from trivium.data.audio import SAMPLE_RATE_HZ, Samples
from trivium.data.augment import augment
from trivium.data.batch import Batch, Ragged
from trivium.data.image import decode_image
from trivium.data.plan import check_world
from trivium.data.source import Piece, Source
from trivium.errors import CorpusError, MediaError, TriviumError
from trivium.runtime import cores, derive_seed

Parts = dict[str, Batch]
Prepare = Callable[[Parts, np.random.Generator], Parts]
# Of a step: the roles it reads, and the step of each one's plan.
Draw = Callable[[int], Mapping[str, int]]
Clock = Callable[[], float]

STAGES = ("take", "decode", "augment", "collate", "prepare")


class LoaderSettings(Settings):
    """How a run is cut into steps, and how many hands load it."""

    micros_per_step: int = Field(default=8, ge=1)
    """Micros of a step over all devices; a multiple of their number."""
    seed: int = 0
    """The run's seed: order, changes to the sound and masks follow from it."""
    threads: int = Field(default=0, ge=0)
    """Threads that load; 0 is one for each core. Batches do not depend on it."""
    ahead: int = Field(default=0, ge=0)
    """Micros loaded ahead of the model; 0 is twice the threads."""


class Stopwatch:
    """Wall and processor time of the stages of one micro, in the thread that makes it."""

    def __init__(self, wall: Clock = time.perf_counter, cpu: Clock = time.thread_time) -> None:
        self._clocks = (wall, cpu)
        self._last = (wall(), cpu())
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Count the time since the last lap for a stage."""
        now = (self._clocks[0](), self._clocks[1]())
        self.wall[stage] = self.wall.get(stage, 0.0) + now[0] - self._last[0]
        self.cpu[stage] = self.cpu.get(stage, 0.0) + now[1] - self._last[1]
        self._last = now


@dataclass
class Spent:
    """What a loader has delivered so far, and where the time went."""

    micros: int = 0
    rows: int = 0
    seconds: float = 0.0  # of sound
    padded_seconds: float = 0.0  # of sound, padding included
    waiting: float = 0.0  # wall seconds in which the model had nothing to do
    wall: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    cpu: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    def add(self, parts: Parts, watch: Stopwatch) -> None:
        """Count one micro."""
        self.micros += 1
        for batch in parts.values():
            self.rows += len(batch)
            if batch.speech is not None:
                self.seconds += int(batch.speech.lengths.sum()) / SAMPLE_RATE_HZ
                self.padded_seconds += batch.speech.data.numel() / SAMPLE_RATE_HZ
        for total, laps in ((self.wall, watch.wall), (self.cpu, watch.cpu)):
            for stage, seconds in laps.items():
                total[stage] = total.get(stage, 0.0) + seconds


class Loader:
    """The micros of one device, step by step, exactly as the plans of the sources say.

    `prepare` gets the parts of a micro, one batch a role, and a generator seeded by run, step and
    micro; it runs in the loader's threads and adds token ids, masks, targets and counts. Every
    step reads every source, unless `draw` says otherwise.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        settings: LoaderSettings,
        rank: int = 0,
        world: int = 1,
        prepare: Prepare | None = None,
        draw: Draw | None = None,
    ) -> None:
        check_world(settings.micros_per_step, rank, world)
        self.sources, self.settings = dict(sources), settings
        self.plans = {
            role: source.plan(settings.micros_per_step, derive_seed(settings.seed, role))
            for role, source in self.sources.items()
        }
        self.threads = settings.threads or cores()
        self.ahead = settings.ahead or 2 * self.threads
        self.spent = Spent()
        self._places = range(rank, settings.micros_per_step, world)
        self._prepare = prepare
        self._draw = draw or (lambda step: dict.fromkeys(self.sources, step))
        self._pin = torch.cuda.is_available()

    def steps(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, list[Parts]]]:
        """(step, parts of this device's micros) from `start` on, without end or before `stop`.

        Leaving the loop, or closing the iterator, ends the threads. What goes wrong in one of
        them is raised here at once, ahead of micros that are still good.
        """
        numbers = itertools.count(start) if stop is None else range(start, stop)
        tasks = ((step, place) for step in numbers for place in self._places)
        pending: deque[tuple[int, Future[tuple[Parts, Stopwatch]]]] = deque()
        finished: SimpleQueue[Future[tuple[Parts, Stopwatch]]] = SimpleQueue()
        pool = ThreadPoolExecutor(self.threads, "trivium-loader")

        def begin(count: int) -> None:
            for step, place in itertools.islice(tasks, count):
                future = pool.submit(self._make, step, place)
                pending.append((step, future))
                future.add_done_callback(finished.put)

        try:
            begin(self.ahead)
            ready: list[Parts] = []
            while pending:
                step, future = pending.popleft()
                began = time.perf_counter()
                while not future.done() or not finished.empty():
                    finished.get().result()  # raises what any thread raised
                self.spent.waiting += time.perf_counter() - began
                parts, watch = future.result()
                self.spent.add(parts, watch)
                ready.append(parts)
                begin(1)
                if len(ready) == len(self._places):
                    yield step, ready
                    ready = []
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _make(self, step: int, place: int) -> tuple[Parts, Stopwatch]:
        watch = Stopwatch()
        seed = self.settings.seed
        try:
            parts = {}
            for role, number in self._draw(step).items():
                source, plan = self.sources[role], self.plans[role]
                positions = plan.step(number)[place]
                loaded = load(source, positions, plan.epoch_of(number), seed, watch)
                parts[role] = replace(loaded, step=step)
            if self._prepare is not None:
                words = derive_seed(seed, "prepare", step, place)
                parts = self._prepare(parts, np.random.Generator(np.random.PCG64(words)))
            if self._pin:
                parts = {role: batch.pin() for role, batch in parts.items()}
            watch.lap("prepare")
        except Exception as error:
            if not isinstance(error, TriviumError):
                error.add_note(f"while loading micro {place} of step {step}")
            raise
        return parts, watch


def load(
    source: Source, positions: NDArray[np.int64], epoch: int, seed: int, watch: Stopwatch
) -> Batch:
    """The rows at these positions as a batch: taken, decoded, changed and padded."""
    carried = source.settings.carried
    positions = source.members(positions)
    pieces = list(source.take(positions))
    columns = {
        name: _column(pieces, len(positions), name)
        for name in ("id", *carried)
        if name not in ("audio", "image")
    }
    watch.lap("take")
    ids = columns.pop("id")
    sounds = _sounds(pieces, len(positions)) if "audio" in carried else None
    images = _images(source, pieces, len(positions)) if "image" in carried else None
    watch.lap("decode")
    changes = source.settings.augment
    if sounds is not None and changes is not None:
        seeds = [derive_seed(seed, "augment", epoch, id_) for id_ in ids]
        generators = [np.random.Generator(np.random.PCG64(words)) for words in seeds]
        sounds = [augment(s, changes, g) for s, g in zip(sounds, generators, strict=True)]
        watch.lap("augment")
    batch = Batch(
        ids=ids,
        rows=positions,
        epoch=epoch,
        seed=seed,
        speech=None if sounds is None else Ragged.from_rows(sounds),
        images=None if images is None else tuple(map(torch.from_numpy, images)),
        texts=columns.pop("text", None),
        languages=columns.pop("language", None),
        columns=columns,
    )
    watch.lap("collate")
    return batch


def _column(pieces: list[Piece], count: int, name: str) -> tuple[Any, ...]:
    values: list[Any] = [None] * count
    for piece in pieces:
        for place, value in zip(piece.places, piece.table[name].to_pylist(), strict=True):
            values[place] = value
    return tuple(values)


def _sounds(pieces: list[Piece], count: int) -> list[Samples]:
    sounds: list[Samples] = [np.zeros(0, np.float32)] * count
    for piece in pieces:
        for place, sound in zip(piece.places, piece.corpus.sounds(piece.table), strict=True):
            sounds[place] = sound
    return sounds


def _images(source: Source, pieces: list[Piece], count: int) -> list[NDArray[np.uint8]]:
    """Each picture is decoded once, however many of the rows show it."""
    images: list[NDArray[np.uint8]] = [np.zeros((0, 0, 3), np.uint8)] * count
    for piece in pieces:
        table = piece.table
        names = table["id"].to_pylist()
        if source.settings.table == "utterances":
            names, rows = table["picture"].to_pylist(), names
            if None in names:
                raise CorpusError(
                    f"{rows[names.index(None)]} has no picture; leave such rows out with "
                    'where="picture is not null"'
                )
            different = list(dict.fromkeys(names))
            rows = piece.corpus.picture_rows(different)
            table = piece.corpus.take("pictures", rows, ["id", "image"])
        data = dict(zip(table["id"].to_pylist(), table["image"].to_pylist(), strict=True))
        decoded = {name: _image(name, content) for name, content in data.items()}
        for place, name in zip(piece.places, names, strict=True):
            images[place] = decoded[name]
    return images


def _image(name: str, content: bytes | None) -> NDArray[np.uint8]:
    try:
        # A copy that may be written to, as torch expects.
        return np.array(decode_image(content or b""))
    except MediaError as error:
        raise MediaError(f"{name}: {error}") from error
