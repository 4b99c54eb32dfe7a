"""Pseudo-labels: only what is asked for, where it is from, and no row for measuring."""

import hashlib
import json
import math
from statistics import median

import numpy as np
import pytest

from tests.conftest import COLUMNS_OF_CARD, png, tone, utterance
from tests.transcripts.toys import Deaf, Toy
from trivium.data import corpus as corpus_module
from trivium.data.audio import encode_flac, encode_wav
from trivium.data.corpus import SOUND_COLUMNS, Card, Corpus, CorpusWriter
from trivium.data.examine.check import check
from trivium.errors import CorpusError, SettingsError, TriviumError
from trivium.transcripts import pseudo
from trivium.transcripts.guesses import LENGTH, PROBABILITY, Guess, confidences, read
from trivium.transcripts.pseudo import GUESSES, PseudoSettings, pseudo_label

INTO_DE = PseudoSettings(to="de")


class Sure(Toy):
    """Says how sure it is: the longer, the less."""

    tells_confidence = True

    def guess_speech(self, sounds, language, to=None):
        if to is None:
            texts = self.transcribe_speech(sounds, language)
        else:
            texts = self.translate_speech(sounds, language, to)
        return [(text, -len(sound) / 16_000) for text, sound in zip(texts, sounds, strict=True)]


@pytest.fixture
def corpus(tmp_path):
    """Rows that lack a translation, one that has it, one that has another, silence, and a link."""
    linked = tmp_path / "linked.wav"
    linked.write_bytes(encode_wav(tone(3.0)))
    silent = encode_flac(np.zeros(8_000, np.float32))
    rows = [
        *(utterance(number, picture="p-red") for number in range(6)),
        utterance(6, translation="schon da", translation_language="de"),
        utterance(7, translation="bereits", translation_language="es", extra='{"mood": "calm"}'),
        utterance(8, audio=silent, seconds=0.5),
        utterance(9, language="de"),
        utterance(10, audio=None, path=str(linked), offset=1.0, seconds=0.75, extra="words"),
        utterance(11, audio=b"junk"),
        utterance(12, audio=encode_flac(tone(31.0)), seconds=31.0),
        utterance(13, text=None, characters=None),
        *(utterance(20 + number, split="test") for number in range(3)),
    ]
    with CorpusWriter(tmp_path / "corpus", Card(**COLUMNS_OF_CARD)) as writer:
        for name in ("p-red", "p-blue"):
            writer.add("pictures", {"id": name, "split": "train", "image": png("red")})
        for row in rows:
            writer.add("utterances", row)
        for number, text in enumerate(("a sentence", "another", "")):
            writer.add("sentences", {"id": f"t{number}", "split": "train", "text": text,
                                     "language": "en"})  # fmt: skip
    return Corpus.open(tmp_path / "corpus")


def rows_of(folder, table="utterances"):
    found = Corpus.open(folder)
    return {row["id"]: row for row in found.take(table, np.arange(found.count(table))).to_pylist()}


def reasons(folder):
    lines = (folder / "rejected.jsonl").read_text().splitlines()
    return {line["id"]: line["reason"] for line in map(json.loads, lines)}


def contents(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".lock", ".readers")
    }


def test_rows_get_what_the_model_wrote_and_where_it_is_from(corpus, tmp_path):
    before, out = contents(corpus.path), tmp_path / "out"
    done = pseudo_label(corpus, out, Sure(), INTO_DE)
    assert (done.kept, done.already, done.rejected) == (9, 1, 4)
    assert done.confidence == PROBABILITY
    made, old = rows_of(out), rows_of(corpus.path)
    assert sorted(made) == [*(f"u{number:04}" for number in (*range(6), 7, 10, 13))]
    for id_, row in made.items():
        seconds = len(corpus.sound(_sound(corpus, id_))) / 16_000
        assert row["translation"] == f"en>de {seconds:.2f}"
        assert row["translation_language"] == "de"
        extra = json.loads(row["extra"])
        told = extra.pop("pseudo")
        assert told.pop("confidence") == pytest.approx(-seconds)
        assert told == {"column": "translation", "model": "toy", "checksum": "c" * 64,
                        "confidence_is": PROBABILITY}  # fmt: skip
        assert extra == {"u0007": {"mood": "calm"}, "u0010": {"said": "words"}}.get(id_, {})
        written = ("translation", "translation_language", "extra")
        assert {name: row[name] for name in row if name not in written} == {
            name: old[id_][name] for name in row if name not in written
        }
        assert _sound(Corpus.open(out), id_) == _sound(corpus, id_)
    assert made["u0010"]["path"] == str(tmp_path / "linked.wav")
    assert [row["id"] for row in rows_of(out, "pictures").values()] == ["p-red"]
    assert list(check(Corpus.open(out))) == []
    assert contents(corpus.path) == before
    card = Corpus.open(out).card
    assert card.made_by["fingerprint"] == corpus.card.fingerprint
    assert card.licence == COLUMNS_OF_CARD["licence"]
    told = reasons(out)
    assert told["u0008"] == "nothing is heard"
    assert told["u0009"] == "it is in de as it stands"
    assert told["u0011"].startswith("u0011: the bytes are not wav")
    assert told["u0012"] == "it lasts 31.0 s; at most 30 s are heard"


def _sound(corpus, id_):
    place = corpus.find(id_)[1]
    return corpus.take("utterances", np.array([place]), SOUND_COLUMNS).to_pylist()[0]


@pytest.mark.parametrize("split", ["test", "dev", "test-clean", "dev_other", "validated", "Eval"])
def test_no_split_for_measuring_is_ever_written(split):
    with pytest.raises(SettingsError, match=f"the split '{split}' is for measuring"):
        PseudoSettings.parse({"to": "de", "splits": ["train", split]})


def test_what_does_not_fit_together_is_refused(corpus, tmp_path):
    for values, sentence in (
        ({}, "to is None for a translation"),
        ({"to": "de", "what": "transcript"}, "to is 'de' for a transcript"),
        ({"what": "transcript", "source": "text"}, "source is 'text'; a transcript is made of"),
        ({"to": "de", "splits": []}, "splits"),
    ):
        with pytest.raises(SettingsError, match=sentence):
            PseudoSettings.parse(values)
    with pytest.raises(CorpusError, match="has no utterances in the split 'other'"):
        pseudo_label(corpus, tmp_path / "o", Toy(), PseudoSettings(to="de", splits=("other",)))
    with pytest.raises(TriviumError, match="deaf cannot"):
        pseudo_label(corpus, tmp_path / "o", Deaf(), PseudoSettings(what="transcript"))
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("stop_at", [1, 3, 9])
def test_a_killed_run_goes_on_and_asks_nothing_twice(corpus, tmp_path, monkeypatch, stop_at):
    monkeypatch.setattr(pseudo, "BLOCK_ROWS", 3)
    whole = pseudo_label(corpus, tmp_path / "whole", Sure(), INTO_DE)

    class Mortal(Sure):
        def guess_speech(self, sounds, language, to=None):
            if len(self.asked) > stop_at:
                raise RuntimeError("killed")
            return super().guess_speech(sounds, language, to)

    out, first = tmp_path / "out", Mortal()
    if stop_at < 9:
        with pytest.raises(RuntimeError):
            pseudo_label(corpus, out, first, INTO_DE)
        with (out / GUESSES).open("a") as file:
            file.write('{"id": "u00')  # in the middle of a line
    else:
        pseudo_label(corpus, out, first, INTO_DE)
    second, seen = Sure(), []
    assert pseudo_label(corpus, out, second, INTO_DE, seen.append) == whole
    assert sum(first.asked) + sum(second.asked) == whole.kept
    assert sum(seen) == whole.kept + 3  # those that cannot be heard are tried again
    assert rows_of(out) == rows_of(tmp_path / "whole")
    assert reasons(out) == reasons(tmp_path / "whole")
    again = Sure()
    assert pseudo_label(corpus, out, again, INTO_DE) == whole
    assert sum(again.asked) == 0
    another = Sure()
    another.checksum = "d" * 64
    with pytest.raises(CorpusError, match="name another folder"):
        pseudo_label(corpus, out, another, INTO_DE)


def test_a_run_killed_while_it_writes_ends_in_the_same_rows(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(pseudo, "BLOCK_ROWS", 3)
    monkeypatch.setattr(corpus_module, "COMMIT_ROWS", 2)
    whole = pseudo_label(corpus, tmp_path / "whole", Sure(), INTO_DE)
    add, calls = pseudo._add, []

    def mortal(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise RuntimeError("killed")
        add(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(pseudo, "_add", mortal)
        with pytest.raises(RuntimeError):
            pseudo_label(corpus, tmp_path / "out", Sure(), INTO_DE)
    with pytest.raises(CorpusError, match="was not finished"):
        Corpus.open(tmp_path / "out")
    assert pseudo_label(corpus, tmp_path / "out", Sure(), INTO_DE) == whole
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "whole")


def test_what_the_model_is_not_sure_of_is_left_out(corpus, tmp_path):
    all_of_them = pseudo_label(corpus, tmp_path / "all", Sure(), INTO_DE)
    some = INTO_DE.model_copy(update={"min_confidence": -0.4})
    done = pseudo_label(corpus, tmp_path / "some", Sure(), some)
    made = rows_of(tmp_path / "some")
    assert 0 < done.kept == len(made) < all_of_them.kept
    assert all(json.loads(row["extra"])["pseudo"]["confidence"] >= -0.4 for row in made.values())
    unsure = [reason for reason in reasons(tmp_path / "some").values() if "confidence" in reason]
    assert len(unsure) == all_of_them.kept - done.kept
    assert all(reason.endswith("less than -0.4") for reason in unsure)


def test_without_probabilities_lengths_are_compared(corpus, tmp_path):
    done = pseudo_label(corpus, tmp_path / "out", Toy(), INTO_DE)
    assert done.confidence == LENGTH
    guesses = read(tmp_path / "out" / GUESSES)
    for id_, row in rows_of(tmp_path / "out").items():
        rates = [len(each.text) / row_seconds(corpus, each.id) for each in guesses.values()]
        own = len(guesses[id_].text) / row_seconds(corpus, id_)
        told = json.loads(row["extra"])["pseudo"]
        assert told["confidence"] == pytest.approx(-abs(math.log(own / median(rates))))
        assert told["confidence_is"] == LENGTH


def row_seconds(corpus, id_):
    return len(corpus.sound(_sound(corpus, id_))) / 16_000


def test_lengths_are_those_of_a_language():
    sizes = {"a": (2.0, 4.0, 4.0), "b": (50.0,)}
    numbers = iter("1234")
    guesses = [
        (code, Guess(next(numbers), "x", size)) for code, own in sizes.items() for size in own
    ]
    wanted = {"1": pytest.approx(-math.log(2)), "2": 0.0, "3": 0.0, "4": 0.0}
    assert confidences(guesses) == wanted


@pytest.mark.parametrize("source", ["text", "sentences"])
def test_texts_are_translated_too(corpus, tmp_path, source):
    toy = Toy()
    done = pseudo_label(corpus, tmp_path / "out", toy, PseudoSettings(to="de", source=source))
    table = "sentences" if source == "sentences" else "utterances"
    made = rows_of(tmp_path / "out", table)
    assert done.kept == len(made) == sum(toy.asked) > 0
    assert all(row["translation"] == f"en>de {row['text'].upper()}" for row in made.values())
    without = {"text": "u0013", "sentences": "t2"}[source]
    assert reasons(tmp_path / "out")[without] == "there is no text"


def test_transcripts_fill_the_text(corpus, tmp_path):
    pseudo_label(corpus, tmp_path / "out", Toy(), PseudoSettings(what="transcript"))
    [row] = rows_of(tmp_path / "out").values()
    assert row["id"] == "u0013"
    assert row["text"].startswith("en")
    assert row["characters"] == len(row["text"])
    assert json.loads(row["extra"])["pseudo"]["column"] == "text"


def test_texts_that_are_none_are_left_out(corpus, tmp_path):
    class Odd(Toy):
        licence = "CC-BY-NC-4.0"

        def translate_text(self, texts, language, to):
            return ["это по-русски" if text.endswith("1") else " " for text in texts]

    done = pseudo_label(corpus, tmp_path / "out", Odd(), PseudoSettings(to="de", source="text"))
    assert done.kept == 0
    told = reasons(tmp_path / "out")
    assert told["u0001"] == "it is written in Cyrillic"
    assert told["u0002"] == "the model wrote nothing"
    assert "by a model under CC-BY-NC-4.0" in Corpus.open(tmp_path / "out").card.licence


def test_what_the_model_refuses_concerns_one_language(corpus, tmp_path):
    class English(Toy):
        def translate_text(self, texts, language, to):
            if language != "en":
                raise TriviumError(f"toy knows no language {language!r}")
            return super().translate_text(texts, language, to)

    settings = PseudoSettings(to="es", source="text")
    done = pseudo_label(corpus, tmp_path / "out", English(), settings)
    assert done.kept > 5
    assert reasons(tmp_path / "out")["u0009"] == "toy knows no language 'de'"
