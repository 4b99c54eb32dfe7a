"""Trials: pairs of recordings, of which it is known whether one speaker says both.

A list is read from a file, or made of the utterances of a split.
"""

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from trivium.data.store import Row
from trivium.errors import TriviumError
from trivium.runtime import derive_seed
from trivium.tasks.rows import key_of, remark

COLUMNS = ("enrol", "test", "same")
ANSWERS = {"1": True, "0": False, "true": True, "false": False}


@dataclass(frozen=True, eq=False)
class Trials:
    """Pairs of recordings by name, and whether both are of one speaker."""

    enrol: tuple[str, ...]
    test: tuple[str, ...]
    same: NDArray[np.bool_]  # (N,)

    def __len__(self) -> int:
        return len(self.same)

    @property
    def names(self) -> list[str]:
        """Every recording once, sorted."""
        return sorted({*self.enrol, *self.test})

    @property
    def digest(self) -> str:
        """What identifies the list, whatever its order."""
        lines = sorted(zip(self.enrol, self.test, self.same.tolist(), strict=True))
        return hashlib.sha256(repr(lines).encode()).hexdigest()[:12]


def read_trials(path: Path) -> Trials:
    """The trials of a file: lines of `label enrol test`, as of VoxCeleb, or a csv.

    A label is 1 or 0. A csv has a header with `enrol`, `test` and `same`; other columns are not
    looked at.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TriviumError(f"{path} is not UTF-8 at byte {error.start + 1}") from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise TriviumError(f"{path} has no trials ({len(text)} characters)")
    read = _table if "," in lines[0][1] else _labelled
    found = read(path, lines)
    for number, _, _, same in found:
        if same.lower() not in ANSWERS:
            raise TriviumError(
                f"{path}, line {number}: {same!r} does not say whether it is one speaker; "
                "expected 1 or 0"
            )
    return Trials(
        tuple(enrol for _, enrol, _, _ in found),
        tuple(test for _, _, test, _ in found),
        np.array([ANSWERS[same.lower()] for *_, same in found]),
    )


def _labelled(path: Path, lines: Sequence[tuple[int, str]]) -> list[tuple[int, str, str, str]]:
    found = []
    for number, line in lines:
        words = line.split()
        if len(words) != 3:
            raise TriviumError(
                f"{path}, line {number}: {line[:80]!r} has {len(words)} words; expected "
                "`label enrol test`, or a csv with the columns enrol, test and same"
            )
        found.append((number, words[1], words[2], words[0]))
    return found


def _table(path: Path, lines: Sequence[tuple[int, str]]) -> list[tuple[int, str, str, str]]:
    reader = csv.reader(line for _, line in lines)
    header = [name.strip().lower() for name in next(reader)]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise TriviumError(
            f"{path} has no column {missing[0]!r}; its header is {', '.join(header)}, expected "
            "enrol, test and same"
        )
    places = [header.index(name) for name in COLUMNS]
    found = []
    for fields in reader:
        number, line = lines[reader.line_num - 1]
        if len(fields) != len(header):
            raise TriviumError(
                f"{path}, line {number}: {line[:80]!r} has {len(fields)} fields; the header has "
                f"{len(header)}"
            )
        enrol, test, same = (fields[place].strip() for place in places)
        found.append((number, enrol, test, same))
    if not found:
        raise TriviumError(f"{path} has no trials under its header {lines[0][1]!r}")
    return found


def as_table(
    trials: Trials, scores: Sequence[float], speakers: Sequence[tuple[str, str]] | None
) -> str:
    """The list as csv that `read_trials` reads back, with scores and, where known, speakers."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([*COLUMNS, "score", *(["enrol_speaker", "test_speaker"] if speakers else [])])
    told = zip(trials.enrol, trials.test, trials.same.tolist(), scores, strict=True)
    for place, (enrol, test, same, score) in enumerate(told):
        own = speakers[place] if speakers else ()
        writer.writerow([enrol, test, int(same), f"{score:.6g}", *own])
    return target.getvalue()


def make_trials(
    rows: Sequence[Row], count: int, match: Sequence[str] = (), seed: int = 0
) -> tuple[Trials, list[str]]:
    """As many trials of one speaker as of two, and sentences on who has no part in them.

    Rows have an id and a speaker. What both sides `match` in, as `language`, is a column or a key
    of `extra`. Each speaker, in each group of what matches, is enrolled as often as another as far
    as there are pairs; no pair stands twice, whichever side is enrolled. The order of rows changes
    nothing.
    """
    groups, remarks = _groups(rows, match)
    voices = [voice for group, own in groups.items() for voice in _Voice.of(group, own)]
    able = [voice for voice in voices if voice.capacity]
    if not able:
        within = f" that agree in {' and '.join(match)}" if match else ""
        raise TriviumError(
            f"no trial can be made of {len(rows):,} utterances: none of {len(voices)} speakers has "
            f"two utterances, and one of another speaker{within}, to compare"
        )
    idle = [voice.speaker for voice in voices if not voice.capacity]
    remarks += remark(idle, len(voices), "speakers are never enrolled, for want of two utterances "
                      "or of another speaker")  # fmt: skip
    pairs: dict[tuple[str, str], bool] = {}
    for voice, quota in zip(able, _shared([v.capacity for v in able], count // 2), strict=True):
        voice.draw(quota, seed, pairs)
    if len(pairs) < count // 2 * 2:
        remarks.append(f"there are {len(pairs):,} trials; {count:,} were asked for")
    ordered = sorted(pairs)
    return Trials(
        tuple(enrol for enrol, _ in ordered),
        tuple(test for _, test in ordered),
        np.array([pairs[pair] for pair in ordered]),
    ), remarks


@dataclass(frozen=True)
class _Voice:
    """A speaker's utterances, where they stand among all of a group that agree with them."""

    group: tuple[str, ...]
    speaker: str
    everyone: Sequence[str]
    start: int
    size: int

    @classmethod
    def of(cls, group: tuple[str, ...], utterances: Mapping[str, list[str]]) -> Iterator[Self]:
        """The voices of a group."""
        everyone = [name for own in utterances.values() for name in own]
        start = 0
        for speaker, own in utterances.items():
            yield cls(group, speaker, everyone, start, len(own))
            start += len(own)

    @property
    def capacity(self) -> int:
        """How many pairs there are of the rarer kind."""
        others = len(self.everyone) - self.size
        return min(self.size * (self.size - 1) // 2, self.size * others)

    def draw(self, quota: int, seed: int, pairs: dict[tuple[str, str], bool]) -> None:
        """Add so many pairs of each kind; fewer if those left are there the other way round."""
        own = self.everyone[self.start : self.start + self.size]
        others = len(self.everyone) - self.size
        draw = np.random.default_rng(derive_seed(seed, *self.group, self.speaker))
        unlike: list[tuple[str, str]] = []
        crossed = self.size * others
        for number in draw.choice(crossed, min(crossed, 2 * quota), replace=False).tolist():
            place = number % others
            test = self.everyone[place if place < self.start else place + self.size]
            pair = own[number // others], test
            if len(unlike) < quota and pair[::-1] not in pairs:
                unlike.append(pair)
        alike = draw.choice(self.size * (self.size - 1) // 2, len(unlike), replace=False).tolist()
        pairs.update(dict.fromkeys(unlike, False))
        for number in alike:
            # Pairs in the order (0, 1), (0, 2), (1, 2), (0, 3), ...
            high = (1 + isqrt(1 + 8 * number)) // 2
            pairs[own[number - high * (high - 1) // 2], own[high]] = True


def _groups(
    rows: Sequence[Row], match: Sequence[str]
) -> tuple[Mapping[tuple[str, ...], Mapping[str, list[str]]], list[str]]:
    """Utterances of each speaker by what must match, sorted; and who says nothing of that."""
    groups: dict[tuple[str, ...], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    lacking = []
    for row in sorted(rows, key=lambda row: str(row["id"])):
        said = [row[name] if name in row else key_of(row, name) for name in match]
        if all(said):
            groups[tuple(map(str, said))][row["speaker"]].append(row["id"])
        else:
            lacking.append(row["id"])
    why = f"utterances say nothing of {' or '.join(match)} and are left out"
    ordered = {group: {name: own[name] for name in sorted(own)} for group, own in groups.items()}
    return {group: ordered[group] for group in sorted(ordered)}, remark(lacking, len(rows), why)


def _shared(capacities: Sequence[int], total: int) -> list[int]:
    """How many each gives to a total: alike, but none more than it has."""
    quotas, left = [0] * len(capacities), total
    ascending = sorted(range(len(capacities)), key=lambda place: (capacities[place], place))
    for done, place in enumerate(ascending):
        quotas[place] = min(capacities[place], left // (len(ascending) - done))
        left -= quotas[place]
    return quotas
