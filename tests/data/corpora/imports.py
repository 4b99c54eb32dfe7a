"""Importing a miniature as the command does, and what came of it."""

import json
from pathlib import Path

from tests.data.corpora.test_ingest import everything, rejected
from trivium.cli.main import run as trivium
from trivium.data.corpora.readers import opened
from trivium.data.corpora.record import BadLine
from trivium.data.corpora.release import Source
from trivium.data.corpus import Corpus


def arguments(name: str, source: Source, out: Path) -> list[str]:
    """The command that imports it."""
    words = ["corpus", "import", name, str(source.root), str(out)]
    for option in ("images", "join"):
        if getattr(source, option):
            words += [f"--{option}", str(getattr(source, option))]
    for option in ("languages", "splits"):
        if getattr(source, option):
            words += [f"--{option}", ",".join(getattr(source, option))]
    return words


def imported(name: str, source: Source, out: Path) -> Corpus:
    """The corpus of a release, imported and found good by `corpus check`."""
    assert trivium(arguments(name, source, out)) == 0
    assert trivium(["corpus", "check", str(out)]) == 0
    return Corpus.open(out)


def rows(corpus: Corpus, table: str = "utterances") -> dict[str, dict[str, object]]:
    """Rows by id, what is in `extra` among them as `extra`."""
    found = everything(corpus, table).to_pylist()
    for row in found:
        row["extra"] = json.loads(row["extra"]) if row["extra"] else {}
    return {row["id"]: row for row in found}


def columns(corpus: Corpus, *names: str, table: str = "utterances") -> list[tuple[object, ...]]:
    """Some columns of all rows, in their order."""
    return [tuple(row[name] for name in names) for row in rows(corpus, table).values()]


def reasons(out: Path) -> list[str]:
    """Why rows were refused."""
    return [line["reason"] for line in rejected(out)]


def read(name: str, source: Source) -> tuple[list[dict[str, object]], list[str]]:
    """Records, and reasons of what is none."""
    records = list(opened(name, source)[0])
    bad = [record.reason for record in records if isinstance(record, BadLine)]
    return [dict(record) for record in records if not isinstance(record, BadLine)], bad
