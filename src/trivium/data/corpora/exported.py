"""Rows of a corpus on their way out: as records that an import turns into the same rows again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trivium.data import store
from trivium.data.corpora.record import TEXTS, object_of
from trivium.data.corpus import Corpus
from trivium.data.store import Row
from trivium.report import media_kind

BATCH_BYTES, BATCH_ROWS = 8 * 2**20, 256  # of sound and pictures, read at once
SUFFIXES = {"audio/wav": ".wav", "audio/flac": ".flac", "audio/ogg": ".ogg", "audio/mpeg": ".mp3",
            "image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif",
            "image/webp": ".webp", "image/bmp": ".bmp"}  # fmt: skip
FILES_A_FOLDER = 1_000


def rows(corpus: Corpus, table: str) -> Iterator[dict[str, Any]]:
    """All columns of every row of a table, in order."""
    source = corpus.table(table)
    mean = source.data_bytes / max(source.count(), 1)
    size = int(np.clip(BATCH_BYTES / max(mean, 1), 1, BATCH_ROWS))
    for batch in source.batches(store.SCHEMAS[table].names, size=size):
        yield from batch.to_pylist()


def record_of(row: Row) -> dict[str, Any]:
    """What a row says without its sound and picture; what it does not say is left out."""
    said = {name: row.get(name) for name in ("id", *TEXTS, "score", "phones")}
    if row.get("path") is not None and row.get("offset") is not None:
        said |= {"offset": row["offset"], "seconds": row["seconds"]}
    said["extra"] = object_of(row.get("extra")) or row.get("extra")
    return {name: value for name, value in said.items() if value is not None}


def picture_record(row: Row) -> dict[str, Any]:
    """What a row of the pictures says; it has no `id`, which a sentence may have too."""
    said = record_of(row) | {"picture": row["id"]}
    del said["id"]
    return said


class Pictures:
    """The pictures of a corpus by id, a batch of rows being asked for one after the other."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        ids = corpus.columns("pictures", ["id"]).column("id").to_pylist()
        self._place = {id_: place for place, id_ in enumerate(ids)}
        self._last: tuple[str, bytes] | None = None

    def image(self, id_: str | None) -> bytes | None:
        """The bytes of a picture, None for one that is not there."""
        if id_ is None or id_ not in self._place:
            return None
        if self._last is None or self._last[0] != id_:
            rows = np.array([self._place[id_]], np.int64)
            taken = self._corpus.take("pictures", rows, ["image"])
            self._last = (id_, taken.column("image")[0].as_py())
        return self._last[1]


class MediaFiles:
    """Sounds or pictures written into numbered files of a folder."""

    def __init__(self, root: Path, name: str) -> None:
        self._root, self._name, self._written = root, name, 0

    def write(self, data: bytes) -> str:
        """Write one, and give its path from the root."""
        folder = Path(self._name) / f"{self._written // FILES_A_FOLDER:04}"
        (self._root / folder).mkdir(parents=True, exist_ok=True)
        path = folder / f"{self._written:08}{SUFFIXES.get(media_kind(data), '.bin')}"
        (self._root / path).write_bytes(data)
        self._written += 1
        return str(path)
