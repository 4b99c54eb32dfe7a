"""Datasets of Hugging Face on the disk, in and out: `save_to_disk` folders and parquet files.

The package `datasets` is not needed. Sounds and pictures are structs of bytes and path; what the
columns mean is in the metadata of each file, and classes get their names from there.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from trivium.data.corpora import fleurs, table
from trivium.data.corpora.exported import Pictures, picture_record, record_of, rows
from trivium.data.corpora.record import COLUMNS, BadLine, MadeId, Record
from trivium.data.corpora.release import Source, chosen, visible
from trivium.data.corpus import Card, Corpus
from trivium.data.store import Row
from trivium.errors import CorpusError

CARD = Card(name="hf", source="A dataset of Hugging Face.")
EXPECTED = "a folder of save_to_disk, a folder of parquet files, or one parquet file"
USES: tuple[str, ...] = ("splits",)
PROMISED: dict[str, int] = {}
# Other people's names for our columns, for those that a dataset does not have by our name.
NAMES = {
    "sentence": "text", "transcription": "text", "transcript": "text", "raw_transcription": "text",
    "caption": "text", "speaker_id": "speaker", "client_id": "speaker", "lang": "language",
    "locale": "language", "intent_class": "label", "emotion": "label",
}  # fmt: skip
# FLEURS is known by its columns: its `id` is of a sentence, which several read in every language.
FLEURS = frozenset({"id", "lang_id", "lang_group_id", "raw_transcription"})
FLEURS_NAMES = {
    "id": "sentence", "raw_transcription": "text", "transcription": "normalised",
    "lang_id": "locale", "language": "language_name",
}  # fmt: skip
SPLITS = {"validation": "dev", "valid": "dev", "val": "dev"}
SHARD = re.compile(r"(.+?)-\d{5}-of-\d{5}(?:-[0-9a-f]+)?\.parquet")
FIRST = "0-pictures.parquet"
ROW_GROUP_BYTES, ROW_GROUP_ROWS = 16 * 2**20, 100


@dataclass(frozen=True)
class Shard:
    """One file of one split."""

    path: Path
    split: str


def read(source: Source) -> Iterator[Record | BadLine]:
    """The rows of all splits; rows without an id get one from their split and place."""
    shards = _shards(source.root)
    splits = chosen(source.splits, dict.fromkeys(s.split for s in shards), "split", source.root)
    wanted = [shard for shard in shards if shard.split in splits]
    for shard in wanted:
        _check(shard.path, _schema(shard.path))
    return _numbered(wanted)


def _shards(root: Path) -> list[Shard]:
    if not root.exists():
        raise CorpusError(f"{root} is not there; expected {EXPECTED}")
    if root.is_file():
        if root.suffix != ".parquet":
            raise CorpusError(f"{root} is no parquet file; expected {EXPECTED}")
        return [Shard(root, _split(root))]
    shards = [Shard(path, _split(path)) for path in visible(root.rglob("*.parquet"))]
    for state in visible(root.rglob("state.json")):
        name = state.parent.name if state.parent != root else "train"
        shards += [Shard(state.parent / file, SPLITS.get(name, name)) for file in _files(state)]
    if not shards:
        raise CorpusError(f"{root} holds no parquet and no state.json; expected {EXPECTED}")
    return shards


def _split(path: Path) -> str:
    shard = SHARD.fullmatch(path.name)
    name = shard[1] if shard else path.parent.name if path.stem.isdigit() else path.stem
    return SPLITS.get(name, name)


def _files(state: Path) -> list[str]:
    try:
        said = json.loads(state.read_text(encoding="utf-8"))
        files = [str(file["filename"]) for file in said["_data_files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise CorpusError(f"{state} names no files: {error}; expected {EXPECTED}") from error
    for name in files:
        if not (state.parent / name).is_file():
            raise CorpusError(f"{state.parent / name} is not there, and {state} names it; copy "
                              "the folder anew")  # fmt: skip
    return files


def _schema(path: Path) -> pa.Schema:
    import pyarrow.parquet as pq

    try:
        if path.suffix == ".parquet":
            return pq.read_schema(path)
        with pa.memory_map(str(path)) as file:
            return pa.ipc.open_stream(file).schema
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"{path} cannot be read: {error}; expected {EXPECTED}") from error


def _features(path: Path, schema: pa.Schema) -> Mapping[str, Any]:
    """What the metadata say of the columns; a save_to_disk folder has them in a file too."""
    stored = (schema.metadata or {}).get(b"huggingface")
    info = path.parent / "dataset_info.json"
    try:
        if stored:
            found = json.loads(stored)["info"]["features"]
        else:
            found = json.loads(info.read_text())["features"] if info.is_file() else {}
    except (ValueError, KeyError, TypeError) as error:
        raise CorpusError(f"{path}: its features cannot be read: {error}") from error
    return found if isinstance(found, Mapping) else {}


def _meanings(path: Path, schema: pa.Schema) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Our name of each column, and the names of the classes of each that has classes."""
    features = _features(path, schema)
    kinds = {name: str(feature.get("_type")) for name, feature in features.items()
             if isinstance(feature, Mapping)}  # fmt: skip
    known = FLEURS_NAMES if {*schema.names} >= FLEURS else {}
    names = {n: known.get(n, n) for n in schema.names if n in known or n in COLUMNS}
    for name in schema.names:
        ours = name.casefold()
        if name not in names and ours in COLUMNS and ours not in names.values():
            names[name] = ours
    for kind, ours in (("Audio", "audio"), ("Image", "image")):
        typed = [name for name in schema.names if kinds.get(name) == kind]
        if ours not in names.values() and len(typed) == 1:
            names[typed[0]] = ours
    for name in schema.names:
        ours = NAMES.get(name.casefold(), name)
        names.setdefault(name, name if ours in names.values() else ours)
    classes = {name: features[name]["names"] for name, kind in kinds.items()
               if kind == "ClassLabel" and features[name].get("names")}  # fmt: skip
    alone = [name for name in classes if name in schema.names]
    if "label" not in names.values() and len(alone) == 1:
        names[alone[0]] = "label"
    return names, classes


def _check(path: Path, schema: pa.Schema) -> None:
    names, _ = _meanings(path, schema)
    pairs = (
        pa.types.is_struct(schema.field("translation").type) if "translation" in names else False
    )
    if not pairs and not {"audio", "image", "text"} & {*names.values()}:
        raise CorpusError(
            f"{path} has no column of audio, images or text; it has {', '.join(schema.names)[:500]}"
        )


def _numbered(shards: list[Shard]) -> Iterator[Record | BadLine]:
    numbers: dict[str, int] = {}
    for shard in shards:
        names, classes = _meanings(shard.path, _schema(shard.path))
        for row in _rows(shard.path):
            numbers[shard.split] = numbers.get(shard.split, 0) + 1
            if isinstance(row, BadLine):
                yield row
                continue
            made = MadeId(f"{shard.split}-{numbers[shard.split]:08}")
            record = {names[name]: _named(value, classes.get(name)) for name, value in row.items()}
            record |= _pair(record.get("translation"))
            if row.keys() >= FLEURS:
                record |= _of_fleurs(record)
            filled = {name: v for name, v in record.items() if v is not None and v != ""}
            yield {"id": made, "split": shard.split, **filled}


def _pair(value: Any) -> dict[str, Any]:
    """A translation as datasets hold it, {"de": ..., "en": ...}: into English if it is there."""
    if not isinstance(value, Mapping) or len(value) != 2:
        return {}
    one, other = sorted(value, key=lambda language: language == "en")
    return {"text": value[one], "language": one, "translation": value[other],
            "translation_language": other}  # fmt: skip


def _of_fleurs(record: Record) -> dict[str, Any]:
    """The language of a row and the number of its sentence, as the release itself is read."""
    locale, sentence = record.get("locale"), record.get("sentence")
    return {
        "language": fleurs.language(locale) if isinstance(locale, str) else None,
        "sentence": None if sentence is None else str(sentence),
    }


def _named(value: Any, classes: list[str] | None) -> Any:
    """The name of a class; -1 stands for none."""
    if classes is None or not isinstance(value, int):
        return value
    return classes[value] if 0 <= value < len(classes) else None


def _rows(path: Path) -> Iterator[dict[str, Any] | BadLine]:
    if path.suffix == ".parquet":
        yield from table.parquet_rows(path)
        return
    try:
        with pa.memory_map(str(path)) as file:
            for batch in pa.ipc.open_stream(file):
                for place in range(len(batch)):  # one at a time: a batch may hold hours of sound
                    yield from batch.slice(place, 1).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"{path} cannot be read to its end: {error}; copy it anew") from error


MEDIA = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
WRITTEN = pa.schema([
    ("id", pa.string()), ("split", pa.string()), ("audio", MEDIA), ("offset", pa.float64()),
    ("seconds", pa.float64()), ("image", MEDIA), ("picture", pa.string()), ("text", pa.string()),
    ("language", pa.string()), ("translation", pa.string()), ("translation_language", pa.string()),
    ("speaker", pa.string()), ("label", pa.string()), ("score", pa.float32()),
    ("phones", pa.string()), ("extra", pa.string()),
])  # fmt: skip
README = """---
configs:
- config_name: default
  data_files:
{files}
---

{source} Licence: {licence}. Exported by trivium: `phones` and `extra` are JSON.
"""


def write(corpus: Corpus, out: Path, advance: Callable[[], None]) -> list[str]:
    """A parquet file for each split, which `datasets.load_dataset` and an import read."""
    import pyarrow.parquet as pq

    kinds = {"audio": {"_type": "Audio"}, "image": {"_type": "Image"}}
    features = {field.name: kinds.get(field.name, {"dtype": str(field.type), "_type": "Value"})
                for field in WRITTEN}  # fmt: skip
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = WRITTEN.with_metadata(told)
    (out / "data").mkdir()
    waiting: dict[str, list[dict[str, Any]]] = {}
    held: dict[str, int] = {}
    writers: dict[str, pq.ParquetWriter] = {}

    def flush(name: str) -> None:
        if name not in writers:
            writers[name] = pq.ParquetWriter(out / "data" / name, schema)
        writers[name].write_table(pa.Table.from_pylist(waiting.pop(name), schema))
        del held[name]

    try:
        for name, record in _records(corpus):
            waiting.setdefault(name, []).append(record)
            held[name] = held.get(name, 0) + _weight(record)
            if held[name] > ROW_GROUP_BYTES or len(waiting[name]) == ROW_GROUP_ROWS:
                flush(name)
            advance()
        for name in list(waiting):
            flush(name)
    finally:
        for writer in writers.values():
            writer.close()
    splits = {name: re.sub(r"\W", "_", name.partition("-0000")[0])
              for name in writers if name != FIRST}  # fmt: skip
    files = "\n".join(
        f"  - split: {split}\n    path: data/{name}" for name, split in splits.items()
    )
    text = README.format(files=files, source=corpus.card.source, licence=corpus.card.licence)
    (out / "README.md").write_text(text, encoding="utf-8")
    return []


def _shard_name(record: Record) -> str:
    safe = re.sub(r"[^\w.-]", "_", record.get("split") or "train")
    return f"{safe}-00000-of-00001.parquet"


def _weight(record: Record) -> int:
    media = (record.get(name) for name in ("audio", "image"))
    return sum(len(value["bytes"] or b"") for value in media if value)


def _records(corpus: Corpus) -> Iterator[tuple[str, dict[str, Any]]]:
    """Files and records: utterances with their pictures in them, then what they do not bring.

    What is said of pictures has a file of its own, which is read before a picture comes without.
    """
    pictures, shown = Pictures(corpus), set()
    for row in rows(corpus, "pictures"):
        if row["extra"]:
            shown.add(row["id"])
            yield FIRST, _picture(row)
    for row in rows(corpus, "utterances"):
        image = pictures.image(row["picture"])
        shown.add(row["picture"])
        said = _json(record_of(row)) | {"audio": _media(row["audio"], row["path"])}
        said["image"] = _media(image, row["picture"]) if image is not None else None
        yield _shard_name(said), said
    for row in rows(corpus, "pictures"):
        if row["id"] not in shown:
            yield _shard_name(row), _picture(row)
    for row in rows(corpus, "sentences"):
        yield _shard_name(row), _json(record_of(row))


def _picture(row: Row) -> dict[str, Any]:
    return _json(picture_record(row)) | {"image": _media(row["image"], row["id"])}


def _media(data: bytes | None, path: str | None) -> dict[str, Any] | None:
    return {"bytes": data, "path": path} if data is not None or path is not None else None


def _json(record: dict[str, Any]) -> dict[str, Any]:
    for name in ("phones", "extra"):
        if not isinstance(record.get(name, ""), str):
            record[name] = json.dumps(record[name], ensure_ascii=False)
    return record
