"""The cells of the study, which rows they have, and each kind of run for a step."""

import json

import pytest
from typer.testing import CliRunner

from trivium.cli.study import app
from trivium.data.corpus import Corpus
from trivium.data.source import Source
from trivium.errors import CorpusError, SettingsError
from trivium.recipes import recipe as named
from trivium.studies.study import run, total_steps
from trivium.studies.text_helps.cells import cells, pretraining, stage_name, stages
from trivium.studies.text_helps.measure import LOSS
from trivium.studies.text_helps.sizes import SIZES, TASKS, TEST, WORLD
from trivium.studies.text_helps.study import counted, text_helps
from trivium.studies.views import Everything

# The tiny world speaks English and Japanese, and its test set has two requests.
HERE = ["rows=id like 'request-%-00000%'", 'low=["ja"]', "split=train", "seeds=1"]
STEP = ["steps=1", "head_steps=1", "tuned_steps=1", "probe_steps=1"]
FEW = TEST.override(HERE + STEP)


@pytest.mark.parametrize(("size", "more"), [("test", 2), ("world", 3)])
def test_every_pre_training_is_tuned_for_every_task(size, more, world_folder, tmp_path):
    settings = SIZES[size]
    made = list(cells(settings, world_folder, tmp_path))
    before = [stage.name for stage in stages(settings, world_folder, tmp_path)]
    assert len({cell.name for cell in made}) == len(made)
    assert settings.seeds >= 3
    assert len(made) == settings.seeds * (4 * len(TASKS) + more)
    for cell in made:
        start = cell.recipe.settings.encoder.start
        assert start == str(tmp_path / "stages" / stage_name(cell.axes["variant"], cell.seed))
        assert cell.recipe.training.loader.seed == cell.seed
        places = [before.index(name) for name in cell.needs]
        assert places == sorted(places)
        assert before[places[-1]] == stage_name(cell.axes["variant"], cell.seed)
    assert not set("()[] '\"") & set("".join(cell.name for cell in made))  # for a shell


def test_variants_are_the_recipes_and_differ_in_their_weights_alone(world_folder):
    names = {"speech-only": "speech", "tlm": "tlm", "ctc": "ctc", "tlm+ctc": "tlm_ctc"}
    for variant, name in names.items():
        ours = pretraining(WORLD, world_folder, variant, 0)
        theirs = named(f"joint.world_{name}", [world_folder])
        assert ours.settings == theirs.settings
        assert ours.training.phases == theirs.training.phases
        assert ours.training.optimizer == theirs.training.optimizer
    first, second = (
        pretraining(TEST, world_folder, variant, 1).model_dump() for variant in ("tlm", "ctc-only")
    )
    assert second["training"]["phases"][0]["weights"].keys() == {
        "contrastive", "diversity", "codes", "ctc",
    }  # fmt: skip
    for each in (first, second):
        del each["training"]["phases"]
    assert first == second


def test_what_goes_on_begins_where_the_other_ended(world_folder, tmp_path):
    found = {stage.name: stage.recipe for stage in stages(WORLD, world_folder, tmp_path)}
    recipe = found["continued.seed1"]
    assert recipe.start == str(tmp_path / "stages" / "tlm+ctc.seed1")
    assert total_steps(recipe) == WORLD.continued_steps
    assert recipe.training.phases[0].weights.keys() == {"contrastive", "diversity", "codes"}


def ids(source):
    found = Source(source)
    return {
        row["id"] for row in found.corpora[0].take(source.table, found.rows, ["id"]).to_pylist()
    }


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_pairs_are_a_share_of_the_utterances_the_same_each_time(share, world_folder):
    settings = TEST.override([f"paired={share}", "rows=null"])
    sources = pretraining(settings, world_folder, "tlm", 0).sources
    pairs, speech = ids(sources["pairs"]), ids(sources["speech"])
    assert pairs <= speech
    assert len(pairs) / len(speech) == pytest.approx(share, abs=0.1)
    assert pairs == ids(pretraining(settings, world_folder, "ctc", 1).sources["pairs"])
    fewer = settings.override([f"paired={share / 2}"])
    assert ids(pretraining(fewer, world_folder, "tlm", 0).sources["pairs"]) < pairs


def test_some_languages_have_little_translated_speech_and_all_texts(world_folder, tmp_path):
    settings = TEST.override(["rows=null", 'low=["ja"]', "low_share=0.3", "paired=0.3"])
    by_name = {cell.name: cell.recipe.sources for cell in cells(settings, world_folder, tmp_path)}
    few = by_name["tlm.translation+text.seed0"]
    everything = by_name["tlm.recognition.seed0"]["spoken"]
    heard, spoken = ids(few["spoken_translations"]), ids(everything)
    japanese = {name for name in spoken if name.endswith("-ja")}
    assert heard <= japanese  # English is not translated into English
    assert len(heard) / len(japanese) == pytest.approx(0.3, abs=0.12)
    pairs = pretraining(settings, world_folder, "tlm", 0).sources["pairs"]
    assert not heard & ids(pairs)
    unpaired = few["translations"].model_copy(update={"where": None})
    assert ids(few["translations"]) == {name for name in ids(unpaired) if name.endswith("-ja")}
    assert by_name["tlm+ctc.translation-text.seed0"].keys() == {"translations"}


def test_settings_that_make_no_study_are_refused():
    with pytest.raises(SettingsError, match=r"tasks has 'intnts', which is no task; .*'intents'"):
        TEST.override(['tasks=["intnts"]'])
    with pytest.raises(SettingsError, match="tuning has 'probes', which is no task"):
        TEST.override(['tuning={"probes": []}'])
    with pytest.raises(SettingsError, match=r"follow 'tlm\+ctc', which is none of variants"):
        TEST.override(['variants=["tlm"]', "continued_steps=5"])


def test_a_corpus_without_pairs_is_refused(world_folder, tmp_path):
    with pytest.raises(CorpusError, match=r"among the 0.00% of its \d+ that are pairs"):
        text_helps(FEW.override(["paired=1e-9"]), world_folder, tmp_path)


def test_facts_are_counted(world, world_folder):
    source = pretraining(FEW, world_folder, "tlm", 0).sources["pairs"]
    rows = world.columns("utterances", ["id", "seconds", "characters"]).to_pylist()
    kept = [row for row in rows if row["id"] in ids(source)]
    found = counted(world, source)
    assert found["rows"] == len(kept) > 3
    assert found["characters"] == sum(row["characters"] for row in kept)
    assert found["seconds"] == pytest.approx(sum(row["seconds"] for row in kept))


@pytest.fixture(scope="module")
def one_step(world_folder, tmp_path_factory):
    """A study all of whose kinds of runs were trained for a step, those of one variant."""
    out = tmp_path_factory.mktemp("study")
    study = text_helps(FEW.override(["continued_steps=1"]), world_folder, out)
    run(study, "tlm+ctc.*")
    return study, run(study, "continued.*")


def test_every_kind_of_cell_is_measured(one_step):
    _, results = one_step
    told = {one.cell: one for one in results.measured}
    assert len(told) == len(TASKS) + 2
    for task in ("translation", "translation+text", "translation-text"):
        both = told[f"tlm+ctc.{task}.seed0"].scores
        assert [score.task for score in both] == ["translation.speech", "translation.text"]
        assert both[0].values.keys() == {"BLEU", "BLEU.ja-en", "chrF", "chrF.ja-en"}
    assert {"CER", "CER.ja", "WER.en"} <= told["tlm+ctc.recognition.seed0"].scores[0].values.keys()
    assert told["tlm+ctc.languages.seed0"].scores[0].chance["accuracy"] == pytest.approx(50)
    assert told["tlm+ctc.probe.seed0"].scores[0].task == "classification.label"
    assert told["tlm+ctc.probe.seed0"].curves.keys() >= {f"{LOSS}ctc", f"{LOSS}tlm_text"}
    assert told["continued.translation.seed0"].curves.keys() == {
        f"{LOSS}{name}" for name in ("contrastive", "diversity", "codes")
    }
    assert all("where id like 'request-" in one.signature.split for one in results.measured)


def test_the_command_continues_a_study_and_says_what_is_missing(one_step, world_folder):
    study, results = one_step
    arguments = ["text-helps", "--size", "test", "--out", str(study.out)]
    arguments += ["--corpus", str(world_folder), "--seeds", "1", "--only", "tlm+ctc.recognition.*"]
    changes = [*HERE, *STEP, "continued_steps=1"]
    arguments += [word for change in changes for word in ("--set", change)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    there, planned = len(results.measured), len(results.planned)
    assert f"{there} cells, {planned - there} cells missing" in done.stdout
    everything = Everything.load(study.out / "results.json")
    assert everything.results == results
    told = (study.out / "report.md").read_text()
    assert "Unpaired text is" in told
    assert "Of ja 40% of the translated speech" in told


SMALL = (
    '{"layers": 2, "width": 16, "feedforward": 16, "heads": 2, "groups": 2, "channels": 2}',
    '{"groups": 1, "entries": 8, "width": 8, "dropout": 0.0, "temperature": [2.0, 0.5]}',
)


def test_size_world_runs_for_a_step_with_smaller_networks(world_folder, tmp_path):
    """The world's own recipes, on the tiny world: one of each kind of stage and of cell."""
    decoder = ("settings.decoder.layers=1", "settings.decoder.writing.max_tokens=2")
    small = WORLD.model_copy(
        update={
            "change": (f"settings.conformer={SMALL[0]}", f"settings.quantizer={SMALL[1]}",
                       "settings.speech_layers=1", *(
                           f"sources.{role}.seconds=40" for role in ("speech", "pairs")
                       ), "sources.text.characters=2000"),
            "tuning": {"translation": decoder, "recognition": ("sources.spoken.seconds=40",)},
        }
    )  # fmt: skip
    settings = small.override([*STEP, "continued_steps=1", "seeds=1", "split=dev", "resamples=9",
                               "variants=[\"tlm+ctc\"]", 'low=["ja"]', "paired=0.5"])  # fmt: skip
    study = text_helps(settings, world_folder, tmp_path)
    for only in ("continued.translation.*", "tlm+ctc.recognition.*", "ctc-only.intents.*"):
        results = run(study, only)
    assert not results.failed
    assert len(results.measured) == 3
    assert "CER" in next(one for one in results.measured if "recog" in one.cell).scores[0].intervals


@pytest.mark.slow
def test_the_whole_study_at_size_test(tmp_path):
    """A world of its own, one seed: recognition learns; translation is only told of."""
    arguments = ["text-helps", "--size", "test", "--out", str(tmp_path), "--seeds", "1"]
    arguments += ["--set", 'variants=["speech-only","tlm+ctc"]']
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    everything = json.loads((tmp_path / "results.json").read_text())
    measured = {one["cell"]: one for one in everything["results"]["measured"]}
    assert len(measured) == len(everything["results"]["planned"]) == 14
    recognised = measured["tlm+ctc.recognition.seed0"]
    assert recognised["scores"][0]["values"]["CER"] < 80
    assert recognised["curves"][f"{LOSS}spans"][0] < 3.0  # the alphabet has over 50 characters
    assert Corpus.open(tmp_path / "world").card.name == "world-small"
    assert "Unpaired text is" in (tmp_path / "report.md").read_text()
