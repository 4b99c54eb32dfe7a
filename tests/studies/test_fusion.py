"""The pre-trainings and cells of the study, and one step of each kind for real."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from trivium.cli.study import app
from trivium.data.corpus import Corpus
from trivium.data.source import Source
from trivium.errors import SettingsError, TriviumError
from trivium.models.loaded import Model
from trivium.runtime import derive_seed
from trivium.studies.fusion.cells import cells, stages
from trivium.studies.fusion.measure import LOSSES, MCAM, MLM, OTHERS, OVERLAP, OWN
from trivium.studies.fusion.sizes import (
    ABLATION,
    AUDIO,
    FULL,
    SCRATCH,
    SIZES,
    TEST,
    TEXT,
    WORLD,
    Variant,
)
from trivium.studies.fusion.study import fusion
from trivium.studies.study import run
from trivium.studies.views import Everything
from trivium.training.recipe import build_system

SMALL = {"width": 16, "heads": 2, "feedforward": 16}
SYSTEM = TEST.system.model_copy(update=SMALL)
STEP = [f"{name}.phases.0.steps=1" for name in ("pretraining", "tuning")]


def one_step(settings, **changes):
    """A size with one step of everything, of a network of a few thousand parameters."""
    return settings.model_copy(update={"system": SYSTEM, **changes}).override([*STEP, "seeds=1"])


def by_name(settings, folder, out):
    return {cell.name: cell for cell in cells(settings, folder, out)}


@pytest.mark.parametrize("size", SIZES)
def test_cells_are_the_ablation_and_each_begins_from_a_pretraining_that_is_planned(
    size, world_folder, tmp_path
):
    settings = SIZES[size].override(["seeds=2"])
    made = list(cells(settings, world_folder, tmp_path))
    before = [stage.name for stage in stages(settings, world_folder)]
    assert len(made) == 2 * sum(map(len, ABLATION.values())) == 44
    assert len({cell.name for cell in made}) == 44
    assert before[:6] == ["both.full.seed0", "mlm.full.seed0", "mcam.full.seed0",
                          "both.late.seed0", "both.causal.seed0", "both.larger.seed0"]  # fmt: skip
    assert len(before) == len(set(before)) == 12
    for cell in made:
        [stage] = cell.needs
        assert stage in before
        assert cell.recipe.settings.start == str(tmp_path / "stages" / stage)
        assert cell.recipe.training.loader.seed == cell.seed
        assert cell.recipe.evaluation is None
        assert cell.recipe.tokens is None


def test_only_scratch_leaves_the_weights_of_the_pretraining(world_folder, tmp_path):
    made = by_name(TEST, world_folder, tmp_path)
    begun = {name: cell.recipe.settings.start_with for name, cell in made.items()}
    assert {name for name, sides in begun.items() if not sides} == {
        name for name in begun if ".scratch." in name
    }
    full = made["emotion.both.full.orthogonal.both.100.seed0"].recipe
    scratch = made["emotion.scratch.full.orthogonal.both.100.seed0"].recipe
    assert full.model_copy(update={"settings": scratch.settings}) == scratch


def test_pretrainings_of_a_seed_differ_in_weights_and_network_alone(world_folder):
    made = {stage.name: stage.recipe for stage in stages(TEST, world_folder)}
    both, mlm = made["both.full.seed0"], made["mlm.full.seed0"]
    assert mlm.training.phases[0].weights == {"mlm": 1.0}
    phases = {"phases": both.training.phases}
    assert mlm.model_copy(update={"training": mlm.training.model_copy(update=phases)}) == both
    assert both.training.loader.seed == derive_seed("fusion", 0) != made["both.full.seed1"]
    assert not made["both.late.seed0"].settings.audio.cross_attention
    assert made["both.causal.seed0"].settings.audio.causal
    larger = made["both.larger.seed0"].settings
    assert (larger.text.layers, larger.audio.layers) == (
        2 * both.settings.text.layers, 2 * both.settings.audio.layers
    )  # fmt: skip


def test_few_labels_are_some_of_each_and_within_more_of_them(world_folder, tmp_path):
    made = by_name(WORLD, world_folder, tmp_path)
    found = {}
    for share in ("1", "10", "100"):
        recipe = made[f"emotion.both.full.orthogonal.both.{share}.seed0"].recipe
        [corpus] = Source(recipe.sources["rows"]).corpora
        rows = corpus.columns("utterances", ["id", "label"], recipe.sources["rows"].filter)
        found[share] = {row["id"]: row["label"] for row in rows.to_pylist()}
        assert set(found[share].values()) == set(recipe.settings.labels)
    assert found["1"].items() <= found["10"].items() <= found["100"].items()
    labels = list(found["100"].values())
    for label in set(labels):
        assert list(found["10"].values()).count(label) == int(np.ceil(labels.count(label) / 10))


@pytest.mark.parametrize(
    ("given", "told"),
    [({"modality": "text"}, "modality 'text' has no other stream: its fusion is 'none'"),
     ({"modality": "audio", "fusion": "none", "network": "late"}, "its network 'full', not 'late'"),
     ({"network": "late", "fusion": "none"}, "network 'late' reads the text in the head alone")],
)  # fmt: skip
def test_what_cannot_be_built_is_not_planned(given, told):
    with pytest.raises(SettingsError, match=told):
        Variant.parse(given)


def test_settings_that_make_no_study_are_refused():
    with pytest.raises(SettingsError, match="ablation has 'voices', and rows are those of emotion"):
        TEST.override(['rows={"emotion": "true", "sentiment": "true"}'])
    with pytest.raises(SettingsError, match=r"ablation of 'emotion' has .*'labels': '100'.* twice"):
        TEST.override(['ablation={"emotion": [{}, {}]}'])
    with pytest.raises(SettingsError, match="budget"):
        TEST.override(['budget={"items": 16, "seconds": 40}'])
    with pytest.raises(SettingsError, match=r"system\.task is 'regress', and the study sets it"):
        TEST.override(["system.task=regress"])
    with pytest.raises(SettingsError, match=r"system\.start is 'runs/x', and the study sets it"):
        TEST.override(["system.start=runs/x"])


def test_a_speaker_who_is_measured_and_trained_on_is_refused(world_folder, tmp_path):
    with pytest.raises(TriviumError, match="leaks from training to test"):
        list(cells(TEST.override(["split=train"]), world_folder, tmp_path))


@pytest.fixture(scope="module")
def study(world_folder, tmp_path_factory):
    """One step of a cell of each task, measured."""
    few = {"emotion": (FULL, TEXT), "sentiment": (AUDIO,), "voices": (SCRATCH,)}
    settings = one_step(TEST, ablation=few, trials=40)
    made = fusion(settings, world_folder, tmp_path_factory.mktemp("fusion"))
    return made, run(made)


def test_a_cell_is_measured_by_its_task_and_by_what_it_loses(study):
    _, results = study
    assert not results.missing
    full, text, sentiment, voices = results.measured
    assert [score.task for score in full.scores] == ["emotion", OWN, LOSSES]
    assert set(full.score(LOSSES).values) == {OVERLAP, MLM, MCAM, OTHERS}
    assert "unweighted accuracy" in full.score("emotion").values
    assert full.score("emotion").signature.split.startswith("test where")
    assert full.score(OWN).signature.split.startswith("* where split = 'train'")
    assert [score.task for score in text.scores] == ["emotion", OWN]
    assert sentiment.score("sentiment").values["MAE"] >= 0
    assert [score.task for score in voices.scores] == ["voices"]
    assert 0 <= voices.score("voices").values["EER"] <= 100


def test_a_made_world_is_known_to_have_emotion_in_the_voice_alone(study):
    made, results = study
    assert "would leak" in made.claims(results)[5].here


def test_a_loss_of_held_out_rows_is_the_mean_over_all_that_is_hidden(study, world_folder):
    """The same number with each row alone, and the text of the row before."""
    from trivium.data.loader import Stopwatch, load

    made, results = study
    losses = results.measured[0].score(LOSSES).values
    system = Model.load(made.stage_folder("both.full.seed0")).system
    rows = replace_rows(made.cells[0].recipe.sources["rows"])
    source, found = Source(rows), {MCAM: [], OTHERS: []}
    place = np.arange(len(source))
    for epoch in range(TEST.draws):
        texts = load(source, place, epoch, 0, Stopwatch()).texts
        for number in place:
            alone = load(source, place[[number]], epoch, 0, Stopwatch())
            for name, text in ((MCAM, texts[number]), (OTHERS, texts[number - 1])):
                batch = replace(alone, texts=(text,))
                part = system.prepare({"pairs": batch}, np.random.default_rng(0))["pairs"]
                with torch.no_grad():
                    term = system({"pairs": part}, ("mcam",))["mcam"]
                found[name].append((float(term.sum), part.counts["mcam"]))
    for name, each in found.items():
        sums, counts = np.array(each).sum(0)
        assert losses[name] == pytest.approx(sums / counts, rel=1e-4)


def replace_rows(rows):
    """The held-out rows of a source of training."""
    changes = {"split": "test", "columns": ("audio", "text"), "max_seconds": None}
    return rows.model_copy(update=changes)


def test_scratch_begins_anew_with_the_same_tokenizer(study, tmp_path):
    made, _ = study
    cell = made.cells[-1]
    before = Model.load(made.stage_folder("both.full.seed0")).system
    system = build_system(cell.recipe, tmp_path)
    assert system.text.tokenizer.to_str() == before.text.tokenizer.to_str()
    name = "network.embedding.weight"
    assert not torch.equal(system.text.state_dict()[name], before.text.state_dict()[name])
    system = build_system(made.cells[0].recipe, tmp_path)
    assert torch.equal(system.text.state_dict()[name], before.text.state_dict()[name])


def test_a_cell_whose_pretraining_is_another_is_measured_again(study):
    made, _ = study
    cell = made.cells[0]
    [trained] = (made.cell_folder(cell) / "checkpoints").glob("step-*")
    signed = made.sign(cell, trained)
    assert signed == made.results().measured[0].signature
    other = replace(cell, needs=("../cells/" + cell.name,))
    assert made.sign(other, trained) != signed


def test_the_command_tells_what_is_missing(world_folder, tmp_path):
    changes = {"system": SYSTEM.model_dump(mode="json"), "trials": 40}
    words = [f"{name}={json.dumps(value)}" for name, value in changes.items()]
    arguments = ["fusion", "--size", "test", "--out", str(tmp_path), "--corpus", str(world_folder),
                 "--seeds", "1", "--only", "voices.scratch.*"]  # fmt: skip
    arguments += [word for change in (*STEP, *words) for word in ("--set", change)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert "1 cells, 21 cells missing" in done.stdout
    everything = Everything.load(tmp_path / "results.json")
    assert len(everything.results.measured) == 1
    told = (tmp_path / "report.md").read_text()
    emotions = Corpus.open(world_folder).columns(
        "utterances", ["id"], "split = 'test' and label is not null and score is not null"
    )
    assert f"Of {len(emotions)} held-out emotions" in told
    assert "Always giving the mean of the held-out scores has an MAE of" in told
    assert "| scratch | full | orthogonal | both | 100 |" in told


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_one_step_of_every_stage_and_cell(size, world_folder, tmp_path):
    """At both sizes, with the networks of the other small."""
    made = fusion(one_step(SIZES[size], trials=40), world_folder, tmp_path)
    results = run(made)
    assert not results.missing
    assert not results.failed
    made.report(results, made.claims(results))
    assert (tmp_path / "emotion.png").exists()


@pytest.mark.slow
def test_a_study_at_size_test_learns_its_own_rows(tmp_path):
    """A world of its own, two seeds of the cells around one claim."""
    arguments = ["fusion", "--size", "test", "--out", str(tmp_path), "--seeds", "2", "--only",
                 "emotion.*.full.orthogonal.both.100.*",
                 "--set", "pretraining.phases.0.steps=200"]  # fmt: skip
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    everything = Everything.load(tmp_path / "results.json")
    verdicts = {answer.claim.number: answer.verdict for answer in everything.answers}
    assert verdicts[2] != "not tested"
    full = [one for one in everything.results.measured if one.axes["pretraining"] == "both"]
    assert len(full) == 2
    for one in full:
        assert one.score(OWN).values["unweighted accuracy"] > 45  # chance is 25
        assert one.score(LOSSES).values[MLM] < np.log(320)
