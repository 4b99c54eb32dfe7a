"""MInDS-14: what people tell their bank in 14 languages, with the intent of each.

The release has one split. Ours is 70 % train, 10 % dev and 20 % test by a hash of the recording's
name, so that it is the same for everybody and never moves.
"""

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import Source, chosen, locate, needed, visible
from trivium.data.corpus import Card
from trivium.errors import CorpusError

CARD = Card(name="minds14", licence="CC-BY-4.0", source="MInDS-14.")
EXPECTED = "MInDS-14/ with audio/<locale>~<INTENT>/*.wav and text/<locale>.csv, both unpacked"
USES: tuple[str, ...] = ("languages", "splits")
PROMISED: dict[str, int] = {}
SPLITS = ("train", "dev", "test")


def read(source: Source) -> Iterator[Record | BadLine]:
    """Recordings of the locales, such as fr-FR, with intents as labels and English translations."""
    root = locate(source.root, ("text/*.csv", "audio", "audio.zip"), EXPECTED)
    needed(root / "audio", EXPECTED)
    known = {path.stem: path for path in visible(needed(root / "text", EXPECTED).glob("*.csv"))}
    locales = chosen(source.languages, known, "locale", root)
    splits = chosen(source.splits, SPLITS, "split", root)
    return (record for name in locales for record in _records(known[name], root, splits))


def split_of(name: str) -> str:
    """The split of a recording such as `en-US~ADDRESS/602b.wav`."""
    tenth = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % 10
    return "train" if tenth < 7 else "dev" if tenth == 7 else "test"


def _records(table: Path, root: Path, splits: list[str]) -> Iterator[Record | BadLine]:
    locale = table.stem
    for number, fields in enumerate(_lines(table), 2):
        if len(fields) != 4:
            yield BadLine(f"{table}: line {number} has {len(fields)} fields; expected 4: {fields}")
            continue
        path, text, english, intent = fields
        if (split := split_of(path)) in splits:
            meant = {} if locale.startswith("en") else {
                "translation": english, "translation_language": "en"
            }  # fmt: skip
            yield {
                "id": path.removesuffix(".wav"), "audio": str(root / "audio" / path), "text": text,
                "language": locale, "label": intent.casefold(), "split": split, **meant,
            }  # fmt: skip


def _lines(table: Path) -> Iterator[list[str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            next(lines, None)
            yield from (line for line in lines if line)
    except (csv.Error, UnicodeDecodeError) as error:
        raise CorpusError(f"{table} is no csv: {error}; expected {EXPECTED}") from error
