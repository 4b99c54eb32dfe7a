import shutil

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import COLUMNS_OF_CARD, tone, utterance
from trivium.data import corpus as corpus_module
from trivium.data import store
from trivium.data.corpus import Card, Corpus, CorpusWriter, fingerprint
from trivium.errors import CorpusError, MediaError, TriviumError

CARD = Card(**COLUMNS_OF_CARD)


def folder_bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def write(folder, rows, card=CARD):
    with CorpusWriter(folder, card) as writer:
        for row in rows:
            writer.add("utterances", row)
    return Corpus.open(folder)


def test_rows_come_back_as_they_went_in(by_hand):
    row = by_hand.take("utterances", np.array([7]), store.SCHEMAS["utterances"].names).to_pylist()[
        0
    ]
    expected = utterance(7, picture="p-blue")
    assert row["seconds"] == pytest.approx(expected.pop("seconds"))
    assert {name: row[name] for name in expected} == expected
    assert row["translation"] is None
    assert by_hand.card.counts == {"utterances": 20, "pictures": 2, "sentences": 3}


def test_phones_come_back(tmp_path):
    phones = [{"symbol": "ə", "start": 0.0, "end": 0.5}]
    corpus = write(tmp_path / "c", [utterance(0, phones=phones)])
    assert corpus.take("utterances", np.array([0]))["phones"][0].as_py() == phones


def test_columns_know_their_rows(by_hand):
    found = by_hand.columns("utterances", ["id", "speaker"], "speaker = 's1'")
    assert found.column("row").to_pylist() == [1, 4, 7, 10, 13, 16, 19]
    taken = by_hand.take("utterances", found.column("row").to_numpy(), ["id"])
    assert taken.column("id").to_pylist() == found.column("id").to_pylist()


def test_take_keeps_the_order_and_repeats(by_hand):
    ids = by_hand.take("utterances", np.array([3, 1, 3]), ["id"]).column("id").to_pylist()
    assert ids == ["u0003", "u0001", "u0003"]


def test_rows_stay_in_place_over_many_commits(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus_module, "COMMIT_ROWS", 3)
    corpus = write(tmp_path / "c", [utterance(number) for number in range(20)])
    ids = corpus.columns("utterances", ["id"]).column("id").to_pylist()
    assert ids == [f"u{number:04}" for number in range(20)]
    assert len(corpus.table("utterances").dataset.get_fragments()) == 1
    assert len(corpus.table("utterances").dataset.versions()) == 1


def test_megabytes_are_committed_before_they_pile_up(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus_module, "COMMIT_BYTES", 10_000)
    with CorpusWriter(tmp_path / "c", CARD) as writer:
        writer.add("utterances", utterance(0, audio=b"x" * 9_000))
        assert not (tmp_path / "c" / "utterances.lance").exists()
        writer.add("utterances", utterance(1, audio=b"x" * 2_000))
        assert store.Table(tmp_path / "c" / "utterances.lance").count() == 2


def test_a_table_that_was_never_written_is_empty(tmp_path):
    corpus = write(tmp_path / "c", [utterance(0)])
    assert corpus.count("sentences") == 0
    assert corpus.columns("sentences", ["id", "language"]).num_rows == 0


def test_sounds_are_decoded_or_named(tmp_path):
    good = utterance(0, seconds=0.2)
    corpus = write(
        tmp_path / "c", [good, utterance(1, audio=b"nonsense"), utterance(2, audio=None)]
    )
    names = ["id", "audio", "path", "offset", "seconds"]
    (samples,) = corpus.sounds(corpus.take("utterances", np.array([0]), names))
    np.testing.assert_allclose(samples, tone(0.2), atol=2**-15)
    with pytest.raises(MediaError, match="u0001: the bytes are not"):
        corpus.sounds(corpus.take("utterances", np.array([1]), names))
    with pytest.raises(MediaError, match="u0002 has no sound"):
        corpus.sounds(corpus.take("utterances", np.array([2]), names))


def test_find_by_id(by_hand):
    assert by_hand.find("u0005") == ("utterances", 5)
    assert by_hand.find("p-blue") == ("pictures", 1)
    with pytest.raises(CorpusError, match=r"no row .* has the id \"it's\"; ids look like 'u0000'"):
        by_hand.find("it's")


def test_pictures_by_id(by_hand):
    assert by_hand.picture_rows(["p-blue", "p-red", "p-blue"]).tolist() == [1, 0, 1]
    with pytest.raises(CorpusError, match="no picture 'p-green'"):
        by_hand.picture_rows(["p-green"])


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"id": ""}, "the id ''; ids are non-empty"),
        ({"text": "no id"}, "the id None"),
        ({"id": "x", "sound": b""}, "x: utterances have no column 'sound'"),
        ({"id": "u0000"}, "'u0000' occurs twice"),
    ],
)
def test_wrong_rows_are_refused(tmp_path, row, sentence):
    with CorpusWriter(tmp_path / "c", CARD) as writer:
        writer.add("utterances", utterance(0))
        with pytest.raises(CorpusError, match=sentence):
            writer.add("utterances", row)


@pytest.mark.parametrize(
    ("names", "where", "sentence"),
    [
        (["secnods"], None, "no column 'secnods'; did you mean 'seconds'"),
        (["id"], "speed > 3", "filter 'speed > 3' cannot be used on utterances"),
        (["id"], "seconds >", "filter 'seconds >' cannot be used"),
    ],
)
def test_wrong_columns_and_filters_are_named(by_hand, names, where, sentence):
    with pytest.raises(CorpusError, match=sentence) as caught:
        by_hand.columns("utterances", names, where)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lost", ["utterances.lance", "utterances.lance/_versions"])
def test_a_corpus_that_lacks_rows_of_its_card_is_refused(by_hand, lost):
    shutil.rmtree(by_hand.path / lost)
    with pytest.raises(
        CorpusError, match=r"utterances\.lance has 0 rows and corpus\.json says 20;"
    ):
        Corpus.open(by_hand.path)


def test_sounds_of_rows_without_their_columns_say_what_to_take(by_hand):
    with pytest.raises(CorpusError, match="these rows have no 'audio'; take it too"):
        by_hand.sounds(by_hand.take("utterances", np.array([0]), ["id", "seconds"]))
    with pytest.raises(CorpusError, match="no 'path'"):
        by_hand.sound({"id": "x", "audio": b""})


def test_folders_that_are_no_corpus_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="is not there"):
        Corpus.open(tmp_path / "nowhere")
    with pytest.raises(CorpusError, match=r"no corpus\.json"):
        Corpus.open(tmp_path)
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(CorpusError, match="holds other things"):
        write(tmp_path, [])
    with pytest.raises(CorpusError, match="is a file"):
        write(tmp_path / "thesis.txt", [])
    with pytest.raises(CorpusError, match=r"thesis\.txt has no corpus\.json"):
        Corpus.open(tmp_path / "thesis.txt")
    with pytest.raises(CorpusError, match="cannot be read: File name too long"):
        Corpus.open("x" * 300)


def test_a_card_that_is_no_file_is_refused(tmp_path):
    (tmp_path / "corpus.json").mkdir()
    with pytest.raises(TriviumError, match=r"corpus\.json cannot be read: Is a directory"):
        Corpus.open(tmp_path)


def test_a_corpus_made_otherwise_is_not_mixed(tmp_path):
    write(tmp_path / "c", [utterance(0)], CARD.model_copy(update={"made_by": {"seed": 1}}))
    with pytest.raises(CorpusError, match=r'\{"seed": 1\}.*\{"seed": 2\}'):
        write(tmp_path / "c", [utterance(1)], CARD.model_copy(update={"made_by": {"seed": 2}}))


def test_two_writers_do_not_meet(tmp_path):
    with (
        CorpusWriter(tmp_path / "c", CARD),
        pytest.raises(CorpusError, match="another process"),
        CorpusWriter(tmp_path / "c", CARD),
    ):
        pass
    write(tmp_path / "c", [utterance(0)])


def test_an_error_keeps_what_was_committed_and_marks_the_corpus_unfinished(tmp_path):
    def broken():
        with CorpusWriter(tmp_path / "c", CARD) as writer:
            writer.add("utterances", utterance(0))
            writer.commit()
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        broken()
    with pytest.raises(CorpusError, match="not finished; repeat the command"):
        Corpus.open(tmp_path / "c")
    with CorpusWriter(tmp_path / "c", CARD) as writer:
        assert writer.has("utterances", "u0000")
        writer.add("utterances", utterance(1))
    assert Corpus.open(tmp_path / "c").count() == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, CorpusError, MediaError, RuntimeError])
def test_what_was_added_before_ctrl_c_or_a_wrong_row_is_kept(tmp_path, error):
    def interrupted():
        with CorpusWriter(tmp_path / "c", CARD) as writer:
            writer.add("pictures", {"id": "p"})
            writer.add("utterances", utterance(0))
            raise error("now")

    with pytest.raises(error, match="now"):
        interrupted()
    with CorpusWriter(tmp_path / "c", CARD) as writer:
        kept = error is not RuntimeError
        assert (writer.has("utterances", "u0000"), writer.has("pictures", "p")) == (kept, kept)


def test_a_commit_that_was_interrupted_is_not_repeated(tmp_path, monkeypatch):
    appended, interrupted = store.append, []

    def append(path, rows):
        appended(path, rows)
        interrupted.append(path.stem)
        raise KeyboardInterrupt

    def write_two():
        with CorpusWriter(tmp_path / "c", CARD) as writer:
            writer.add("pictures", {"id": "p"})
            writer.add("utterances", utterance(0, picture="p"))
            writer.commit()

    monkeypatch.setattr(store, "append", append)
    with pytest.raises(KeyboardInterrupt):
        write_two()
    assert interrupted == ["pictures"]  # once, and no utterance whose picture may be lost


def test_adding_to_a_finished_corpus_makes_it_unfinished_meanwhile(tmp_path):
    write(tmp_path / "c", [utterance(0)])
    with CorpusWriter(tmp_path / "c", CARD) as writer:
        assert Card.load(tmp_path / "c" / "corpus.json").complete
        writer.add("utterances", utterance(1))
        writer.commit()
        assert not Card.load(tmp_path / "c" / "corpus.json").complete
    assert Corpus.open(tmp_path / "c").count() == 2


def test_repeating_a_finished_corpus_does_not_grow_it(tmp_path):
    write(tmp_path / "c", [utterance(number) for number in range(50)])
    before = folder_bytes(tmp_path / "c")
    for _ in range(3):
        write(tmp_path / "c", [])
    assert folder_bytes(tmp_path / "c") <= before * 1.02


def test_what_a_killed_commit_left_is_removed(tmp_path):
    write(tmp_path / "c", [utterance(0)])
    orphan = tmp_path / "c" / "utterances.lance" / "data" / "orphan.lance"
    orphan.write_bytes(b"x" * 10_000)
    half_made = tmp_path / "c" / "sentences.lance" / "data"
    half_made.mkdir(parents=True)
    write(tmp_path / "c", [utterance(1)])
    assert not orphan.exists()
    assert not half_made.exists()
    assert Corpus.open(tmp_path / "c").count() == 2


def test_a_corpus_that_a_writer_finishes_meanwhile_is_opened(by_hand, monkeypatch):
    before, counted = by_hand.card, []

    def miscounted(corpus):
        first = not counted
        counted.append(corpus.card.counts["utterances"])
        if first:
            write(by_hand.path, [utterance(20)], before)
        return "wrong" if first else ""

    monkeypatch.setattr(Corpus, "_miscounted", miscounted)
    # The writer above opens the corpus too, in the middle of the first opening.
    assert Corpus.open(by_hand.path).count() == 21
    assert counted == [20, 21, 21]


def slow_fingerprint(corpus):
    """The same bytes, collected row by row."""
    import hashlib
    import struct

    whole = hashlib.sha256()
    for table, names in store.FINGERPRINTED.items():
        rows = corpus.columns(table, names).to_pylist()
        for name in names:
            lengths, values = b"", b""
            for row in rows:
                value = row[name]
                if name == "seconds":
                    lengths += b"\1" if value is None else b"\0"
                    values += struct.pack("<f", value or 0.0)
                else:
                    data = (value or "").encode()
                    lengths += struct.pack("<i", -1 if value is None else len(data))
                    values += data
            digests = hashlib.sha256(lengths).digest() + hashlib.sha256(values).digest()
            whole.update(f"{table}.{name}:".encode() + digests)
    return whole.hexdigest()


def test_the_fingerprint_equals_its_slow_twin(by_hand):
    assert by_hand.card.fingerprint == slow_fingerprint(by_hand)


@given(change=st.sampled_from(["id", "text", "seconds", "translation", "order", "nothing"]))
def test_the_fingerprint_follows_ids_seconds_and_texts(tmp_path_factory, change):
    def tables(rows):
        folder = tmp_path_factory.mktemp("f")
        store.append(folder / "utterances.lance", store.to_arrow("utterances", rows))
        return [store.Table(folder / "utterances.lance")]

    rows = [utterance(0, audio=None), utterance(1, audio=None)]
    changed = [dict(row) for row in rows]
    values = {"id": "other", "text": "other", "seconds": 0.21, "translation": ""}
    if change == "order":
        changed.reverse()
    elif change != "nothing":
        changed[0][change] = values[change]
    same = fingerprint(tables(rows)) == fingerprint(tables(changed))
    assert same == (change == "nothing")


def test_dictionary_columns_of_many_commits_agree(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus_module, "COMMIT_ROWS", 2)
    rows = [utterance(n, language=("en", "hi", "ja", None)[n % 4]) for n in range(8)]
    corpus = write(tmp_path / "c", rows)
    column = corpus.columns("utterances", ["language"]).column("language")
    assert pa.types.is_dictionary(column.type)
    assert column.cast(pa.string()).to_pylist() == ["en", "hi", "ja", None] * 2
    hindi = corpus.columns("utterances", ["id"], "language = 'hi'").column("row").to_pylist()
    assert hindi == [1, 5]
