"""Tasks of answers while a run trains: cheap, as the task itself measures, refused beforehand."""

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import COLUMNS_OF_CARD, utterance
from trivium.config import Settings
from trivium.data.batch import Ragged
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.errors import SettingsError, TriviumError
from trivium.models.loaded import Model
from trivium.models.towers.writing import WritingSettings
from trivium.recipes import recipe
from trivium.tasks import classification, sentiment
from trivium.tasks.during import (
    DURING_CLASSIFICATION,
    DURING_SENTIMENT,
    DURING_VERIFICATION,
    Evaluator,
    greedy,
)
from trivium.tasks.voices import verification
from trivium.tasks.words import recognition
from trivium.training.evaluation import EvaluationSettings

ANSWERS = ("recognition", "translation", "classification", "sentiment", "verification")


class PenSettings(Settings):
    """Of whatever writes."""

    writing: WritingSettings = WritingSettings()


class Pen(nn.Module):
    """A part of a system that writes."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = PenSettings()
        self.beams: list[int] = []

    def write(self, count: int) -> list[str]:
        self.beams.append(self.settings.writing.beams)
        return ["the star is red"] * count


class Toy(nn.Module):
    """Answers with the length of what it hears."""

    kinds, labels, reads = (), ("angry", "happy", "neutral", "sad", "bored"), ("speech",)

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.pen = Pen()

    def transcribe(self, waves: Ragged) -> list[str]:
        return [f"{length}" for length in waves.lengths.tolist()]

    def translate_speech(self, waves: Ragged, _: list[str], __: str) -> list[str]:
        return self.pen.write(len(waves))

    def classify(self, waves: Ragged, _: None) -> Tensor:
        return torch.eye(5)[waves.lengths % 5]

    def score(self, waves: Ragged, _: None) -> Tensor:
        return waves.lengths % 7 - 3.0

    def embed_voice(self, waves: Ragged, _: None) -> Tensor:
        return torch.stack([waves.data.std(1), waves.data.abs().mean(1)], 1)


def evaluator(folder: object, *tasks: str, **settings: object) -> Evaluator:
    asked = EvaluationSettings(**{"tasks": tasks, "split": "train", "items": 40} | settings)
    return Evaluator(recipe("clip.tiny", [folder]), asked)


def test_all_answers_are_measured_beside_one_another(world_folder: object, world: Corpus) -> None:
    toy = Toy()
    found = evaluator(world_folder, *ANSWERS, where="language = 'en'", items=None)
    found.check(toy)
    score = found(toy)
    assert score.task.replace("+", " ") == (
        "recognition translation.speech classification.label sentiment verification"
    )
    assert score.primary == "WER"
    assert score.lower_is_better
    assert not score.intervals
    model = Model("toy", toy, "")
    where = {"where": "language = 'en'"}
    for measured in (
        classification.measure(
            model, world, "train", DURING_CLASSIFICATION.model_copy(update=where)
        ),
        sentiment.measure(model, world, "train", DURING_SENTIMENT.model_copy(update=where)),
        verification.measure(model, world, "train", DURING_VERIFICATION.model_copy(update=where)),
    ):
        one = measured.score
        assert {name: score.values[f"{one.task}/{name}"] for name in one.values} == one.values
    bare = recognition.RecognitionSettings(resamples=0)
    heard = recognition.measure(model, world, "train", bare, languages=["en"]).score
    assert {name: score.values[name] for name in heard.values} == heard.values


def test_the_first_rows_are_those_that_can_be_measured(world_folder: object) -> None:
    """The first of a world are captions: they have neither label nor score; then come intents."""
    toy = Toy()
    for task, told in (("classification", "20 rows of 4 classes"), ("sentiment", "20 rows"),
                       ("translation", "20 lines"), ("recognition", "20 utterances")):  # fmt: skip
        found = evaluator(world_folder, task, items=20)
        found.check(toy)
        assert told in found(toy).signature.gallery


def test_a_run_writes_greedily_and_then_as_before(world_folder: object) -> None:
    toy = Toy()
    found = evaluator(world_folder, "translation", items=5)
    found.check(toy)
    assert found(toy).signature.text.endswith("; greedy")
    assert set(toy.pen.beams) == {1}
    assert toy.pen.settings == PenSettings()
    with pytest.raises(TriviumError, match="stop"), greedy(toy):
        raise TriviumError("stop")
    assert toy.pen.settings.writing.beams == 5


def test_sentences_are_translated_where_nothing_is_said(tmp_path: object) -> None:
    class Reader(nn.Module):
        kinds = ()

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def translate_text(self, texts: list[str], _: object, to: str) -> list[str]:
            return [f"{text} in {to}" for text in texts]

    with CorpusWriter(tmp_path / "texts", Card(**COLUMNS_OF_CARD)) as writer:
        for number in range(4):
            row = {"id": f"t{number}", "split": "train", "text": f"line {number}",
                   "language": "en", "translation": f"line {number} in de",
                   "translation_language": "de"}  # fmt: skip
            writer.add("sentences", row)
    found = evaluator(tmp_path / "texts", "translation", items=3)
    found.check(Reader())
    score = found(Reader())
    assert score.task == "translation.sentences"
    assert score.signature.gallery == "3 lines of en-de"


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("recognition", "recognition cannot be measured: .* does not write down what it hears; it"),
        ("translation", "does not translate texts; it can embed text; leave it out of evaluation"),
        ("classification", "does not tell labels"),
        ("sentiment", "does not give scores"),
        ("verification", "does not tell voices apart"),
    ],
)
def test_a_system_that_cannot_is_refused(world_folder: object, task: str, told: str) -> None:
    class Mute(nn.Module):
        kinds = ("text",)

    with pytest.raises(SettingsError, match=told):
        evaluator(world_folder, task).check(Mute())


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("recognition", "none of 0 utterances of the split 'nope' .* has text"),
        ("translation", "none of 0 utterances of the split 'nope'"),
        ("classification", "none of 0 utterances of the split 'nope'"),
        (
            "sentiment",
            "has score; name another split; leave it out of evaluation.tasks, or set eval",
        ),
        ("verification", "has speaker; name another split"),
    ],
)
def test_a_split_without_rows_is_refused(world_folder: object, task: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        evaluator(world_folder, task, split="nope").check(Toy())


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("classification", "all 4 rows of the split 'train' .* have the label 'angry': nothing"),
        ("sentiment", "all 4 rows of the split 'train' .* have the score 1.0"),
        ("verification", "none of 1 speakers has two utterances, and one of another speaker"),
    ],
)
def test_a_split_of_one_kind_is_refused(tmp_path: object, task: str, told: str) -> None:
    with CorpusWriter(tmp_path / "one", Card(**COLUMNS_OF_CARD)) as writer:
        for number in range(4):
            writer.add("utterances", utterance(number, label="angry", score=1.0, speaker="anna"))
    with pytest.raises(SettingsError, match=told):
        evaluator(tmp_path / "one", task).check(Toy())


def test_labels_that_the_system_does_not_know_are_refused(world_folder: object) -> None:
    class Other(Toy):
        labels = ("bored",)

    with pytest.raises(SettingsError, match="clip knows the labels 'bored', and the "):
        evaluator(world_folder, "classification").check(Other())


def test_rows_without_sound_are_left_out_of_every_task(tmp_path: object) -> None:
    """The first of them too, which a system is tried on before a run begins."""
    with CorpusWriter(tmp_path / "some", Card(**COLUMNS_OF_CARD)) as writer:
        for number in range(17):
            silent = {"audio": None, "seconds": None} if number < 5 else {}
            writer.add("utterances", utterance(
                number, label=Toy.labels[number % 4], score=number % 3 - 1.0,
                translation="the star is red", translation_language="de", **silent,
            ))  # fmt: skip
    found = evaluator(tmp_path / "some", *ANSWERS, items=9)
    found.check(Toy())
    heard, translated, labelled, scored, _ = found(Toy()).signature.gallery.split("; ")
    assert heard == "9 utterances of en"
    assert (translated, labelled) == ("9 lines of en-de", "9 rows of 4 classes, 5 answers")
    assert scored.startswith("9 rows")
    model, whole = Model("toy", Toy(), ""), Corpus.open(tmp_path / "some")
    told = verification.measure(model, whole, "train", DURING_VERIFICATION)
    assert told.remarks[0].startswith("5 of 17 utterances have no sound and are left out: 'u0000'")
