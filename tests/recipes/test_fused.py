"""Recipes of `fused`: a toy that is learned, the published constants, shares, and who may train."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import COLUMNS_OF_CARD, utterance
from tests.models.test_fused_runs import short
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.data.loader import Stopwatch, load
from trivium.data.source import Source
from trivium.errors import SettingsError, TriviumError
from trivium.models.fused import Fused, FusedSettings
from trivium.recipes import fused as recipes
from trivium.recipes import recipe
from trivium.recipes.fused import FEELINGS, Rows, fewer, tune
from trivium.tasks.folds import FoldSettings, leave_one_out
from trivium.training.loop import fit
from trivium.training.schedule import Phase

ANYWHERE = [Path("some/corpus")]
TRAINING = recipes.tiny_training(Phase(steps=1, weights={"classify": 1.0}))


def test_it_says_what_is_hidden_and_tells_all_feelings_apart(tmp_path, world_folder):
    made = recipe("fused.tiny", [world_folder]).override(["training.log_every=1"])
    seen = []
    fitted = fit(made, tmp_path / "run", watch=seen.append)
    lines = [line for line in seen if "mlm" in line]
    first, last = (
        {name: np.mean([line[name] for line in part]) for name in ("mlm", "mcam")}
        for part in (lines[:10], lines[-10:])
    )
    assert last["mlm"] < 0.9 * first["mlm"]
    assert last["mcam"] < first["mcam"]
    tuned = [line["orthogonality"] for line in seen if "orthogonality" in line]
    assert np.mean(tuned[-10:]) < 0.2 * tuned[0]
    source = Source(made.sources["rows"].model_copy(update={"columns": ("audio", "text", "label")}))
    batch = load(source, np.arange(len(source)), 0, 0, Stopwatch())
    assert len(batch) == 16
    system = fitted.system
    found = system.classify(batch.speech, batch.texts).argmax(1).tolist()
    assert [system.labels[number] for number in found] == list(batch.columns["label"])


@pytest.mark.parametrize("name", ["fused.small", "fused.base", "fused.large", "fused.world_voices"])
def test_big_recipes_train_at_small_sizes(name, tmp_path, world_folder):
    made = recipe(name, [world_folder])
    assert made.training.precision == "bf16"
    made = made.model_copy(update={"tokens": 399})
    scratch = made.settings.model_copy(update={"start": None})
    fitted = fit(short(made.model_copy(update={"settings": scratch})), tmp_path / "run")
    assert all(torch.tensor(loss).isfinite() for loss in fitted.losses.values())


@pytest.mark.parametrize(
    ("name", "layers", "batch"), [("small", 3, 8), ("base", 6, 6), ("large", 12, 4)]
)
def test_the_constants_of_the_paper(name, layers, batch):
    made = recipe(f"fused.{name}", ANYWHERE)
    settings, optimizer = made.settings, made.training.optimizer
    assert (settings.width, settings.heads, settings.feedforward) == (768, 12, 3_072)
    assert (settings.text.layers, settings.audio.layers) == (layers, layers)
    assert (settings.text.vocabulary, settings.text.positions) == (30_000, 512)
    assert (settings.audio.positions, settings.audio.bins) == (3_000, 80)
    assert (settings.audio.hop, settings.audio.window, settings.audio.fft) == (200, 800, 2_048)
    assert (settings.dropout, settings.hidden_tokens) == (0.1, 0.15)
    hidden = settings.hidden_frames
    assert (hidden.share, hidden.spans, hidden.zeros, hidden.others) == (0.15, (20, 50), 0.8, 0.1)
    assert hidden.die == "frame"
    assert not settings.audio.causal
    (phase,) = made.training.phases
    assert (phase.steps, phase.weights) == (1_000_000, {"mlm": 1, "mcam": 1})
    assert (optimizer.lr, optimizer.weight_decay, optimizer.warmup) == (5e-5, 0.01, 0.07)
    assert (optimizer.decay, optimizer.clip) == ("linear", 1)
    assert made.sources["pairs"].seconds == pytest.approx(batch * 12.3)
    assert made.sources["pairs"].max_seconds == pytest.approx(37.5, abs=0.02)


@pytest.mark.parametrize(
    ("name", "batch", "task"),
    [("iemocap", 2, "classify"), ("mosei", 2, "regress"), ("librispeech_voices", 8, "voices")],
)
def test_the_constants_of_tuning(name, batch, task):
    made = recipe(f"fused.{name}", ANYWHERE)
    assert made.training.optimizer.lr == 1e-5
    assert made.sources["rows"].items == batch
    assert made.settings.start == recipes.BASE_RUN
    (phase,) = made.training.phases
    assert phase.weights == {task: 1, "orthogonality": 1}


def test_labels_are_those_of_training_rows(world_folder):
    emotion = recipe("fused.world_emotion", [world_folder]).settings
    assert emotion.labels == ("angry", "happy", "neutral", "sad")
    voices = recipe("fused.world_voices", [world_folder])
    told = Corpus.open(world_folder).columns("utterances", ["speaker"], "split = 'train'")
    assert voices.settings.labels == tuple(sorted(set(told["speaker"].to_pylist())))
    assert voices.settings.start == recipes.WORLD_RUN
    assert recipe("fused.world_sentiment", [world_folder]).settings.labels == ()


def test_a_run_without_labels_says_what_is_missing(tmp_path):
    settings = recipe("fused.world_emotion", ANYWHERE).settings
    with pytest.raises(SettingsError, match=r"task 'classify' has the labels \(\); name two"):
        Fused(settings.model_copy(update={"start": None}))


@pytest.mark.parametrize("name", ["world", "world_voices"])
def test_the_world_has_at_most_eight_million_parameters(name):
    settings = recipe(f"fused.{name}", ANYWHERE).settings
    labels = tuple(map(str, range(80))) if settings.task else ()
    with torch.device("meta"):
        given = {**settings.model_dump(), "labels": labels, "start": None}
        system = Fused(FusedSettings.parse(given))
    assert 4 < sum(p.numel() for p in system.parameters()) / 1e6 <= 8


def test_of_a_group_only_what_is_named_changes():
    settings = recipes.world_settings(audio={"cross_attention": False}, modality="both")
    assert not settings.audio.cross_attention
    assert settings.audio.layers == recipes.world_settings().audio.layers == 4


@pytest.mark.parametrize(
    ("name", "task"),
    [("emotion", "classification"), ("sentiment", "sentiment"), ("voices", "verification")],
)
def test_the_best_is_chosen_on_dev(name, task):
    chosen_on = recipe(f"fused.world_{name}", ANYWHERE).evaluation
    assert chosen_on.tasks == (task,)
    assert (chosen_on.split, chosen_on.where[:14]) == ("*", "(split = 'dev'")
    longest = recipe(f"fused.world_{name}", ANYWHERE).sources["rows"].max_seconds
    assert chosen_on.where.endswith(f"and seconds <= {longest:g}")


# Some of the labels.


def kept(where):
    return set(where.removeprefix("id in (").removesuffix(")").split(", "))


def test_a_share_has_some_of_each_label_and_is_within_every_larger_one(world_folder):
    where = f"split = 'train' and {FEELINGS}"
    tenth, half, every = (
        kept(fewer([world_folder], where, share, "label")) for share in (0.1, 0.5, 1.0)
    )
    assert tenth < half < every
    assert len(every) == 32
    told = Corpus.open(world_folder).columns("utterances", ["id", "label"], where).to_pylist()
    label = {f"'{row['id']}'": row["label"] for row in told}
    for chosen, share in ((tenth, 0.1), (half, 0.5)):
        for name in set(label.values()):
            have = [each for each in chosen if label[each] == name]
            there = [each for each in label if label[each] == name]
            assert len(have) == int(np.ceil(share * len(there)))
    assert len(kept(fewer([world_folder], where, 0.25, None))) == 8


def test_a_share_is_what_trains(world_folder):
    rows = Rows(FEELINGS, share=0.25)
    made = tune([world_folder], "sentiment", FusedSettings.tiny(), TRAINING, rows, items=4)
    assert len(Source(made.sources["rows"])) == 8
    made = tune([world_folder], "emotion", FusedSettings.tiny(), TRAINING, rows, items=4)
    assert made.settings.labels == ("angry", "happy", "neutral", "sad")


@given(st.sampled_from([0.0, -1.0, 1.5]))
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(SettingsError, match=rf"a share of {share:g} of the rows is none"):
        fewer(ANYWHERE, "id is not null", share, None)


def test_a_share_of_nothing_is_refused():
    with pytest.raises(SettingsError, match=r"some/corpus have no rows to take 0.5 of where"):
        fewer(ANYWHERE, "id is not null", 0.5, None)


# Who may train.


@pytest.fixture
def sessions(tmp_path):
    """Two sessions; the speaker `Bob` is in both."""
    folder = tmp_path / "sessions"
    with CorpusWriter(folder, Card(**COLUMNS_OF_CARD)) as writer:
        for number in range(8):
            session, label = 4 + number % 2, ("angry", "sad")[number // 2 % 2]
            speaker = "Bob" if number in (2, 7) else f"Ses{session:02}F"
            name = f"Ses{session:02}F_impro01_F{number:03}"
            writer.add("utterances", utterance(number, id=name, label=label, speaker=speaker))
    return folder


def test_a_speaker_of_both_sides_is_refused_by_name(sessions):
    with pytest.raises(TriviumError, match=r"speaker 'Bob' of .* leaks from training to test"):
        recipes.iemocap([sessions])
    settings, bob = FusedSettings.tiny(), "speaker != 'Bob'"
    rows = Rows(f"id like 'Ses04%' and {bob}", test="id like 'Ses05%'", split=None)
    made = tune([sessions], "emotion", settings, TRAINING, rows, items=2)
    assert made.settings.labels == ("angry", "sad")


def test_a_fold_is_what_trains_and_what_is_held_out(sessions):
    fold = leave_one_out(Corpus.open(sessions), FoldSettings(where="speaker != 'nobody'"))[0]
    settings, rows = FusedSettings.tiny(), Rows(fold.train, fold.dev, fold.test, split=None)
    made = tune([sessions], "emotion", settings, TRAINING, rows, items=2)
    assert len(Source(made.sources["rows"])) == fold.rows["train"]
    assert made.evaluation.tasks == ("classification",)
    longest = made.sources["rows"].max_seconds
    expected = ("*", f"({fold.dev}) and seconds <= {longest:g}")
    assert (made.evaluation.split, made.evaluation.where) == expected
    leaking = Rows(fold.train, fold.dev, fold.train, split=None)
    with pytest.raises(TriviumError, match="leaks from training"):
        tune([sessions], "emotion", settings, TRAINING, leaking, items=2)


def test_one_session_is_held_out():
    (four, five) = (recipes.iemocap(ANYWHERE, session).sources["rows"] for session in (4, 5))
    assert four.where.endswith("and not (id like 'Ses05%' or id like 'Ses04%')")
    assert five.where.endswith("and not (id like 'Ses01%' or id like 'Ses05%')")
    assert five.split is None
    assert recipes.iemocap(ANYWHERE).evaluation.where.endswith(
        "id like 'Ses01%') and seconds <= 37.4875"
    )


def test_speakers_of_the_world_that_are_on_both_sides_are_refused(world_folder):
    rows = Rows(FEELINGS, test="speaker is not null and language = 'en'")
    with pytest.raises(TriviumError, match=r"speaker '[\w-]+', .* leaks from training"):
        tune([world_folder], "emotion", FusedSettings.tiny(), TRAINING, rows, items=4)
