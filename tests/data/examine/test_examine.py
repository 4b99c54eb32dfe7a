import base64
import io
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.conftest import COLUMNS_OF_CARD, png, tone, utterance
from trivium.data import store
from trivium.data.audio import decode_audio, encode_flac, encode_wav
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.data.examine import check as check_module
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
    assert sum(rows) == 25 == sum(by_hand.card.counts.values())


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
    changed, repeated = check(Corpus(corpus.path, corpus.card))
    assert (repeated.kind, repeated.sentence) == (
        "repeated", "u0000 is the id of 2 rows of utterances",
    )  # fmt: skip
    assert changed.kind == "changed"


def test_rows_that_are_not_those_of_the_card_are_found(by_hand):
    table = by_hand.path / "utterances.lance"
    rows = by_hand.take("utterances", np.arange(20), store.SCHEMAS["utterances"].names).to_pylist()
    rows[3]["text"] = "this was number three"
    shutil.rmtree(table)
    store.append(table, store.to_arrow("utterances", rows))
    (finding,) = check(Corpus.open(by_hand.path))
    assert finding.kind == "changed"
    assert f"corpus.json says '{by_hand.card.fingerprint[:16]}'" in finding.sentence


@pytest.fixture
def weighed(monkeypatch):
    """Bytes of sound and pictures that each reading of a table brought."""
    weights = []
    take, batches = store.Table.take, store.Table.batches

    def weigh(rows):
        heavy = [name for name in store.HEAVY if name in rows.schema.names]
        weights.append(sum(rows.column(name).nbytes for name in heavy))
        return rows

    monkeypatch.setattr(store.Table, "take", lambda *a, **k: weigh(take(*a, **k)))
    monkeypatch.setattr(store.Table, "batches", lambda *a, **k: map(weigh, batches(*a, **k)))
    return weights


def test_a_check_holds_some_megabytes_of_sound_at_a_time(tmp_path, monkeypatch, weighed):
    lengths = [0.2, 6.0, 0.2, 0.2, 6.0, 6.0, 0.2] + [0.1] * 200
    rows = [utterance(n, audio=encode_wav(tone(s)), seconds=s) for n, s in enumerate(lengths)]
    corpus = write(tmp_path / "c", utterances=rows)
    limit = 250_000  # of 1.3 MB; one long sound has 192 kB
    monkeypatch.setattr(check_module, "TURN_BYTES", limit)
    assert list(check(corpus)) == []
    assert sum(weighed) > 1_200_000
    assert max(weighed) <= 1.05 * limit  # headers
    assert len([weight for weight in weighed if weight]) < 20


def test_a_description_reads_no_sound(tmp_path):
    rows = [utterance(n, audio=encode_wav(tone(10.0)), seconds=10.0) for n in range(3)]
    rows.append(utterance(3, audio=None, path="/far/away.wav"))
    pictures = [{"id": "p", "image": png(side=300)}]
    corpus = write(tmp_path / "c", utterances=rows, pictures=pictures)
    facts = describe(corpus)
    assert {"audio", "path"} < set(facts.columns["utterances"])
    assert facts.columns["pictures"] == ["id", "image"]
    stats = corpus.table("utterances").dataset.io_stats_snapshot()
    assert 0 < stats.read_bytes < 200_000 < sum(len(row["audio"] or b"") for row in rows)


def test_a_corpus_of_links_has_no_column_of_sound(tmp_path):
    rows = [utterance(0, audio=None, path="/far/away.wav")]
    assert "audio" not in describe(write(tmp_path / "c", utterances=rows)).columns["utterances"]


def test_the_size_is_that_of_the_tables_and_the_card(by_hand):
    before = describe(by_hand).disk_bytes
    (by_hand.path / "sheet.html").write_text("x" * 10_000)
    (by_hand.path / "rejected.jsonl").write_text("x" * 10_000)
    assert describe(by_hand).disk_bytes == before > 20_000


def test_a_translation_in_the_wrong_script_is_found(tmp_path):
    rows = [{"id": "t", "text": "hi", "language": "en", "translation": "hi",
             "translation_language": "hi"}]  # fmt: skip
    (finding,) = check(write(tmp_path / "c", sentences=rows))
    assert "the translation is marked hi and written in Latin" in finding.sentence


def test_every_kind_of_finding_is_known():
    assert set(FAULTS) | {"leak", "picture", "repeated", "changed"} == set(KINDS)


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


@pytest.mark.parametrize(
    ("pictures", "sentence"),
    [
        ([], r"^p \(not shown: .* has no picture 'p'\)$"),
        ([{"id": "p", "image": b"no picture"}], r"^p \(not shown: the bytes are none of"),
    ],
)
def test_a_row_without_its_picture_is_shown_all_the_same(tmp_path, pictures, sentence):
    corpus = write(tmp_path / "c", utterances=[utterance(0, picture="p")], pictures=pictures)
    shown = show_row(corpus, "u0000", tmp_path / "out")
    assert [path.name for path in shown.files] == ["u0000.wav"]
    assert shown.columns["text"] == "this is number 0"
    assert re.search(sentence, shown.columns["picture"])


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


def sheet_of(folder, **tables):
    write_sheet(write(folder / "c", **tables), folder / "sheet.html")
    return (folder / "sheet.html").read_text()


def embedded(page, kind):
    return [base64.b64decode(data) for data in re.findall(f'"data:{kind};base64,([^"]*)"', page)]


def test_the_sheet_plays_the_beginning_of_a_long_sound(tmp_path):
    talk = encode_wav(np.concatenate([tone(10.0), tone(15.0, hertz=880.0)]))
    page = sheet_of(tmp_path, utterances=[utterance(0, audio=talk, seconds=25.0)])
    (sound,) = embedded(page, "audio/flac")
    np.testing.assert_allclose(decode_audio(sound), tone(10.0), atol=2**-14)
    assert "the first 10 s of 25 s" in page


def test_the_sheet_plays_linked_sounds_and_says_which_cannot_be(tmp_path):
    (tmp_path / "talk.wav").write_bytes(encode_wav(np.concatenate([tone(5.0), tone(2.0, 880.0)])))
    link = {"audio": None, "path": str(tmp_path / "talk.wav")}
    page = sheet_of(
        tmp_path,
        utterances=[
            utterance(0, **link, offset=5.0, seconds=2.0),
            utterance(1, **(link | {"path": "/far/away.wav"}), seconds=3.0),
        ],
    )
    (sound,) = embedded(page, "audio/flac")
    np.testing.assert_allclose(decode_audio(sound), tone(2.0, 880.0), atol=2**-14)
    assert "cannot be played: /far/away.wav cannot be read as sound" in page
    assert "this is number 1" in page


def test_the_sheet_names_no_temporary_file(tmp_path):
    page = sheet_of(tmp_path, utterances=[utterance(0, audio=b"noise", seconds=60.0)])
    assert "cannot be played: it cannot be read as sound" in page


def test_the_sheet_shows_pictures_that_browsers_do_not(tmp_path):
    encoded = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(encoded, "TIFF")
    page = sheet_of(
        tmp_path,
        pictures=[{"id": "p", "image": encoded.getvalue()}],
        utterances=[utterance(0, picture="p")],
    )
    (picture,) = embedded(page, "image/png")
    with Image.open(io.BytesIO(picture)) as image:
        assert (image.size, image.getpixel((5, 5))) == ((40, 30), (255, 0, 0))


def test_the_sheet_makes_large_pictures_smaller(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (700, 600, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(noise).save(encoded, "PNG")
    page = sheet_of(
        tmp_path,
        pictures=[{"id": "p", "image": encoded.getvalue()}],
        utterances=[utterance(0, picture="p")],
    )
    (picture,) = embedded(page, "image/png")
    with Image.open(io.BytesIO(picture)) as image:
        assert max(image.size) == 512


def test_the_sheet_shows_rows_whose_picture_is_missing_or_damaged(tmp_path):
    page = sheet_of(
        tmp_path,
        pictures=[{"id": "p", "image": png()}, {"id": "bad", "image": b"no picture"}],
        utterances=[utterance(n, picture=("p", "bad", "lost")[n]) for n in range(3)],
    )
    assert len(embedded(page, "image/png")) == 1
    assert "the picture &#x27;lost&#x27; is not in the corpus" in page
    assert "the picture &#x27;bad&#x27; cannot be shown: the bytes are none of" in page
    assert all(f"this is number {n}" in page for n in range(3))


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
