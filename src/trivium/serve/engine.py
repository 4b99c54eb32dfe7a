"""A model behind a queue: what is asked at the same time is computed together."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from trivium.data.audio import SAMPLE_RATE_HZ
from trivium.errors import TriviumError
from trivium.serve.refusal import Refusal
from trivium.serve.settings import ServeSettings

LOG = logging.getLogger("trivium.serve")
Method = Literal["embed_speech", "embed_text", "embed_picture", "transcribe", "translate_speech"]
# What one pass of a model should be given at most: samples of sound with padding, as the model
# itself cuts what is more.
PASS_SAMPLES = 120 * SAMPLE_RATE_HZ


class Served(Protocol):
    """What every model tells of itself; it has methods for what it says that it can."""

    name: str
    readme: str

    @property
    def checksum(self) -> str:
        """Of its weights."""

    @property
    def kinds(self) -> Sequence[str]:
        """What it embeds."""

    def can(self, ability: str) -> bool:
        """Whether it can `transcribe` or `translate_speech`."""


class Ask(NamedTuple):
    """What a model is asked; only what is asked alike is computed together."""

    method: Method
    language: str = ""
    to: str = ""


@dataclass(eq=False)
class Job:
    """The things of one request, and who waits for what is made of them."""

    ask: Ask
    things: Sequence[Any]
    made: asyncio.Future[list[Any]]

    @property
    def length(self) -> int:
        """Of the longest thing: samples, characters; pictures are all alike."""
        if self.ask.method == "embed_picture":
            return 1
        return max(map(len, self.things))

    @property
    def total(self) -> int:
        """Of all things together."""
        return sum(map(len, self.things))

    @property
    def of_sound(self) -> bool:
        """Whether its things are sounds, which are padded."""
        return self.ask.method not in ("embed_text", "embed_picture")


def batch_of(waiting: Sequence[Job], most: int, padding: float) -> list[Job]:
    """The job that waited longest, and of those that ask the same the nearest to it in length.

    Together they hold at most `most` things. Sounds are no more than a pass takes, and `padding` of
    that at most is padding. The first is taken whatever it holds.
    """
    first = waiting[0]
    alike = [job for job in waiting[1:] if job.ask == first.ask]
    alike.sort(key=lambda job: abs(job.length - first.length))
    batch = [first]
    for job in alike:
        if not fits([*batch, job], most, padding):
            break
        batch.append(job)
    return batch


def fits(batch: Sequence[Job], most: int, padding: float) -> bool:
    """Whether jobs should be computed together."""
    count = sum(len(job.things) for job in batch)
    if not batch[0].of_sound:
        return count <= most
    whole = count * max(job.length for job in batch)
    filled = sum(job.total for job in batch)
    return count <= most and whole <= PASS_SAMPLES and whole - filled <= padding * whole


class Engine:
    """One model, its queue, and the one thread in which it computes."""

    def __init__(self, name: str, model: Served, settings: ServeSettings) -> None:
        self.name = name
        self.model = model
        self.batches = 0  # computed so far
        self._settings = settings
        self._waiting: list[Job] = []
        self._news = asyncio.Event()
        self._ending = False
        self._thread = ThreadPoolExecutor(1, f"model-{name}")
        self._task = asyncio.create_task(self._run())

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    def can(self, method: Method) -> bool:
        """Whether the model does this."""
        if method.startswith("embed_"):
            return method.removeprefix("embed_") in self.model.kinds
        return self.model.can(method)

    def check(self, method: Method) -> None:
        """Refuse what the model does not do, and what nobody would wait for."""
        if not self.can(method):
            verb, _, kind = method.partition("_")
            able = f"embeds {' and '.join(self.model.kinds) or 'nothing'}"
            raise Refusal(
                400, f"the model {self.name!r} does not {verb} {kind or 'speech'}; it {able}",
                "not_supported",
            )  # fmt: skip
        if self.waiting >= self._settings.queue:
            raise Refusal(
                429, f"{self.waiting} requests wait for {self.name!r}; try again in a second",
                retry=1,
            )  # fmt: skip

    async def made(self, ask: Ask, things: Sequence[Any]) -> list[Any]:
        """What the model makes of things, in their order."""
        self.check(ask.method)
        if not things:
            return []
        job = Job(ask, things, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._news.set()
        return await job.made

    async def stop(self) -> None:
        """Answer what waits, then end the thread."""
        self._ending = True
        self._news.set()
        await self._task
        self._thread.shutdown()

    async def _run(self) -> None:
        while True:
            # Who waited may have left: then nothing is computed for him.
            self._waiting = [job for job in self._waiting if not job.made.done()]
            if not self._waiting:
                if self._ending:
                    return
                self._news.clear()
                await self._news.wait()
                continue
            batch = batch_of(self._waiting, self._settings.batch, self._settings.padding)
            self._waiting = [job for job in self._waiting if job not in batch]
            loop = asyncio.get_running_loop()
            made = await loop.run_in_executor(self._thread, _answers, self.model, batch)
            self.batches += 1
            for job, answer in zip(batch, made, strict=True):
                if job.made.done():
                    continue
                if isinstance(answer, Exception):
                    job.made.set_exception(answer)
                else:
                    job.made.set_result(answer)


def _answers(model: Served, batch: Sequence[Job]) -> list[list[Any] | Exception]:
    """What each job gets: things made, or why not; what one may not have, others still get."""
    things = [thing for job in batch for thing in job.things]
    try:
        made = list(_asked(model, batch[0].ask, things))
    except Exception as error:  # noqa: BLE001 (the thread goes on, and the request is told)
        if len(batch) == 1:
            return [error]
        if not isinstance(error, TriviumError):
            LOG.warning("%d requests together failed and are tried apart", len(batch))
        half = len(batch) // 2
        return _answers(model, batch[:half]) + _answers(model, batch[half:])
    parts = iter(made)
    return [[next(parts) for _ in job.things] for job in batch]


def _asked(model: Any, ask: Ask, things: list[Any]) -> Sequence[Any]:
    if ask.method == "embed_speech":
        return list(model.embed_speech(things, ask.language))
    if ask.method == "embed_text":
        return list(model.embed_text(things, ask.language))
    if ask.method == "embed_picture":
        return list(model.embed_picture(things))
    if ask.method == "transcribe":
        return list(model.transcribe_speech(things, ask.language))
    return list(model.translate_speech(things, ask.language, ask.to))
