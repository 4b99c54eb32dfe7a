import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.corpora.test_ingest import everything, files, rejected, run, write_csv
from trivium.data.corpora import table
from trivium.data.corpora.record import BadLine
from trivium.data.corpus import Corpus
from trivium.errors import CorpusError

__all__ = ["files"]


def read(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(table.read(path))


def texts(rows):
    return [row.reason if isinstance(row, BadLine) else row.get("text") for row in rows]


def test_a_quote_that_nothing_closes_costs_one_line_and_says_so(tmp_path):
    lines = [f"text {n},en" for n in range(200)]
    lines[3] = '"text 3,en'
    found = texts(read(tmp_path / "t.csv", "\n".join(["text,language", *lines])))
    assert len(found) == 200
    assert found[3] == "line 5: it opens a quote that the next 32 lines do not close"
    assert found[:3] + found[4:] == [f"text {n}" for n in range(200) if n != 3]


def test_a_quote_that_a_later_line_closes_wrongly_costs_no_other_row(tmp_path):
    content = 'text,language\n"one,en\ntwo,en\n"three",en\nfour,en\n'
    found = texts(read(tmp_path / "t.csv", content))
    assert found[1:] == ["two", "three", "four"]
    assert found[0].startswith("line 2: ',' expected after '\"'")
    content = 'text,language\n"one,en\ntwo,en\nthree",en,,\nfour,en\n'
    found = texts(read(tmp_path / "t.csv", content))
    assert found[0].startswith("line 2 has 2 more fields than the header")
    assert [found[1], found[3]] == ["two", "four"]


def test_a_quoted_text_may_have_several_lines(tmp_path):
    content = 'text,language\n"one\n\nand ""two"", still",en\nthree,en\n'
    assert texts(read(tmp_path / "t.csv", content)) == ['one\n\nand "two", still', "three"]


def test_a_quote_in_a_tsv_is_a_letter(tmp_path):
    content = 'text\tlanguage\n"one\ten\n\ntwo "so\ten\n"three"\ten\n'
    assert texts(read(tmp_path / "t.tsv", content)) == ['"one', 'two "so', '"three"']


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_any_text_comes_back_from_a_csv(tmp_path_factory, rows):
    path = write_csv(tmp_path_factory.mktemp("csv") / "t.csv",
                     [{"text": text, "language": "x"} for text in rows])  # fmt: skip
    short = [text for text in rows if text.count("\n") < table.MAX_RECORD_LINES]
    assert [text for text in texts(table.read(path)) if text in rows] == short


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_a_line_that_is_not_utf_8_is_listed_with_its_number(tmp_path, suffix):
    good = [
        json.dumps({"text": f"text {n}"}) if suffix == "jsonl" else f"text {n}" for n in range(5)
    ]
    lines = [line.encode() for line in good]
    if suffix != "jsonl":
        lines.insert(0, b"text")
    lines[3] = b'"ab\xff"' if suffix == "jsonl" else b"ab\xff"
    found = read(tmp_path / f"t.{suffix}", b"\n".join(lines))
    (place,) = [n for n, row in enumerate(found) if isinstance(row, BadLine)]
    assert "line 4 is not UTF-8" in found[place].reason
    assert "0xff" in found[place].reason
    assert len(found) == 5


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_a_line_over_the_limit_is_listed_and_the_next_is_read(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(table, "MAX_LINE_BYTES", 100)
    form = '{{"text": "{}"}}' if suffix == "jsonl" else "{}"
    lines = [form.format(word) for word in ("one", "x" * 301, "two")]
    header = [] if suffix == "jsonl" else ["text"]
    found = texts(read(tmp_path / f"t.{suffix}", "\n".join([*header, *lines])))
    assert [found[0], found[2]] == ["one", "two"]
    assert found[1] == f"line {2 + len(header)} has more than 100 bytes"


DEEP, LONG = b"[" * 100_000, b'{"score": ' + b"9" * 5_000 + b', "text": "x"}'


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (DEEP, "recursion"),
        (LONG, "4300 digits"),
        (b'{"text": "a", "text": "b"}', "'text' occurs twice"),
        (b'{"text": "a", "Text": "b"}', "has a column twice: 'text', 'Text'"),
    ],
    ids=["deep", "long", "twice", "case"],
)
def test_a_line_that_json_cannot_hold_is_listed(tmp_path, line, sentence):
    found = texts(read(tmp_path / "t.jsonl", b'{"text": "one"}\n' + line + b'\n{"text": "two"}\n'))
    assert (found[0], found[2]) == ("one", "two")
    assert found[1].startswith("line 2")
    assert sentence in found[1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", " Text ,LANGUAGE,Mood\nHello,en,Calm\n"),
        ("t.csv", "text;language;Mood\nHello;en;Calm"),
        ("t.csv", '"text";"language";"Mood"\n"Hello";en;Calm'),
        ("t.csv", "text\tlanguage\tMood\nHello\ten\tCalm"),
        ("t.CSV", "text,language,Mood\nHello,en,Calm\n"),
        ("t.csv", "\ufefftext,language,Mood\r\nHello,en,Calm\r\n"),
        ("t.JSONL", '{"Text": "Hello", " language": "en", "Mood": "Calm"}'),
        ("t.Tsv", "TEXT\tlanguage \tMood\nHello\ten\tCalm"),
    ],
)
def test_spaces_case_and_delimiter_of_a_header_are_understood(tmp_path, name, content):
    (record,) = read(tmp_path / name, content)
    assert {**record, "id": "t"} == {"id": "t", "text": "Hello", "language": "en", "Mood": "Calm"}


def test_a_column_without_a_name_gets_one(tmp_path):
    (record,) = read(tmp_path / "t.csv", ",text\n0,Hello\n")  # as pandas writes its index
    assert record == {"id": "t-00000001", "column 1": "0", "text": "Hello"}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("t.csv", "", r"t\.csv is empty \(0 bytes\)"),
        ("t.jsonl", "", r"t\.jsonl has no rows"),
        ("t.csv", "text,language\n", r"t\.csv has no rows"),
        ("t.jsonl", "\n\n", "has no rows"),
        (
            "t.csv",
            "txet,language\na,b\n",
            "none of the columns .* 'txet', .*; for 'txet' did you mean 'text'",
        ),
        ("t.jsonl", '{"pth": "a"}', "it has 'pth'$"),
        ("t.tsv", "a,b\nc,d\n", "it has 'a,b'$"),
        ("t.csv", "text,Text ,a\nx,y,z\n", "has the column 'text' twice"),
        ("t.csv", "text,mood,mood\nx,y,z\n", "has the column 'mood' twice"),
        ("t.csv", '"text,language\na,b\n', "line 1, the header, opens a quote"),
    ],
)
def test_a_table_that_is_none_is_refused_before_anything_is_written(
    tmp_path, name, content, sentence
):
    (tmp_path / name).write_text(content)
    with pytest.raises(CorpusError, match=sentence):
        run(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_parquet_table_without_rows_or_with_a_column_twice_is_refused(tmp_path):
    none = pa.table({"text": pa.array([], pa.string())})
    twice = pa.Table.from_arrays([pa.array(["a"])] * 2, names=["text", "text"])
    for rows, sentence in ((none, "has no rows"), (twice, "'text' twice")):
        pq.write_table(rows, tmp_path / "t.parquet")
        with pytest.raises(CorpusError, match=sentence):
            table.read(tmp_path / "t.parquet")


def test_rows_of_a_parquet_table_that_cannot_be_read_are_listed(tmp_path):
    path = tmp_path / "t.parquet"
    words = pa.table({"text": ["zero", "one", "two", "three", "four"]})
    pq.write_table(words, path, row_group_size=2, compression="none",
                   use_dictionary=False, write_statistics=False)  # fmt: skip
    whole = path.read_bytes()
    place = whole.index(b"three")
    path.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])  # no UTF-8
    found = texts(table.read(path))
    assert [*found[:3], found[4]] == ["zero", "one", "two", "four"]
    assert found[3].startswith("a row cannot be read: 'utf-8' codec")
    place = whole.index(b"two") - 24
    path.write_bytes(whole[:place] + b"\xff" * 20 + whole[place + 20 :])  # no page
    found = texts(table.read(path))
    assert [*found[:2], found[4]] == ["zero", "one", "four"]
    assert [reason.split(": ")[0] for reason in found[2:4]] == [
        f"row {n} of row group 2" for n in (1, 2)
    ]


MEMORY = """
import sys
from pathlib import Path
import pyarrow.parquet
from trivium.data.corpora import table
def peak():  # of this program alone; ru_maxrss knows that of its parent
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
before, total = peak(), 0
for record in table.read(Path(sys.argv[1])):
    total += len(record["audio"]["bytes"])
print(total, peak() - before)
"""


@pytest.mark.parametrize("layout", [{"row_group_size": 4}, {"write_batch_size": 4}])
def test_a_parquet_table_with_sound_inside_is_not_in_memory_whole(tmp_path, layout):
    sounds = pa.table({"audio": [{"bytes": bytes([n]) * 2**22, "path": None} for n in range(80)]})
    pq.write_table(sounds, tmp_path / "t.parquet", **layout)
    done = subprocess.run([sys.executable, "-c", MEMORY, tmp_path / "t.parquet"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    total, grown = map(int, done.stdout.split())
    assert total == 80 * 2**22
    assert grown < total / 2


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_rows_are_counted_before_they_are_read(tmp_path, name):
    path = tmp_path / name
    if name == "t.parquet":
        pq.write_table(pa.table({"text": ["a", "b", "c"]}), path)
    else:
        line = '{"text": "a"}' if name == "t.jsonl" else "a"
        header = [] if name == "t.jsonl" else ["text"]
        path.write_text("\n".join([*header, *[line] * 3]))
    assert table.count(path) == 3 == len(list(table.read(path)))


def test_a_bad_line_keeps_its_place_in_the_numbers_of_the_others(files):
    source = files / "t.csv"
    source.write_bytes(b"text\none\n\xff\nthree\n")
    result = run(source, files / "out")
    assert (result.added, result.rejected) == ({"sentences": 2}, 1)
    assert rejected(files / "out")[0]["record"] == 2
    rows = everything(Corpus.open(files / "out"), "sentences")
    assert rows["id"].to_pylist() == ["t-00000001", "t-00000003"]
