"""From a recipe to a table of scores, as a person does it."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from trivium.data.corpus import Corpus
from trivium.errors import SettingsError, TriviumError
from trivium.models.joint import Joint
from trivium.models.loaded import Model
from trivium.models.speechclip import SpeechClip
from trivium.models.towers import SpeechTower, TowerSettings
from trivium.recipes import RECIPES, recipe
from trivium.training.loop import Recipe


def trivium(*arguments):
    command = [sys.executable, "-m", "trivium", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory, world_folder):
    """A run of clip.tiny, half done by one process and half by another."""
    out = tmp_path_factory.mktemp("runs") / "clip"
    options = ["--corpus", world_folder, "--out", out, "--set", "training.save_every=40"]
    done = trivium("train", "clip.tiny", *options)
    assert done.returncode == 0, done.stderr
    assert "contrast" in done.stdout
    return out


def test_training_learns_and_evaluation_tells_it_beside_chance(run, world_folder, tmp_path):
    done = trivium("evaluate", run, world_folder, "--split", "train", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "text.en" in done.stdout
    found = json.loads((tmp_path / "retrieval.json").read_text())
    score = found["compared"][0]["score"]
    assert score["values"]["recall@1"] >= 90
    assert score["chance"]["recall@1"] == pytest.approx(100 / 32)
    assert score["signature"]["corpus"] == Corpus.open(world_folder).card.fingerprint
    assert (tmp_path / "retrieval.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_written_down_is_measured(tmp_path, world_folder):
    torch.manual_seed(0)
    Model("joint", Joint.tiny(), "").export(tmp_path / "joint")
    options = ["--task", "recognition", "--split", "dev", "--languages", "en"]
    done = trivium("evaluate", tmp_path / "joint", world_folder, *options, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "WER" in done.stdout
    found = json.loads((tmp_path / "recognition.json").read_text())
    lines = (tmp_path / "recognition.jsonl").read_text().splitlines()
    assert found["score"]["primary"] == "WER"
    assert {json.loads(line)["language"] for line in lines} == {"en"}
    sound = np.zeros(16_000, np.float32)
    model = Model.load(tmp_path / "joint")
    assert len(model.transcribe_speech([sound, sound[:9_000]], "en")) == 2
    with pytest.raises(TriviumError, match="'speechclip' does not write down"):
        Model("speechclip", SpeechClip.tiny(), "").transcribe_speech([sound])


def test_a_run_is_cut_short_measured_and_resumed(tmp_path, world_folder):
    evaluation = json.dumps({"split": "train", "every": 5, "items": 16})
    options = ["--corpus", world_folder, "--out", tmp_path, "--set", f"evaluation={evaluation}",
               "--random-weights"]  # fmt: skip
    done = trivium("train", "clip.tiny", *options, "--max-steps", 5)
    assert done.returncode == 0, done.stderr
    assert "step-00000005" in done.stdout
    assert "the best so far" in done.stderr
    done = trivium("train", "clip.tiny", *options, "--max-steps", 7, "--resume")
    assert "step-00000007" in done.stdout
    card = (tmp_path / "checkpoints" / "step-00000007" / "README.md").read_text()
    assert "world-tiny" in card
    assert "`retrieval` after 5 steps" in card
    assert Model.load(tmp_path / "best").kinds == ("text", "picture")


def test_a_finished_run_is_not_overwritten(run, world_folder):
    done = trivium("train", "clip.tiny", "--corpus", world_folder, "--out", run)
    assert done.returncode == 2
    assert "continue it with --resume" in done.stderr


def test_the_recipe_a_run_wrote_can_be_run_again(run, tmp_path):
    again = recipe(str(run / "config.json"), [])
    assert again == Recipe.load(run / "config.json")
    shorter = [f"training.phases.0.steps={steps}" for steps in (2,)]
    arguments = [run / "config.json", "--out", tmp_path / "again", "--set", *shorter]
    assert trivium("train", *arguments).returncode == 0
    lines = (tmp_path / "again" / "metrics.jsonl").read_text().splitlines()
    first = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    assert json.loads(lines[0])["contrast"] == first["contrast"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "clip.tniy"], "no recipe is called 'clip.tniy'; did you mean 'clip.tiny'"),
        (["train", "clip.tiny"], "needs a corpus; name one with --corpus DIR"),
        (["train", "clip.tiny", "--corpus", "nowhere"], "nowhere is not there"),
        (["evaluate", "nowhere", "x"], "nowhere is no folder and no model that ships"),
        (["train", "clip.tiny", "--max-steps", "0"], "--max-steps': Input should be greater"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, arguments, sentence):
    extra = ["--out", str(tmp_path / "run")] if arguments[0] == "train" else []
    done = trivium(*arguments, *extra)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrong_setting_is_named(tmp_path, world_folder):
    done = trivium("train", "clip.tiny", "--corpus", world_folder, "--out", tmp_path / "run",
                   "--set", "training.optimizer.rl=1")  # fmt: skip
    assert done.returncode == 2
    assert "no setting 'training.optimizer.rl'" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_model_embeds_single_items_and_lists(run, world):
    model = Model.load(run)
    assert model.kinds == ("text", "picture")
    texts = ["There is a red star.", "Two blue fish."]
    both = model.embed(text=texts)
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(model.embed(text=texts[1]), both[1], atol=1e-5)
    image = world.take("pictures", np.array([0]), ["image"]).column("image")[0].as_py()
    assert model.embed(image=image).shape == both[0].shape
    with pytest.raises(TriviumError, match="clip embeds text and picture, not speech"):
        model.embed(speech=np.zeros(16_000, np.float32))
    with pytest.raises(TriviumError, match="given nothing; give speech, text or image"):
        model.embed()


def test_speech_is_mapped_onto_the_towers_of_a_run(run, world_folder, tmp_path):
    out = tmp_path / "speech"
    picture = json.dumps({"source": str(run)})
    done = trivium("train", "speechclip.tiny", "--corpus", world_folder, "--out", out,
                   "--set", f"settings.picture={picture}", "--set", "settings.train_picture=false",
                   "--set", "training.phases.0.steps=2")  # fmt: skip
    assert done.returncode == 0, done.stderr
    clip, speech = Model.load(run), Model.load(out)
    square = np.full((40, 40, 3), 200, np.uint8)
    np.testing.assert_allclose(speech.embed(image=square), clip.embed(image=square), atol=1e-6)
    assert speech.kinds == ("speech", "picture")
    sound = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    one, both = speech.embed(speech=sound), speech.embed(speech=[sound[:9_000], sound])
    np.testing.assert_allclose(both[1], one, atol=1e-5)


def test_a_tower_that_a_run_has_not_is_named(run):
    with pytest.raises(SettingsError, match="holds a clip, which has no tower for speech"):
        SpeechTower.from_settings(TowerSettings(source=str(run)))


def test_every_recipe_resolves_and_survives_json(tmp_path, world_folder):
    for name in RECIPES:
        made = recipe(name, [world_folder])
        path = tmp_path / f"{name}.json"
        path.write_text(made.to_json())
        assert Recipe.load(path) == made


def test_a_recipe_of_an_unknown_system_is_named(tmp_path, world_folder):
    made = json.loads(recipe("clip.tiny", [world_folder]).to_json()) | {"system": "clpi"}
    (tmp_path / "r.json").write_text(json.dumps(made))
    with pytest.raises(SettingsError, match="no system is called 'clpi'; did you mean 'clip'"):
        recipe(str(tmp_path / "r.json"), [])
