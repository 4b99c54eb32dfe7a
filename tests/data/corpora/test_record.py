import json
import os
import re
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import png, tone
from tests.data.corpora.test_ingest import CARD, everything, files, rejected, run
from trivium.data.audio import SoundLimits, encode_flac, encode_wav
from trivium.data.corpora.ingest import IngestOptions, ingest
from trivium.data.corpora.record import MadeId
from trivium.data.corpus import Corpus

__all__ = ["files"]


def add(folder, records, **options):
    """Import records as a reader gives them; what it did and the corpus."""
    given = [{"id": MadeId(f"r{n}"), **record} for n, record in enumerate(records)]
    out = folder / "out"
    return ingest(given, out, CARD, IngestOptions(root=folder, **options)), Corpus.open(out)


NO_TEXT = {"list": ["a"], "nothing finite": float("nan"), "half": "a\udcff", "bytes": b"a",
           "vast": 10**5_000, "mapping": {"a": 1}}  # fmt: skip
BAD = [
    *({"text": value} for value in NO_TEXT.values()),
    {"text": "a", "label": ["x"]},
    {"text": "a", "speaker": "\udcff", "audio": "a.flac"},
    {"audio": ["a.flac"]},
    {"audio": 40_000_000_000},
    {"image": 3},
    {"audio": True},
    {"audio": "a\0b"},
    {"audio": "a" * 5_000},
    {"audio": "\udcff"},
    {"audio": {"array": [0.0], "sampling_rate": 16_000}},
    {"audio": {"bytes": "text"}},
    *(
        {"text": "a", "score": value}
        for value in (float("nan"), "1e999", "9" * 400, 10**400, 1e300, True, [1])
    ),
    *(
        {"audio": "a.flac", "offset": 0, "seconds": value}
        for value in (float("inf"), 1e300, 0, -1, "a")
    ),
    *(
        {"audio": "a.flac", "seconds": 0.1, "offset": value}
        for value in (float("nan"), -0.5, 7, 1e308)
    ),
]


@pytest.mark.parametrize("record", BAD, ids=range(len(BAD)))
def test_one_bad_record_is_listed_and_the_next_is_stored(files, record):
    result, _ = add(files, [record, {"text": "fine"}])
    assert (result.added, result.rejected) == ({"sentences": 1}, 1)
    (line,) = rejected(files / "out")
    assert "Error" not in line["reason"]  # a sentence, not the name of an exception
    assert len(line["reason"]) < 400 or "a" * 5_000 in line["reason"]
    assert "\\n" not in line["reason"]


@pytest.mark.parametrize(
    ("offset", "seconds", "sentence"),
    [
        (-0.5, 1, r"offset is -0.5 s; a stretch begins at 0 s or later"),
        (7, 0.1, "past the end: .*lasts 0.50 s"),
        (0.1, 0, "longer than 0 s"),
        (0, 4_000, "at most 3600 s"),
    ],
)
def test_a_stretch_that_is_none_gets_its_own_sentence(files, offset, seconds, sentence):
    add(files, [{"audio": "a.flac", "offset": offset, "seconds": seconds}])
    (line,) = rejected(files / "out")
    assert re.search(sentence, line["reason"])


def test_limits_hold_for_stretches_too(files):
    record = {"audio": "a.flac", "offset": 0, "seconds": 0.5}
    for limits in (SoundLimits(max_seconds=0.2), SoundLimits(min_rate_hz=20_000)):
        result, _ = add(files, [record], limits=limits)
        assert result.rejected == 1


def test_an_error_nobody_foresaw_is_listed_with_its_kind(files, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("by surprise")

    monkeypatch.setattr("trivium.data.corpora.ingest.picture_bytes", fail)
    result, _ = add(files, [{"image": "cat.png"}, {"text": "fine"}])
    assert result.added == {"sentences": 1}
    assert (
        rejected(files / "out")[0]["reason"] == "r0 cannot be used: ZeroDivisionError: by surprise"
    )


def test_numbers_become_texts_and_texts_numbers(files):
    record = {
        "text": 5,
        "label": 3,
        "speaker": 12,
        "score": "2.5",
        "language": "en",
        "audio": "a.flac",
    }
    _, corpus = add(files, [record, {"text": Decimal("1.50"), "label": 1.5, "score": 2, "id": 77}])
    (row,) = everything(corpus, "utterances").to_pylist()
    assert (row["text"], row["label"], row["speaker"], row["score"]) == ("5", "3", "12", 2.5)
    (row,) = everything(corpus, "sentences").to_pylist()
    assert (row["id"], row["text"], row["label"], row["score"]) == ("77", "1.50", "1.5", 2.0)


def test_hugging_face_columns_are_read(files):
    sound, picture = encode_wav(tone(0.2)), png("green")
    rows = [
        {
            "audio": {"bytes": sound, "path": "x.mp3"},
            "image": {"bytes": picture, "path": None},
            "label": 4,
        },
        {
            "audio": {"bytes": None, "path": "a.flac"},
            "image": {"bytes": None, "path": "cat.png"},
            "label": 5,
        },
        {"audio": {"bytes": None, "path": None}, "image": None, "label": 6},
    ]
    pq.write_table(pa.Table.from_pylist(rows), files / "t.parquet")
    result = run(files / "t.parquet", files / "out")
    assert (result.added, result.rejected) == ({"utterances": 2, "pictures": 2}, 1)
    assert result.misnamed == ["x.mp3 holds WAV"]
    first, second = everything(Corpus.open(files / "out"), "utterances").to_pylist()
    assert (first["audio"], first["label"]) == (sound, "4")
    assert (first["picture"], second["picture"]) == ("picture-t-00000001", "cat.png")


@pytest.mark.parametrize(
    ("record", "table", "extra"),
    [
        (
            {"text": "a", "path": "clip.mp3", "client_id": "x1"},
            "sentences",
            {"path": "clip.mp3", "client_id": "x1"},
        ),
        (
            {"text": "a", "phones": "h a", "characters": 7, "extra": "e"},
            "sentences",
            {"phones": "h a", "characters": 7, "extra": "e"},
        ),
        (
            {"text": "a", "speaker": "anna", "picture": "cat"},
            "sentences",
            {"speaker": "anna", "picture": "cat"},
        ),
        (
            {"image": "cat.png", "label": "tabby", "language": "en", "mood": "calm"},
            "pictures",
            {"label": "tabby", "language": "en", "mood": "calm"},
        ),
        ({"id": "mine", "image": "cat.png"}, "pictures", {"id": "mine"}),
        ({"audio": "a.flac", "seconds": 9, "path": "p"}, "utterances", {"seconds": 9, "path": "p"}),
        ({"image": "cat.png", "text": "a", "mood": "x"}, "utterances", {"mood": "x"}),
        (
            {"text": "a", "odd": "\udcff", "raw": b"\x01"},
            "sentences",
            {"odd": "\udcff", "raw": "AQ=="},
        ),
    ],
)
def test_what_a_table_has_no_place_for_is_kept_and_reported(files, record, table, extra):
    result, corpus = add(files, [record])
    assert result.in_extra == extra.keys()
    (row,) = everything(corpus, table).to_pylist()
    assert json.loads(row["extra"]) == extra


def test_only_columns_of_added_rows_are_reported(files):
    result, _ = add(files, [{"audio": "lost.flac", "mood": "calm"}, {"image": "cat.png"}])
    assert (result.rejected, result.in_extra) == (1, set())


def test_only_regular_files_are_opened(files):
    os.mkfifo(files / "pipe.wav")
    records = [
        {"audio": "pipe.wav"},
        {"audio": "pipe.wav", "offset": 0, "seconds": 1},
        {"audio": "/dev/zero"},
        {"image": "/dev/zero"},
        {"audio": "."},
        {"audio": "a.flac"},
    ]
    result, _ = add(files, records)
    assert (result.added, result.rejected) == ({"utterances": 1}, 5)
    kinds = [line["reason"].rsplit(" ", 1)[1] for line in rejected(files / "out")]
    assert kinds == ["pipe", "pipe", "device", "device", "folder"]


def test_a_file_over_the_limit_is_not_read(files):
    with (files / "vast.flac").open("wb") as file:
        file.write(encode_flac(tone(0.1)))
        file.truncate(2**40)
    result, _ = add(files, [{"audio": "vast.flac"}])
    assert result.rejected == 1
    assert "1,099,511,627,776 bytes; at most" in rejected(files / "out")[0]["reason"]
