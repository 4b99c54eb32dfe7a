"""VoxPopuli: speeches in the European Parliament, the transcribed part in 16 languages."""

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

CARD = Card(name="voxpopuli", licence="CC0-1.0", source="VoxPopuli, transcribed speech.")
EXPECTED = (
    "transcribed_data/<language>/ with asr_{train,dev,test}.tsv and <year>/<id>.ogg, as the "
    "release's get_asr_data script writes them"
)
USES: tuple[str, ...] = ("languages", "splits")
PROMISED: dict[str, int] = {}
SPLITS = ("train", "dev", "test")
COLUMNS = ("id", "raw_text", "normalized_text", "speaker_id")


def read(source: Source) -> Iterator[Record | BadLine]:
    """Stretches of speeches; the text is the normalised one, `extra` has the raw one."""
    root = locate(source.root, ("*/asr_*.tsv", "asr_*.tsv"), EXPECTED)
    there = [root] if any(root.glob("asr_*.tsv")) else folders(root)
    known = {folder.name: folder for folder in there if any(folder.glob("asr_*.tsv"))}
    tables = []
    for name in chosen(source.languages, known, "language", root):
        usual = ("test",) if name.endswith("_accented") else SPLITS
        for split in chosen(source.splits, usual, "split", known[name]):
            table = needed(known[name] / f"asr_{split}.tsv", EXPECTED)
            check_columns(table, COLUMNS, EXPECTED)
            tables.append((split, table))
    return (record for split, table in tables for record in _records(split, table))


def _records(split: str, table: Path) -> Iterator[Record | BadLine]:
    for row in rows(table):
        if isinstance(row, BadLine):
            yield row
            continue
        id_, raw, text, speaker = (row.pop(name, "") for name in COLUMNS)
        row.pop("split", None)
        yield {
            "id": id_, "audio": str(table.parent / id_[:4] / f"{id_}.ogg"), "text": text or raw,
            "language": table.parent.name.partition("_")[0], "speaker": speaker, "split": split,
            "raw_text": raw, **row,
        }  # fmt: skip
