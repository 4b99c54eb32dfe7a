"""The cells of the study `composite`, what they learn from, and each kind of run for a step."""

import json
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from trivium.cli.study import app
from trivium.data.corpus import Corpus
from trivium.data.source import Source
from trivium.errors import SettingsError
from trivium.models.loaded import Model
from trivium.recipes.composite import PAPER
from trivium.studies.composite.cells import ADAPTER, SPEECH, TEXT, cells, paired, percent, stages
from trivium.studies.composite.measure import (
    DIRECT,
    ERRORS,
    OWN_CASCADE,
    STAGE_ERRORS,
    STAGE_TEXTS,
    STAGES_CASCADE,
    TEXTS,
)
from trivium.studies.composite.sizes import ALL, METHODS, PLAIN, SIZES, TEST, THAWED, WORLD
from trivium.studies.composite.study import composite
from trivium.studies.study import run, steps_left
from trivium.studies.views import Everything
from trivium.tasks.score import comparable

# Both sizes with the towers of size test, a step each, on a tiny world in which Japanese requests
# are translated into English.
ONE_STEP = ("training.phases.0.steps=1",)
SMALL = {
    "text": (*TEST.text, *ONE_STEP), "speech": (*TEST.speech, *ONE_STEP), "change": TEST.change,
    "adapter": TEST.adapter, "languages": ("ja", "en"), "low": ("en",),
    "rows": "id like 'request%'", "steps": 1, "shares": (1.0,), "share": 1.0, "seeds": 1,
}  # fmt: skip
TINY = {
    "test": TEST.model_copy(update={**SMALL, "adapter_steps": 1, "methods": (PLAIN, ALL)}),
    "world": WORLD.model_copy(
        update={**SMALL, "frozen_steps": 1, "methods": (PLAIN, "erm", "teacher", ALL, THAWED)}
    ),
}


@pytest.mark.parametrize("size", SIZES)
def test_plain_and_all_have_every_share_and_single_losses_one(size, tmp_path):
    settings = SIZES[size]
    made = list(cells(settings, tmp_path / "corpus", tmp_path))
    assert len({cell.name for cell in made}) == len(made)
    shares = [percent(share) for share in settings.shares]
    rows = {(cell.axes["method"], cell.axes["speech"]) for cell in made if cell.seed == 0}
    one = percent(settings.share)
    assert rows == {
        *((name, share) for name in (PLAIN, ALL) for share in shares),
        *((name, one) for name in settings.methods),
    }
    assert len(made) == settings.seeds * len(rows)
    assert {cell.seed for cell in made} == set(range(settings.seeds))
    before = list(stages(settings, tmp_path / "corpus", tmp_path))
    assert {name for cell in made for name in cell.needs} == {stage.name for stage in before}
    seeds = [run_.recipe.training.loader.seed for run_ in (*before, *made)]
    assert len(set(seeds)) == len(before) + settings.seeds  # no cell begins as a stage did


def by_method(settings, folder):
    made = cells(settings, folder / "corpus", folder)
    return {cell.axes["method"]: cell.recipe for cell in made if cell.axes["speech"] == "100"}


def test_methods_differ_in_what_they_are_called_after(tmp_path):
    settings = WORLD.override(["share=1"])
    made = by_method(settings, tmp_path)
    assert tuple(made) == METHODS
    weights = {name: recipe.training.phases[-1].weights for name, recipe in made.items()}
    plain = {"st": 0.35, "asr": 0.35, "mt": 0.2}
    assert plain == {name: PAPER[name] for name in plain}
    assert weights[PLAIN] == weights["guide"] == weights["teacher"] == plain
    for name in ("mtp", "stm", "mst", "erm"):
        assert weights[name] == {**plain, name: settings.added[name]}
    assert weights[ALL] == weights[THAWED] == {**plain, **settings.added}
    guided = {name for name, recipe in made.items() if recipe.settings.guide}
    taught = {name for name, recipe in made.items() if recipe.settings.teacher}
    assert guided == {"guide", ALL, THAWED}
    assert taught == {"teacher", ALL, THAWED}
    frozen = {name: recipe.training.phases[0].freeze for name, recipe in made.items()}
    assert frozen == {name: () if name == THAWED else ("speech.*",) for name in METHODS}
    assert {recipe.training.phases[-1].freeze for recipe in made.values()} == {()}
    assert {tuple(recipe.sources) for recipe in made.values()} == {("spoken",)}


def ids(corpus, settings, share):
    where = " and ".join(f"({one})" for one in paired(settings, share))
    table = corpus.columns("utterances", ["id", "language"], f"split = 'train' and {where}")
    return {(row["id"], row["language"]) for row in table.to_pylist()}


def test_a_smaller_share_is_part_of_a_larger_one_and_low_languages_have_less(world):
    settings = WORLD.model_copy(update={"languages": ("ja", "sw"), "low": ()})
    shares = [ids(world, settings, share) for share in (0.1, 0.3, 0.6, 1.0)]
    assert all(few < more for few, more in pairwise(shares))
    told = world.columns("utterances", ["id"], "split = 'train' and language = 'ja'")
    assert len(shares[-1]) == len(told)
    assert 0.4 < len(shares[2]) / len(told) < 0.8
    low = settings.model_copy(update={"low": ("ja",), "low_share": 0.5})
    assert ids(world, low, 0.6) == ids(world, settings, 0.3)
    assert ids(world, low, 1.0) == ids(world, settings, 0.5)
    other = settings.model_copy(update={"low": ("sw",)})
    assert ids(world, other, 0.6) == shares[2]


def test_the_text_network_has_all_sentences_whatever_share(world_folder, tmp_path):
    made = {stage.name: stage.recipe for stage in stages(TINY["world"], world_folder, tmp_path)}
    written = Source(made[TEXT].sources["written"])
    [corpus] = written.corpora
    rows = corpus.take("sentences", written.rows, ["language", "translation_language"])
    assert {(row["language"], row["translation_language"]) for row in rows.to_pylist()} == {
        ("ja", "en")
    }
    spoken = Source(made[SPEECH].sources["spoken"])
    assert len(spoken) == len(
        Corpus.open(world_folder).columns(
            "utterances", ["id"], "split = 'train' and id like 'request%'"
        )
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("shares=[0.5,0.1]", "expected rising ones from above 0 to 1"),
        ("shares=[0,1]", "expected rising ones"),
        ("share=0.2", "share is 0.2, which is none of shares"),
        ('methods=["plain"]', "methods lack 'all'"),
        ("frozen_steps=0", "methods have 'thawed', and frozen_steps is 0"),
        ('low=["jp"]', "low has 'jp', which is none of languages"),
    ],
)
def test_settings_that_make_no_study_are_refused(change, sentence):
    with pytest.raises(SettingsError, match=sentence):
        WORLD.override([change])


@pytest.fixture(scope="module", params=SIZES)
def trained(request, world_folder, tmp_path_factory):
    """Both sizes with other numbers, a step of each run."""
    out = tmp_path_factory.mktemp(request.param)
    study = composite(TINY[request.param], world_folder, out)
    return study, run(study)


def test_every_kind_of_run_is_trained_and_measured(trained):
    study, results = trained
    assert not results.missing
    assert not results.failed
    assert steps_left(study) == 0
    first, *others = results.measured
    for one in results.measured:
        assert [score.task for score in one.scores] == [
            DIRECT, TEXTS, ERRORS, OWN_CASCADE, STAGES_CASCADE, STAGE_TEXTS, STAGE_ERRORS,
        ]  # fmt: skip
        assert 0 < one.score(DIRECT).chance["BLEU"] < 40
        assert one.score(OWN_CASCADE).signature.model.startswith("cascade ")
        assert "BLEU.high" in one.score(DIRECT).values
    for one in others:
        assert one.score(STAGES_CASCADE) == first.score(STAGES_CASCADE)
        assert comparable(one.score(DIRECT), first.score(DIRECT))
    page = study.report(results, study.claims(results))
    told = page.with_suffix(".md").read_text()
    assert "100 %: " in told
    assert "cascade of the stages" in told
    assert (page.parent / "speech.png").exists()
    assert Everything.load(page.parent / "results.json").results == results


def test_cells_begin_with_the_adapter_of_their_seed(trained):
    study, _ = trained
    names = [stage.name for stage in study.stages]
    if f"{ADAPTER}.seed0" not in names:
        assert names == [TEXT, SPEECH]
        return
    begun = Model.load(study.stage_folder(f"{ADAPTER}.seed0")).system.adapter
    for cell in study.cells:
        made = Model.load(study.cell_folder(cell)).system.adapter
        for ours, theirs in zip(made.parameters(), begun.parameters(), strict=True):
            moved = (ours - theirs).abs().max()
            assert 0 <= moved < 0.01  # one step
            assert moved < theirs.abs().max()


def test_the_command_knows_its_sizes(tmp_path):
    with pytest.raises(SettingsError, match="no size 'tset'; did you mean 'test'"):
        CliRunner().invoke(app, ["composite", "--size", "tset", "--out", str(tmp_path)],
                           catch_exceptions=False)  # fmt: skip


@pytest.mark.slow
def test_a_seed_of_the_study_at_half_of_size_test(tmp_path):
    """A world of its own, both stages, an adapter, plain and all with all of the speech."""
    half = "training.phases.0.steps=250"
    changes = {
        "shares": [1.0], "share": 1.0, "methods": [PLAIN, ALL], "adapter_steps": 300,
        "text": [*TEST.text, half], "speech": [*TEST.speech, half],
    }  # fmt: skip
    options = [word for name, value in changes.items()
               for word in ("--set", f"{name}={json.dumps(value)}")]  # fmt: skip
    done = CliRunner().invoke(
        app, ["composite", "--size", "test", "--out", str(tmp_path), "--seeds", "1", *options],
        catch_exceptions=False,
    )  # fmt: skip
    assert done.exit_code == 0
    everything = json.loads((tmp_path / "results.json").read_text())
    for measured in everything["results"]["measured"]:
        values = {score["task"]: score["values"] for score in measured["scores"]}
        chance = measured["scores"][0]["chance"]
        assert values[STAGE_TEXTS]["BLEU"] > 25
        assert values[TEXTS]["BLEU"] > 15
        assert values[STAGES_CASCADE]["BLEU"] > chance["BLEU"] + 1
        assert values[DIRECT]["chrF"] > chance["chrF"] + 1
        assert values[ERRORS]["CER"] < 90
