"""Transcripts as files: plain lines, subtitles (SubRip and WebVTT), JSON."""

import json
from collections.abc import Callable, Iterator

from trivium.errors import SettingsError, did_you_mean
from trivium.transcripts.transcript import Segment, Transcript


def as_txt(transcript: Transcript) -> str:
    """A line for each segment; an empty one where nothing is heard."""
    return "".join(f"{_line(segment)}\n" for segment in transcript.segments)


def as_srt(transcript: Transcript) -> str:
    """SubRip: numbered cues, with a comma before the milliseconds."""
    cues = [
        f"{number}\n{_clock(segment.start_seconds, ',')} --> {_clock(segment.end_seconds, ',')}\n"
        f"{_line(segment)}\n"
        for number, segment in enumerate(_spoken(transcript), 1)
    ]
    return "\n".join(cues)


def as_vtt(transcript: Transcript) -> str:
    """WebVTT: a header, then cues whose texts mark nothing up."""
    cues = [
        f"{_clock(segment.start_seconds, '.')} --> {_clock(segment.end_seconds, '.')}\n"
        f"{_escaped(_line(segment))}\n"
        for segment in _spoken(transcript)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def as_json(transcript: Transcript) -> str:
    """An object: the whole text, its language, segments with times in seconds, warnings."""
    segments = [
        {"start": round(each.start_seconds, 3), "end": round(each.end_seconds, 3),
         "text": each.text}
        for each in transcript.segments
    ]  # fmt: skip
    whole = {"text": transcript.text, "language": transcript.language or None,
             "segments": segments, "warnings": list(transcript.warnings)}  # fmt: skip
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


FORMATS: dict[str, Callable[[Transcript], str]] = {
    "txt": as_txt,
    "srt": as_srt,
    "vtt": as_vtt,
    "json": as_json,
}


def writer(name: str) -> Callable[[Transcript], str]:
    """What writes the format of that name."""
    if name not in FORMATS:
        raise SettingsError(f"no format is called {name!r}; {did_you_mean(name, FORMATS)}")
    return FORMATS[name]


def _spoken(transcript: Transcript) -> Iterator[Segment]:
    """Segments that have a text: a cue without one is an error to many players."""
    return (segment for segment in transcript.segments if segment.text.strip())


def _line(segment: Segment) -> str:
    """The text on one line: an empty line would end a cue."""
    return " ".join(segment.text.split())


def _clock(seconds: float, point: str) -> str:
    """`00:00:01.500`; hours take as many digits as they need."""
    minutes, thousandths = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, thousandths = divmod(thousandths, 1000)
    return f"{hours:02}:{minutes:02}:{whole:02}{point}{thousandths:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
