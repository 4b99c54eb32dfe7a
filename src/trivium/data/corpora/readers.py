"""The readers of published corpora by name, and whether they found what a release promises."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from trivium.data.corpora import (
    common_voice,
    covost2,
    fleurs,
    flickr8k,
    huggingface,
    iemocap,
    lhotse_cuts,
    librispeech,
    minds14,
    mls,
    mosei,
    parallel,
    places,
    places_trilingual,
    spokencoco,
    table,
    text,
    voxceleb,
    voxpopuli,
)
from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import Source
from trivium.data.corpus import Card
from trivium.errors import CorpusError, did_you_mean


class Reader(Protocol):
    """What the file of every reader holds."""

    CARD: Card
    """Name, licence and source of the corpus."""
    EXPECTED: str
    """How the release lies on the disk, for messages."""
    USES: tuple[str, ...]
    """Of images, join, languages and splits, those that mean something to it."""
    PROMISED: dict[str, int]
    """Rows that the release says it has, by split, by part of one, or by language/split."""

    def read(self, source: Source) -> Iterator[Record | BadLine]:
        """The records, streamed in an order that never changes; what lacks is told at once."""


READERS: dict[str, Reader] = {
    "librispeech": librispeech,
    "common-voice": common_voice,
    "covost2": covost2,
    "spokencoco": spokencoco,
    "flickr8k": flickr8k,
    "places": places,
    "places-trilingual": places_trilingual,
    "fleurs": fleurs,
    "minds14": minds14,
    "iemocap": iemocap,
    "cmu-mosei": mosei,
    "voxpopuli": voxpopuli,
    "mls": mls,
    "voxceleb": voxceleb,
    "text": text,
    "parallel": parallel,
    "lhotse": lhotse_cuts,
    "hf": huggingface,
}


def reader(name: str) -> Reader:
    """The reader of that name."""
    if name not in READERS:
        near = did_you_mean(name, (*READERS, "table"))
        raise CorpusError(f"no corpus is named {name!r}; {near}")
    return READERS[name]


def guessed(source: Path) -> str:
    """The reader of a source that is given without a name: that of tables, if it may be one."""
    if source.is_dir():
        raise CorpusError(
            f"{source} is a folder; say what it is, as in `trivium corpus import librispeech "
            f"{source} OUT`: known are {', '.join(READERS)}"
        )
    return "table"


def opened(
    name: str, source: Source
) -> tuple[Iterator[Record | BadLine], Card, dict[str, int], float | None]:
    """The records of a source, its card, what it promises, and how many they are, if known.

    An option that the reader does not use is refused.
    """
    found = None if name == "table" else reader(name)
    uses = found.USES if found else ()
    for option in ("images", "join", "languages", "splits"):
        given = getattr(source, option)
        if given and option not in uses:
            told = ",".join(given) if isinstance(given, tuple) else given
            known = ", ".join(f"--{use}" for use in uses) or "none of its kind"
            raise CorpusError(f"{name} does not use --{option} {told}; it uses {known}")
    if found:
        # Records name their files from here, and an import may start paths elsewhere.
        return found.read(source.absolute()), found.CARD, found.PROMISED, None
    card = Card(name=source.root.stem, source=f"{source.root.name}.")
    return table.read(source.root), card, {}, table.count(source.root)


class Counted:
    """Records on their way, counted by split, by part of one, and by language/split."""

    def __init__(self, records: Iterable[Record | BadLine]) -> None:
        self._records = records
        self._counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Record | BadLine]:
        for record in self._records:
            if not isinstance(record, BadLine):
                split = record.get("split")
                self._counts[f"{split}"] += 1
                self._counts[f"{record.get('part')}"] += 1
                self._counts[f"{record.get('language')}/{split}"] += 1
            yield record

    def differences(self, promised: dict[str, int]) -> list[str]:
        """A sentence for each split that has other rows than the release promises."""
        return [
            f"{name} has {self._counts[name]:,} rows, and the release promises {rows:,}"
            for name, rows in promised.items()
            if self._counts[name] not in (0, rows)
        ]
