"""What a folder or a corpus holds: told in order, with stamps that follow its content."""

import json
import os

import numpy as np
import pytest

from tests.conftest import COLUMNS_OF_CARD, png, tone, utterance
from trivium.data.audio import decode_audio, encode_wav
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.data.image import decode_image
from trivium.errors import CorpusError, SettingsError, TriviumError
from trivium.library import sources
from trivium.library.sources import Loaded, Skipped, open_source


def fill(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def names(source):
    return [entry.name for entry in source.entries()]


def loaded(source):
    """What can be read and what cannot, by name."""
    found = list(source.load(list(source.entries())))
    good = {one.entry.name: one for one in found if isinstance(one, Loaded)}
    return good, {one.name: one.reason for one in found if isinstance(one, Skipped)}


def test_a_folder_holds_what_its_suffixes_tell(tmp_path):
    files = {"b.WAV": encode_wav(tone(0.5)), "a.txt": "\ufeff hello\n", "c/d.png": png(),
             ".hidden.txt": "x", ".git/e.txt": "x", "notes.md": "x", "c/noise": "x"}  # fmt: skip
    source = open_source(fill(tmp_path, files), "hi")
    (tmp_path / "round").symlink_to(tmp_path)  # is not walked
    assert [(entry.name, entry.kind) for entry in source.entries()] == [
        ("a.txt", "text"), ("b.WAV", "speech"), ("c/d.png", "picture"),
    ]  # fmt: skip
    good, bad = loaded(source)
    assert bad == {}
    assert good["a.txt"].thing == "hello"
    assert good["a.txt"].entry.columns == {"language": "hi", "text": "hello"}
    assert good["b.WAV"].entry.columns == {"language": "hi", "seconds": 0.5}
    np.testing.assert_allclose(good["b.WAV"].thing, tone(0.5), atol=1e-4)
    assert good["c/d.png"].entry.columns == {}
    assert good["c/d.png"].thing.shape == (8, 8, 3)
    assert source.media("c/d.png") == png()
    assert source.media("b.WAV") == files["b.WAV"]
    assert source.media("a.txt") is None


def test_a_stamp_follows_content_and_language(tmp_path):
    fill(tmp_path, {"a.txt": "one", "b.txt": "two"})
    before = {entry.name: entry.stamp for entry in open_source(tmp_path).entries()}
    fill(tmp_path, {"b.txt": "three"})
    after = {entry.name: entry.stamp for entry in open_source(tmp_path).entries()}
    assert after["a.txt"] == before["a.txt"]
    assert after["b.txt"] != before["b.txt"]
    told = {entry.name: entry.stamp for entry in open_source(tmp_path, "hi").entries()}
    assert told["a.txt"] != after["a.txt"]


def test_what_cannot_be_read_is_named_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_SECONDS", 1.0)
    files = {"a.txt": "fine", "bad.png": "no picture", "empty.txt": " \n", "half.txt": b"\xff\xfe",
             "bad.wav": "no sound", "long.wav": encode_wav(tone(1.5)),
             "huge.txt": "x" * 70_000}  # fmt: skip
    fill(tmp_path, files)
    (tmp_path / "gone.wav").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("hello")
    good, bad = loaded(open_source(tmp_path))
    assert list(good) == ["a.txt"]
    reasons = {"bad.png": "begin with", "empty.txt": "the text is empty",
               "half.txt": "byte 0 of the text is not UTF-8", "bad.wav": "not wav, flac",
               "long.wav": "lasts 2 s; at most 1 are embedded",
               "huge.txt": "at most 65,536 are read", "gone.wav": "no such file",
               "pipe.wav": "it is a pipe", "caf\\udce9.txt": "is not UTF-8; rename it"}  # fmt: skip
    assert bad.keys() == reasons.keys()
    for name, reason in reasons.items():
        assert reason in bad[name]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path / "nowhere", "nowhere is not there"),
        (lambda path: fill(path, {"a.txt": "x"}) / "a.txt", "is a file; name the folder"),
        (lambda path: fill(path, {"a.md": "x"}), r"holds nothing to embed: .* \.bmp \.flac"),
    ],
)
def test_a_source_that_is_none_is_one_sentence(tmp_path, make, sentence):
    with pytest.raises(TriviumError, match=sentence):
        open_source(make(tmp_path))


def test_a_folder_that_cannot_be_listed_is_not_taken_for_empty(tmp_path, monkeypatch):
    fill(tmp_path, {"a.txt": "x", "sub/b.txt": "y"})
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    source = open_source(tmp_path)
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(TriviumError, match="sub cannot be read: permission denied"):
        list(source.entries())


def test_a_corpus_gives_speech_texts_pictures_and_sentences(by_hand):
    source = open_source(by_hand.path)
    found = names(source)
    assert found[:2] == ["utterances/u0000", "texts/u0000"]
    assert found[-5:] == ["pictures/p-red", "pictures/p-blue",
                          "sentences/t0", "sentences/t1", "sentences/t2"]  # fmt: skip
    assert len(found) == 20 + 20 + 2 + 3
    good, bad = loaded(source)
    assert not bad
    first = good["utterances/u0000"].entry.columns
    assert first.keys() == {"split", "seconds", "speaker", "picture", "text", "language"}
    np.testing.assert_array_equal(
        good["utterances/u0003"].thing,
        by_hand.sound(by_hand.take("utterances", np.array([3]), list(sources.SOUND_COLUMNS))
                      .to_pylist()[0]),
    )  # fmt: skip
    assert good["texts/u0001"].thing == "this is number 1"
    assert good["texts/u0001"].entry.columns.keys() == {"split", "picture", "text", "language"}
    assert good["pictures/p-blue"].thing[0, 0].tolist() == [0, 0, 255]
    assert good["pictures/p-blue"].entry.columns["text"] == "this is number 1"
    assert good["sentences/t1"].thing == "another"


def test_media_of_a_corpus(by_hand):
    source = open_source(by_hand.path)
    assert decode_image(source.media("pictures/p-red"))[0, 0].tolist() == [255, 0, 0]
    assert len(decode_audio(source.media("utterances/u0000"))) == 3_200
    assert source.media("texts/u0000") is None
    with pytest.raises(CorpusError, match="has no 'p-green' among its pictures any more"):
        source.media("pictures/p-green")


def test_a_corpus_has_languages_of_its_own(by_hand):
    with pytest.raises(TriviumError, match="is a corpus, which has languages; leave out 'hi'"):
        open_source(by_hand.path, "hi")


def corpus(folder, rows, **card):
    with CorpusWriter(folder, Card(**{**COLUMNS_OF_CARD, **card})) as writer:
        for table, row in rows:
            writer.add(table, row)
    return Corpus.open(folder)


def test_a_text_of_several_rows_stands_once(tmp_path):
    said = [("utterances", utterance(n, text="hello", language=language))
            for n, language in enumerate(["en", "en", "de", None])]  # fmt: skip
    corpus(tmp_path / "c", [*said, ("sentences", {"id": "t", "text": " "})])
    texts = [name for name in names(open_source(tmp_path / "c")) if not name.startswith("utt")]
    assert texts == ["texts/u0000", "texts/u0002", "texts/u0003"]


def test_a_picture_is_told_in_english_if_it_was(tmp_path):
    captions = [("ja", "a"), ("en", "a"), ("hi", "b")]
    said = [("utterances", utterance(n, text=language, language=language, picture=picture))
            for n, (language, picture) in enumerate(captions)]  # fmt: skip
    shown = [("pictures", {"id": id_, "image": png()}) for id_ in "abc"]
    source = open_source(corpus(tmp_path / "c", [*shown, *said]).path)
    told = {entry.name: entry.columns.get("text") for entry in source.entries()}
    assert [told[f"pictures/{id_}"] for id_ in "abc"] == ["en", "hi", None]


def test_a_linked_sound_is_followed_and_watched(tmp_path):
    file = tmp_path / "long.wav"
    file.write_bytes(encode_wav(tone(1.0)))
    row = utterance(0, audio=None, path=str(file), offset=0.25, seconds=0.5)
    written = ("utterances", {"id": "w", "text": "only written", "split": "train"})
    corpus(tmp_path / "c", [("utterances", row), written])
    source = open_source(tmp_path / "c")
    assert names(source) == ["utterances/u0000", "texts/u0000", "texts/w"]
    good, _ = loaded(source)
    np.testing.assert_allclose(good["utterances/u0000"].thing, tone(1.0)[4_000:12_000], atol=1e-4)
    assert "path" not in good["utterances/u0000"].entry.columns
    assert len(decode_audio(source.media("utterances/u0000"))) == 8_000
    before = next(source.entries()).stamp
    file.write_bytes(encode_wav(tone(2.0)))
    assert next(open_source(tmp_path / "c").entries()).stamp != before
    file.unlink()
    assert "cannot be read" in loaded(open_source(tmp_path / "c"))[1]["utterances/u0000"]


def test_a_corpus_made_otherwise_has_other_stamps(tmp_path):
    stamps = []
    for number, seed in enumerate((0, 0, 1)):
        rows = [("pictures", {"id": "p", "image": png()})]
        made = corpus(tmp_path / str(number), rows, made_by={"seed": seed})
        stamps.append(next(open_source(made.path).entries()).stamp)
    assert stamps[0] == stamps[1] != stamps[2]


def test_columns_of_ones_own_get_names_for_a_filter(tmp_path):
    extra = {"Mood": "calm", "age in years": 3, "ok": True, "id": 7, "tags": ["a"], "?": 1}
    rows = [("sentences", {"id": "a", "text": "x", "extra": json.dumps(extra)}),
            ("sentences", {"id": "b", "text": "y", "extra": "no json"}),
            ("sentences", {"id": "c", "text": "z", "extra": "[1]"})]  # fmt: skip
    source = open_source(corpus(tmp_path / "c", rows).path)
    first, second, third = (entry.columns for entry in source.entries())
    assert first == {"text": "x", "mood": "calm", "age_in_years": 3, "ok": True, "extra_id": 7,
                     "tags": '["a"]', "extra__": 1}  # fmt: skip
    assert (second["extra"], third["extra"]) == ("no json", "[1]")


def test_a_picture_without_bytes_and_a_picture_that_is_none_are_skipped(tmp_path):
    rows = [("pictures", {"id": "a"}), ("pictures", {"id": "b", "image": b"junk"}),
            ("pictures", {"id": "c", "image": png()})]  # fmt: skip
    good, bad = loaded(open_source(corpus(tmp_path / "c", rows).path))
    assert list(good) == ["pictures/c"]
    assert "the picture is empty" in bad["pictures/a"]
    assert "begin with b'junk'" in bad["pictures/b"]


def test_an_unfinished_corpus_is_refused(by_hand):
    card = by_hand.card.model_copy(update={"complete": False})
    (by_hand.path / "corpus.json").write_text(card.to_json())
    with pytest.raises((CorpusError, SettingsError), match="was not finished"):
        open_source(by_hand.path)
