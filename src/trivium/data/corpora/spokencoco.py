"""SpokenCOCO: the captions of COCO's pictures, read aloud; its own splits or Karpathy's."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from trivium.data.corpora.json_list import checked, read_objects, read_rows
from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import Source, chosen, holding, locate, needed
from trivium.data.corpus import Card

CARD = Card(name="spokencoco", licence="CC-BY-SA-4.0", source="SpokenCOCO on pictures of COCO.")
EXPECTED = (
    "SpokenCOCO/ with SpokenCOCO_train.json, SpokenCOCO_val.json and wavs/, and --images FOLDER "
    "with train2014/ and val2014/ of COCO"
)
USES: tuple[str, ...] = ("images", "join", "splits")
PROMISED: dict[str, int] = {}
OFFICIAL = {"train": "SpokenCOCO_train.json", "dev": "SpokenCOCO_val.json"}
KARPATHY = {split: f"SpokenCOCO_{name}_karpathy.json"
            for split, name in (("train", "train"), ("dev", "val"), ("test", "test"))}  # fmt: skip
SPLIT_OF = {"train": "train", "restval": "train", "val": "dev", "test": "test"}  # Karpathy's words

Splits = Mapping[str, str] | None  # by the name of a picture's file
Caption = dict[str, Any] | BadLine


def read(source: Source) -> Iterator[Record | BadLine]:
    """Spoken captions and their pictures.

    `--join` is Karpathy's dataset_coco.json, or a folder with SpokenCOCO_{train,val,test}_karpathy
    .json; without it the release's own train and val (which is dev) are read.
    """
    root = locate(source.root, ("SpokenCOCO_*.json",), EXPECTED)
    splits: Splits = None
    if source.join and source.join.is_dir():
        files = {split: needed(source.join / name, EXPECTED) for split, name in KARPATHY.items()}
    else:
        files = {split: needed(root / name, EXPECTED) for split, name in OFFICIAL.items()}
        if source.join:
            splits = karpathy_splits(needed(source.join, EXPECTED))
    there = dict.fromkeys(splits.values() if splits else files)
    wanted = chosen(source.splits, there, "split", source.join or root)
    first = next(iter(files.values()))
    said = (caption["wav"] for _, caption in _captions(first))
    shown = (picture for picture, _ in _captions(first))
    wav = holding([root], said, EXPECTED)
    image = holding([source.images or root, root], shown, EXPECTED)
    return chain.from_iterable(
        _records(split, path, splits, wanted, wav, image)
        for split, path in files.items()
        if splits or split in wanted
    )


def karpathy_splits(path: Path) -> dict[str, str]:
    """The split of every picture in Karpathy's dataset_coco.json or dataset_flickr8k.json."""
    return {
        item["filename"]: SPLIT_OF.get(item["split"], item["split"])
        for item in read_objects(path, "images", ("filename", "split"))
    }


def _items(path: Path) -> Iterator[tuple[str, list[Caption]] | BadLine]:
    """Pictures with their captions; "unrolled" files repeat the picture for every caption."""
    for item in read_rows(path, "data", ("image",)):
        if isinstance(item, BadLine):
            yield item
            continue
        name, captions = item["image"].lstrip("/"), item.get("captions", [item.get("caption")])
        said = captions if isinstance(captions, list) else [captions]
        yield name, [checked(f"{path}: a caption of {name}", one, ("wav",)) for one in said]


def _captions(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Captions that can be heard, with the names of their pictures."""
    for item in _items(path):
        if not isinstance(item, BadLine):
            yield from ((item[0], one) for one in item[1] if not isinstance(one, BadLine))


def _records(
    split: str, path: Path, splits: Splits, wanted: list[str],
    wav: Callable[[str], Path], image: Callable[[str], Path],
) -> Iterator[Record | BadLine]:  # fmt: skip
    for item in _items(path):
        if isinstance(item, BadLine):
            yield item
            continue
        name, captions = item
        own = splits.get(Path(name).name) if splits else split
        if own is None:
            yield BadLine(f"{name} is in none of Karpathy's splits")
        for caption in captions if own in wanted else ():
            yield caption if isinstance(caption, BadLine) else {
                "id": caption.get("uttid") or Path(caption["wav"]).stem,
                "audio": str(wav(caption["wav"])), "text": caption.get("text"), "language": "en",
                "speaker": caption.get("speaker"), "split": own, "picture": name,
                "image": str(image(name)),
            }  # fmt: skip
