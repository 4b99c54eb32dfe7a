"""VoxCeleb 1 and 2: interviews of celebrities; ids are the paths that lists of trials name."""

import re
from collections.abc import Iterator
from pathlib import Path

from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import Source, chosen, folders, locate, needed, rows, visible
from trivium.data.corpus import Card

CARD = Card(name="voxceleb", licence="CC-BY-4.0 (metadata; the videos are their makers')",
            source="VoxCeleb.")  # fmt: skip
EXPECTED = (
    "wav/<speaker>/<video>/<number>.wav, below folders such as vox1_dev_wav and vox1_test_wav, and "
    "lists of trials such as veri_test2.txt, there or as --join FILE"
)
USES: tuple[str, ...] = ("join", "splits")
PROMISED: dict[str, int] = {}
SPLITS = ("train", "test")
SOUNDS = (".wav", ".flac", ".m4a")
PARTS = re.compile(r"(?<![a-z])(test|dev)")  # vox1_test_wav, but not voxceleb_latest


def read(source: Source) -> Iterator[Record | BadLine]:
    """Stretches of interviews; whom a list of trials names is in the split test.

    Without a list, the nearest folder above a speaker whose name has `test` or `dev` tells, up to
    the one that is imported. A sound that a list names and that is nowhere is listed.
    """
    locate(source.root, ("wav/id*", "*/wav/id*", "id*", "aac/id*", "*/aac/id*"), EXPECTED)
    lists = [needed(source.join, EXPECTED)] if source.join else _lists(source.root)
    trials = {name for path in lists for name in _named(path)}
    splits = chosen(source.splits, SPLITS, "split", source.root)
    return _records(source.root, trials, splits)


def _lists(root: Path) -> list[Path]:
    return [
        path for folder in (root, *folders(root)) for path in visible(folder.glob("veri_*.txt"))
    ]


def _named(trials: Path) -> Iterator[str]:
    """Sounds of a list, whose lines are `1 id10270/x6uY/00001.wav id10270/8jEA/00008.wav`."""
    for row in rows(trials, ("same", "one", "other"), " "):
        if not isinstance(row, BadLine) and len(row) == 3:
            yield from (row["one"], row["other"].strip())


def _records(root: Path, trials: set[str], splits: list[str]) -> Iterator[Record | BadLine]:
    tested = {name.partition("/")[0] for name in trials}
    missing = set(trials)
    for speaker in _speakers(root):
        is_test = speaker.name in tested if tested else _named_test(root, speaker)
        split = "test" if is_test else "train"
        for video in folders(speaker):
            for path in visible(video.iterdir()):
                id_ = f"{speaker.name}/{video.name}/{path.name}"
                missing.discard(id_)
                if path.suffix in SOUNDS and split in splits:
                    yield {"id": id_, "audio": str(path), "speaker": speaker.name, "split": split,
                           "video": video.name}  # fmt: skip
    for name in sorted(missing) if "test" in splits else ():
        yield BadLine(f"a list of trials names {name!r}, which is not below {root}")


def _named_test(root: Path, speaker: Path) -> bool:
    """Whether the names of folders say that a speaker is of the test."""
    above = speaker.relative_to(root).parts[:-1]
    for name in (*reversed(above), root.resolve().name):
        if told := PARTS.findall(name.casefold()):
            return "test" in told
    return False


def _speakers(root: Path) -> Iterator[Path]:
    """Folders of speakers, at most three levels down."""
    level = [root]
    for _ in range(4):
        inner = [path for folder in level for path in folders(folder)]
        yield from (path for path in inner if path.name.startswith("id"))
        level = [path for path in inner if not path.name.startswith("id")]
