"""Tasks of `trivium evaluate` on a toy that knows the answers; mistakes in one sentence."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import COLUMNS_OF_CARD, utterance
from trivium.cli import main
from trivium.data.batch import Ragged
from trivium.data.corpus import Card, CorpusWriter
from trivium.models.loaded import Model

LABELS = ("ask", "sing", "tell")


class Knower(nn.Module):
    """Reads the answers from the text, `LABEL SCORE SPEAKER`."""

    kinds, reads, labels, label_column = (), ("text",), LABELS, "label"

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def classify(self, _: None, texts: list[str]) -> Tensor:
        return torch.eye(3)[[LABELS.index(text.split()[0]) for text in texts]]

    def score(self, _: None, texts: list[str]) -> Tensor:
        return torch.tensor([float(text.split()[1]) for text in texts])

    def embed_voice(self, _: None, texts: list[str]) -> Tensor:
        return torch.eye(4)[[int(text.split()[2]) for text in texts]]

    def translate_text(self, texts: list[str], languages: list[str], to: str) -> list[str]:
        return [
            f"{language} {text} in {to}" for language, text in zip(languages, texts, strict=True)
        ]


class Hearer(Knower):
    """Hears, too."""

    def translate_speech(self, waves: Ragged, _: list[str], to: str) -> list[str]:
        return [f"heard in {to}"] * len(waves)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four rows with a label, a score, a speaker and a translation."""
    folder = tmp_path_factory.mktemp("told") / "corpus"
    with CorpusWriter(folder, Card(**COLUMNS_OF_CARD)) as writer:
        for number in range(24):
            label, score, speaker = LABELS[number % 3], number % 7 - 3, number % 4
            text, to = f"{label} {score} {speaker}", ("en", "de")[number % 2]
            writer.add("utterances", utterance(
                number, split="test", text=text, label=label, score=score, language="hi",
                speaker=f"s{speaker}", translation=f"hi {text} in {to}", translation_language=to,
            ))  # fmt: skip
        row = {"id": "t0", "split": "test", "text": "ask 1 1", "language": "sw",
               "translation": "sw ask 1 1 in en", "translation_language": "en"}  # fmt: skip
        writer.add("sentences", row)
    return folder


@pytest.fixture
def evaluate(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    """Run the command with a toy in place of what is loaded; what it said, and what it wrote."""

    def run(task: str, *options: object, system: type[nn.Module] = Knower, code: int = 0):
        monkeypatch.setattr(Model, "load", lambda _: Model("toy", system(), "t" * 40))
        arguments = ["evaluate", "toy", str(corpus), "--task", task, "--out", str(tmp_path)]
        assert main.run([*arguments, *map(str, options)]) == code
        said = capsys.readouterr()
        written = tmp_path / f"{task}.json"
        return said, json.loads(written.read_text()) if written.exists() else None

    return run


def test_labels_are_measured(evaluate, tmp_path: Path) -> None:
    said, found = evaluate("classification", "--set", "primary=unweighted accuracy")
    assert found["score"]["values"]["unweighted accuracy"] == 100
    assert "majority" in said.out
    assert "task:classification.label|corpus:" in said.out
    assert (tmp_path / "classification.png").read_bytes().startswith(b"\x89PNG")


def test_scores_are_measured(evaluate, tmp_path: Path) -> None:
    said, found = evaluate("sentiment", "--set", "rounding=sdk")
    assert found["score"]["values"]["MAE"] == 0
    assert "Acc-7 by rounding sdk" in said.out
    assert (tmp_path / "sentiment.png").exists()


def test_speakers_are_told_apart(evaluate, tmp_path: Path) -> None:
    said, found = evaluate("verification", "--set", "count=20", "--json")
    assert found == json.loads(said.out)
    assert (found["score"]["values"]["EER"], found["trials"]) == (0, 20)
    assert (tmp_path / "verification.png").exists()
    again, other = evaluate("verification", "--trials", tmp_path / "trials.csv")
    assert other["score"] == found["score"]
    assert "minDCF@0.05" in again.out


@pytest.mark.parametrize(
    ("options", "directions", "system"),
    [
        ([], ["hi-de", "hi-en"], Knower),
        (["--to", "de"], ["hi-de"], Knower),
        (["--source", "text"], ["hi-de", "hi-en"], Hearer),
        (["--source", "sentences"], ["sw-en"], Knower),
    ],
)
def test_texts_are_translated(evaluate, options, directions, system) -> None:
    said, found = evaluate("translation", *options, "--set", "resamples=10", system=system)
    assert [each["source"] + "-" + each["target"] for each in found["directions"]] == directions
    assert found["score"]["values"]["BLEU"] == pytest.approx(100)
    source = options[1] if "--source" in options else "text"
    assert found["score"]["task"] == f"translation.{source}"
    assert "translation.jsonl" in said.out


def test_who_hears_is_asked_to_translate_speech(evaluate) -> None:
    _, found = evaluate("translation", "--set", "resamples=0", system=Hearer)
    assert found["score"]["task"] == "translation.speech"
    assert found["score"]["values"]["BLEU"] < 100


@pytest.mark.parametrize(
    ("task", "options", "sentence"),
    [
        ("clasification", [], "no task is called 'clasification'; did you mean 'classification'"),
        ("sentiment", ["--trials", "x"], "--trials x means nothing to sentiment; add --task verif"),
        ("recognition", ["--to", "en"], "--to en means nothing to recognition; add --task transl"),
        ("retrieval", ["--source", "text"], "--source text means nothing to retrieval"),
        ("translation", ["--source", "speach"], "is called 'speach'; did you mean 'speech'"),
        ("translation", ["--to", "fr"], "where translation_language = 'fr' has language"),
        ("classification", ["--set", "primry=x"], "no setting 'primry'; did you mean 'primary'"),
        ("verification", ["--trials", "nowhere.txt"], "nowhere.txt: no such file"),
        (
            "recognition",
            [],
            "'toy' does not write down what it hears; it can translate texts, tell",
        ),
    ],
)
def test_mistakes_are_one_sentence(evaluate, task: str, options: list[str], sentence: str) -> None:
    said, _ = evaluate(task, *options, code=2)
    assert sentence in said.err
    assert said.err.splitlines()[-1].startswith("trivium: ")


def test_a_published_model_is_not_asked_for_what_it_cannot(corpus, tmp_path, capsys) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "whisper"}')
    assert main.run(["evaluate", str(folder), str(corpus), "--task", "sentiment"]) == 2
    assert "is a published model that writes; sentiment asks for another" in capsys.readouterr().err
