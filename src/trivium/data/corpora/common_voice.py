"""Common Voice: sentences read aloud by volunteers, any release and any of its languages."""

from collections.abc import Iterator
from pathlib import Path

from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import (
    Source,
    check_columns,
    chosen,
    folders,
    locate,
    needed,
    rows,
)
from trivium.data.corpus import Card

CARD = Card(name="common-voice", licence="CC0-1.0", source="Mozilla Common Voice.")
EXPECTED = "<release>/<language>/ with train.tsv, dev.tsv, test.tsv and clips/*.mp3"
USES: tuple[str, ...] = ("languages", "splits")
PROMISED: dict[str, int] = {}  # every release has others
SPLITS = ("train", "dev", "test")
OTHERS = ("validated", "invalidated", "other")
COLUMNS = ("client_id", "path", "sentence")


def read(source: Source) -> Iterator[Record | BadLine]:
    """The clips of train, dev and test; validated, invalidated and other only if named."""
    tables = []
    for language in language_folders(source):
        for split in chosen(source.splits or SPLITS, (*SPLITS, *OTHERS), "split", language):
            table = needed(language / f"{split}.tsv", EXPECTED)
            check_columns(table, COLUMNS, EXPECTED)
            tables.append(table)
        needed(language / "clips", EXPECTED)
    return _records(tables)


def language_folders(source: Source) -> list[Path]:
    """The folders of the languages that are wanted; `source.root` may be one of them."""
    root = locate(source.root, ("*/*.tsv", "clips"), EXPECTED)
    there = folders(root) if not (root / "clips").is_dir() else [root]
    known = {folder.name: folder for folder in there if any(folder.glob("*.tsv"))}
    return [known[name] for name in chosen(source.languages, known, "language", root)]


def clip(language: Path, name: str) -> str:
    """The path of a clip; old tables leave out its suffix."""
    return str(language / "clips" / (name if Path(name).suffix else f"{name}.mp3"))


def _records(tables: list[Path]) -> Iterator[Record | BadLine]:
    for table in tables:
        for row in rows(table):
            if isinstance(row, BadLine):
                yield row
                continue
            name, text, speaker = (row.pop(column, "") for column in COLUMNS[1:] + COLUMNS[:1])
            row.pop("locale", None)
            yield {
                "id": Path(name).stem, "audio": clip(table.parent, name), "text": text,
                "language": table.parent.name, "speaker": speaker, "split": table.stem, **row,
            }  # fmt: skip
