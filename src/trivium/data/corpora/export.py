"""A corpus in other people's formats, with every byte of its sounds and pictures."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from trivium.checkpoint import new_folder
from trivium.data.corpora import huggingface, lhotse_cuts
from trivium.data.corpora.exported import MediaFiles, picture_record, record_of, rows
from trivium.data.corpus import Corpus
from trivium.errors import CorpusError, did_you_mean

Advance = Callable[[], None]
Write = Callable[[Corpus, Path, Advance], list[str]]  # the sentences say what had no place


def write_table(corpus: Corpus, out: Path, advance: Advance) -> list[str]:
    """`table.jsonl`, which `trivium corpus import` reads, beside its sounds and pictures."""
    with (out / "table.jsonl").open("w", encoding="utf-8") as file:
        for record in _table_records(corpus, out):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            advance()
    return []


def _table_records(corpus: Corpus, out: Path) -> Iterator[dict[str, Any]]:
    sounds, pictures = MediaFiles(out, "audio"), MediaFiles(out, "pictures")
    paths: dict[str, str] = {}
    for row in rows(corpus, "pictures"):
        paths[row["id"]] = pictures.write(row["image"])
        yield picture_record(row) | {"image": paths[row["id"]]}
    for row in rows(corpus, "utterances"):
        record = record_of(row)
        if row["audio"] is not None:
            record["audio"] = sounds.write(row["audio"])
        elif row["path"] is not None:
            record["audio"] = row["path"]
        if row["picture"] in paths:
            record["image"] = paths[row["picture"]]
        yield record
    for row in rows(corpus, "sentences"):
        yield record_of(row)


TARGETS: dict[str, Write] = {
    "table": write_table,
    "hf": huggingface.write,
    "lhotse": lhotse_cuts.write,
}


def export(corpus: Corpus, out: Path, to: str, advance: Advance = lambda: None) -> list[str]:
    """Write a corpus into the folder `out`, whole or not at all; say what had no place there."""
    if to not in TARGETS:
        raise CorpusError(f"no corpus is exported to {to!r}; {did_you_mean(to, TARGETS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CorpusError(f"{out} holds other things; name a new or empty folder")
    with new_folder(out) as folder:
        return TARGETS[to](corpus, folder, advance)
