import json

import pytest

from tests.conftest import png
from tests.data.corpora.test_ingest import ROWS, everything, files, rejected, run, write_csv
from trivium.data.corpus import Corpus, CorpusWriter
from trivium.data.store import Table

__all__ = ["files"]


@pytest.fixture
def two(files):
    """Two pictures whose rows call both `cat`, captioned, and a sentence between."""
    return [
        {"id": "1", "image": "cat.png", "picture": "cat", "text": "a"}, {"id": "2", "text": "b"},
        {"id": "3", "image": "dog.png", "picture": "cat", "text": "c"},
        {"id": "4", "image": "cat.png", "picture": "cat", "text": "d"},
    ]  # fmt: skip


@pytest.mark.parametrize("interrupted", [False, True])
def test_another_picture_under_a_known_id_is_refused(files, two, interrupted):
    if interrupted:
        run(write_csv(files / "t.csv", two[:2]), files / "out")
    result = run(write_csv(files / "t.csv", two), files / "out")
    assert result.rejected == 1
    (line,) = rejected(files / "out")
    assert (line["id"], line["record"]) == ("3", 3)
    assert "another picture is stored under the id 'cat'" in line["reason"]
    corpus = Corpus.open(files / "out")
    assert everything(corpus, "utterances")["id"].to_pylist() == ["1", "4"]
    assert everything(corpus, "pictures")["image"].to_pylist() == [png("red")]


def test_what_a_second_row_says_of_a_picture_is_not_lost(files):
    rows = [{"image": "cat.png", "mood": "calm"}, {"image": "cat.png", "mood": "calm"},
            {"image": "cat.png", "mood": "wild"}]  # fmt: skip
    for attempt in range(2):
        result = run(write_csv(files / "t.csv", rows), files / "out")
        assert (result.already, result.rejected) == (1 + attempt, 1)
        assert 'would be lost: {"mood": "wild"}' in rejected(files / "out")[0]["reason"]


@pytest.mark.parametrize("link", [False, True])
def test_the_same_table_repeated_differs_in_nothing(files, link):
    rows = [
        *ROWS,
        {"audio": "a.flac", "offset": "0.1", "seconds": "0.2", "score": "0.1", "mood": "é"},
    ]
    source = write_csv(files / "t.csv", rows)
    run(source, files / "out", link=link)
    result = run(source, files / "out", link=link)
    assert (result.added, result.already, result.rejected, result.changed) == ({}, 7, 0, 0)


CHANGES = [
    ("text", "x"),
    ("language", "en"),
    ("speaker", "otto"),
    ("split", "test"),
    ("label", "y"),
    ("score", "2.5"),
    ("mood", "wild"),
    ("image", "dog.png"),
    ("translation", "z"),
]


@pytest.mark.parametrize(("column", "value"), CHANGES)
def test_a_row_that_changed_under_its_id_is_noticed(files, column, value):
    rows = [{"audio": "a.flac", "text": "a", "mood": "calm", "image": "cat.png"},
            {"audio": "b.wav", "text": "b"}]  # fmt: skip
    run(write_csv(files / "t.csv", rows), files / "out")
    before = everything(Corpus.open(files / "out"), "utterances").to_pylist()
    result = run(write_csv(files / "t.csv", [rows[0] | {column: value}, rows[1]]), files / "out")
    assert (result.changed, result.rejected, result.already) == (1, 1, 1)
    named = {"mood": "extra", "image": "picture"}.get(column, column)
    (line,) = rejected(files / "out")
    assert line["reason"].startswith(f"t-00000001 is stored with another {named}; ")
    assert everything(Corpus.open(files / "out"), "utterances").to_pylist() == before


def test_a_row_that_moved_to_another_table_is_noticed(files):
    run(write_csv(files / "t.csv", [{"id": "it's", "text": "a"}]), files / "out")
    changed = {"id": "it's", "text": "a", "audio": "a.flac"}
    assert run(write_csv(files / "t.csv", [changed]), files / "out").changed == 1
    assert json.loads((files / "out" / "corpus.json").read_text())["counts"] == {"sentences": 1}


def test_an_id_may_be_in_two_tables_of_one_source(files):
    lines = [{"id": "a", "audio": "a.flac", "text": "said"}, {"id": "a", "text": "written"}]
    source = write_csv(files / "t.csv", lines)
    assert run(source, files / "out").added == {"utterances": 1, "sentences": 1}
    assert run(source, files / "out").already == 2
    write_csv(source, lines[:1])
    run(source, files / "half")
    write_csv(source, lines)  # as if interrupted between the two
    assert run(source, files / "half").added == {"sentences": 1}
    write_csv(source, [*lines, lines[1]])
    assert (
        "the id 'a' occurs twice"
        in [run(source, files / "out"), rejected(files / "out")][1][0]["reason"]
    )


@pytest.mark.parametrize("order", [1, -1])
def test_an_import_killed_between_two_rows_of_an_id_goes_on(files, monkeypatch, order):
    lines = [{"id": "a", "audio": "a.flac", "text": "said"}, {"id": "a", "text": "written"},
             {"id": "b", "audio": "b.wav", "text": "more"}][::order]  # fmt: skip
    source = write_csv(files / "t.csv", lines)
    monkeypatch.setattr("trivium.data.corpus.COMMIT_ROWS", 1)  # sentences as soon as they come
    monkeypatch.setattr("trivium.data.corpora.ingest.write_file", fail)
    with pytest.raises(RuntimeError, match="killed"):
        run(source, files / "out")
    monkeypatch.undo()
    result = run(source, files / "out")
    assert (result.rejected, result.changed) == (0, 0)
    corpus = Corpus.open(files / "out")
    assert corpus.card.counts == {"utterances": 2, "sentences": 1}


def fail(*_):
    raise RuntimeError("killed")


def test_the_first_row_of_an_id_is_stored_before_the_second(files, monkeypatch):
    lines = [{"id": "a", "audio": "a.flac", "text": "said"}, {"id": "a", "text": "written"}]
    source, seen = write_csv(files / "t.csv", lines), []

    def stop(writer, table, row):
        if table == "sentences":
            seen.append(Table(writer.path / "utterances.lance").count())
        real(writer, table, row)

    real = CorpusWriter.add
    monkeypatch.setattr(CorpusWriter, "add", stop)
    run(source, files / "out")
    assert seen == [1]
