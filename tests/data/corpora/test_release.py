"""What readers share: lines that are none, and lists that are none."""

import pytest

from tests.data.corpora.imports import read
from tests.data.corpora.miniatures import put
from tests.data.corpora.test_common_voice import translations, voice_release
from tests.data.corpora.test_fleurs import fleurs_release
from tests.data.corpora.test_flickr8k import flickr_release
from tests.data.corpora.test_librispeech import librispeech_release
from tests.data.corpora.test_spoken import mls_release, voxpopuli_release
from trivium.data.corpora.json_list import read_list
from trivium.data.corpora.record import BadLine
from trivium.data.corpora.release import Source, rows
from trivium.errors import CorpusError


def covost(root):
    return Source(voice_release(root).root, join=translations(root / "covost"))


TABLES = [
    ("librispeech", librispeech_release, "LibriSpeech/dev-clean/84/121123/84-121123.trans.txt"),
    ("common-voice", voice_release, "cv-corpus-4/fr/train.tsv"),
    ("covost2", covost, "cv-corpus-4/fr/validated.tsv"),
    ("covost2", covost, "covost/covost_v2.fr_en.tsv"),
    ("flickr8k", flickr_release, "flickr_audio/wav2capt.txt"),
    ("fleurs", fleurs_release, "data/fr_fr/train.tsv"),
    ("voxpopuli", voxpopuli_release, "transcribed_data/de/asr_dev.tsv"),
    ("mls", mls_release, "mls_polish/dev/transcripts.txt"),
]


@pytest.mark.parametrize(("name", "make", "table"), TABLES)
def test_a_line_that_is_not_utf_8_is_listed_and_costs_no_other(tmp_path, name, make, table):
    source = make(tmp_path)
    before, lost = read(name, source)
    path = tmp_path / table
    path.write_bytes(path.read_bytes().rstrip(b"\n") + b"\n\xff\xfe\n")
    after, bad = read(name, source)
    assert after == before
    assert len(bad) == len(lost) + 1
    assert any(f"{path}" in reason and "is not UTF-8" in reason for reason in bad)


def test_a_row_of_too_many_fields_and_an_empty_one(tmp_path):
    path = put(tmp_path / "t.tsv", "a\tb\r\n1\t2\r\n\r\n1\t2\t3\n4\n")
    found = list(rows(path))
    assert [found[0], found[2]] == [{"a": "1", "b": "2"}, {"a": "4"}]
    assert found[1] == BadLine(f"{path}: line 4 has 3 fields; expected 2: a, b")


def test_an_escape_at_the_end_of_a_file_is_its_own_end(tmp_path):
    path = put(tmp_path / "t.tsv", "a\tb\nx\ty\\")
    assert list(rows(path, escaped=True)) == [{"a": "x", "b": "y"}]


def test_a_list_that_is_not_utf_8_is_one_sentence(tmp_path):
    path = put(tmp_path / "t.json", b'{"data": ["\xff"]}')
    with pytest.raises(CorpusError, match=r"t\.json is not UTF-8"):
        list(read_list(path, "data"))
