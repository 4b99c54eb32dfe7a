"""Items: stretches of utterances in which a phone is said between two others.

They come from an item file, as ZeroSpeech and Libri-light have them, or from the phone times of a
corpus.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from trivium.errors import TriviumError

Integers = NDArray[np.int64]
Words = NDArray[np.str_]
Unit = Literal["triphone", "phone"]
Phone = tuple[str, int, int]  # symbol, onset, offset

HEADER = ["#file", "onset", "offset", "#phone", "prev-phone", "next-phone", "speaker"]
# Times are whole picoseconds: exact for every decimal that is written, and blind to the last
# digits of a decimal that went through a float.
PICOSECONDS = 12
LONGEST = 10**6  # seconds into a file


@dataclass(frozen=True, eq=False)
class Items:
    """Columns of equal length; a row is an item."""

    file: Words
    onset: Integers  # picoseconds
    offset: Integers
    phone: Words
    previous: Words
    following: Words
    speaker: Words

    @classmethod
    def of_rows(cls, rows: Sequence[tuple[Any, ...]]) -> Self:
        """Items of tuples in the order of the columns."""
        file, onset, offset, *words = zip(*rows, strict=True)
        phone, previous, following, speaker = map(np.array, words)
        begin, end = np.array(onset, np.int64), np.array(offset, np.int64)
        return cls(np.array(file), begin, end, phone, previous, following, speaker)

    def __len__(self) -> int:
        return len(self.file)

    def take(self, rows: NDArray[Any]) -> "Items":
        """Some of them."""
        return Items(*(getattr(self, field.name)[rows] for field in fields(self)))

    def words(self, row: int) -> str:
        """One of them, for a message."""
        onset, offset = (float(times[row]) / 10**PICOSECONDS for times in (self.onset, self.offset))
        return f"{self.phone[row]} in {self.file[row]} from {onset:g} to {offset:g} s"


def read_items(path: Path) -> Items:
    """The items of a file: seven columns with spaces between, the first line naming them."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise TriviumError(f"{path} cannot be read: {reason.lower()}") from error
    if not lines or lines[0].split() != HEADER:
        first = lines[0][:80] if lines else ""
        raise TriviumError(f"{path}, line 1: is {first!r}; expected {' '.join(HEADER)!r}")
    rows = [_row(line, f"{path}, line {number}") for number, line in enumerate(lines[1:], 2)]
    if not rows:
        raise TriviumError(f"{path} has {len(rows)} items; expected a line for each")
    return Items.of_rows(rows)


def phone_items(
    file: str, speaker: str, phones: Sequence[Phone], unit: Unit
) -> list[tuple[Any, ...]]:
    """Rows of the items of one utterance, whose phones stand in order of time.

    A phone needs a neighbour on both sides, with no pause between. A triphone lasts as long as
    all three.
    """
    rows = []
    for before, own, after in zip(phones, phones[1:], phones[2:], strict=False):
        if before[2] != own[1] or own[2] != after[1]:
            continue
        first, last = (before, after) if unit == "triphone" else (own, own)
        rows.append((file, first[1], last[2], own[0], before[0], after[0], speaker))
    return rows


def picoseconds(text: str) -> int:
    """A decimal number of seconds, exactly."""
    try:
        seconds = Decimal(text)
        if 0 <= seconds <= LONGEST:
            return int(seconds.scaleb(PICOSECONDS).to_integral_value())
    except InvalidOperation:
        pass
    raise TriviumError(f"{text!r} is no time; expected seconds from 0 to {LONGEST:,}")


def _row(line: str, where: str) -> tuple[Any, ...]:
    words = line.split()
    if len(words) != len(HEADER):
        raise TriviumError(f"{where}: has {len(words)} columns; expected {len(HEADER)}: {line!r}")
    try:
        onset, offset = picoseconds(words[1]), picoseconds(words[2])
    except TriviumError as error:
        raise TriviumError(f"{where}: {error}") from error
    if onset >= offset:
        raise TriviumError(f"{where}: ends at {words[2]} and begins at {words[1]}; expected later")
    return words[0], onset, offset, *words[3:]
