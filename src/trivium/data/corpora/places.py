"""Places Audio: what people say of pictures, in English, Hindi and Japanese.

The three are separate releases on the same pictures (Places205); what is said is no translation.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from trivium.data.corpora.json_list import read_rows
from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import (
    Source,
    chosen,
    folders,
    holding,
    lines,
    locate,
    needed,
    visible,
)
from trivium.data.corpus import Card

CARD = Card(name="places-audio", licence="unknown", source="Places Audio on pictures of Places205.")
EXPECTED = (
    "the folder of a release or one that holds several: metadata/train_2020.json, ... or "
    "metadata/{train,val}.json for English, PlacesHindi100k_*.json or hindi_english_100k*.json for "
    "Hindi, PlacesAudioJpn_100k_image2audio_{train,valid}.txt for Japanese, with their wavs; and "
    "--images FOLDER of Places205"
)
USES: tuple[str, ...] = ("images", "languages", "splits")
PROMISED: dict[str, int] = {}

# Lists of the releases, and M-SpeechCLIP's copies of them; of one language the first kind that is
# there is read. What stands between is the split.
LISTS = {
    "en": (("metadata/*_2020.json", "*_2020.json"), ("metadata/train.json", "metadata/val.json"),
           ("PlacesEnglishFull_*.json",), ("PlacesEnglishSubset_*.json",)),
    "hi": (("PlacesHindi100k_*.json",), ("hindi_english_100k*.json",), ("PlacesHindi_*.json",)),
    "ja": (("PlacesAudioJpn_100k_image2audio_*.txt",), ("PlacesJpn_*.json",)),
}  # fmt: skip
ALIGNMENTS = "word-alignment-"  # lists of times beside those of captions
SPLITS = {"val": "dev", "valid": "dev"}  # their words for ours
WAVS = ("", "wavs", "hindi_wavs", "audio")
PICTURES = ("", "data/vision/torralba/deeplearning/images256", "images256", "images")


@dataclass(frozen=True)
class Listed:
    """One list of one language."""

    language: str
    split: str
    path: Path


def read(source: Source) -> Iterator[Record | BadLine]:
    """Spoken captions, with their texts where there are any, and their pictures."""
    lists = find_lists(source)
    return chain.from_iterable(records_of(listed, source) for listed in lists)


def find_lists(source: Source) -> list[Listed]:
    """The lists that are there, of the languages and splits that are wanted."""
    patterns = [pattern for kinds in LISTS.values() for kind in kinds for pattern in kind]
    root = locate(source.root, patterns, EXPECTED)
    places = [root, source.root, *folders(source.root)]
    found = {language: _lists(language, places) for language in LISTS}
    there = [language for language, lists in found.items() if lists]
    languages = chosen(source.languages, there, "language", source.root)
    lists = [listed for language in languages for listed in found[language]]
    splits = dict.fromkeys(listed.split for listed in lists)
    wanted = chosen(source.splits, splits, "split", source.root)
    return [listed for listed in lists if listed.split in wanted]


def _lists(language: str, places: list[Path]) -> list[Listed]:
    for kind in LISTS[language]:
        for place in places:
            named = (path for pattern in kind for path in place.glob(pattern))
            paths = visible(path for path in named if not path.name.startswith(ALIGNMENTS))
            if paths:
                for name in kind:
                    if "*" not in name:
                        needed(place / name, EXPECTED)
                return [Listed(language, _split(path), path) for path in paths]
    return []


def _split(path: Path) -> str:
    """`dev_seen` of dev_seen_2020.json, `test` of PlacesHindi100k_test.json."""
    name = path.stem.removesuffix("_2020")
    for prefix in ("PlacesAudioJpn_100k_image2audio", "hindi_english_100k", "PlacesHindi100k"):
        name = name.removeprefix(prefix).lstrip("_")
    name = name.rpartition("_")[2] if name.startswith("Places") else name
    return SPLITS.get(name, name or "train")


def records_of(listed: Listed, source: Source) -> Iterator[Record | BadLine]:
    """The records of one list; what lies nowhere is told at once."""
    folder = listed.path.parent
    roots = [folder.parent, folder] if folder.name == "metadata" else [folder]
    wav = holding([root / name for root in roots for name in WAVS],
                  (said["wav"] for said in good_entries(listed)), EXPECTED)  # fmt: skip
    images = [root / name for root in filter(None, (source.images, *roots)) for name in PICTURES]
    image = holding(images, (said["picture"] for said in good_entries(listed)), EXPECTED)
    return _records(listed, wav, image)


def entries(listed: Listed) -> Iterator[dict[str, Any] | BadLine]:
    """Entries of a list under one set of names, paths without the slash some begin with."""
    if listed.path.suffix == ".txt":
        yield from _lines(listed.path)
        return
    for item in read_rows(listed.path, "data", ("image",)):
        if isinstance(item, BadLine):
            yield item
        elif wav := item.get("hindi_wav") or item.get("wav"):
            yield {
                "picture": item["image"].lstrip("/"), "wav": str(wav).lstrip("/"),
                "id": item.get("uttid"), "speaker": item.get("speaker"),
                "text": item.get("asr_text"),
            }  # fmt: skip
        else:
            yield BadLine(f"{listed.path} has an entry without wav: {str(item)[:200]}")


def good_entries(listed: Listed) -> Iterator[dict[str, Any]]:
    """Those that can be used."""
    return (entry for entry in entries(listed) if not isinstance(entry, BadLine))


def _lines(path: Path) -> Iterator[dict[str, Any] | BadLine]:
    for line in lines(path):
        if isinstance(line, BadLine):
            yield line
            continue
        number, text = line
        picture, _, wav = text.strip().partition(" ")
        if wav:
            yield {"picture": picture.lstrip("/"), "wav": wav.strip().lstrip("/")}
        elif picture:
            yield BadLine(f"{path}: line {number} has no picture and wav: {text[:200]!r}")


def _records(
    listed: Listed, wav: Callable[[str], Path], image: Callable[[str], Path]
) -> Iterator[Record | BadLine]:
    for said in entries(listed):
        if isinstance(said, BadLine):
            yield said
            continue
        made = f"{listed.language}/{Path(said['wav']).with_suffix('')}"
        yield said | {
            "id": said.get("id") or made, "audio": str(wav(said["wav"])), "wav": None,
            "language": listed.language, "split": listed.split,
            "image": str(image(said["picture"])),
        }  # fmt: skip
