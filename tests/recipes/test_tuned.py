"""Recipes of `tuned`: from the run of an encoder to a model that needs no other."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.recipes.test_joint import edits
from trivium.data.batch import Ragged
from trivium.data.corpus import Corpus
from trivium.data.loader import Stopwatch, load
from trivium.data.source import Source
from trivium.errors import SettingsError
from trivium.models.loaded import Model
from trivium.recipes import RECIPES, recipe
from trivium.recipes import joint as joint_recipes
from trivium.recipes.tuned import tune
from trivium.training.loop import fit

ANYWHERE = [Path("some/corpus")]
TASKS = ("recognition", "translation", "languages", "intents", "sentences", "probe")
VARIANTS = {"speech": "speech-only", "tlm": "tlm", "ctc": "ctc", "tlm_ctc": "tlm+ctc"}
SHORT = ["training.log_every=1"]
BUDGETS = {
    "spoken": "seconds=20", "labelled_speech": "seconds=20", "labelled_text": "characters=400",
    "spoken_translations": "items=4", "translations": "items=4",
}  # fmt: skip


@pytest.fixture(scope="module")
def encoder(tmp_path_factory, world_folder):
    """A run of the smallest `joint` that reads and writes both languages of the world."""
    made = recipe("joint.world_ctc", [world_folder]).override([
        'settings.conformer={"layers": 2, "width": 16, "feedforward": 32, "heads": 2, "groups": 4}',
        "settings.speech_layers=1", "settings.quantizer.entries=8", "settings.quantizer.width=8",
        "settings.match_width=8", "sources.speech.seconds=12", "sources.pairs.seconds=12",
        "sources.text.characters=400", "training.phases.0.steps=1", "training.precision=fp32",
    ])  # fmt: skip
    out = tmp_path_factory.mktemp("runs") / "joint"
    fit(made, out)
    return out


def small(made, steps=2):
    """The same run, a few small steps of each phase."""
    budgets = [f"sources.{role}.{BUDGETS[role]}" for role in made.sources]
    phases = [f"training.phases.{n}.steps={steps}" for n in range(len(made.training.phases))]
    return made.override([*SHORT, *budgets, *phases])


def silence():
    return Ragged(torch.zeros(1, 8_000), torch.tensor([8_000]))


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_trained_from_a_run_and_its_checkpoint_needs_no_other(
    task, tmp_path, encoder, world_folder
):
    lent = shutil.copytree(encoder, tmp_path / "joint")
    made = small(tune([world_folder], task, str(lent)))
    assert made.training.precision == "bf16"
    fitted = fit(made, tmp_path / "run")
    assert fitted.losses.keys() == made.training.phases[0].weights.keys()
    assert all(np.isfinite(loss) for loss in fitted.losses.values())
    shutil.rmtree(lent)
    with pytest.raises(SettingsError, match=r"joint is no folder and no model that ships"):
        fit(made, tmp_path / "again")
    system = Model.load(tmp_path / "run").system
    # Of the encoder all is there, of where it came from nothing.
    assert system.settings.encoder.start is None
    assert system.settings.encoder.system == "joint"
    assert str(lent) not in (fitted.checkpoint / "config.json").read_text()
    for name, tensor in fitted.system.state_dict().items():
        torch.testing.assert_close(system.state_dict()[name], tensor, atol=0, rtol=0)
    if task == "recognition":
        assert system.transcribe(silence()) == fitted.system.transcribe(silence())
    elif task == "translation":
        for model in (system, fitted.system):
            model.decoder.settings = model.decoder.settings.model_copy(
                update={"writing": model.decoder.settings.writing.model_copy(
                    update={"max_tokens": 5})}
            )  # fmt: skip
        assert len(system.translate_speech(silence(), ["ja"], "en")) == 1
        said = [model.translate_text(["赤い星"], ["ja"], "en") for model in (system, fitted.system)]
        assert said[0] == said[1]
    else:
        given = (None, ["play"]) if task == "sentences" else (silence(), None)
        assert torch.equal(system.classify(*given), fitted.system.classify(*given))
        assert system.reads == (("text",) if task == "sentences" else ("speech",))
        column = "language" if task == "languages" else "label"
        assert system.label_column == column


def test_it_begins_with_the_weights_of_the_encoders_run(tmp_path, encoder, world_folder):
    frozen = small(tune([world_folder], "probe", str(encoder)))
    there = Model.load(encoder, "cpu").system.state_dict()
    found = fit(frozen, tmp_path / "probe").system.encoder.system.state_dict()
    assert there.keys() == found.keys()
    assert all(torch.equal(there[name], found[name]) for name in there)
    # The first phase trains heads alone.
    made = small(tune([world_folder], "intents", str(encoder)))
    fit(made, tmp_path / "run", max_steps=2)
    half = Model.load(tmp_path / "run", "cpu").system.encoder.system.state_dict()
    assert all(torch.equal(there[name], half[name]) for name in there)
    whole = fit(made, tmp_path / "run", resume=True).system.encoder.system.state_dict()
    assert not all(torch.equal(there[name], whole[name]) for name in there)


def test_ctc_probes_a_frozen_encoder_too(tmp_path, encoder, world_folder):
    made = small(tune([world_folder], "recognition", str(encoder))).override([
        "settings.train_encoder=false",
        'training.phases=[{"steps": 2, "weights": {"ctc": 1.0}}]',
    ])  # fmt: skip
    there = Model.load(encoder, "cpu").system.state_dict()
    found = fit(made, tmp_path / "run").system.encoder.system.state_dict()
    assert all(torch.equal(there[name], found[name]) for name in there)


def test_a_run_that_was_ended_goes_on_as_if_it_had_not_been(tmp_path, encoder, world_folder):
    made = small(tune([world_folder], "translation", str(encoder)))
    whole = fit(made, tmp_path / "whole")
    for stop in (1, 3):
        fit(made, tmp_path / "parted", max_steps=stop, resume=stop > 1)
    again = fit(made, tmp_path / "parted", resume=True)
    assert again.losses == whole.losses
    for name, tensor in whole.system.state_dict().items():
        assert torch.equal(again.system.state_dict()[name], tensor), name


def test_speech_and_texts_are_translated_in_equal_numbers():
    made, alone = (recipe(f"tuned.{name}", ANYWHERE)
                   for name in ("translation", "translation_speech"))  # fmt: skip
    assert [source.items for source in made.sources.values()] == [64, 64]
    assert made.sources["translations"].table == "sentences"
    for phase in made.training.phases:
        assert phase.weights == {"speech_translation": 1.0, "text_translation": 5.0}
    for phase in alone.training.phases:
        assert phase.weights == {"speech_translation": 1.0}
    assert alone.sources.keys() == {"spoken_translations"}
    assert (alone.settings.decoder.dropout, made.settings.decoder.dropout) == (0.3, 0.1)
    assert all("= 'en'" in source.where for source in made.sources.values())


def test_the_constants_of_the_paper():
    from trivium.models.tuned.settings import DecoderSettings

    decoder = DecoderSettings()
    assert (decoder.layers, decoder.width, decoder.dropout) == (6, 512, 0.3)


def test_labels_are_those_of_the_training_rows(world_folder):
    corpus = Corpus.open(world_folder)
    for task, table in (("intents", "utterances"), ("sentences", "sentences")):
        labels = tune([world_folder], task).settings.classifier.labels
        rows = corpus.columns(table, ["id", "label"], "split = 'train' and label is not null")
        wanted = {row["label"] for row in rows.to_pylist() if row["id"].startswith("request")}
        assert labels == tuple(sorted(wanted))
    assert tune([world_folder], "languages").settings.classifier.labels == ("en", "ja")
    assert tune(ANYWHERE, "languages").settings.classifier.labels == ()


def test_the_run_of_an_encoder_is_an_argument_or_a_setting():
    by_name = recipe("tuned.languages", ANYWHERE).override(["settings.encoder.start=runs/mine"])
    assert by_name == tune(ANYWHERE, "languages", "runs/mine")
    alone = tune(ANYWHERE, "translation", "runs/mine", with_mt=False)
    assert alone.settings.encoder.start == "runs/mine"
    assert "translations" not in alone.sources
    assert [name for name in RECIPES if name.startswith("tuned.")] == [
        "tuned.intents", "tuned.languages", "tuned.probe", "tuned.recognition", "tuned.sentences",
        "tuned.tiny", "tuned.translation", "tuned.translation_speech",
    ]  # fmt: skip


def test_the_variants_of_the_world_differ_in_their_schedule_alone():
    made = {name: recipe(f"joint.world_{name}", ANYWHERE) for name in VARIANTS}
    for name, variant in VARIANTS.items():
        (phase,) = made[name].training.phases
        assert phase.weights == joint_recipes.weights(variant)
        bare = json.loads(made[name].to_json())
        bare["training"]["phases"][0]["weights"] = None
        same = json.loads(made["tlm_ctc"].to_json())
        same["training"]["phases"][0]["weights"] = None
        assert bare == same
    assert recipe("joint.world", ANYWHERE) == made["tlm_ctc"]


@pytest.mark.slow
def test_tiny_writes_translates_and_labels_its_requests(tmp_path, world_folder):
    made = recipe("tuned.tiny", [world_folder])
    system = fit(made, tmp_path / "run").system
    for role in made.sources:
        columns = ("audio", "text", "translation", "label")
        source = Source(made.sources[role].model_copy(update={"columns": columns}))
        batch = load(source, np.arange(len(source)), 0, 0, Stopwatch())
        none, told = [None] * len(batch), batch.columns
        if role == "labelled_speech":
            found = system.classify(batch.speech, None).argmax(1).tolist()
            assert [system.labels[number] for number in found] == list(told["label"])
            continue
        written, wanted = (
            (system.transcribe(batch.speech), batch.texts) if role == "spoken"
            else (system.translate_speech(batch.speech, none, "en"), told["translation"])
        )  # fmt: skip
        read = system.characters
        wanted = [read.write(read.known(read.read(text)).tolist()) for text in wanted]
        assert sum(map(edits, written, wanted)) / sum(map(len, wanted)) < 0.1, written


def test_tiny_needs_no_other_run(tmp_path, world_folder):
    made = recipe("tuned.tiny", [world_folder])
    short = made.override(["training.phases.0.steps=1", *(
        f"sources.{role}.seconds=12" for role in made.sources
    )])  # fmt: skip
    losses = fit(short, tmp_path / "run").losses
    assert losses.keys() == {"ctc", "speech_translation", "speech_label"}
    assert set(made.settings.classifier.labels) >= {"timer", "light"}
