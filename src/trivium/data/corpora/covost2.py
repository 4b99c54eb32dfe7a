"""CoVoST 2: translations of Common Voice, 21 languages into English and English into 15.

Its tables name clips of Common Voice 4 and are joined with `validated.tsv` there, as its authors'
script does: no quoting, backslash escapes, and "NA" is a text like others.
"""

from collections.abc import Iterator
from pathlib import Path

from trivium.data.corpora import common_voice
from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import (
    Source,
    check_columns,
    chosen,
    locate,
    needed,
    rows,
    visible,
)
from trivium.data.corpus import Card
from trivium.errors import CorpusError

CARD = Card(
    name="covost2", licence="CC0-1.0 (speech), CC-BY-NC-4.0 (translations)",
    source="CoVoST 2 on Common Voice 4.",
)  # fmt: skip
EXPECTED = (
    "Common Voice 4 as <release>/<language>/ with validated.tsv and clips/, and --join FOLDER with "
    "covost_v2.<from>_<to>.tsv"
)
USES: tuple[str, ...] = ("join", "languages", "splits")
PROMISED: dict[str, int] = {}
SPLITS = {"train": "train", "train_covost": "train", "dev": "dev", "test": "test"}
PREFIX = "covost_v2."


def read(source: Source) -> Iterator[Record | BadLine]:
    """Utterances with their translations; `--languages` names pairs such as fr_en."""
    if source.join is None:
        raise CorpusError(f"{source.root} is one half of CoVoST 2; expected {EXPECTED}")
    folder = locate(source.join, (f"{PREFIX}*.tsv",), EXPECTED)
    known = {path.name.split(".")[1]: path for path in visible(folder.glob(f"{PREFIX}*_*.tsv"))}
    splits = chosen(source.splits, ("train", "dev", "test"), "split", folder)
    pairs = chosen(source.languages, known, "pair of languages", folder)
    wanted = tuple(dict.fromkeys(pair.split("_")[0] for pair in pairs))
    voices = common_voice.language_folders(Source(source.root, languages=wanted))
    clips = {language.name: language for language in voices}
    joined = [_tables(folder, pair, clips[pair.split("_")[0]], splits) for pair in pairs]
    return (record for pair in joined for record in pair)


def _tables(folder: Path, pair: str, clips: Path, splits: list[str]) -> Iterator[Record | BadLine]:
    """The records of a pair, of the table as published or of those its authors' script writes."""
    needed(clips / "clips", EXPECTED)
    whole = folder / f"{PREFIX}{pair}.tsv"
    if not whole.exists():
        made = {split: folder / f"{PREFIX}{pair}.{split}.tsv" for split in splits}
        for table in made.values():
            check_columns(needed(table, EXPECTED), ("path", "sentence", "translation"), EXPECTED)
        return _split(made, pair, clips)
    check_columns(whole, ("path", "translation", "split"), EXPECTED)
    validated = needed(clips / "validated.tsv", EXPECTED)
    check_columns(validated, common_voice.COLUMNS, EXPECTED)
    return _joined(whole, validated, pair, splits)


def _split(made: dict[str, Path], pair: str, clips: Path) -> Iterator[Record | BadLine]:
    for split, table in made.items():
        for row in rows(table, escaped=True):
            if isinstance(row, BadLine):
                yield row
            else:
                yield _record(row, row.get("translation"), pair, split, clips)


def _joined(
    whole: Path, validated: Path, pair: str, splits: list[str]
) -> Iterator[Record | BadLine]:
    translations: dict[str, tuple[str | None, str]] = {}
    for row in rows(whole, escaped=True):
        if isinstance(row, BadLine):
            yield row
        elif SPLITS.get(part := row.get("split", "")) in splits:
            translations[row.get("path", "")] = row.get("translation"), part
    for row in rows(validated, escaped=True):
        if isinstance(row, BadLine):
            yield row
        elif translated := translations.pop(row.get("path", ""), None):
            meaning, part = translated
            record = _record(row, meaning, pair, SPLITS[part], validated.parent)
            yield {**record, **({} if part in SPLITS.values() else {"part": part})}
    for path in translations:
        yield BadLine(
            f"{validated} has no {path!r}, which {whole.name} translates; CoVoST 2 belongs to "
            "Common Voice 4"
        )


def _record(
    spoken: dict[str, str], translation: str | None, pair: str, split: str, language: Path
) -> Record:
    source, _, target = pair.partition("_")
    name = spoken.get("path", "")
    return {
        "id": f"{Path(name).stem}.{pair}", "split": split, "language": source,
        "audio": common_voice.clip(language, name), "text": spoken.get("sentence"),
        "speaker": spoken.get("client_id"), "translation": translation,
        "translation_language": target,
    }  # fmt: skip
