import re

import numpy as np
import pytest

from tests.conftest import COLUMNS_OF_CARD, png, tone, utterance
from trivium.data import store
from trivium.data.audio import decode_audio, encode_flac
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.data.examine.check import KINDS, check
from trivium.data.examine.describe import describe, facts_table
from trivium.data.examine.sheet import write_sheet
from trivium.data.examine.show import show_row
from trivium.errors import CorpusError


def write(folder, **tables):
    with CorpusWriter(folder, Card(**COLUMNS_OF_CARD)) as writer:
        for table, rows in tables.items():
            for row in rows:
                writer.add(table, row)
    return Corpus.open(folder)


def test_a_good_corpus_has_no_findings(by_hand):
    rows = []
    assert list(check(by_hand, rows.append)) == []
    assert sum(rows) == 22


def test_the_made_world_has_no_findings(world):
    assert list(check(world)) == []


FAULTS = {
    "sound": ({"audio": b"noise"}, "u0009: the bytes are not wav"),
    "seconds": ({"seconds": 9.0}, r"u0009: the row says 9\.0 s, the sound has 0\.30 s"),
    "missing": ({"picture": "p-none"}, "u0009 names the picture 'p-none', which is not there"),
    "script": ({"text": "एक तारा"}, "u0009: the text is marked en and written in Devanagari"),
    "speaker": ({"split": "test"}, r"speaker s0 is in test \(1 rows\), train \(1 rows\)"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_found_and_named(tmp_path, kind):
    columns, sentence = FAULTS[kind]
    good = utterance(3, picture="p")
    bad = utterance(9) | columns
    pictures = [{"id": "p", "image": png()}]
    (finding,) = check(write(tmp_path / "c", pictures=pictures, utterances=[good, bad]))
    assert finding.kind == kind
    assert re.search(sentence, finding.sentence)


def test_pictures_that_leak_or_cannot_be_decoded_are_found(tmp_path):
    rows = [utterance(0, picture="p", speaker="a"),
            utterance(1, picture="p", speaker="b", split="test")]  # fmt: skip
    pictures = [{"id": "p", "image": b"no picture"}]
    found = {
        f.kind: f.sentence for f in check(write(tmp_path / "c", pictures=pictures, utterances=rows))
    }
    assert found.keys() == {"leak", "picture"}
    assert found["leak"] == "picture p is in test (1 rows), train (1 rows)"
    assert found["picture"].startswith("p: the bytes are none of")


def test_ids_that_occur_twice_are_found(tmp_path):
    corpus = write(tmp_path / "c", utterances=[utterance(0)])
    # A writer refuses this; another program that appends to the table may not.
    store.append(corpus.path / "utterances.lance", store.to_arrow("utterances", [utterance(0)]))
    (finding,) = check(Corpus.open(corpus.path))
    assert (finding.kind, finding.sentence) == (
        "repeated", "u0000 is the id of 2 rows of utterances",
    )  # fmt: skip


def test_a_translation_in_the_wrong_script_is_found(tmp_path):
    rows = [{"id": "t", "text": "hi", "language": "en", "translation": "hi",
             "translation_language": "hi"}]  # fmt: skip
    (finding,) = check(write(tmp_path / "c", sentences=rows))
    assert "the translation is marked hi and written in Latin" in finding.sentence


def test_every_kind_of_finding_is_known():
    assert set(FAULTS) | {"leak", "picture", "repeated"} == set(KINDS)


def test_description_counts_what_is_there(tmp_path):
    rows = [utterance(n, language=("en", "hi")[n % 2], speaker=f"s{n}") for n in range(6)]
    rows.append(utterance(6, split="test", language=None, speaker=None))
    facts = describe(write(tmp_path / "c", utterances=rows))
    told = {f.language: (f.rows, f.speakers) for f in facts.languages}
    assert told == {
        "-": ({"test": 1}, 0), "en": ({"train": 3}, 3), "hi": ({"train": 3}, 3),
    }  # fmt: skip
    seconds = sum(fact.seconds for fact in facts.languages)
    assert seconds == pytest.approx(sum(row["seconds"] for row in rows), rel=1e-6)
    headers, cells = facts_table(facts)
    assert headers == ["table", "language", "train", "test", "speech", "speakers"]
    assert cells[1] == ["utterances", "en", "3", "0", "0.9 s", "3"]
    assert facts.columns == {
        "utterances": [
            "id",
            "split",
            "audio",
            "seconds",
            "speaker",
            "text",
            "characters",
            "language",
        ]
    }


def test_a_row_can_be_seen_and_heard(by_hand, tmp_path):
    shown = show_row(by_hand, "u0004", tmp_path / "out")
    assert [path.name for path in shown.files] == ["u0004.wav", "u0004.png"]
    samples = decode_audio(shown.files[0].read_bytes())
    np.testing.assert_allclose(samples, tone(0.4), atol=2**-14)
    assert shown.columns["text"] == "this is number 4"
    with pytest.raises(CorpusError, match="no row"):
        show_row(by_hand, "nobody", tmp_path)


def test_an_id_never_names_a_file_elsewhere(tmp_path):
    corpus = write(tmp_path / "c", utterances=[utterance(0, id="../../etc/x y")])
    (path,) = show_row(corpus, "../../etc/x y", tmp_path / "out").files
    assert path.parent == tmp_path / "out"


def test_the_sheet_shows_pictures_sounds_and_texts_and_fetches_nothing(by_hand, tmp_path):
    write_sheet(by_hand, tmp_path / "sheet.html")
    page = (tmp_path / "sheet.html").read_text()
    assert page.count("<audio") == 20
    assert page.count('src="data:image/png;base64,') == 2
    assert "this is number 3" in page
    assert "one more" in page
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_texts_cannot_break_out_of_the_sheet(tmp_path):
    rows = [utterance(0, text="<script>alert(1)</script>", speaker='"><b>')]
    write_sheet(write(tmp_path / "c", utterances=rows), tmp_path / "s.html")
    page = (tmp_path / "s.html").read_text()
    assert "<script>" not in page
    assert "<b>" not in page


def test_checking_needs_the_whole_sound(tmp_path):
    cut = encode_flac(tone(3.0))[:9_000]
    kinds = [f.kind for f in check(write(tmp_path / "c", utterances=[utterance(0, audio=cut)]))]
    assert kinds == ["sound"]
