"""The registry, and the command that reads it."""

from pathlib import Path

import pytest

from tests.data.corpora.test_librispeech import librispeech_release
from trivium.cli.main import run as trivium
from trivium.data.corpora.readers import READERS, Counted, opened
from trivium.data.corpora.record import BadLine
from trivium.data.corpora.release import Source
from trivium.data.corpus import Corpus
from trivium.errors import CorpusError

DOCS = Path(__file__).parents[3] / "docs" / "corpora.md"


@pytest.mark.parametrize("name", READERS)
def test_every_reader_has_the_same_shape_and_a_section(name):
    reader = READERS[name]
    assert reader.CARD.name
    assert reader.CARD.source.endswith(".")
    assert len(reader.EXPECTED) > 20
    assert {*reader.USES} <= {"images", "join", "languages", "splits"}
    assert all(rows > 0 for rows in reader.PROMISED.values())
    assert f"trivium corpus import {name} " in DOCS.read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["librispech", "in", "out"], "named 'librispech'; did you mean 'librispeech'"),
        (["in", "out"], "is a folder; say what it is, as in `trivium corpus import librispeech"),
        (["out"], "an import is [NAME] SOURCE OUT, and this is 'out'"),
        (["librispeech", "in", "out", "--images", "x"],
         "librispeech does not use --images x; it uses --splits"),
        (["in/t.csv", "out", "--languages", "en,hi"],
         "table does not use --languages en,hi; it uses none of its kind"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_words_is_one_sentence(tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "t.csv").write_text("text\nx\n")
    assert trivium(["corpus", "import", *words]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_table_may_be_named(tmp_path):
    (tmp_path / "t.csv").write_text("text\nx\n")
    for words in (["table", str(tmp_path / "t.csv")], [str(tmp_path / "t.csv")]):
        assert trivium(["corpus", "import", *words, str(tmp_path / "out")]) == 0


def test_another_choice_of_the_same_release_is_refused(tmp_path, capsys):
    source = librispeech_release(tmp_path)
    command = ["corpus", "import", "librispeech", str(source.root), str(tmp_path / "out")]
    assert trivium([*command, "--splits", "dev-clean", "--audio-root", "x"]) == 0
    assert "--audio-root x has no effect" in capsys.readouterr().err
    assert trivium([*command, "--splits", "dev-clean", "--name", "mine"]) == 0
    assert "(4 rows were there)" in capsys.readouterr().out
    assert trivium(command) == 2
    assert "name another folder" in capsys.readouterr().err


def test_a_source_may_be_named_from_here(tmp_path, monkeypatch):
    librispeech_release(tmp_path / "data" / "speech")
    monkeypatch.chdir(tmp_path)
    assert trivium(["corpus", "import", "librispeech", "data/speech/LibriSpeech", "out"]) == 0
    assert trivium(["corpus", "check", "out"]) == 0
    assert trivium(["corpus", "export", "out", "exported/here", "--to", "lhotse"]) == 0
    assert trivium(["corpus", "import", "lhotse", "exported/here/cuts.jsonl.gz", "again"]) == 0
    one, other = (Corpus.open(tmp_path / name) for name in ("out", "again"))
    assert one.card.fingerprint == other.card.fingerprint


def test_counts_are_by_split_and_by_language():
    records = [{"split": "a", "language": "x"}, {"split": "a", "language": "y"}, BadLine("no")]
    counted = Counted(records)
    assert list(counted) == records
    assert counted.differences({"a": 2, "x/a": 1, "y/a": 3, "b": 9}) == [
        "y/a has 1 rows, and the release promises 3"
    ]


def test_an_option_that_means_nothing_to_a_reader_is_refused():
    with pytest.raises(CorpusError, match=r"text does not use --join x; it uses --languages"):
        opened("text", Source(Path(), join=Path("x")))
