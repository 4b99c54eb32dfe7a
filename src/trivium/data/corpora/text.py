"""Plain text, one sentence a line; the language is in the file's name, as in train.de.txt."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import ARCHIVES, Source, chosen, lines, visible
from trivium.data.corpus import Card
from trivium.errors import CorpusError

CARD = Card(name="text", source="Plain text.")
EXPECTED = "a file or a folder of files named for their language, as de.txt, train.de.txt or dev.de"
USES: tuple[str, ...] = ("languages", "splits")
PROMISED: dict[str, int] = {}
LANGUAGE = re.compile(r"[a-z]{2,3}([-_][A-Za-z]{2,4}){0,2}")
# Of files that are something else; a language with such a code is read from csv.txt.
OTHER = re.compile(
    r"\.(bak|bat|bin|bmp|cfg|css|csv|dat|db|doc|exe|gif|htm|idx|ini|jpg|js|log|md|npy|npz|ods|odt|"
    r"ogg|out|pdf|php|pkl|png|ppt|py|rst|rtf|sgm|sh|sql|srt|svg|tex|tmp|tsv|vtt|wav|xls|xml|yml)"
)
SPLITS = {"train": "train", "dev": "dev", "valid": "dev", "validation": "dev", "val": "dev",
          "test": "test"}  # fmt: skip


@dataclass(frozen=True)
class Named:
    """What the name of a file says."""

    path: Path
    language: str
    rest: str  # of the name, without the language
    split: str | None


def read(source: Source) -> Iterator[Record | BadLine]:
    """The sentences; empty lines are left out."""
    files = named_files(source.root)
    languages = {file.language for file in files}
    wanted = chosen(source.languages, sorted(languages), "language", source.root)
    return (
        record
        for file in of_splits(files, source) if file.language in wanted
        for record in _records(file)
    )  # fmt: skip


def of_splits(files: list[Named], source: Source) -> list[Named]:
    """The files of the splits that are wanted; all, if none are named."""
    there = sorted({file.split for file in files if file.split})
    splits = chosen(source.splits, there, "split", source.root)
    return [file for file in files if not source.splits or file.split in splits]


def named_files(root: Path) -> list[Named]:
    """The files in a folder, or the one file, with what their names say."""
    if not root.exists():
        raise CorpusError(f"{root} is not there; expected {EXPECTED}")
    paths = visible(path for path in root.iterdir() if path.is_file()) if root.is_dir() else [root]
    for path in paths:
        if path.suffix in ARCHIVES and not path.with_suffix("").exists():
            raise CorpusError(
                f"{path} is still packed; unpack it there, or take it away: expected {EXPECTED}"
            )
    files = [named for path in paths if (named := _named(path))]
    if not files:
        there = ", ".join(path.name for path in paths[:5]) or "nothing"
        raise CorpusError(f"{root} has no file named for its language, but {there}; "
                          f"expected {EXPECTED}")  # fmt: skip
    return files


def _named(path: Path) -> Named | None:
    parts = path.name.removesuffix(".txt").split(".")
    found = re.split(r"[._-]", path.name)
    split = next((SPLITS[part] for part in found if part in SPLITS), None)
    other = path.suffix in ARCHIVES or OTHER.fullmatch(path.suffix)
    if other or not LANGUAGE.fullmatch(parts[-1]) or parts[-1] in SPLITS:
        return None
    return Named(path, parts[-1].replace("_", "-"), ".".join(parts[:-1]), split)


def _records(file: Named) -> Iterator[Record | BadLine]:
    name = file.path.name.removesuffix(".txt")
    for line in lines(file.path):
        if isinstance(line, BadLine):
            yield line
        elif text := line[1].strip():
            yield {"id": f"{name}-{line[0]:08}", "text": text, "language": file.language,
                   "split": file.split}  # fmt: skip
