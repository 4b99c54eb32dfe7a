"""Making the world: contents from a seed, their sentences, pictures and voices, into a corpus.

Work is cut into tasks of a few dozen rows. A task's rows and bytes depend on the seed and the task
alone (the voices start afresh with each), so neither the number of workers, nor which other
languages are made, nor a kill in the middle changes a row.
"""

import json
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from trivium.config import Settings
from trivium.data.audio import SAMPLE_RATE_HZ, encode_flac
from trivium.data.corpus import Card, CorpusWriter
from trivium.data.world.content import Content, Feeling, Line, Request, Scene
from trivium.data.world.drawing import draw_png
from trivium.data.world.grammar import LANGUAGES
from trivium.data.world.scenes import (
    Split,
    sample_feeling,
    sample_for,
    sample_request,
    sample_scene,
)
from trivium.data.world.voices import Utterance, speak_chunk, voices_of
from trivium.errors import CorpusError, did_you_mean
from trivium.runtime import cores, derive_seed

ContentKind = Literal["scene", "request", "feeling"]
DRAWS: dict[ContentKind, Callable[[np.random.Generator], Content]] = {
    "scene": sample_scene,
    "request": sample_request,
    "feeling": sample_feeling,
}
TASK_ROWS = 32  # a fresh start of the voices costs 6 ms, a lost task a third of a second
SENTENCE_TASK_ROWS = 1_024


@dataclass(frozen=True)
class Size:
    """How many contents a world has; each is spoken once in every language."""

    scenes: int
    requests: int
    feelings: int
    sentences: int  # written only, never spoken


SIZES: dict[str, Size] = {
    "tiny": Size(scenes=40, requests=20, feelings=20, sentences=500),
    "small": Size(scenes=900, requests=150, feelings=150, sentences=12_000),
    "base": Size(scenes=9_000, requests=1_500, feelings=1_500, sentences=120_000),
}
SHARES: dict[Split, float] = {"train": 0.8, "dev": 0.1, "test": 0.1}


class WorldSettings(Settings):
    """What decides every byte of a made world."""

    size: Literal["tiny", "small", "base"] = "tiny"
    """How much: seconds, about 5 hours, about 50 hours of speech in six languages."""
    seed: int = 0
    """Another seed, another world."""
    languages: tuple[str, ...] = Field(default=tuple(LANGUAGES), min_length=1)
    """Codes of the languages spoken."""


@dataclass(frozen=True)
class Task:
    """A stretch of contents of one kind and split, to be drawn, written or spoken."""

    make: Literal["pictures", "utterances", "sentences"]
    kind: ContentKind
    split: Split
    start: int  # number of the first content within its kind and split
    stop: int
    language: str  # of the utterances or sentences; empty for pictures
    seed: int


def make_world(
    out: Path,
    settings: WorldSettings,
    workers: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Card:
    """Make the corpus, or continue one; `advance` is told of utterances done."""
    for language in settings.languages:
        if language not in LANGUAGES:
            hint = did_you_mean(language, LANGUAGES)
            raise CorpusError(f"the world speaks no {language!r}; {hint}")
    card = Card(
        name=f"world-{settings.size}",
        licence="CC0-1.0",
        source="Made by trivium: drawn scenes, a hand-written grammar, espeak-ng voices.",
        made_by={"command": "world", **settings.model_dump(mode="json")},
    )
    with CorpusWriter(out, card) as writer, _pool(workers or cores()) as pool:
        todo = []
        for task in tasks(settings):
            if not _done(writer, task):
                todo.append(task)
            elif task.make == "utterances":
                advance(task.stop - task.start)
        for task, rows in _in_order(pool, todo):
            for row in rows:
                if not writer.has(task.make, row["id"]):
                    writer.add(task.make, row)
            advance(len(rows) if task.make == "utterances" else 0)
    return writer.card


def tasks(settings: WorldSettings) -> list[Task]:
    """Everything to make; the rows of each table in their order."""
    size = SIZES[settings.size]
    spoken: dict[ContentKind, int] = {
        "scene": size.scenes, "request": size.requests, "feeling": size.feelings,
    }  # fmt: skip
    # A few hundred requests and feelings can be said, and millions of scenes.
    few = size.sentences // 20
    written: dict[ContentKind, int] = {
        "scene": size.sentences - 2 * few, "request": few, "feeling": few,
    }  # fmt: skip
    pictures = list(_cut("pictures", {"scene": size.scenes}, [""], TASK_ROWS, settings.seed))
    languages = list(settings.languages)
    utterances = list(_cut("utterances", spoken, languages, TASK_ROWS, settings.seed))
    sentences = list(_cut("sentences", written, languages, SENTENCE_TASK_ROWS, settings.seed))
    # Side by side, so that the time left, told in utterances, is near the truth.
    places = [(i / len(kind), task) for kind in (pictures, sentences, utterances)
              for i, task in enumerate(kind)]  # fmt: skip
    return [task for _, task in sorted(places, key=lambda pair: pair[0])]


def run(task: Task) -> list[dict[str, Any]]:
    """The rows of a task; called in a worker process, the only place where voices are loaded."""
    if task.make == "pictures":
        return [_picture_row(task, number) for number in range(task.start, task.stop)]
    rows = [_text_row(task, number) for number in range(task.start, task.stop)]
    if task.make == "sentences":
        return [row for row, _ in rows]
    return _spoken_rows(task, rows)


def content_of(task: Task, number: int) -> Content:
    """The content with that number: the same for every language and for its picture."""
    source = "written" if task.make == "sentences" else "spoken"
    seed = derive_seed(task.seed, source, task.kind, task.split, number)
    rng = np.random.default_rng(seed)
    return sample_for(task.split, DRAWS[task.kind], rng, task.seed)


def line_of(content: Content, language: str, style: int) -> Line:
    """The content as a sentence of that language."""
    grammar = LANGUAGES[language]
    match content:
        case Scene():
            return grammar.caption(content, style)
        case Request():
            return grammar.request(content, style)
        case Feeling():
            return grammar.feeling(content)


def _cut(
    make: Literal["pictures", "utterances", "sentences"],
    counts: dict[ContentKind, int],
    languages: list[str],
    rows: int,
    seed: int,
) -> Iterator[Task]:
    for split, share in SHARES.items():
        for kind, count in counts.items():
            total = max(1, round(count * share))
            for start in range(0, total, rows):
                for language in languages:
                    stop = min(start + rows, total)
                    yield Task(make, kind, split, start, stop, language, seed)


def _extra(content: Content) -> str:
    """All that is said or shown, as a key: what must not stand in two splits."""
    return json.dumps({"content": content.combination})


def _picture_row(task: Task, number: int) -> dict[str, Any]:
    scene = content_of(task, number)
    id_ = _content_id(task, number)
    if not isinstance(scene, Scene):
        raise TypeError(f"{id_} is {scene!r}; only scenes have pictures")
    image = draw_png(scene, derive_seed(task.seed, "picture", id_))
    return {"id": id_, "split": task.split, "image": image, "extra": _extra(scene)}


def _text_row(task: Task, number: int) -> tuple[dict[str, Any], Line]:
    """What utterances and sentences share."""
    content, id_ = content_of(task, number), _content_id(task, number)
    style = derive_seed(task.seed, "style", id_) % 12  # a multiple of every number of phrasings
    line = line_of(content, task.language, style)
    others = [code for code in LANGUAGES if code != "en"]
    target = "en" if task.language != "en" else others[number % len(others)]
    row: dict[str, Any] = {
        "id": f"{id_}-{task.language}",
        "split": task.split,
        "text": line.text,
        "characters": len(line.text),
        "language": task.language,
        "translation": line_of(content, target, style).text,
        "translation_language": target,
        "extra": _extra(content),
    }
    match content:
        case Request():
            row["label"] = content.intent
        case Feeling():
            row |= {"label": content.emotion, "score": float(content.sentiment)}
    return row, line


def _spoken_rows(task: Task, rows: list[tuple[dict[str, Any], Line]]) -> list[dict[str, Any]]:
    voices = voices_of(task.split)
    utterances = []
    for number, (row, line) in enumerate(rows, task.start):
        voice = voices[derive_seed(task.seed, "voice", row["id"]) % len(voices)]
        content = content_of(task, number)
        emotion = content.emotion if isinstance(content, Feeling) else "neutral"
        name = LANGUAGES[task.language].voice
        utterances.append(Utterance(line.spoken, name, voice, emotion))
        row["speaker"] = voice.name
        if task.kind == "scene":
            row["picture"] = _content_id(task, number)
    for (row, _), spoken in zip(rows, speak_chunk(utterances), strict=True):
        row["audio"] = encode_flac(spoken.samples)
        row["seconds"] = len(spoken.samples) / SAMPLE_RATE_HZ
        row["phones"] = [
            {"symbol": phone.symbol, "start": phone.start_seconds, "end": phone.end_seconds}
            for phone in spoken.phones
        ]
    return [row for row, _ in rows]


def _content_id(task: Task, number: int) -> str:
    return f"{task.kind}-{task.split}-{number:06}"


def _done(writer: CorpusWriter, task: Task) -> bool:
    """Rows are committed in order, so the last one is there only if all are."""
    id_ = _content_id(task, task.stop - 1)
    return writer.has(task.make, f"{id_}-{task.language}" if task.language else id_)


def _in_order(
    pool: ProcessPoolExecutor, todo: list[Task]
) -> Iterator[tuple[Task, list[dict[str, Any]]]]:
    """Tasks with their rows, in order, while the workers are a few tasks ahead."""
    waiting: deque[tuple[Task, Future[list[dict[str, Any]]]]] = deque()
    try:
        for task in todo:
            with _ctrl_c_held_back():
                waiting.append((task, pool.submit(run, task)))
            if len(waiting) >= 4 * cores():
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _pool(workers: int) -> ProcessPoolExecutor:
    # Spawned, never forked: Lance's threads and espeak-ng's state do not survive a fork.
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin_worker)


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """For the moments in which `submit` may start a worker, which inherits the blocked signal.

    Ctrl-C reaches all processes of a terminal, and is for the parent alone to answer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []
    # Both: other threads of ours, such as Lance's, do not block the signal.
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def _begin_worker() -> None:
    """Die with the parent, which cannot tell its workers when it is killed."""
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
