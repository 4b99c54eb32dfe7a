"""The matrix: equal rows, what each cell begins from, and two cells for real."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import COLUMNS_OF_CARD, png, utterance
from trivium.cli.study import app
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.data.source import Source
from trivium.errors import CorpusError, SettingsError
from trivium.models.loaded import Model
from trivium.studies.english_only.cells import cells, stages
from trivium.studies.english_only.measure import layer_weights
from trivium.studies.english_only.report import Everything
from trivium.studies.english_only.rows import equal_rows
from trivium.studies.english_only.sizes import SIZES, TEST
from trivium.studies.english_only.study import english_only
from trivium.studies.study import run, total_steps

TWO = TEST.override([
    'languages=["en", "ja"]', "seeds=1", "steps=2", "clip.change=[\"training.phases.0.steps=3\"]",
    'pretraining.change=["training.phases.0.steps=2", "sources.spoken.seconds=60"]',
])  # fmt: skip


def uneven(folder):
    """Six captions in English, four in Hindi, of other pictures in another order."""
    with CorpusWriter(folder, Card(**COLUMNS_OF_CARD)) as writer:
        for number in range(6):
            image = {"id": f"p{number}", "split": "train", "image": png()}
            writer.add("pictures", image)
        for number in range(10):
            language, picture = ("en", number) if number < 6 else ("hi", 11 - number)
            writer.add("utterances", utterance(number, language=language, picture=f"p{picture}"))
        writer.add("utterances", utterance(10, language="hi"))  # of no picture
        writer.add("utterances", utterance(11, language="hi", picture="p0", split="test"))
    return Corpus.open(folder)


def trained_on(corpus, cell):
    """Ids of the rows that a cell trains on."""
    source = Source(cell.recipe.sources["spoken"])
    return corpus.take("utterances", source.rows, ["id", "language"]).to_pylist()


def test_every_language_gets_as_many_rows_as_the_poorest_has(tmp_path):
    corpus = uneven(tmp_path / "corpus")
    rows = equal_rows(corpus, ("en", "hi"))
    assert rows.count == 4
    assert rows.pictures == 2  # p2 and p3 are described in both
    for language, where in rows.where.items():
        found = corpus.columns("utterances", ["id"], f"split = 'train' and {where}")
        assert len(found) == 4, language
    assert equal_rows(corpus, ("en", "hi"), most=3).count == 3
    assert equal_rows(corpus, ("en", "hi"), most=30).count == 4
    with pytest.raises(CorpusError, match="no utterance in 'ja'"):
        equal_rows(corpus, ("en", "ja"))


def test_the_model_for_all_hears_the_same_rows_as_those_of_one_language(tmp_path):
    corpus = uneven(tmp_path / "corpus")
    settings = TEST.override(['languages=["en", "hi"]', "utterances=null"])
    rows = equal_rows(corpus, settings.languages)
    made = {c.name: c for c in cells(settings, corpus.path, tmp_path, rows)}
    own = {code: trained_on(corpus, made[f"{code}.tuned.base.seed0"]) for code in ("en", "hi")}
    assert {code: {row["language"] for row in found} for code, found in own.items()} == {
        "en": {"en"}, "hi": {"hi"}}  # fmt: skip
    assert len(own["en"]) == len(own["hi"]) == 4
    multi = made["multi.tuned.base.seed0"]
    assert trained_on(corpus, multi) == own["en"] + own["hi"]
    one = made["en.tuned.base.seed0"]
    assert total_steps(multi.recipe) == 2 * total_steps(one.recipe)


@pytest.mark.parametrize("size", SIZES)
def test_the_matrix_is_whole_and_every_recipe_can_be_built(size, world_folder, tmp_path):
    settings = SIZES[size].override(['languages=["en", "ja"]'])
    rows = equal_rows(Corpus.open(world_folder), settings.languages)
    made = list(cells(settings, world_folder, tmp_path, rows))
    names = [cell.name for cell in made]
    assert len(set(names)) == len(names) == 3 * 3 * (2 + 3)  # languages, seeds, kinds by size
    before = {stage.name: stage.recipe for stage in stages(settings, world_folder, tmp_path)}
    assert list(before) == ["clip-base", "speech-base", "clip-large", "speech-large"]
    for cell in made:
        assert set(cell.needs) <= set(before)
        speech, picture = cell.recipe.settings.speech, cell.recipe.settings.picture
        assert picture.source == str(tmp_path / "stages" / f"clip-{cell.axes['towers']}")
        assert not cell.recipe.settings.train_picture
        frozen = cell.axes["training"] == "frozen"
        assert (cell.recipe.settings.train_speech_from is None) == frozen
        assert (speech.source is None) == (cell.axes["training"] == "scratch")
        assert cell.recipe.training.loader.seed == cell.seed
        assert cell.recipe.evaluation is None
    # A head that begins as the pre-training's did would know the tower from the start.
    seeds = [recipe.training.loader.seed for recipe in before.values()]
    assert len({*seeds, *(cell.seed for cell in made)}) == len(seeds) + settings.seeds
    for name, recipe in before.items():
        for source in recipe.sources.values():
            assert "'en'" in source.where, name  # English alone


def test_without_pretraining_towers_have_random_weights_and_the_report_says_so(
    world_folder, tmp_path
):
    settings = TWO.override(["pretraining=null"])
    made = english_only(settings, world_folder, tmp_path)
    assert [stage.name for stage in made.stages] == ["clip-base", "clip-large"]
    assert all(cell.recipe.settings.speech.random_weights for cell in made.cells)
    made.report(made.results(), made.claims(made.results()))
    assert "called frozen have random weights" in (tmp_path / "report.md").read_text()


@pytest.fixture(scope="module")
def two_cells(world_folder, tmp_path_factory):
    """A study of which two cells were trained."""
    out = tmp_path_factory.mktemp("study")
    study = english_only(TWO, world_folder, out)
    for only in ("multi.frozen.base.*", "ja.tuned.base.*"):
        results = run(study, only)
    return study, results


def test_two_cells_are_measured_every_way(two_cells):
    study, results = two_cells
    by_name = {one.cell: one for one in results.measured}
    multi, mono = by_name["multi.frozen.base.seed0"], by_name["ja.tuned.base.seed0"]
    pairs = {score.task.partition("/")[2] for score in multi.scores} - {""}
    assert pairs == {"speech.en-picture", "speech.ja-picture", "speech.en-text.en",
                     "speech.ja-text.en", "text.en-picture", "speech.en-speech.ja"}  # fmt: skip
    assert {score.task.partition("/")[2] for score in mono.scores} - {""} == {
        "speech.ja-picture", "speech.ja-text.en", "text.en-picture"}  # fmt: skip
    assert mono.scores[0].primary == "recall@5"
    assert mono.score("retrieval/speech.ja-picture").chance["recall@5"] == pytest.approx(500 / 32)
    # One space: what pictures and text are to one another is no matter of the cell.
    text = "retrieval/text.en-picture"
    assert mono.score(text).values == multi.score(text).values
    assert set(results.missing) == {c.name for c in study.cells} - set(by_name)


def test_a_frozen_tower_stays_what_it_was_and_a_tuned_one_does_not(two_cells):
    study, _ = two_cells

    def tower(folder):
        system = Model.load(folder).system
        return {n: p.detach().numpy() for n, p in system.speech.named_parameters()}

    before = tower(study.stage_folder("speech-base"))
    folders = {cell.name: study.cell_folder(cell) for cell in study.cells}
    frozen, tuned = (tower(folders[f"{name}.base.seed0"]) for name in ("multi.frozen", "ja.tuned"))
    assert all(np.array_equal(frozen[name], before[name]) for name in before)
    assert any(not np.array_equal(tuned[name], before[name]) for name in before)


def test_layer_weights_are_shares_of_the_states(two_cells):
    study, results = two_cells
    for one in results.measured:
        weights = one.curves["layer weights"]
        assert len(weights) == 2  # what enters the one layer, and what leaves it
        assert sum(weights) == pytest.approx(1)
    clip = Model.load(study.stage_folder("clip-base"))
    with pytest.raises(Exception, match="clip has no layer weights"):
        layer_weights(clip)


def test_the_command_continues_a_study_and_says_what_is_missing(two_cells, world_folder):
    study, results = two_cells
    changes = [
        'languages=["en","ja"]', "steps=2", 'clip.change=["training.phases.0.steps=3"]',
        f"pretraining.change={json.dumps(TWO.pretraining.change)}",
    ]  # fmt: skip
    arguments = ["english-only", "--size", "test", "--out", str(study.out), "--seeds", "1",
                 "--corpus", str(world_folder), "--only", "ja.tuned.base.*"]  # fmt: skip
    arguments += [word for change in changes for word in ("--set", change)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert "2 cells, 13 cells missing" in done.stdout
    everything = Everything.load(study.out / "results.json")
    assert everything.results.measured == results.measured
    assert "16 utterances of each language" in (study.out / "report.md").read_text()


def test_a_size_that_is_none_is_named(tmp_path):
    with pytest.raises(SettingsError, match="no size 'wrold'; did you mean 'world'"):
        CliRunner().invoke(app, ["english-only", "--size", "wrold", "--out", str(tmp_path)],
                           catch_exceptions=False)  # fmt: skip


@pytest.mark.slow
def test_the_whole_study_at_size_test(tmp_path):
    """A world of its own, 60 cells, three seeds, all six directions."""
    done = CliRunner().invoke(app, ["english-only", "--size", "test", "--out", str(tmp_path)],
                              catch_exceptions=False)  # fmt: skip
    assert done.exit_code == 0
    everything = json.loads((tmp_path / "results.json").read_text())
    assert len(everything["results"]["measured"]) == 60
    verdicts = {answer["claim"]["number"]: answer["verdict"] for answer in everything["answers"]}
    assert verdicts[6] == "not tested"  # the sizes hardly differ
    assert {verdicts[number] for number in range(1, 6)} <= {"held", "not held", "undecided"}
    assert (tmp_path / "report.html").stat().st_size > 100_000


@pytest.mark.parametrize("size", SIZES)
def test_every_run_reads_towers_of_the_study_alone(tmp_path, size, world_folder):
    settings = SIZES[size].model_copy(update={"languages": ("en", "ja")})
    study = english_only(settings, world_folder, tmp_path)
    for recipe in [each.recipe for each in (*study.stages, *study.cells)]:
        told = recipe.settings.model_dump()
        sources = [tower["source"] for tower in told.values()
                   if isinstance(tower, dict) and tower.get("source")]  # fmt: skip
        assert all(source.startswith(str(tmp_path)) for source in sources), sources
        assert recipe.start is None
