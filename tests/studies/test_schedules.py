"""The cells of the study, its second corpus, and two cells for real."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from trivium.cli.study import app
from trivium.data.corpus import Corpus
from trivium.data.source import Source
from trivium.errors import CorpusError, SettingsError
from trivium.models.loaded import Model
from trivium.recipes.grounded import SCHEDULES
from trivium.runtime import derive_seed
from trivium.studies.schedules.cells import UNTRAINED, cells
from trivium.studies.schedules.corpora import with_noise
from trivium.studies.schedules.measure import curves
from trivium.studies.schedules.report import Everything
from trivium.studies.schedules.sizes import SIZES, TEST
from trivium.studies.schedules.study import schedules
from trivium.studies.study import run, total_steps
from trivium.tasks.vectors import SOUND
from trivium.training.recipe import build_system

SHORT = ["seeds=1", "interval=1", "items=20"]
FEW = TEST.override(SHORT)


@pytest.mark.parametrize("size", SIZES)
def test_every_cell_has_the_same_steps_and_turns_at_a_measurement(size, world_folder):
    settings = SIZES[size]
    made = list(cells(settings, world_folder))
    assert len({cell.name for cell in made}) == len(made)
    assert len(made) == settings.seeds * (9 + 1 + len(settings.few))
    assert [cell.axes["schedule"] for cell in made[:9]] == list(SCHEDULES)
    for cell in made:
        recipe = cell.recipe
        assert recipe.training.loader.seed == cell.seed
        if cell.axes["schedule"] == UNTRAINED:
            continue
        assert total_steps(recipe) == settings.steps == 14 * settings.interval
        assert settings.switch == 4 * settings.interval
        assert settings.switch % recipe.evaluation.every == 0
        assert recipe.evaluation.tasks == ("retrieval", "abx")
        assert recipe.evaluation.split == settings.split
    assert not set("()[] '\"") & set("".join(cell.name for cell in made))  # for a shell


@pytest.mark.parametrize("size", SIZES)
def test_every_cell_can_be_built(size, world_folder, tmp_path):
    for cell in cells(SIZES[size], world_folder):
        if cell.seed == 0 and cell.axes["schedule"] in ("VGS+", "untrained"):
            roles = build_system(cell.recipe, tmp_path).roles
            assert roles.keys() == cell.recipe.sources.keys()


def by_name(settings, folder):
    return {cell.name: cell.recipe for cell in cells(settings, folder)}


def rows_of(recipe, role):
    source = Source(recipe.sources[role])
    [corpus] = source.corpora
    return corpus.take("utterances", source.rows, ["id", "picture", "language"]).to_pylist()


def test_few_pictures_are_a_share_of_all_and_sound_is_all_there(world_folder):
    made = by_name(FEW, world_folder)
    whole, few = made["VGS+.100.seed0"], made["VGS+.25.seed0"]
    every = {row["picture"] for row in rows_of(whole, "spoken")}
    shown = {row["picture"] for row in rows_of(few, "spoken")}
    assert shown == set(sorted(every)[: len(every) // 4])
    assert rows_of(few, "speech") == rows_of(whole, "spoken")
    assert {row["language"] for row in rows_of(whole, "spoken")} == {"en"}
    assert (whole.settings.ssl_on, few.settings.ssl_on) == ("spoken", "speech")
    assert list(whole.sources) == ["spoken"]


def test_self_supervision_may_hear_another_corpus(world_folder, by_hand):
    settings = FEW.model_copy(update={"speech": (by_hand.path,)})
    made = by_name(settings, world_folder)["VGS+.100.seed0"]
    assert made.settings.ssl_on == "speech"
    assert made.sources["speech"].corpora == (world_folder, by_hand.path)
    assert made.sources["spoken"].corpora == (world_folder,)
    assert len(Source(made.sources["speech"])) > len(Source(made.sources["spoken"])) + 19


def test_settings_and_corpora_that_make_no_study_are_refused(by_hand):
    with pytest.raises(SettingsError, match="few has 'ramp', which is none of schedules"):
        TEST.override(['few=["ramp"]'])
    with pytest.raises(CorpusError, match="has 0 pictures that are spoken of in 'hi'"):
        list(cells(FEW.override(["language=hi"]), by_hand.path))


def samples(corpus, id_):
    _, row = corpus.find(id_)
    return corpus.sounds(corpus.take("utterances", [row], SOUND))[0]


def test_the_second_corpus_is_speech_with_noise(world, tmp_path):
    with_noise(world, "test", tmp_path / "noisy")
    noisy = Corpus.open(tmp_path / "noisy")
    clean = world.columns("utterances", ["id", "phones", "speaker"], "split = 'test'").to_pylist()
    kept = noisy.columns("utterances", ["id", "phones", "speaker"]).to_pylist()
    assert [row["id"] for row in kept] == [f"{row['id']}-noisy" for row in clean]
    assert [row["phones"] for row in kept] == [row["phones"] for row in clean]
    assert noisy.card.fingerprint != world.card.fingerprint
    for row in clean[::5]:
        one, other = samples(world, row["id"]), samples(noisy, f"{row['id']}-noisy")
        assert len(one) == len(other)
        below = 10 * np.log10(np.mean(one**2) / np.mean((other - one) ** 2))
        assert 4.9 < below < 15.1
    with_noise(world, "test", tmp_path / "again")
    again = Corpus.open(tmp_path / "again")
    last = kept[-1]["id"]
    assert np.array_equal(samples(noisy, last), samples(again, last))
    with_noise(world, "test", tmp_path / "again")  # nothing is left to do
    assert Corpus.open(tmp_path / "again").card == noisy.card


def test_curves_are_what_was_logged():
    abx = {"abx/across.layer0": 9.0, "abx/across.layer1": 8.0, "abx/across.best": 8.0}
    chance = {"chance": {"recall@1": 1.0, "recall@10": 10.0}}
    lines = [
        {"step": 0, "lr": 0.1, "ssl": 3.0, "diversity": 0.5},
        {
            "step": 1,
            "evaluation": {"values": {"recall@1": 5.0, "recall@10": 50.0, **abx}, **chance},
        },
        {"step": 2, "warning": "slow"},
        {"step": 4, "ssl": 2.0, "masked_ground": 1.0},
        {
            "step": 5,
            "evaluation": {"values": {"recall@1": 6.0, "recall@10": 60.0, **abx}, **chance},
        },
    ]
    assert curves(lines, 10) == {
        "loss/ssl": (3.0, 2.0), "loss/ssl/step": (0, 4), "loss/masked_ground": (1.0,),
        "loss/masked_ground/step": (4,), "measured after": (2, 6), "recall": (50.0, 60.0),
        "chance": (10.0, 10.0),
        "abx/across.layer0": (9.0, 9.0), "abx/across.layer1": (8.0, 8.0),
    }  # fmt: skip


@pytest.fixture(scope="module")
def two_cells(world_folder, tmp_path_factory):
    """A study of which a sequential cell and one that learns nothing were trained, shortly."""
    out = tmp_path_factory.mktemp("study")
    study = schedules(FEW, world_folder, world_folder, out)
    for only in ("VGS-then-W2V2.*", "untrained.*"):
        results = run(study, only)
    return study, results


def test_two_cells_are_measured_every_way(two_cells):
    _, results = two_cells
    by_cell = {one.cell: one for one in results.measured}
    turned, untrained = by_cell["VGS-then-W2V2.100.seed0"], by_cell["untrained.100.seed0"]
    assert [score.task for score in turned.scores] == ["retrieval", "abx/own", "abx/second"]
    retrieval = turned.score("retrieval")
    assert retrieval.primary == "recall@5"
    assert retrieval.chance["to_picture/recall@1"] == pytest.approx(100 / 32)
    for corpus in ("own", "second"):
        values = turned.score(f"abx/{corpus}").values
        assert {f"{s}.layer{n}" for s in ("within", "across") for n in range(4)} <= values.keys()
    assert turned.curves["measured after"] == (2, 4, 6, 8, 10, 12, 14)
    assert turned.curves["loss/ground/step"] == (0, 1, 2, 3)
    assert turned.curves["loss/ssl/step"] == tuple(range(4, 14))
    assert len(turned.curves["abx/across.layer2"]) == 7
    assert untrained.curves["measured after"] == (1,)
    assert len(results.missing) == 10


def test_what_is_untrained_has_the_weights_it_began_with(two_cells, tmp_path):
    import torch

    study, _ = two_cells
    cell = next(cell for cell in study.cells if cell.axes["schedule"] == UNTRAINED)
    trained = Model.load(study.cell_folder(cell)).system
    torch.manual_seed(derive_seed(cell.recipe.training.loader.seed, "init"))
    began = build_system(cell.recipe, tmp_path)
    for (name, ours), (_, theirs) in zip(
        trained.named_parameters(), began.named_parameters(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, msg=name)


def test_the_command_continues_a_study_and_says_what_is_missing(two_cells, world_folder):
    study, results = two_cells
    folders = ["--out", study.out, "--corpus", world_folder, "--second", world_folder]
    arguments = ["schedules", "--size", "test", *map(str, folders), "--only", "untrained.*"]
    arguments += [word for change in SHORT for word in ("--set", change)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert "2 cells, 10 cells missing" in done.stdout
    everything = Everything.load(study.out / "results.json")
    assert everything.results == results
    assert everything.answers[4].verdict == "not tested"
    told = (study.out / "report.md").read_text()
    assert "14 steps each" in told
    assert "VGS and then W2V2: recall@5" in told


def test_a_size_that_is_none_is_named(tmp_path):
    with pytest.raises(SettingsError, match="no size 'tset'; did you mean 'test'"):
        CliRunner().invoke(app, ["schedules", "--size", "tset", "--out", str(tmp_path)],
                           catch_exceptions=False)  # fmt: skip


@pytest.mark.slow
def test_the_whole_study_at_size_test(tmp_path):
    """A world and a second corpus of its own, 24 cells, two seeds, all seven findings."""
    done = CliRunner().invoke(app, ["schedules", "--size", "test", "--out", str(tmp_path)],
                              catch_exceptions=False)  # fmt: skip
    assert done.exit_code == 0
    everything = json.loads((tmp_path / "results.json").read_text())
    measured = {one["cell"]: one for one in everything["results"]["measured"]}
    assert len(measured) == 24
    verdicts = {answer["claim"]["number"]: answer["verdict"] for answer in everything["answers"]}
    assert verdicts[5] == "not tested"  # three layers
    assert all(verdicts[number] != "not tested" for number in (1, 2, 3, 4, 6, 7))
    told = (tmp_path / "report.md").read_text()
    assert all(f"| {name} |" in told for name in SCHEDULES)
    assert "VGS and then W2V2: recall@5" in told
    for seed in (0, 1):
        learned = measured[f"VGS.100.seed{seed}"]["scores"][0]
        assert learned["values"]["recall@5"] > 2 * learned["chance"]["recall@5"]
        losses = measured[f"W2V2.100.seed{seed}"]["curves"]["loss/ssl"]
        assert np.mean(losses[-10:]) < 2.7  # chance is log 21, 3.04
    assert (tmp_path / "report.html").stat().st_size > 100_000
