"""From the entries of a source to unit vectors, a few hundred at a time."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trivium.checkpoint import new_file
from trivium.errors import TriviumError
from trivium.library.sources import TAKEN, Entry, Loaded, Skipped, Source
from trivium.models.towers.networks import Kind

Vectors = NDArray[np.float32]
# What is decoded and in memory before the model is asked.
EMBED_ITEMS, EMBED_BYTES = 512, 256 * 2**20
ARGUMENTS: dict[Kind, str] = {"speech": "speech", "text": "text", "picture": "image"}


class Embedder(Protocol):
    """What a library asks of a model: `trivium.Model`, or anything like it."""

    @property
    def kinds(self) -> Sequence[Kind]:
        """What it embeds."""

    @property
    def checksum(self) -> str:
        """Which model its vectors are of."""

    def embed(
        self,
        *,
        speech: Any = None,
        text: Any = None,
        image: Any = None,
        language: str | None = None,
    ) -> Vectors:
        """Vectors (N, D) of a list of one kind, or (D,) of a single item."""


def embedded(
    model: Embedder, source: Source, entries: Iterable[Entry], skipped: list[Skipped]
) -> Iterator[tuple[list[Entry], Vectors]]:
    """Entries that could be read, with their vectors (N, D), part by part; the others are told."""
    for part in _parts(source, entries, skipped):
        groups = defaultdict(list)
        for one in part:
            groups[one.entry.kind, one.entry.columns.get("language")].append(one)
        for (kind, language), group in groups.items():
            kept, vectors = _embed(model, kind, language, group, skipped)
            if kept:
                yield kept, unit(vectors, kept[0].name)


def write_vectors(
    model: Embedder,
    source: Source,
    out: Path,
    of: Sequence[Kind],
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[tuple[int, ...], list[Skipped]]:
    """Vectors of all a source holds as `out`, and beside it a line of JSON for each of them."""
    skipped: list[Skipped] = []
    wanted = (entry for entry in source.entries() if entry.kind in (of or model.kinds))
    told: list[Entry] = []
    made: list[Vectors] = []
    for entries, vectors in embedded(model, source, wanted, skipped):
        told += entries
        made.append(vectors)
        advance(len(entries))
    if not made:
        reason = skipped[0].reason if skipped else f"the model embeds {' and '.join(model.kinds)}"
        raise TriviumError(f"nothing of {source.path} could be embedded: {reason}")
    whole = np.concatenate(made)
    lines = [{"id": entry.name, "kind": entry.kind} | entry.columns for entry in told]
    with new_file(out.with_suffix(".jsonl")) as file:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        file.write_text(text, encoding="utf-8")
    with new_file(out) as file, file.open("wb") as opened:
        np.save(opened, whole)
    return whole.shape, skipped


def unit(vectors: Vectors, what: str) -> Vectors:
    """Vectors of length one in float32; a zero vector stays zero, and NaN is refused."""
    wide = np.asarray(vectors, np.float32)
    if not np.isfinite(wide).all():
        raise TriviumError(f"the vector of {what} holds NaN or infinity; the model has diverged")
    lengths: Vectors = np.linalg.norm(wide, axis=-1, keepdims=True)
    lengths[lengths == 0] = 1
    made: Vectors = wide / lengths
    return made


def _parts(
    source: Source, entries: Iterable[Entry], skipped: list[Skipped]
) -> Iterator[list[Loaded]]:
    """What could be read, as much at a time as memory should hold."""
    part: list[Loaded] = []
    held, left = 0, iter(entries)
    while some := list(islice(left, TAKEN)):
        for one in source.load(some):
            if isinstance(one, Skipped):
                skipped.append(one)
                continue
            part.append(one)
            held += len(one.thing) if isinstance(one.thing, str) else one.thing.nbytes
            if len(part) >= EMBED_ITEMS or held >= EMBED_BYTES:
                yield part
                part, held = [], 0
    if part:
        yield part


def _embed(
    model: Embedder, kind: Kind, language: str | None, group: list[Loaded], skipped: list[Skipped]
) -> tuple[list[Entry], Vectors]:
    """Vectors of things of one kind and language; what the model refuses is skipped."""
    things = {ARGUMENTS[kind]: [one.thing for one in group]}
    try:
        return [one.entry for one in group], model.embed(**things, language=language)
    except TriviumError as error:
        if len(group) == 1:
            skipped.append(Skipped(group[0].entry.name, str(error)))
            return [], np.zeros((0, 0), np.float32)
    halves = [group[: len(group) // 2], group[len(group) // 2 :]]
    found = [_embed(model, kind, language, half, skipped) for half in halves]
    kept = [entries for entries, _ in found]
    made = [vectors for entries, vectors in found if entries]
    return kept[0] + kept[1], np.concatenate(made) if made else found[0][1]
