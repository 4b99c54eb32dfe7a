"""Formats, read back by small parsers of their own."""

import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.errors import SettingsError, TriviumError
from trivium.transcripts.formats import FORMATS, writer
from trivium.transcripts.transcript import Segment, Transcript

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20) | st.sampled_from(
    ["a < b & c > d", "-->", "<b>x</b>", "two\n\nlines", "", " ", "&amp;", "00:00:01,000"]
)


@st.composite
def transcripts(draw):
    times = sorted(draw(st.lists(st.floats(0, 500_000), min_size=2, max_size=8)))
    segments = [
        Segment(start, end, draw(texts))
        for start, end in zip(times[::2], times[1::2], strict=False)
    ]
    return Transcript(tuple(segments), draw(st.sampled_from(["", "hi"])), ("a warning",))


def seconds(clock):
    hours, minutes, rest = re.split(":", clock)
    assert len(hours) >= 2
    assert len(minutes) == 2
    assert len(rest) == 6
    assert int(minutes) < 60
    assert float(rest.replace(",", ".")) < 60
    return int(hours) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))


def cues(blocks, point):
    for block in blocks:
        times, *lines = block.split("\n")
        start, end = times.split(" --> ")
        assert start[-4] == end[-4] == point
        yield seconds(start), seconds(end), " ".join(lines)


@given(transcripts())
def test_subtitles_say_what_the_transcript_says(transcript):
    wanted = [
        (each.start_seconds, each.end_seconds, " ".join(each.text.split()))
        for each in transcript.segments
        if each.text.split()
    ]
    srt = [block for block in FORMATS["srt"](transcript).removesuffix("\n").split("\n\n") if block]
    numbers = [block.split("\n", 1)[0] for block in srt]
    assert numbers == [str(number) for number in range(1, len(wanted) + 1)]
    head, *vtt = FORMATS["vtt"](transcript).removesuffix("\n").split("\n\n")
    assert head.strip() == "WEBVTT"
    found = list(cues([block.split("\n", 1)[1] for block in srt], ","))
    escaped = list(cues(vtt, "."))
    for got in (found, [(start, end, html.unescape(text)) for start, end, text in escaped]):
        assert [text for _, _, text in got] == [text for _, _, text in wanted]
        for (start, end, _), (first, last, _) in zip(got, wanted, strict=True):
            assert start == pytest.approx(first, abs=6e-4)
            assert end == pytest.approx(last, abs=6e-4)
    assert not any("-->" in text or "<" in text for _, _, text in escaped)


@given(transcripts())
def test_lines_and_json_have_every_segment(transcript):
    lines = FORMATS["txt"](transcript).split("\n")
    assert lines == [*(" ".join(each.text.split()) for each in transcript.segments), ""]
    whole = json.loads(FORMATS["json"](transcript))
    assert [each["text"] for each in whole["segments"]] == [s.text for s in transcript.segments]
    assert whole["language"] == (transcript.language or None)
    assert whole["warnings"] == ["a warning"]
    assert whole["text"] == " ".join(each.text for each in transcript.segments if each.text)


def test_times_by_hand():
    times = {"a": (0.0004, 59.9996), "b": (3599.9999, 3_725.25), "c": (360_000, 360_001)}
    transcript = Transcript(tuple(Segment(*both, text) for text, both in times.items()))
    assert FORMATS["srt"](transcript) == (
        "1\n00:00:00,000 --> 00:01:00,000\na\n\n"
        "2\n01:00:00,000 --> 01:02:05,250\nb\n\n"
        "3\n100:00:00,000 --> 100:00:01,000\nc\n"
    )
    assert FORMATS["vtt"](Transcript((Segment(1, 2, "x < y &amp; z"),))) == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nx &lt; y &amp;amp; z\n"
    )
    assert FORMATS["vtt"](Transcript((Segment(1, 2, ""),))) == "WEBVTT\n"


@pytest.mark.parametrize(
    ("language", "text"), [("ja", "猫がいる"), ("zh-CN", "猫がいる"), ("hi", "猫が いる")]
)
def test_segments_are_parted_as_words_are(language, text):
    parts = (Segment(0, 1, "猫が"), Segment(1, 2, ""), Segment(2, 3, "いる"))
    assert Transcript(parts, language).text == text
    assert FORMATS["srt"](Transcript((Segment(1, 2, ""),))) == ""
    assert FORMATS["txt"](Transcript((Segment(0, 2, ""),))) == "\n"


def test_a_format_nobody_writes_is_refused():
    with pytest.raises(SettingsError, match="no format is called 'str'; did you mean 'srt'"):
        writer("str")


@pytest.mark.parametrize("times", [(-1.0, 2.0), (2.0, 1.0), (0.0, float("inf")), (float("nan"), 1)])
def test_a_segment_goes_forward(times):
    with pytest.raises(TriviumError, match="a segment goes from"):
        Segment(*times, "x")
