"""Parallel text: two files whose lines say the same, as train.de and train.en."""

from collections.abc import Iterator

from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import Source, lines
from trivium.data.corpora.text import Named, named_files, of_splits
from trivium.data.corpus import Card
from trivium.errors import CorpusError

CARD = Card(name="parallel", source="Parallel text.")
EXPECTED = "a folder of files such as train.de and train.en, whose lines say the same"
USES: tuple[str, ...] = ("languages", "splits")
PROMISED: dict[str, int] = {}


def read(source: Source) -> Iterator[Record | BadLine]:
    """Sentences with their translations, into English where it is one of the two.

    `--languages de,fr` names what is translated and into what.
    """
    groups: dict[str, dict[str, Named]] = {}
    for file in of_splits(named_files(source.root), source):
        groups.setdefault(file.rest, {})[file.language] = file
    pairs = [pair for group in groups.values() for pair in _pairs(group, source)]
    if not pairs:
        asked = f" in {','.join(source.languages)}" if source.languages else ""
        raise CorpusError(f"{source.root} has no two files{asked} that belong together; "
                          f"expected {EXPECTED}")  # fmt: skip
    for pair in pairs:
        _check_lengths(*pair)
    return (record for pair in pairs for record in _records(*pair))


def _pairs(group: dict[str, Named], source: Source) -> list[tuple[Named, Named]]:
    if source.languages:
        if len(source.languages) != 2:
            raise CorpusError(f"--languages {','.join(source.languages)}: expected two, as de,en")
        one, other = source.languages
        return [(group[one], group[other])] if {one, other} <= group.keys() else []
    last = "en" if "en" in group else max(group)
    return [(group[name], group[last]) for name in sorted(group) if name != last]


def _check_lengths(one: Named, other: Named) -> None:
    counts = {file.path: sum(1 for _ in lines(file.path)) for file in (one, other)}
    if len({*counts.values()}) > 1:
        told = " and ".join(f"{path} has {count:,}" for path, count in counts.items())
        raise CorpusError(f"{told} lines; lines that say the same stand at the same place")


def _records(one: Named, other: Named) -> Iterator[Record | BadLine]:
    name = f"{one.rest or 'line'}.{one.language}-{other.language}"
    for left, right in zip(lines(one.path), lines(other.path), strict=True):
        if isinstance(left, BadLine):
            yield left
        elif isinstance(right, BadLine):
            yield right
        elif (text := left[1].strip()) and (meaning := right[1].strip()):
            yield {"id": f"{name}-{left[0]:08}", "text": text, "language": one.language,
                   "translation": meaning, "translation_language": other.language,
                   "split": one.split}  # fmt: skip
        elif left[1].strip() or right[1].strip():
            yield BadLine(f"{one.path}: line {left[0]} is empty there or in {other.path.name}")
