"""Multilingual LibriSpeech: audiobooks in eight languages, as flac or opus."""

from collections.abc import Iterator
from pathlib import Path

from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import Source, chosen, folders, locate, needed, rows
from trivium.data.corpus import Card
from trivium.errors import CorpusError

CARD = Card(name="mls", licence="CC-BY-4.0", source="Multilingual LibriSpeech (OpenSLR 94).")
EXPECTED = (
    "mls_<language> or mls_<language>_opus with {train,dev,test}/transcripts.txt and "
    "audio/<speaker>/<book>/*.flac or *.opus"
)
USES: tuple[str, ...] = ("languages", "splits")
PROMISED: dict[str, int] = {
    "de/train": 469_942, "de/dev": 3_469, "de/test": 3_394, "nl/train": 374_287, "nl/dev": 3_095,
    "nl/test": 3_075, "fr/train": 258_213, "fr/dev": 2_416, "fr/test": 2_426, "es/train": 220_701,
    "es/dev": 2_408, "es/test": 2_385, "it/train": 59_623, "it/dev": 1_248, "it/test": 1_262,
    "pt/train": 37_533, "pt/dev": 826, "pt/test": 871, "pl/train": 25_043, "pl/dev": 512,
    "pl/test": 520,
}  # fmt: skip
LANGUAGES = {"english": "en", "german": "de", "dutch": "nl", "french": "fr", "spanish": "es",
             "italian": "it", "portuguese": "pt", "polish": "pl"}  # fmt: skip
SPLITS = ("train", "dev", "test")


def read(source: Source) -> Iterator[Record | BadLine]:
    """Utterances; `--languages` are codes such as de."""
    root = locate(source.root, ("mls_*/*/transcripts.txt", "*/transcripts.txt"), EXPECTED)
    there = [root] if any(root.glob("*/transcripts.txt")) else folders(root)
    known = {_language(folder): folder for folder in there if folder.name.startswith("mls_")}
    if not known:
        raise CorpusError(f"{root} is not named for a language; expected {EXPECTED}")
    parts = []
    for language in chosen(source.languages, known, "language", root):
        for split in chosen(source.splits, SPLITS, "split", root):
            part = known[language] / split
            needed(part / "transcripts.txt", EXPECTED)
            audio = needed(part / "audio", EXPECTED)
            first = next(audio.glob("*/*/[!.]*.*"), None)
            if first is None:
                raise CorpusError(f"{audio} holds no sound; expected {EXPECTED}")
            parts.append((language, split, part, first.suffix))
    return (record for part in parts for record in _records(*part))


def _language(folder: Path) -> str:
    name = folder.name.removeprefix("mls_").removesuffix("_opus")
    return LANGUAGES.get(name, name)


def _records(language: str, split: str, part: Path, suffix: str) -> Iterator[Record | BadLine]:
    for row in rows(part / "transcripts.txt", ("id", "text")):
        if isinstance(row, BadLine):
            yield row
            continue
        named = row["id"].split("_")
        if len(named) != 3:
            yield BadLine(f"{part / 'transcripts.txt'}: {row['id']!r} is no speaker_book_number")
            continue
        speaker, book, _ = named
        yield {
            "id": f"{language}/{row['id']}", "text": row.get("text"), "language": language,
            "audio": str(part / "audio" / speaker / book / f"{row['id']}{suffix}"),
            "speaker": f"{language}/{speaker}", "split": split, "book": book,
        }  # fmt: skip
