"""Media of a record: read within limits, decoded once, and put into its row."""

import stat
from functools import lru_cache
from pathlib import Path
from typing import Any

import soundfile

from trivium.data.audio import (
    SAMPLE_RATE_HZ,
    SoundFacts,
    SoundLimits,
    decode_file,
    decode_with_facts,
    encode_flac,
)
from trivium.data.corpora.record import Media
from trivium.data.image import MAX_BYTES, open_image
from trivium.errors import MediaError

SUFFIXES = {
    "WAV": (".wav", ".wave"),
    "FLAC": (".flac",),
    "OGG": (".ogg", ".oga", ".opus"),
    "MP3": (".mp3", ".mpga"),
}


def sound_columns(
    audio: Media, stretch: tuple[float, float] | None, limits: SoundLimits, link: bool
) -> tuple[dict[str, Any], str | None]:
    """What a sound fills in, and the sentence on a misleading file name if it has one."""
    if stretch and audio.path:
        samples = _stretch_of(audio.path, *stretch, limits)
        seconds = len(samples) / SAMPLE_RATE_HZ
        return {"seconds": seconds, "audio": None if link else encode_flac(samples)}, None
    data = media_bytes(audio, limits.max_bytes, "sound")
    facts = decode_with_facts(data, limits)[1]
    linked = link and audio.path is not None
    columns = {"seconds": facts.seconds, "audio": None if linked else data}
    return columns, _misnamed(audio.name, facts)


def picture_bytes(image: Media) -> bytes:
    """The bytes of a picture that was decoded to see that it can be."""
    data = media_bytes(image, MAX_BYTES, "picture")
    _decode(data)
    return data


@lru_cache(maxsize=8)
def _decode(data: bytes) -> None:
    """See that a picture can be decoded, once for captions of it that stand together."""
    open_image(data).close()


def media_bytes(media: Media, max_bytes: int, what: str) -> bytes:
    """The bytes of a value or a file; of one over the limit no more is read than shows it."""
    if media.path is None:
        return media.data or b""
    path = media.path
    try:
        size = _size(path, what)
        if size > max_bytes:
            raise MediaError(f"{path} has {size:,} bytes; at most {max_bytes:,} are read")
        with path.open("rb") as file:
            # One more than the size seen, not than the limit: memory is taken before it is filled.
            data = file.read(size + 1)
            if len(data) > size:
                raise MediaError(f"{path} says {size:,} bytes and goes on after them")
            return data
    except OSError as error:
        raise _unreadable(path, what, error) from error


def _size(path: Path, what: str) -> int:
    """Bytes of a regular file: a pipe would be waited for, a device read without end."""
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise MediaError(f"the {what} {path} cannot be read: it is a {_kind(facts.st_mode)}")
    return facts.st_size


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")


def _stretch_of(path: Path, offset: float, seconds: float, limits: SoundLimits) -> Any:
    try:
        _size(path, "sound")
        with soundfile.SoundFile(path) as sound:
            whole = sound.frames / sound.samplerate
    except soundfile.LibsndfileError as error:
        raise MediaError(f"{path} cannot be read as sound: {error.error_string}") from error
    except OSError as error:
        raise _unreadable(path, "sound", error) from error
    if offset >= whole:
        raise MediaError(f"offset is {offset:g} s, past the end: {path} lasts {whole:.2f} s")
    if seconds > limits.max_seconds:
        raise MediaError(f"seconds is {seconds:g}; a sound lasts at most {limits.max_seconds:g} s")
    return decode_file(path, offset, seconds, limits)


def _unreadable(path: Path, what: str, error: OSError) -> MediaError:
    reason = error.strerror or str(error)
    return MediaError(f"the {what} {path} cannot be read: {reason.lower()}")


def _misnamed(name: str | None, facts: SoundFacts) -> str | None:
    expected = SUFFIXES.get(facts.container, ())
    known = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}
    suffix = Path(name).suffix.lower() if name else ""
    if suffix in expected or suffix not in known:
        return None
    return f"{Path(name or '').name} holds {facts.container}"
