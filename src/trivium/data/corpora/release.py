"""What the readers of releases share: where things lie, and how their tables are written."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trivium.data.corpora.record import BadLine
from trivium.data.corpora.table import Line, decoded, numbered
from trivium.errors import CorpusError, did_you_mean

ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")
PROBED = 200  # names that are looked for to find the folder they lie in


@dataclass(frozen=True)
class Source:
    """What an import is told: where a release lies, and which of it is wanted."""

    root: Path
    images: Path | None = None  # pictures that lie elsewhere
    join: Path | None = None  # tables, splits or labels that lie elsewhere
    languages: tuple[str, ...] = ()  # all there are, if empty
    splits: tuple[str, ...] = ()  # those the reader finds usual, if empty

    def absolute(self) -> "Source":
        """The same with paths that mean the same from everywhere."""
        images, join = (path and path.absolute() for path in (self.images, self.join))
        return replace(self, root=self.root.absolute(), images=images, join=join)

    def described(self) -> dict[str, Any]:
        """What a corpus says of where it came from."""
        paths = {"source": self.root, "images": self.images, "join": self.join}
        told = {name: str(path.resolve()) for name, path in paths.items() if path}
        return told | {"languages": list(self.languages), "splits": list(self.splits)}


def locate(root: Path, marks: Sequence[str], expected: str) -> Path:
    """The folder, `root` or one in it, that holds what one of the patterns `marks` names."""
    if not root.is_dir():
        what = "is a file; unpack it" if root.exists() else "is not there"
        raise CorpusError(f"{root} {what}; expected {expected}")
    for folder in (root, *folders(root)):
        if any(visible(folder.glob(mark)) for mark in marks):
            return folder
    packed = [path.name for path in visible(root.iterdir()) if path.suffix in ARCHIVES]
    if packed:
        raise CorpusError(f"{root} holds {packed[0]} still packed; unpack it: expected {expected}")
    raise CorpusError(f"{root} holds no {' or '.join(marks)}; expected {expected}")


def needed(path: Path, expected: str) -> Path:
    """A path that must be there."""
    if path.exists():
        return path
    packed = [near for near in visible(path.parent.glob(f"{path.name}.*"))
              if near.suffix in ARCHIVES]  # fmt: skip
    more = f", and {packed[0].name} is still packed" if packed else ""
    raise CorpusError(f"{path} is not there{more}; expected {expected}")


def visible(paths: Iterable[Path]) -> list[Path]:
    """Sorted, without the `._` files that a Mac leaves in archives."""
    return sorted(path for path in paths if not path.name.startswith("."))


def folders(root: Path) -> list[Path]:
    """The folders in one."""
    return [path for path in visible(root.iterdir()) if path.is_dir()]


def chosen(wanted: Sequence[str], there: Iterable[str], what: str, root: Path) -> list[str]:
    """Those that are wanted of what is there, all if none are named."""
    known = list(there)
    for name in wanted:
        if name not in known:
            near = did_you_mean(name, known)
            raise CorpusError(f"{root} has no {what} {name!r}; {near}")
    return [name for name in known if name in wanted] if wanted else known


def holding(
    candidates: Sequence[Path], names: Iterable[str], expected: str
) -> Callable[[str], Path]:
    """How a name becomes a path: below the first folder in which one of the first names lies."""
    probed = [name for name, _ in zip(names, range(PROBED), strict=False)]
    for folder in candidates:
        if any((folder / name).exists() for name in probed):
            return lambda name: folder / name
    if not probed:
        raise CorpusError(f"the lists in {candidates[0]} name nothing; expected {expected}")
    tried = " nor ".join(str(folder / probed[0]) for folder in dict.fromkeys(candidates))
    raise CorpusError(f"there is no {tried}; expected {expected}")


def lines(path: Path) -> Iterator[tuple[int, str] | BadLine]:
    """Lines of a text without their ends, with their numbers."""
    with path.open("rb") as file:
        for number, line in numbered(file):
            try:
                yield number, decoded(number, line).rstrip("\r\n")
            except CorpusError as error:
                yield BadLine(f"{path}: {error}")


def rows(
    path: Path, names: Sequence[str] = (), delimiter: str = "\t", escaped: bool = False
) -> Iterator[dict[str, str] | BadLine]:
    """Rows of a table without quoting; the first line names the columns if `names` do not.

    With `escaped`, a backslash takes the meaning from the character after it, as pandas writes.
    """
    with path.open("rb") as file:
        raw = numbered(file)
        columns = list(names) or _fields(path, next(raw, (1, b"")), raw, delimiter, escaped)
        for line in raw:
            try:
                fields = _fields(path, line, raw, delimiter, escaped)
            except CorpusError as error:
                yield BadLine(str(error))
                continue
            if len(fields) > len(columns):
                told = f"{len(fields)} fields; expected {len(columns)}: {', '.join(columns)}"
                yield BadLine(f"{path}: line {line[0]} has {told}")
            elif fields:
                yield dict(zip(columns, fields, strict=False))


def _fields(
    path: Path, line: Line, following: Iterator[Line], delimiter: str, escaped: bool
) -> list[str]:
    try:
        text = _ended(decoded(*line), escaped)
        while escaped and _escapes_next(text) and (after := next(following, None)):
            text += "\n" + _ended(decoded(*after), escaped)
    except CorpusError as error:
        raise CorpusError(f"{path}: {error}") from error
    if not text:
        return []
    if not escaped or "\\" not in text:
        return text.split(delimiter)
    fields = re.findall(rf"(?:\A|{delimiter})((?:[^{delimiter}\\]|\\.?)*)", text, re.DOTALL)
    return [re.sub(r"\\(.?)", r"\1", field, flags=re.DOTALL) for field in fields]


def _ended(line: str, escaped: bool) -> str:
    """A line without its end, which an escape may have made part of a field."""
    text = line.removesuffix("\n")
    bare = text.removesuffix("\r")
    return text if escaped and _escapes_next(bare) else bare


def _escapes_next(text: str) -> bool:
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def check_columns(path: Path, needed_names: Sequence[str], expected: str) -> None:
    """Refuse a table whose first line lacks a column that is read."""
    with path.open("rb") as file:
        header = decoded(*next(numbered(file), (1, b""))).rstrip("\r\n").split("\t")
    lost = [name for name in needed_names if name not in header]
    if lost:
        raise CorpusError(
            f"{path} has no column {lost[0]!r}, but {', '.join(header)[:200]!r}; "
            f"expected {expected}"
        )
