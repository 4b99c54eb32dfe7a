"""FLEURS: the sentences of FLORES read aloud in 102 languages; audio unpacked or in its archives.

A sentence has the same number in all languages, so that where English is there too it becomes the
translation of the others.
"""

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from trivium.data.audio import LIMITS
from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import Source, chosen, folders, locate, needed, rows
from trivium.data.corpus import Card
from trivium.errors import CorpusError

CARD = Card(name="fleurs", licence="CC-BY-4.0", source="FLEURS, sentences of FLORES-101.")
EXPECTED = "data/<locale>/ with {train,dev,test}.tsv and audio/<split>.tar.gz, or audio/<split>/"
USES: tuple[str, ...] = ("languages", "splits")
PROMISED: dict[str, int] = {}
SPLITS = ("train", "dev", "test")
COLUMNS = ("sentence", "file", "raw", "normalised", "letters", "samples", "gender")
SHORT = {"cmn": "zh"}  # codes that others write with two letters


def read(source: Source) -> Iterator[Record | BadLine]:
    """The recordings of the locales, such as fr_fr; `extra` has the number of the sentence."""
    root = locate(source.root, ("*/*.tsv", "audio"), EXPECTED)
    there = [root] if (root / "audio").is_dir() else folders(root)
    known = {folder.name: folder for folder in there if any(folder.glob("*.tsv"))}
    locales = [known[name] for name in chosen(source.languages, known, "locale", root)]
    splits = chosen(source.splits, SPLITS, "split", root)
    for locale in locales:
        for split in splits:
            needed(locale / f"{split}.tsv", EXPECTED)
            if not (locale / "audio" / split).is_dir():
                needed(locale / "audio" / f"{split}.tar.gz", EXPECTED)
    return _records(locales, splits, root / "en_us")


def _records(locales: list[Path], splits: list[str], english: Path) -> Iterator[Record | BadLine]:
    meanings = _sentences(english) if {*locales} - {english} else {}
    for locale in locales:
        for split in splits:
            unpacked = (locale / "audio" / split).is_dir()
            voices = _files(locale, split) if unpacked else _archived(locale, split)
            for record in voices:
                if isinstance(record, BadLine) or locale == english:
                    yield record
                elif meaning := meanings.get(record["sentence"]):
                    yield {**record, "translation": meaning, "translation_language": "en"}
                else:
                    yield record


def _sentences(english: Path) -> dict[str, str]:
    """What sentences say in English, by their number, of whatever split they are there."""
    found: dict[str, str] = {}
    for split in SPLITS:
        table = english / f"{split}.tsv"
        for row in rows(table, COLUMNS) if table.exists() else ():
            if not isinstance(row, BadLine) and "raw" in row:
                found[row["sentence"]] = row["raw"]
    return found


def _files(locale: Path, split: str) -> Iterator[Record | BadLine]:
    for row in rows(locale / f"{split}.tsv", COLUMNS):
        if isinstance(row, BadLine):
            yield row
        elif "file" in row:
            sound = str(locale / "audio" / split / row["file"])
            yield _record(row, locale, split) | {"audio": sound}


def _archived(locale: Path, split: str) -> Iterator[Record | BadLine]:
    """The recordings in the order of the archive, which is read once and never unpacked."""
    named: dict[str, dict[str, str]] = {}
    for row in rows(locale / f"{split}.tsv", COLUMNS):
        if isinstance(row, BadLine):
            yield row
        elif "file" in row:
            named[row["file"]] = row
    archive = locale / "audio" / f"{split}.tar.gz"
    for name, size, data in _members(archive):
        if (named_row := named.pop(name, None)) is None:
            continue
        if data is None:
            yield BadLine(f"{archive}: {name} has {size:,} bytes; at most {LIMITS.max_bytes:,}")
        else:
            yield _record(named_row, locale, split) | {"audio": {"bytes": data, "path": name}}
    for name in named:
        yield BadLine(f"{archive} has no {name}, which {split}.tsv names")


def _members(archive: Path) -> Iterator[tuple[str, int, bytes | None]]:
    """Name, size and bytes of each file; no bytes of one that is too large."""
    try:
        with tarfile.open(archive, "r|gz") as members:
            for member in members:
                name = PurePosixPath(member.name).name
                if not member.isfile() or name.startswith("."):
                    continue
                opened = members.extractfile(member) if member.size <= LIMITS.max_bytes else None
                yield name, member.size, opened.read() if opened else None
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise CorpusError(f"{archive} cannot be read to its end: {error}; copy it anew") from error


def language(locale: str) -> str:
    """The code of the language of a locale: `fr` of fr_fr, `zh` of cmn_hans_cn."""
    code = locale.partition("_")[0]
    return SHORT.get(code, code)


def _record(row: dict[str, str], locale: Path, split: str) -> dict[str, object]:
    return {
        "id": f"{locale.name}/{split}/{Path(row['file']).stem}", "text": row.get("raw"),
        "language": language(locale.name), "split": split, "sentence": row["sentence"],
        "locale": locale.name, "normalised": row.get("normalised"), "gender": row.get("gender"),
    }  # fmt: skip
