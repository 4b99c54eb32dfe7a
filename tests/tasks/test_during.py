import pytest
from torch import nn

from tests.conftest import utterance
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.errors import SettingsError
from trivium.models.grounded import Grounded
from trivium.models.loaded import Model
from trivium.recipes import recipe
from trivium.tasks.abx.measure import measure
from trivium.tasks.during import (
    DURING_ABX,
    Evaluator,
    FirstRows,
    evaluator,
    fit,
    joined,
    mean,
)
from trivium.tasks.retrieval import RetrievalSettings, primary_meeting, run
from trivium.tasks.score import Score, Signature
from trivium.tasks.vectors import embed_corpus
from trivium.training.evaluation import EvaluationSettings
from trivium.training.recipe import build_system


def made(world_folder, **evaluation):
    settings = EvaluationSettings(**{"split": "train", "every": 3} | evaluation)
    return recipe("clip.tiny", [world_folder]).model_copy(update={"evaluation": settings})


@pytest.fixture(scope="module")
def system(world_folder, tmp_path_factory):
    chosen = recipe("clip.tiny", [world_folder])
    return build_system(chosen, tmp_path_factory.mktemp("run")).eval()


def test_the_score_is_that_of_the_task(world_folder, world, system):
    found = Evaluator(made(world_folder), EvaluationSettings(split="train", items=None))(system)
    model = Model("clip", system, "")
    signature = Signature(task="retrieval", corpus=world.card.fingerprint, split="train")
    settings = RetrievalSettings(primary="text-picture", resamples=0)
    assert found == run(embed_corpus(model, world, "train"), settings, signature).overall


def test_only_the_first_utterances_are_measured(world_folder, system):
    few = Evaluator(made(world_folder), EvaluationSettings(split="train", items=10))
    assert "10 text.en, 10 picture" in few(system).signature.gallery
    again = Evaluator(made(world_folder), EvaluationSettings(split="train", items=10))
    assert few(system) == again(system)


def test_the_first_rows_are_the_first_that_match(world_folder):
    corpus = FirstRows.open(world_folder)
    corpus.items = 5
    where = "split = 'train' and picture is not null"
    few, every = (c.columns("utterances", ["id"], where).to_pylist()
                  for c in (corpus, Corpus.open(world_folder)))  # fmt: skip
    assert few == every[:5]
    assert len(corpus.columns("pictures", ["id"])) > 5
    corpus.where, corpus.items = "language = 'ja'", None
    found = corpus.columns("utterances", ["language", "picture"], where).to_pylist()
    assert {row["language"] for row in found} == {"ja"}
    assert all(row["picture"] for row in found)
    assert {r["language"] for r in corpus.columns("utterances", ["language"]).to_pylist()} == {"ja"}


def score(corpus, **values):
    signature = Signature(task="retrieval", corpus=corpus, split="dev")
    return Score(task="retrieval", values=values, primary="recall@10", chance=values,
                 signature=signature)  # fmt: skip


def test_several_corpora_make_one_score():
    one, other = score("a", **{"recall@10": 20.0, "x": 1.0}), score("b", **{"recall@10": 40.0})
    both = mean([one, other])
    assert both.values == both.chance == {"recall@10": 30.0}
    assert both.signature.corpus == "a+b"
    assert mean([one]) is one


def test_several_tasks_make_one_score_led_by_the_first():
    lower = Signature(task="abx", corpus="a", split="dev")
    other = Score(task="abx", values={"across.best": 9.0}, primary="across.best",
                  chance={"across.best": 50.0}, lower_is_better=True, signature=lower)  # fmt: skip
    first = score("a", **{"recall@10": 20.0})
    both = joined([first, other])
    assert both.task == both.signature.task == "retrieval+abx"
    assert both.values == {"recall@10": 20.0, "abx/across.best": 9.0}
    assert both.chance == {"recall@10": 20.0, "abx/across.best": 50.0}
    assert (both.primary, both.lower_is_better) == ("recall@10", False)
    assert Score.parse(both.model_dump()) == both
    assert joined([first]) is first
    assert joined([other, first]).lower_is_better


@pytest.fixture(scope="module")
def grounded(world_folder):
    """A system that hears, sees, and shows its layers."""
    return Grounded.tiny().eval()


def test_phones_are_compared_beside_retrieval(world_folder, grounded):
    made_of = recipe("grounded.tiny", [world_folder])
    few = {"split": "train", "items": 24, "where": "language = 'en'"}
    both = Evaluator(made_of, EvaluationSettings(tasks=("retrieval", "abx"), **few))
    both.check(grounded)
    found = both(grounded)
    model, corpus = Model("grounded", grounded, ""), FirstRows.open(world_folder)
    corpus.items, corpus.where = few["items"], few["where"]
    alone = measure(model, corpus, "train", DURING_ABX).score
    assert {name.removeprefix("abx/"): value for name, value in found.values.items()
            if name.startswith("abx/")} == alone.values  # fmt: skip
    assert "abx/within.layer3" in found.values
    assert "24 speech.en, 24 picture" in found.signature.gallery
    assert DURING_ABX.words in found.signature.gallery
    first = Evaluator(made_of, EvaluationSettings(tasks=("abx",), **few))(grounded)
    assert (first.primary, first.lower_is_better) == ("across.best", True)


def test_what_has_no_phones_or_no_layers_is_refused(world_folder, tmp_path, system, grounded):
    made_of = recipe("grounded.tiny", [world_folder])
    asked = EvaluationSettings(tasks=("abx",), split="train")
    with pytest.raises(SettingsError, match="grounded does not show the frames"):
        Evaluator(made_of, asked).check(system)
    card = Card(name="x", licence="CC0-1.0", source="A test.")
    with CorpusWriter(tmp_path / "mute", card) as writer:
        writer.add("utterances", utterance(0))
    mute = asked.model_copy(update={"corpora": (tmp_path / "mute",)})
    with pytest.raises(SettingsError, match=r"no utterance of .* has phone times and a speaker"):
        Evaluator(made_of, mute).check(grounded)


def test_corpora_are_those_of_the_sources_or_others(world_folder, tmp_path, system):
    other = tmp_path / "copy"
    other.symlink_to(world_folder)
    settings = EvaluationSettings(split="train", corpora=(world_folder, other))
    found = Evaluator(made(world_folder), settings)(system)
    fingerprint = Corpus.open(world_folder).card.fingerprint
    assert found.signature.corpus == f"{fingerprint}+{fingerprint}"


@pytest.mark.parametrize(
    ("kinds", "meeting"),
    [(("speech", "picture"), "speech-picture"), (("text", "picture"), "text-picture"),
     (("speech", "text"), "speech-text"), (("speech",), "speech-speech")],
)  # fmt: skip
def test_what_stands_for_all_depends_on_what_is_embedded(kinds, meeting):
    assert primary_meeting(kinds) == meeting


def test_an_unknown_task_is_named(world_folder):
    with pytest.raises(SettingsError, match=r"no task is called 'retreival'; did you mean 'retri"):
        evaluator(made(world_folder, tasks=("retrieval", "retreival")))
    assert evaluator(recipe("clip.tiny", [world_folder])) is None


def test_what_cannot_be_measured_is_refused_before_training(world_folder, tmp_path):
    with pytest.raises(SettingsError, match=r"no utterance of .* can be measured \(split = 'nope'"):
        fit(made(world_folder, split="nope"), tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_split_whose_texts_are_of_other_languages_is_refused(tmp_path, world_folder, system):
    card = Card(name="x", licence="CC0-1.0", source="A test.")
    with CorpusWriter(tmp_path / "hindi", card) as writer:
        writer.add("utterances", utterance(0, language="hi", picture="p"))
    settings = EvaluationSettings(split="train", corpora=(tmp_path / "hindi",))
    with pytest.raises(SettingsError, match="language = 'en'"):
        Evaluator(made(world_folder), settings).check(system)


@pytest.mark.parametrize("kinds", [(), ("speech",), ("picture",), ("speech", "text")])
def test_a_system_without_pictures_is_not_measured(world_folder, kinds):
    class Deaf(nn.Module):
        def __init__(self):
            super().__init__()
            self.kinds = kinds

    with pytest.raises(SettingsError, match=r"retrieval needs pictures .*set evaluation to null"):
        Evaluator(made(world_folder), EvaluationSettings(split="train")).check(Deaf())
