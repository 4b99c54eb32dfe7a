"""Manifests of lhotse, in and out: whatever its recipes prepare becomes a corpus, and back.

Read are cuts (jsonl, jsonl.gz, json, yaml), recordings, and supervisions with `--join` for their
recordings. A sound is taken as it lies in its file wherever a cut is a stretch of it; where lhotse
has to compute it (louder, mixed, padded, one channel of several) it is stored as 16-bit flac.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from trivium.data.audio import encode_flac
from trivium.data.corpora import table
from trivium.data.corpora.exported import MediaFiles, picture_record, record_of, rows
from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import Source, needed
from trivium.data.corpus import Card, Corpus
from trivium.errors import CorpusError, MediaError

CARD = Card(name="lhotse", source="A manifest of lhotse.")
EXPECTED = "a manifest such as cuts.jsonl.gz; for supervisions, --join recordings.jsonl.gz too"
USES: tuple[str, ...] = ("join",)
PROMISED: dict[str, int] = {}
SAME_SECONDS = 1e-3  # a cut that ends this near the end of its recording is the whole of it
CUTS, REST, SOUNDS, PICTURES = "cuts.jsonl.gz", "rest.jsonl", "audio", "pictures"


def read(source: Source) -> Iterator[Record | BadLine]:
    """A record for each supervision, or for each cut without one; custom fields go to extra."""
    manifest = _load(needed(source.root, EXPECTED))
    kind = type(manifest).__name__
    folder = source.root.parent
    if kind == "SupervisionSet":
        if source.join is None:
            raise CorpusError(f"{source.root} holds supervisions alone; expected {EXPECTED}")
        from lhotse import CutSet

        recordings = _load(needed(source.join, EXPECTED)).to_eager()
        manifest = CutSet.from_manifests(recordings, manifest.to_eager())
        return _records(manifest, source.join.parent)
    if kind == "RecordingSet":
        return _records((recording.to_cut() for recording in manifest), folder)
    if kind != "CutSet":
        raise CorpusError(f"{source.root} holds a {kind}; expected {EXPECTED}")
    rest = folder / REST
    before = table.read(rest) if rest.exists() else ()
    return chain(before, _records(manifest, folder))


def _load(path: Path) -> Any:
    try:
        import lhotse
    except ModuleNotFoundError as error:
        raise CorpusError(
            f"{path} is read with lhotse, and {error.name} is not installed; "
            "`pip install trivium[corpora]`"
        ) from error
    lazy = any(path.name.endswith(suffix) for suffix in (".jsonl", ".jsonl.gz"))
    try:
        return (lhotse.load_manifest_lazy if lazy else lhotse.load_manifest)(path)
    except Exception as error:  # of whatever kind: what a stranger's file makes lhotse raise
        raise CorpusError(f"{path} is no manifest that lhotse reads: {error}") from error


def _records(cuts: Iterable[Any], folder: Path) -> Iterator[Record | BadLine]:
    manifest = iter(cuts)
    while True:
        try:
            cut = next(manifest)
        except StopIteration:
            return
        except (ValueError, TypeError, KeyError, EOFError, OSError) as error:
            raise CorpusError(f"a cut of {folder} cannot be read: {error}") from error
        if len(cut.supervisions) < 2:
            yield _record(cut, cut.supervisions, folder)
        else:
            for supervision in cut.supervisions:
                start = max(supervision.start, 0.0)
                part = cut.truncate(offset=start, duration=supervision.duration)
                yield _record(part.with_id(supervision.id), [supervision], folder, start)


def _record(
    cut: Any, supervisions: list[Any], folder: Path, start: float = 0.0
) -> Record | BadLine:
    """What a cut says; `start` is where it begins in the cut that its phone times count from."""
    said: dict[str, Any] = {}
    custom = _plain(getattr(cut, "custom", None))
    for supervision in supervisions:
        said = {name: getattr(supervision, name) for name in ("text", "language", "speaker")}
        custom = {**custom, **_plain(supervision.custom), "gender": supervision.gender}
        phones = (supervision.alignment or {}).get("phone")
        if phones:
            said["phones"] = [
                {"symbol": phone.symbol, "start": phone.start - start, "end": phone.end - start}
                for phone in phones
            ]  # fmt: skip
    image = _image(custom.pop("image", None), folder)
    try:
        sound = _sound(cut, folder)
    except MediaError as error:
        return BadLine(f"{cut.id} cannot be read: {error}")
    for name in ("id", "audio", "offset", "seconds"):
        if name in custom:
            custom[f"custom_{name}"] = custom.pop(name)
    return {"id": cut.id, **custom, **said, **sound, "image": image}


def _plain(custom: Mapping[str, Any] | None) -> dict[str, Any]:
    """Custom fields that JSON can hold, and pictures; vectors and other recordings are none."""
    given = dict(custom or {})
    image: Any = given.get("image")
    if type(image).__name__ == "Image":
        given["image"] = str(Path(image.storage_path) / image.storage_key)
    plain = (str, int, float, list, dict)
    return {name: value for name, value in given.items()
            if isinstance(value, plain) and name != "dataloading_info"}  # fmt: skip


def _image(value: Any, folder: Path) -> str | None:
    return str(_resolved(value, folder)) if isinstance(value, str) and value else None


def _resolved(path: str, folder: Path) -> Path:
    """A path as the manifest means it: from here, or from where the manifest lies."""
    return Path(path).absolute() if Path(path).exists() else folder / path


def _sound(cut: Any, folder: Path) -> dict[str, Any]:
    """The file a cut is a stretch of, or what lhotse computes of it."""
    recording = getattr(cut, "recording", None)
    transforms = {type(made).__name__ for made in getattr(recording, "transforms", None) or ()}
    # Sounds are resampled when they are read anyway, so the file itself is the better source.
    if recording is None or len(recording.sources) != 1 or transforms - {"Resample"}:
        return {"audio": _computed(cut)}
    (source,) = recording.sources
    channels = cut.channel if isinstance(cut.channel, list) else [cut.channel]
    if channels != list(recording.channel_ids) or source.type != "file":
        return {"audio": _computed(cut)}
    whole = cut.start < SAME_SECONDS and cut.end > recording.duration - SAME_SECONDS
    stretch = {} if whole else {"offset": cut.start, "seconds": cut.duration}
    return {"audio": str(_resolved(source.source, folder)), **stretch}


def _computed(cut: Any) -> bytes:
    try:
        samples = cut.load_audio()  # (channels, S)
    except Exception as error:  # whatever the files and commands of a recipe make lhotse raise
        raise MediaError(str(error).partition("\n")[0]) from error
    return encode_flac(samples.mean(axis=0), cut.sampling_rate)


def write(corpus: Corpus, out: Path, advance: Callable[[], None]) -> list[str]:
    """`cuts.jsonl.gz` beside its sounds, and `rest.jsonl`, for which lhotse has no place.

    The rest is what has no sound, and the pictures; an import of the cuts reads it too.
    Paths are relative: load the cuts from that folder, or with `with_recording_path_prefix`.
    """
    from lhotse import CutSet

    sounds, pictures = MediaFiles(out, SOUNDS), MediaFiles(out, PICTURES)
    paths: dict[str, str] = {}
    rest = 0
    with (
        CutSet.open_writer(out / CUTS) as cuts,
        (out / REST).open("w", encoding="utf-8") as others,
    ):
        for row in rows(corpus, "pictures"):
            paths[row["id"]] = pictures.write(row["image"])
            others.write(_line(picture_record(row) | {"image": paths[row["id"]]}))
        for row in rows(corpus, "utterances"):
            record = record_of(row)
            if row["picture"] in paths:
                record["image"] = paths[row["picture"]]
            if row["audio"] is None and row["path"] is None:
                others.write(_line(record))
                rest += 1
            else:
                path = sounds.write(row["audio"]) if row["audio"] is not None else row["path"]
                cuts.write(_cut(record, path, out))
            advance()
        for row in rows(corpus, "sentences"):
            others.write(_line(record_of(row)))
            rest += 1
            advance()
    if not rest and not paths:
        (out / REST).unlink()
    told = f"{rest:,} rows without sound and {len(paths):,} pictures are in {REST}, beside the cuts"
    return [told] if rest or paths else []


def _line(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _cut(record: dict[str, Any], path: str, out: Path) -> Any:
    from lhotse import Recording, SupervisionSegment
    from lhotse.supervision import AlignmentItem

    recording = Recording.from_file(out / path, recording_id=record["id"])
    recording.sources[0].source = path
    cut = recording.to_cut()
    if "offset" in record:
        cut = cut.truncate(offset=record["offset"], duration=record["seconds"])
    said = {name: record.pop(name, None) for name in ("text", "language", "speaker")}
    phones = record.pop("phones", None)
    alignment = None
    if phones:
        times = [(_short(phone["start"]), _short(phone["end"])) for phone in phones]
        alignment = {"phone": [
            AlignmentItem(phone["symbol"], start, round(end - start, 8))
            for phone, (start, end) in zip(phones, times, strict=True)
        ]}  # fmt: skip
    supervision = SupervisionSegment(
        id=record["id"], recording_id=record["id"], start=0.0, duration=cut.duration,
        channel=cut.channel, alignment=alignment, **said,
    )  # fmt: skip
    cut.supervisions = [supervision]
    cut.custom = {name: record[name] for name in record
                  if name not in ("id", "offset", "seconds")} or None  # fmt: skip
    return cut.with_id(record["id"])


def _short(seconds: float) -> float:
    """The shortest decimal that is the same time as float32: lhotse keeps eight of its digits."""
    return float(str(np.float32(seconds)))
