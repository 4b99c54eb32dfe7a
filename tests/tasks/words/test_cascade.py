"""Cascades: what is written down is translated, and stands beside what is translated directly."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.conftest import COLUMNS_OF_CARD, tone, utterance
from trivium.cli import main
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.models.loaded import Model
from trivium.tasks.score import comparable
from trivium.tasks.words.cascade import Cascade, Chain, Compared
from trivium.tasks.words.translation import TranslationSettings, measure

BARE = TranslationSettings(resamples=0)
SAID = {"hi": "ek lal tara upar hai", "sw": "nyota nyekundu iko juu"}
MEANT = "a red star is above"


class Writer(nn.Module):
    """Writes down what the language says; of less than a fifth of a second nothing."""

    kinds, told_language = (), True

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def transcribe(self, waves, languages):
        rows = zip(waves.lengths.tolist(), languages, strict=True)
        return ["" if length < 3_200 else SAID[language] for length, language in rows]


class Reader(nn.Module):
    """Knows what each sentence means in English."""

    kinds = ()

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.read = []

    def translate_text(self, texts, languages, to):
        self.read += texts
        assert to == "en"
        return [MEANT if text == SAID[language] else "what?"
                for text, language in zip(texts, languages, strict=True)]  # fmt: skip


class Both(Reader):
    """Hears, too, and less well."""

    def translate_speech(self, waves, languages, to):
        assert to == "en"
        return [MEANT if language == "hi" else "a red star is blue" for language in languages]


def model(system, letter):
    return Model("toy", system(), letter * 40)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Eight utterances of two languages."""
    folder = tmp_path_factory.mktemp("said") / "corpus"
    with CorpusWriter(folder, Card(**COLUMNS_OF_CARD)) as writer:
        for number in range(8):
            language = ("hi", "sw")[number % 2]
            writer.add("utterances", utterance(
                number, split="test", language=language, text=SAID[language], translation=MEANT,
                translation_language="en",
            ))  # fmt: skip
    return Corpus.open(folder)


def test_what_is_written_down_is_translated_and_silence_stays_empty():
    reader = model(Reader, "b")
    chain = Chain(model(Writer, "a"), reader)
    sounds = [tone(0.5), tone(0.1), tone(0.7)]
    assert chain.translate_speech(sounds, "sw", "en") == [MEANT, "", MEANT]
    assert reader.system.read == [SAID["sw"]] * 2
    assert chain.translate_speech(sounds[1:2], "sw", "en") == [""]
    assert chain.translate_text([SAID["hi"]], "hi", "en") == [MEANT]


def test_its_signature_says_that_it_is_a_cascade_and_of_what(corpus):
    both = model(Both, "b")
    direct = measure(both, corpus, "test", "speech", BARE).score
    chained = measure(Chain(model(Writer, "a"), both), corpus, "test", "speech", BARE).score
    assert chained.signature.model == f"cascade {'a' * 12}+{'b' * 12}"
    assert "model:cascade " in str(chained.signature)
    assert comparable(direct, chained)  # but for the model


def test_one_table_has_both_and_their_groups(corpus, tmp_path):
    settings = BARE.override(['groups={"high": ["hi"], "low": ["sw"]}'])
    both = model(Both, "b")
    direct = measure(both, corpus, "test", "speech", settings)
    chained = measure(Chain(model(Writer, "a"), both), corpus, "test", "speech", settings)
    found = Compared(direct=direct, cascade=Cascade(**dict(chained)))
    headers, rows = found.table()
    assert headers[:3] == ["direction", "system", "lines"]
    names = [row[0] for row in rows[::2]]
    assert set(names) == {"hi-en", "sw-en", "mean", "high", "low"}
    assert [row[0] for row in rows[1::2]] == names
    assert [row[1] for row in rows] == ["direct", "cascade"] * 5
    for row in rows:
        values = (direct if row[1] == "direct" else chained).score.values
        key = "BLEU" if row[0] == "mean" else f"BLEU.{row[0]}"
        assert row[3] == f"{values[key]:.2f}"
    alone = Compared(direct=None, cascade=found.cascade)
    assert [row[1] for row in alone.table()[1]] == ["cascade"] * 5
    found.write(tmp_path)
    assert json.loads((tmp_path / "cascade.json").read_text())["score"]["values"]["BLEU"] > 99
    assert len((tmp_path / "translation.jsonl").read_text().splitlines()) == 8
    assert found.remarks == tuple(dict.fromkeys((*direct.remarks, *chained.remarks)))


@pytest.fixture
def evaluate(corpus, tmp_path, monkeypatch, capsys):
    """Run the command with toys in place of what is loaded."""

    def run(system, *options, code=0):
        toys = {"writer": model(Writer, "a"), "toy": model(system, "b")}
        monkeypatch.setattr(Model, "load", lambda name: toys[Path(name).name])
        arguments = ["evaluate", "toy", str(corpus.path), "--task", "translation", "--out",
                     str(tmp_path), "--set", "resamples=0"]  # fmt: skip
        assert main.run([*arguments, *options]) == code
        return capsys.readouterr()

    return run


def test_the_command_tells_both(evaluate, tmp_path):
    told = json.loads(evaluate(Both, "--cascade", "writer", "--json").out)
    assert told["cascade"]["score"]["values"]["BLEU"] == pytest.approx(100)
    assert told["direct"]["score"]["values"]["BLEU"] < 100
    assert told["direct"]["score"]["values"]["BLEU.hi-en"] == pytest.approx(100)
    said = evaluate(Both, "--cascade", "writer").out
    assert "cascade" in said
    assert "direct" in said
    assert (tmp_path / "cascade.jsonl").exists()


def test_of_a_model_that_reads_alone_there_is_the_cascade(evaluate):
    told = json.loads(evaluate(Reader, "--cascade", "writer", "--json").out)
    assert told["direct"] is None
    assert told["cascade"]["score"]["values"]["BLEU"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--cascade", "writer", "--source", "text"], "--source text is not heard, and --cascade"),
        (["--cascade", "toy"], "the system 'toy' does not write down what it hears"),
    ],
)
def test_mistakes_are_one_sentence(evaluate, options, sentence):
    assert sentence in evaluate(Both, *options, code=2).err


def test_a_cascade_means_nothing_to_other_tasks(corpus, capsys):
    arguments = ["evaluate", "toy", str(corpus.path), "--cascade", "writer"]
    assert main.run(arguments) == 2
    assert "--cascade writer means nothing to retrieval" in capsys.readouterr().err
