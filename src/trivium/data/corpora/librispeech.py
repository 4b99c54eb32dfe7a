"""LibriSpeech: English audiobooks, read; ids are those that ABX item files name."""

from collections.abc import Iterator
from pathlib import Path

from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import Source, chosen, folders, lines, locate
from trivium.data.corpus import Card

CARD = Card(name="librispeech", licence="CC-BY-4.0", source="LibriSpeech (OpenSLR 12).")
EXPECTED = (
    "LibriSpeech/<part>/<speaker>/<chapter>/ with <speaker>-<chapter>.trans.txt beside its flac "
    "files, parts being train-clean-100, dev-clean, ..."
)
USES: tuple[str, ...] = ("splits",)
PROMISED: dict[str, int] = {
    "train-clean-100": 28_539, "train-clean-360": 104_014, "train-other-500": 148_688,
    "dev-clean": 2_703, "dev-other": 2_864, "test-clean": 2_620, "test-other": 2_939,
}  # fmt: skip


def read(source: Source) -> Iterator[Record | BadLine]:
    """The utterances of the parts that are there.

    A part is a split, but for those of training, which are one and keep their name in `part`.
    """
    root = locate(source.root, list(PROMISED), EXPECTED)
    there = [part for part in PROMISED if (root / part).is_dir()]
    parts = chosen(source.splits, there, "part", root)
    return _records(root, parts)


def _records(root: Path, parts: list[str]) -> Iterator[Record | BadLine]:
    for part in parts:
        for speaker in folders(root / part):
            for chapter in folders(speaker):
                yield from _chapter(part, speaker.name, chapter)


def _chapter(part: str, speaker: str, chapter: Path) -> Iterator[Record | BadLine]:
    transcript = chapter / f"{speaker}-{chapter.name}.trans.txt"
    if not transcript.exists():
        yield BadLine(f"{transcript} is not there; unpack the archive of {part} again")
        return
    for line in lines(transcript):
        if isinstance(line, BadLine):
            yield line
            continue
        id_, _, text = line[1].partition(" ")
        of_training = part.startswith("train")
        yield {
            "id": id_, "audio": str(chapter / f"{id_}.flac"), "text": text, "language": "en",
            "speaker": speaker, "split": "train" if of_training else part, "chapter": chapter.name,
            **({"part": part} if of_training else {}),
        }  # fmt: skip
