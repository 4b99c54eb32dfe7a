"""Places Audio where English, Hindi and Japanese speak of the same picture."""

from collections.abc import Iterator

from trivium.data.corpora import places
from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import Source, chosen
from trivium.data.corpus import Card
from trivium.errors import CorpusError

CARD = Card(
    name="places-trilingual", licence="unknown",
    source="Places Audio in three languages on pictures of Places205.",
)  # fmt: skip
EXPECTED = f"releases in {', '.join(places.LISTS)} side by side: {places.EXPECTED}"
USES: tuple[str, ...] = ("images", "splits")
PROMISED: dict[str, int] = {}
SPLITS = ("train", "dev", "test")  # the later wins where lists disagree, so that nothing leaks


def read(source: Source) -> Iterator[Record | BadLine]:
    """What is said of the pictures that all three lists name.

    A picture is test if any list says so, else dev if any does, else train.
    """
    lists = places.find_lists(Source(source.root, source.images))
    there = {listed.language for listed in lists}
    if there != {*places.LISTS}:
        lost = ", ".join(language for language in places.LISTS if language not in there)
        raise CorpusError(f"{source.root} has no list in {lost}; expected {EXPECTED}")
    wanted = chosen(source.splits, SPLITS, "split", source.root)
    splits = _splits(lists)
    opened = [places.records_of(listed, source) for listed in lists]
    return _records(opened, splits, wanted)


def _splits(lists: list[places.Listed]) -> dict[str, str]:
    """The split of every picture that is named in all languages."""
    named: dict[str, tuple[int, int]] = {}
    bits = {language: 1 << place for place, language in enumerate(places.LISTS)}
    for listed in lists:
        split = listed.split.partition("_")[0]
        if split not in SPLITS:
            raise CorpusError(f"{listed.path} is of the split {listed.split!r}; expected one of "
                              f"{', '.join(SPLITS)}")  # fmt: skip
        rank = SPLITS.index(split)
        for entry in places.good_entries(listed):
            seen, highest = named.get(entry["picture"], (0, 0))
            named[entry["picture"]] = (seen | bits[listed.language], max(highest, rank))
    whole = sum(bits.values())
    return {picture: SPLITS[rank] for picture, (seen, rank) in named.items() if seen == whole}


def _records(
    opened: list[Iterator[Record | BadLine]], splits: dict[str, str], wanted: list[str]
) -> Iterator[Record | BadLine]:
    for records in opened:
        for record in records:
            if isinstance(record, BadLine):
                yield record
            elif splits.get(record["picture"]) in wanted:
                yield {**record, "split": splits[record["picture"]]}
