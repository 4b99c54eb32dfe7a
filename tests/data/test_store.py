"""Reading tables that are damaged, or asked for what they lack, or rewritten meanwhile."""

import fcntl
import os
import re
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import COLUMNS_OF_CARD, utterance
from trivium.data import corpus as corpus_module
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.errors import CorpusError


def write(folder, rows):
    with CorpusWriter(folder, Card(**COLUMNS_OF_CARD)) as writer:
        for row in rows:
            writer.add("utterances", row)
    return Corpus.open(folder)


@pytest.mark.parametrize("where", ["speed > 3", "cast(text as int) > 3", "seconds like 'a'"])
def test_a_wrong_filter_is_told_from_damage_and_without_places_in_foreign_code(by_hand, where):
    with pytest.raises(CorpusError, match=r"the filter .* cannot be used") as caught:
        by_hand.columns("utterances", ["id"], where)
    assert not re.search(r"\.rs|/home/|LanceError", str(caught.value))


def cut(file):
    file.write_bytes(file.read_bytes()[:2_000])


def flip(file):
    data = bytearray(file.read_bytes())
    data[-9_000:] = bytes(255 - byte for byte in data[-9_000:])
    file.write_bytes(data)


@pytest.mark.parametrize("harm", [cut, flip, lambda file: file.unlink()])
@pytest.mark.parametrize(
    "read",
    [
        lambda corpus: corpus.columns("utterances", ["id"]),
        lambda corpus: corpus.columns("utterances", ["id"], "language = 'en'"),
        lambda corpus: corpus.take("utterances", np.array([1])),
        lambda corpus: list(corpus.table("utterances").batches(["id"])),
        lambda corpus: corpus.count("utterances") and corpus.table("utterances").count("score > 0"),
    ],
)
def test_damaged_data_is_called_damaged(by_hand, harm, read):
    (file,) = (by_hand.path / "utterances.lance" / "data").iterdir()
    harm(file)
    sentence = r"by-hand/utterances\.lance is damaged: [^\n]{5,160}; copy the corpus anew"
    with pytest.raises(CorpusError, match=sentence) as caught:
        read(Corpus.open(by_hand.path))
    assert not re.search(r"\.rs|/home/|/rustc|LanceError|filter", str(caught.value))


def test_a_damaged_table_of_versions_is_called_damaged(by_hand):
    (file,) = (by_hand.path / "utterances.lance" / "_versions").glob("*.manifest")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CorpusError, match=r"utterances\.lance is damaged: file size is too small"):
        Corpus.open(by_hand.path)


def test_a_panic_of_the_library_is_a_sentence(by_hand, monkeypatch):
    panic = type("PanicException", (BaseException,), {})

    def take(*_, **__):
        raise panic("range start must not be greater than end: 9 <= 3")

    monkeypatch.setattr(by_hand.table("utterances").dataset, "take", take)
    with pytest.raises(CorpusError, match="is damaged: range start must not"):
        by_hand.take("utterances", np.array([0]))


@pytest.mark.parametrize(
    ("table", "rows", "sentence"),
    [
        ("utterances", [20], r"utterances\.lance has no row 20; its rows are 0 to 19"),
        ("utterances", [3, -1], "has no row -1; its rows are 0 to 19"),
        ("utterances", [2**40], "has no row 1099511627776"),
        ("utterances", [2**70], f"{2**70} is no position"),
        ("utterances", [0.5], r"0\.5 is no position of a row of utterances"),
        ("pictures", [2], "has no row 2; its rows are 0 to 1"),
    ],
)
def test_rows_that_are_not_there_are_named(by_hand, table, rows, sentence):
    with pytest.raises(CorpusError, match=sentence):
        by_hand.take(table, np.array(rows))


def test_rows_of_a_table_that_is_not_there_are_named(tmp_path):
    corpus = write(tmp_path / "c", [utterance(0)])
    with pytest.raises(CorpusError, match=r"sentences\.lance has no row 0; it has none"):
        corpus.take("sentences", np.array([0]))
    assert corpus.take("sentences", np.array([], np.int64), ["id"]).num_rows == 0


def test_files_are_joined_only_when_nobody_reads_them(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus_module, "COMMIT_ROWS", 1)
    early = write(tmp_path / "c", [utterance(0), utterance(1)])
    late = write(tmp_path / "c", [utterance(number) for number in range(2, 6)])
    read = early.take("utterances", np.array([0, 1]), ["id", "audio"])
    assert read.column("id").to_pylist() == ["u0000", "u0001"]
    assert len(late.table("utterances").dataset.get_fragments()) == 6
    table = early.table("utterances")
    del early, late
    write(tmp_path / "c", [])  # a table alone is a reader too
    assert table.take(np.array([1]), ["audio"]).num_rows == 1
    del table
    tidy = write(tmp_path / "c", []).table("utterances").dataset
    assert (len(tidy.get_fragments()), len(tidy.versions()), tidy.count_rows()) == (1, 1, 6)


def refuse(*_):
    raise OSError(30, "Read-only file system")


@pytest.mark.parametrize(("module", "name"), [(os, "open"), (fcntl, "flock")])
def test_a_folder_that_cannot_be_locked_is_read_all_the_same(by_hand, monkeypatch, module, name):
    (by_hand.path / ".readers").unlink()
    descriptors = set(Path("/proc/self/fd").iterdir())
    with monkeypatch.context() as patched:
        patched.setattr(module, name, refuse)
        corpus = Corpus.open(by_hand.path)
        assert corpus.count() == 20
    assert set(Path("/proc/self/fd").iterdir()) <= descriptors
