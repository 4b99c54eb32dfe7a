"""Plain and parallel text."""

import pytest

from tests.data.corpora.imports import columns, imported, read
from tests.data.corpora.miniatures import put
from trivium.data.corpora.release import Source
from trivium.errors import CorpusError


def test_the_language_and_the_split_are_in_the_files_name(tmp_path):
    put(tmp_path / "in" / "train.de.txt", 'Ein Hund.\n\n  Eine "Katze" \n')
    put(tmp_path / "in" / "news.dev.zh-CN", "一只猫\r\n")
    put(tmp_path / "in" / "hi.txt", "एक कुत्ता")
    put(tmp_path / "in" / "._hi.txt", "left by a Mac")
    put(tmp_path / "in" / "README.txt", "not read")
    corpus = imported("text", Source(tmp_path / "in"), tmp_path / "out")
    assert columns(corpus, "id", "split", "language", "text", table="sentences") == [
        ("hi-00000001", "train", "hi", "एक कुत्ता"),
        ("news.dev.zh-CN-00000001", "dev", "zh-CN", "一只猫"),
        ("train.de-00000001", "train", "de", "Ein Hund."),
        ("train.de-00000003", "train", "de", 'Eine "Katze"'),
    ]
    one, _ = read("text", Source(tmp_path / "in" / "hi.txt"))
    assert [record["text"] for record in one] == ["एक कुत्ता"]
    german, _ = read("text", Source(tmp_path / "in", languages=("de",), splits=("train",)))
    assert len(german) == 2


def test_lines_that_are_no_text_are_listed(tmp_path):
    path = put(tmp_path / "de.txt", b"gut\n\xff\n")
    records, bad = read("text", Source(path))
    assert len(records) == 1
    assert bad == [f"{path}: line 2 is not UTF-8: byte 1 of it is 0xff"]


def test_parallel_files_become_translations(tmp_path):
    for language, text in (
        ("de", "Hund\nKatze\n\n"),
        ("en", "dog\n\n\n"),
        ("fr", "chien\nchat\n\n"),
    ):
        put(tmp_path / "in" / f"train.{language}", text)
    corpus = imported("parallel", Source(tmp_path / "in"), tmp_path / "out")
    names = ("id", "text", "language", "translation", "translation_language")
    assert columns(corpus, *names, table="sentences") == [
        ("train.de-en-00000001", "Hund", "de", "dog", "en"),
        ("train.fr-en-00000001", "chien", "fr", "dog", "en"),
    ]
    records, bad = read("parallel", Source(tmp_path / "in", languages=("fr", "de")))
    assert [(record["text"], record["translation"]) for record in records] == [
        ("chien", "Hund"), ("chat", "Katze")
    ]  # fmt: skip
    assert not bad
    _, bad = read("parallel", Source(tmp_path / "in"))
    assert bad[0] == f"{tmp_path}/in/train.de: line 2 is empty there or in train.en"


def test_files_that_do_not_match_are_refused(tmp_path):
    put(tmp_path / "in" / "train.de", "Hund\n")
    with pytest.raises(CorpusError, match="has no two files that belong together; expected"):
        read("parallel", Source(tmp_path / "in"))
    put(tmp_path / "in" / "train.en", "dog\ncat\n")
    with pytest.raises(CorpusError, match=r"train\.de has 1 and .*train\.en has 2 lines"):
        read("parallel", Source(tmp_path / "in"))
    with pytest.raises(CorpusError, match="--languages de: expected two"):
        read("parallel", Source(tmp_path / "in", languages=("de",)))
    with pytest.raises(CorpusError, match="has no two files in de,fr"):
        read("parallel", Source(tmp_path / "in", languages=("de", "fr")))
    with pytest.raises(CorpusError, match="has no split 'dev'; known are train"):
        read("parallel", Source(tmp_path / "in", splits=("dev",)))


def test_a_folder_without_a_language_is_refused(tmp_path):
    put(tmp_path / "in" / "README.txt", "x")
    with pytest.raises(CorpusError, match=r"no file named for its language, but README\.txt"):
        read("text", Source(tmp_path / "in"))
    with pytest.raises(CorpusError, match="nowhere is not there; expected a file or a folder"):
        read("text", Source(tmp_path / "nowhere"))


def test_files_of_other_kinds_are_no_languages(tmp_path):
    for name in ("README.md", "make.sh", "x.csv", "x.json", "prepare.py", "train.log"):
        put(tmp_path / name, "no sentence")
    with pytest.raises(CorpusError, match=r"no file named for its language, but README\.md"):
        read("text", Source(tmp_path))
    put(tmp_path / "train.de", "Hund")
    put(tmp_path / "dev.csv.txt", "of the language csv")
    assert {record["language"] for record in read("text", Source(tmp_path))[0]} == {"de", "csv"}


@pytest.mark.parametrize("name", ["x.gz", "dev.de.gz", "en.txt.bz2", "europarl.tgz"])
def test_what_is_still_packed_is_named(tmp_path, name):
    put(tmp_path / "train.de", "Hund")
    put(tmp_path / name, b"\x1f\x8b")
    with pytest.raises(CorpusError, match=rf"{name} is still packed; unpack it"):
        read("text", Source(tmp_path))
    put(tmp_path / name.rpartition(".")[0], "unpacked")
    assert read("text", Source(tmp_path))[0]


def test_a_split_that_is_not_there_is_refused(tmp_path):
    put(tmp_path / "train.de", "Hund")
    put(tmp_path / "hi.txt", "एक कुत्ता")
    with pytest.raises(CorpusError, match=r"has no split 'tarin'; did you mean 'train'\?"):
        read("text", Source(tmp_path, splits=("tarin",)))
    assert len(read("text", Source(tmp_path, splits=("train",)))[0]) == 1
