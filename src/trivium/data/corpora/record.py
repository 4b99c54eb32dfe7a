"""One record of a source: its columns coerced, and the row of the table it will land in."""

import base64
import json
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from trivium.data import store
from trivium.errors import CorpusError, MediaError

Record = Mapping[str, Any]

CONTENT = ("audio", "text", "image")  # a row has at least one of these
TEXTS = (
    "split", "speaker", "picture", "text", "language", "translation", "translation_language",
    "label",
)  # fmt: skip
COLUMNS = ("id", "audio", "offset", "seconds", "image", *TEXTS, "score", "phones", "extra")
MAX_SCORE = 3e38  # scores are float32
MAX_INTEGER_BITS = 10_000  # Python refuses to write out longer ones


class MadeId(str):
    """An id that a reader made of a line's number: nothing is lost with it."""

    __slots__ = ()


@dataclass(frozen=True)
class BadLine:
    """A record that its reader could not read; the import lists it and goes on."""

    reason: str


@dataclass(frozen=True)
class Media:
    """A sound or picture as a record gives it: bytes, or the file that holds them."""

    data: bytes | None
    path: Path | None  # under the root
    name: str | None  # the path as the record writes it


@dataclass(frozen=True)
class Draft:
    """A record before its media are read."""

    table: str
    row: dict[str, Any]
    in_extra: frozenset[str]  # columns that the table has no place for
    audio: Media | None = None
    stretch: tuple[float, float] | None = None  # offset and seconds
    image: Media | None = None


def draft(record: Record, root: Path, split: str, link: bool) -> Draft:
    """Where a record belongs and what its columns say; raises a sentence if they say nonsense."""
    values = {name: value for name, value in record.items() if value is not None and value != ""}
    texts = {name: text_of(name, values[name]) for name in TEXTS if name in values}
    audio, image = (media_of(name, values.get(name), root) for name in ("audio", "image"))
    id_ = text_of("id", values.pop("id"))
    told = object_of(values.get("extra"))
    if told is not None:
        del values["extra"]
    table = table_of(record)
    if table is None:
        raise CorpusError(
            f"{id_} has no audio, no text and no image; it has {', '.join(values) or 'nothing'}"
        )
    row: dict[str, Any] = {"id": id_, "split": texts.get("split", split)}
    stretch = _stretch(values, audio) if audio and "offset" in values else None
    used = {"audio", "image", "split"} | ({"offset", "seconds"} if stretch else set())
    if table == "pictures":
        row["id"] = texts.get("picture") or _picture_name(image, id_)
        used.add("picture")
        if not isinstance(record["id"], MadeId) and id_ != row["id"]:
            values["id"] = id_
    else:
        used |= {name for name in store.SCHEMAS[table].names if name in (*TEXTS, "score")}
        row |= {name: texts[name] for name in used & texts.keys()} | {"split": row["split"]}
        row["characters"] = len(texts["text"]) if "text" in texts else None
        row["score"] = _score(values)
    if table == "utterances":
        row["phones"] = phones_of(values.get("phones"))
        used |= {"phones"} if row["phones"] is not None else set()
        if image:
            row["picture"] = texts.get("picture") or _picture_name(image, id_)
        if link and audio and audio.path:
            row["path"] = str(audio.path.absolute())
            row["offset"] = stretch[0] if stretch else None
    rest = {**(told or {}), **{name: v for name, v in values.items() if name not in used}}
    row["extra"] = _as_json(rest) if rest else None
    return Draft(table, row, frozenset(rest), audio, stretch, image)


def table_of(record: Record) -> str | None:
    """The table that a record belongs into, by what it brings; None if it brings nothing."""
    audio, text, image = (_is_given(record.get(name)) for name in CONTENT)
    if audio or (image and text):
        return "utterances"
    if text:
        return "sentences"
    return "pictures" if image else None


def _is_given(value: Any) -> bool:
    if isinstance(value, Mapping):
        return value.get("bytes") is not None or value.get("path") not in (None, "")
    return value is not None and not (isinstance(value, str) and not value)


def text_of(name: str, value: Any) -> str:
    """A value as text: numbers, such as labels often are, are written out."""
    plain = isinstance(value, (str, int, float, Decimal))
    infinite = isinstance(value, float) and not math.isfinite(value)
    if not plain or infinite or _is_vast(value):
        raise CorpusError(f"{name} is {_shown(value)}, which is no text")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CorpusError(f"{name} is {_shown(value)}, which holds half a character") from error
    return text


def number_of(name: str, value: Any) -> float:
    """A value as a finite number."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise CorpusError(f"{name} is {_shown(value)}, which is no number") from error
    if not math.isfinite(number):
        raise CorpusError(f"{name} is {_shown(value)}, which is no finite number")
    return number


def media_of(name: str, value: Any, root: Path) -> Media | None:
    """A path, bytes, or a mapping of both as Hugging Face writes it; None where there is none."""
    if isinstance(value, Mapping):
        if not value.keys() & {"bytes", "path"}:
            raise CorpusError(
                f"{name} has the keys {', '.join(map(str, value))}; bytes or path are read"
            )
        data, place = value.get("bytes"), value.get("path")
        if data is not None:
            known = isinstance(place, str) and place
            named = media_of(name, place, root) if known else None
            given = media_of(name, data, root)
            if given is None or given.data is None:
                raise CorpusError(f"{name} has the bytes {_shown(data)}, which are none")
            return Media(given.data, None, named.name if named else None)
        value = place
    if value is None or value == "":
        return None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Media(bytes(value), None, None)
    if not isinstance(value, (str, Path)):
        raise CorpusError(f"{name} is {_shown(value)}, which is neither a path nor bytes")
    written = text_of(name, str(value))
    if "\0" in written:
        raise CorpusError(f"{name} is {_shown(written)}, and no path has a zero byte")
    return Media(None, root / written, written)


def phones_of(value: Any) -> list[dict[str, Any]] | None:
    """Phones with their times, given as a list or as JSON; None if the value is something else."""
    phones = _parsed(value) if isinstance(value, str) else value
    if not isinstance(phones, list) or not all(
        isinstance(phone, Mapping) and {*phone} == {"symbol", "start", "end"} for phone in phones
    ):
        return None
    return [
        {"symbol": text_of("a phone", phone["symbol"]), "start": number_of("start", phone["start"]),
         "end": number_of("end", phone["end"])}
        for phone in phones
    ]  # fmt: skip


def object_of(value: Any) -> Mapping[str, Any] | None:
    """A column `extra` as an export writes it, an object or JSON of one; None if it is neither."""
    found = _parsed(value) if isinstance(value, str) else value
    return found if isinstance(found, Mapping) else None


def rejection(number: int, record: Record | BadLine, error: Exception) -> dict[str, Any]:
    """The line of rejected.jsonl on a record: what it is called, and what is wrong with it."""
    named = {}
    if not isinstance(record, BadLine):
        for name in ("id", "audio", "image"):
            value = record.get(name)
            if isinstance(value, (str, Path)):
                named[name] = str(value)
            elif isinstance(value, int):
                named[name] = _shown(value)
    return {"record": number, **named, "reason": str(error)}


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _stretch(values: dict[str, Any], audio: Media) -> tuple[float, float]:
    offset = number_of("offset", values["offset"])
    if audio.path is None or "seconds" not in values:
        raise CorpusError(f"offset {offset:g} needs a file and the column seconds beside it")
    seconds = number_of("seconds", values["seconds"])
    if offset < 0:
        raise MediaError(f"offset is {offset:g} s; a stretch begins at 0 s or later")
    if seconds <= 0:
        raise MediaError(f"seconds is {seconds:g}; a stretch lasts longer than 0 s")
    return offset, seconds


def _score(values: dict[str, Any]) -> float | None:
    score = number_of("score", values["score"]) if "score" in values else None
    if score is not None and abs(score) > MAX_SCORE:
        raise CorpusError(f"score is {score:g}; at most {MAX_SCORE:g} can be stored")
    return score


def _picture_name(image: Media | None, id_: str) -> str:
    return image.name if image and image.name else f"picture-{id_}"


def _as_json(values: dict[str, Any]) -> str:
    text = json.dumps(values, ensure_ascii=False, default=_written)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character: keep its number
        return json.dumps(values, default=_written)
    return text


def _written(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    return str(value)


def _is_vast(value: Any) -> bool:
    return isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS


def _shown(value: Any) -> str:
    if _is_vast(value):
        return f"an integer of {value.bit_length():,} bits"
    return reprlib.repr(value)
