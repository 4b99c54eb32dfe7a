"""A list inside a large JSON file, one member at a time: releases put a whole corpus in one."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trivium.data.corpora.record import BadLine
from trivium.errors import CorpusError

BLOCK_CHARACTERS = 2**20
SPACES = " \t\r\n"


def read_list(path: Path, key: str) -> Iterator[Any]:
    """The members of the list under a key of the object in a JSON file."""
    with path.open(encoding="utf-8-sig") as file:
        stream = _Stream(path, file)
        try:
            stream.expect("{")
            while stream.value() != key:
                stream.expect(":")
                stream.value()
                stream.expect(",", f"the list {key!r}")
            stream.expect(":")
            stream.expect("[")
            if stream.next() == "]":
                return
            yield stream.value()
            while stream.next() != "]":
                stream.expect(",")
                yield stream.value()
        except UnicodeDecodeError as error:
            raise CorpusError(f"{path} is not UTF-8: {error}") from error


def read_objects(path: Path, key: str, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The same, of a list whose members are objects with these names."""
    for item in read_rows(path, key, names):
        if isinstance(item, BadLine):
            raise CorpusError(item.reason)
        yield item


def read_rows(path: Path, key: str, names: Sequence[str]) -> Iterator[dict[str, Any] | BadLine]:
    """The same, of a list in which one bad member costs no other."""
    for number, item in enumerate(read_list(path, key), 1):
        yield checked(f"{path}: member {number} of {key!r}", item, names)


def checked(where: str, item: Any, names: Sequence[str]) -> dict[str, Any] | BadLine:
    """An object with texts under these names, or what is wrong with a value that is none."""
    for name in names:
        text = item.get(name) if isinstance(item, dict) else None
        if not isinstance(text, str) or not text:
            return BadLine(f"{where} has no {name!r}: {json.dumps(item)[:200]}")
    return dict(item)


class _Stream:
    """Text of a file of which only what is being read is held."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path, self._file = path, file
        self._text, self._place, self._passed = "", 0, 0
        self._decoder = json.JSONDecoder()

    def next(self) -> str:
        """The next character that is no space, still to be read."""
        while True:
            while self._place < len(self._text) and self._text[self._place] in SPACES:
                self._place += 1
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._more():
                raise CorpusError(
                    f"{self._path} ends after {self._passed + len(self._text):,} characters, "
                    "before it is whole; copy it anew"
                )

    def expect(self, character: str, what: str = "") -> None:
        """Read this character."""
        found = self.next()
        if found != character:
            place = self._passed + self._place
            raise CorpusError(
                f"{self._path}: character {place + 1:,} is {found!r}; expected {what or character}"
            )
        self._place += 1

    def value(self) -> Any:
        """Read any value."""
        self.next()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._place)
            except (ValueError, RecursionError) as error:
                if isinstance(error, ValueError) and self._more():
                    continue  # it goes on in the next block
                raise CorpusError(f"{self._path} is not JSON: {error}") from error
            if end == len(self._text) and self._more():
                continue  # a number may go on
            self._place = end
            return value

    def _more(self) -> bool:
        block = self._file.read(BLOCK_CHARACTERS)
        self._text, self._passed = self._text[self._place :] + block, self._passed + self._place
        self._place = 0
        return bool(block)
