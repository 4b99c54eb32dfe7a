"""Flickr8k Audio: five captions of each of 8,000 pictures, read aloud."""

from collections.abc import Iterator
from pathlib import Path

from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import Source, chosen, folders, locate, needed, rows
from trivium.data.corpora.spokencoco import karpathy_splits
from trivium.data.corpus import Card
from trivium.errors import CorpusError

CARD = Card(name="flickr8k", licence="CC-BY-SA-4.0 (speech)", source="Flickr8k Audio.")
EXPECTED = (
    "flickr_audio/ with wavs/, wav2capt.txt and wav2spk.txt; beside it, or in --join FOLDER, "
    "Flickr8k.token.txt and Flickr_8k.{train,dev,test}Images.txt; and the pictures in "
    "Flicker8k_Dataset/, Images/ or --images FOLDER"
)
USES: tuple[str, ...] = ("images", "join", "splits")
PROMISED: dict[str, int] = {"train": 30_000, "dev": 5_000, "test": 5_000}
SPLITS = {"train": "trainImages", "dev": "devImages", "test": "testImages"}
PICTURES = ("Flicker8k_Dataset", "Flickr8k_Dataset", "Images", "images")  # the first is the release


def read(source: Source) -> Iterator[Record | BadLine]:
    """Spoken captions with their texts and pictures.

    `--join` is the folder of the texts, or Karpathy's dataset_flickr8k.json, whose splits are the
    same 6,000, 1,000 and 1,000 pictures.
    """
    audio = locate(source.root, ("wav2capt.txt",), EXPECTED)
    karpathy = source.join if source.join and source.join.suffix == ".json" else None
    near = [audio, source.root, audio.parent, *folders(source.root), *folders(audio.parent)]
    if source.join and source.join.is_dir():
        near = [source.join, *folders(source.join), *near]
    texts = dict(_texts(_found(near, "Flickr8k.token.txt")))
    if karpathy:
        splits = karpathy_splits(needed(karpathy, EXPECTED))
    else:
        splits = {name: split for split, part in SPLITS.items()
                  for name in _names(_found(near, f"Flickr_8k.{part}.txt"))}  # fmt: skip
    wanted = chosen(source.splits, SPLITS, "split", source.root)
    images = source.images or _found(near, *PICTURES)
    needed(audio / "wavs", EXPECTED)
    inner = [images / name for name in PICTURES if (images / name).is_dir()]
    return _records(audio, texts, splits, wanted, [*inner, images][0])


def _found(near: list[Path], *names: str) -> Path:
    for folder in near:
        for name in names:
            if (folder / name).exists():
                return folder / name
    raise CorpusError(f"{near[0]} and what is beside it hold no {names[0]}; expected {EXPECTED}")


def _names(path: Path) -> Iterator[str]:
    for row in rows(path, ("name",)):
        if not isinstance(row, BadLine):
            yield row["name"].strip()


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    """Captions by picture and number, as `1000268201.jpg#0`."""
    for row in rows(path, ("name", "text")):
        if not isinstance(row, BadLine) and "text" in row:
            yield row["name"], row["text"]


def _records(
    audio: Path, texts: dict[str, str], splits: dict[str, str], wanted: list[str], images: Path
) -> Iterator[Record | BadLine]:
    spoken = rows(needed(audio / "wav2spk.txt", EXPECTED), ("wav", "speaker"), " ")
    speakers = {row["wav"]: row["speaker"] for row in spoken
                if not isinstance(row, BadLine) and "speaker" in row}  # fmt: skip
    for row in rows(audio / "wav2capt.txt", ("wav", "image", "number"), " "):
        if isinstance(row, BadLine) or len(row) < 3 or not row["wav"].endswith(".wav"):
            reason = row.reason if isinstance(row, BadLine) else " ".join(row.values())
            yield BadLine(f"{audio / 'wav2capt.txt'}: no wav, picture and number: {reason}")
            continue
        wav, name = row["wav"], row["image"]
        split, text = splits.get(name), texts.get(name + row["number"])
        if split is None or text is None:
            lost = "a split" if split is None else "a caption in Flickr8k.token.txt"
            yield BadLine(f"{wav} speaks of {name}{row['number']}, which has not {lost}")
        elif split in wanted:
            yield {
                "id": Path(wav).stem, "audio": str(audio / "wavs" / wav), "text": text,
                "language": "en", "speaker": speakers.get(wav), "split": split, "picture": name,
                "image": str(images / name),
            }  # fmt: skip
