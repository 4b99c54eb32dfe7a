import pytest

from tests.data.corpora.imports import columns, imported, read, reasons, rows
from tests.data.corpora.miniatures import put, sound
from trivium.cli.main import run as trivium
from trivium.data.corpora import librispeech
from trivium.data.corpora.release import Source
from trivium.errors import CorpusError
from trivium.tasks.abx.items import read_items

ITEMS = """#file onset offset #phone prev-phone next-phone speaker
84-121123-0000 0.0250 0.1000 AH0 B T 84
"""


def librispeech_release(root):
    for part, speaker, chapter in (
        ("dev-clean", "84", "121123"),
        ("dev-clean", "174", "50561"),
        ("train-clean-100", "19", "198"),
        ("train-other-500", "20", "205"),
    ):
        folder = root / "LibriSpeech" / part / speaker / chapter
        lines = []
        for number in range(2):
            name = f"{speaker}-{chapter}-{number:04}"
            sound(folder / f"{name}.flac", number)
            lines.append(f"{name} IT WAS NUMBER {number}")
        put(folder / f"{speaker}-{chapter}.trans.txt", "\n".join(lines) + "\n")
        put(folder / "._19-198-0000.flac", "left by a Mac")
    put(root / "LibriSpeech" / "SPEAKERS.TXT", ";ID |SEX|\n")
    return Source(root / "LibriSpeech")


def test_parts_but_those_of_training_are_splits_and_ids_those_of_item_files(tmp_path):
    source = librispeech_release(tmp_path)
    corpus = imported("librispeech", source, tmp_path / "out")
    found = rows(corpus)
    assert columns(corpus, "id", "split", "speaker", "text")[:2] == [
        ("19-198-0000", "train", "19", "IT WAS NUMBER 0"),
        ("19-198-0001", "train", "19", "IT WAS NUMBER 1"),
    ]
    assert len(found) == 8
    assert {row["language"] for row in found.values()} == {"en"}
    assert found["84-121123-0001"]["extra"] == {"chapter": "121123"}
    items = read_items(put(tmp_path / "dev-clean.item", ITEMS))
    assert set(items.file.tolist()) <= found.keys()
    assert set(items.speaker.tolist()) <= {row["speaker"] for row in found.values()}


def test_the_folder_above_and_some_parts_will_do(tmp_path):
    source = librispeech_release(tmp_path)
    both = (read("librispeech", Source(root, splits=("dev-clean",)))
            for root in (source.root, tmp_path))  # fmt: skip
    one, other = both
    assert one == other
    assert {record["split"] for record in one[0]} == {"dev-clean"}


def test_counts_are_compared_with_the_release(tmp_path, capsys, monkeypatch):
    source = librispeech_release(tmp_path)
    monkeypatch.setitem(librispeech.PROMISED, "train-clean-100", 2)
    imported("librispeech", source, tmp_path / "out")
    told = capsys.readouterr().out
    assert "not as released: dev-clean has 4 rows, and the release promises 2,703" in told
    assert "train-clean-100 has" not in told
    assert "dev-other" not in told


def test_what_an_archive_has_not_given_is_listed(tmp_path):
    source = librispeech_release(tmp_path)
    (source.root / "dev-clean/84/121123/84-121123.trans.txt").unlink()
    (source.root / "dev-clean/174/50561/174-50561-0001.flac").unlink()
    arguments = ["corpus", "import", "librispeech", str(source.root), str(tmp_path / "out")]
    assert trivium(arguments) == 0
    found = reasons(tmp_path / "out")
    assert "84-121123.trans.txt is not there; unpack the archive of dev-clean again" in found[1]
    assert "174-50561-0001.flac cannot be read: no such file" in found[0]
    assert librispeech_release(tmp_path)  # unpacked again
    assert trivium(arguments) == 0
    assert reasons(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda root: None, "release is not there; expected LibriSpeech/<part>/"),
        (lambda root: put(root, "x"), "is a file; unpack it; expected LibriSpeech/<part>/"),
        (lambda root: put(root / "x" / "y", ""), "holds no train-clean-100 or"),
        (lambda root: put(root / "dev-clean.tar.gz", ""), "holds dev-clean.tar.gz still packed"),
        (lambda root: put(root / "dev-clean/1/2/x", ""), "has no part 'dev-claen'; did you mean"),
    ],
)
def test_a_wrong_root_is_one_sentence(tmp_path, make, sentence):
    make(tmp_path / "release")
    with pytest.raises(CorpusError, match=sentence):
        read("librispeech", Source(tmp_path / "release", splits=("dev-claen",)))
