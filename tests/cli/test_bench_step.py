"""`trivium bench step`: its clock and its counts against plain sums, and the command itself."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from trivium import runtime
from trivium.cli.bench import LANGUAGES, app, make_corpus
from trivium.cli.bench import timing as bench_step
from trivium.cli.bench.timing import STAGES, WARMING, Marks, Probe, Steps, plain_spec
from trivium.cli.main import run
from trivium.data.batch import Batch, Ragged
from trivium.data.corpus import Corpus
from trivium.models.composite import Composite
from trivium.models.speechclip import SpeechClip
from trivium.models.system import describe_parameters
from trivium.recipes import recipe, without_weights

FIGURES = ("sound a second", "with padding, a second", "padding %", "rows a step", "TFLOP/s",
           "seconds a step", "% of peak", "memory, MB", "loader %", "forward %", "backward %",
           "step %")  # fmt: skip
SMALL = ["--random-weights", "--steps", "2", "--caption-seconds", "0.5", "--set",
         "sources.spoken.seconds=4", "--set", "training.loader.micros_per_step=2"]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(STAGES), st.integers(0, 50)), min_size=1))
def test_every_second_belongs_to_the_stage_that_it_ended_with(laps: list[tuple[str, int]]) -> None:
    now = [1_000]
    marks = Marks(lambda: now[0])
    now[0] += 7
    marks.lap("loader")  # forgotten
    marks.begin()
    for stage, seconds in laps:
        now[0] += seconds
        marks.lap(stage)
    found = marks.stages()
    assert set(found) == set(STAGES)
    for stage in STAGES:
        assert found[stage] == sum(seconds for name, seconds in laps if name == stage)
    assert marks.last == laps[-1][0]


@given(
    st.integers(1, 9), st.integers(1, 99), st.floats(1, 1e5), st.floats(1, 3), st.floats(1, 1e15),
    st.tuples(*[st.floats(0.01, 100)] * 4),
)  # fmt: skip
def test_figures_are_rates_over_the_whole_time(steps, rows, seconds, stretch, flops, times) -> None:
    stages = dict(zip(STAGES, times, strict=True))
    made = Steps(steps, rows * steps, seconds, seconds * stretch, flops, 3_000_000, stages)
    found = made.figures(peak_flops=2e12)
    wall = sum(times)
    assert tuple(sorted(found)) == tuple(sorted(FIGURES))
    assert found["sound a second"] == pytest.approx(seconds / wall, abs=0.006)
    assert found["with padding, a second"] == pytest.approx(seconds * stretch / wall, abs=0.006)
    assert found["padding %"] == pytest.approx(100 * (1 - 1 / stretch), abs=0.006)
    assert found["rows a step"] == rows
    assert found["seconds a step"] == pytest.approx(wall / steps, abs=6e-5)
    assert found["TFLOP/s"] == pytest.approx(flops / wall / 1e12, abs=6e-5)
    assert found["% of peak"] == pytest.approx(100 * flops / wall / 2e12, abs=0.06)
    assert found["memory, MB"] == 3
    assert sum(found[f"{stage} %"] for stage in STAGES) == pytest.approx(100, abs=0.3)


def test_without_sound_there_is_no_padding() -> None:
    stages = dict.fromkeys(STAGES, 1.0)
    assert Steps(1, 5, 0.0, 0.0, 1.0, 1, stages).figures(1.0)["padding %"] == 0


class Toy(torch.nn.Module):
    """A linear map of sounds, each call of which takes three seconds of a made clock."""

    def __init__(self, now: list[float]) -> None:
        super().__init__()
        self.now = now
        self.linear = torch.nn.Linear(4, 5, bias=False)

    def forward(self, parts, active):
        self.now[0] += 3
        return self.linear(parts["spoken"].speech.data)


def batch(lengths: list[int]) -> Batch:
    speech = Ragged(torch.ones(len(lengths), 4), torch.tensor(lengths))
    return Batch(ids=tuple("abc"[: len(lengths)]), rows=torch.arange(len(lengths)).numpy(),
                 speech=speech)  # fmt: skip


def test_a_probe_sees_the_stages_the_rows_and_the_products_of_the_timed_steps(monkeypatch) -> None:
    now, advanced = [0.0], []
    toy = Toy(now)
    monkeypatch.setattr(bench_step, "build_system", lambda recipe, out: toy)
    probe = Probe(2, "cpu", advanced.append, Marks(lambda: now[0]))
    model = probe.build(None, Path())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    micros = [batch([4, 2, 1]), batch([3])]

    def train() -> None:
        now[0] += 11  # the loader
        with torch.no_grad():  # as GradCache does it
            for part in micros:
                model({"spoken": part}, ())
        now[0] += 5  # comparing
        for part in micros:
            model({"spoken": part}, ()).sum().backward()
            now[0] += 2
        optimizer.step()
        now[0] += 1  # between the steps: the loader's

    for _ in range(WARMING + 1):
        train()
    with pytest.raises(bench_step._EnoughError):
        train()
    probe.close()
    found = probe.found()
    assert found.stages == {"loader": 2 * 12, "forward": 2 * 12, "backward": 2 * 9, "step": 0}
    assert (found.steps, found.rows, len(advanced)) == (2, 8, WARMING + 2)
    assert found.seconds == pytest.approx(2 * 10 / 16_000)
    assert found.padded_seconds == pytest.approx(2 * 16 / 16_000)
    assert probe.heard() == [n / 16_000 for n in (4, 2, 1, 3)] * 2
    # A product of (rows, 4) and (4, 5) is 40 a row: forward twice, and back to the weights.
    assert found.flops == pytest.approx(2 * 3 * 4 * 40)
    assert not probe.saw_pixels
    assert probe.tokens() == []
    before = probe.marks.stages()
    train()  # nothing watches any more
    assert probe.marks.stages() == before


def test_attention_is_counted_on_a_processor() -> None:
    query = torch.randn(2, 3, 7, 4, requires_grad=True)
    probe = Probe(1, "cpu", lambda _: None)
    with probe._count():
        torch.nn.functional.scaled_dot_product_attention(query, query, query).sum().backward()
    products = 2 * 3 * 7 * 7 * 4 * 2  # of query and key; as many of weights and values
    # Backward makes the first again, and four more.
    assert probe._flops == (2 + 5) * products


def test_the_best_rate_is_over_the_shortest_time_and_the_first_is_not_counted() -> None:
    now, times = [0.0], iter([1, 50, 40, 10, 30, 20])

    def work() -> None:
        now[0] += next(times)

    assert runtime.best_rate(work, 200.0, lambda: now[0]) == 20


def test_the_peak_is_the_data_sheets_or_measured(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    assert runtime.peak_flops("cuda:0", bf16=True) == (989e12, "data sheet of NVIDIA H200")
    found, words = runtime.peak_flops("cpu", bf16=False)
    assert found > 1e8
    assert words == "a measured product of 1,024 x 1,024 in float32"


@pytest.fixture(scope="module")
def told() -> dict:
    shown = CliRunner().invoke(app, ["step", "speechclip.tiny", *SMALL, "--json"])
    assert shown.exit_code == 0, shown.output
    return json.loads(shown.stdout)


def test_bench_step_says_everything_of_both_loops(told) -> None:
    assert (told["recipe"], told["steps"], told["corpus"]) == ("speechclip.tiny", 2, [])
    assert (told["device"], told["precision"]) == ("cpu", "fp32")
    assert told["machine"]["cores"]
    assert told["peak TFLOP/s"] > 0
    assert told["why no plain"] == ""
    for loop in ("trivium", "plain"):
        assert tuple(sorted(told[loop])) == tuple(sorted(FIGURES))
        assert told[loop]["sound a second"] > 0
        assert told[loop]["TFLOP/s"] > 0
        assert 50 < told[loop]["memory, MB"] < 20_000
    assert told["plain"]["rows a step"] == round(told["trivium"]["rows a step"])


def test_bench_step_on_a_corpus_prints_a_table(world_folder) -> None:
    options = [*SMALL, "--corpus", str(world_folder), "--alone", "--steps", "1", "--set",
               "sources.spoken.seconds=12", "--set", "training.precision=bf16"]  # fmt: skip
    shown = CliRunner().invoke(app, ["step", "speechclip.tiny", *options])
    assert shown.exit_code == 0, shown.output
    assert "steps timed: 1 on cpu in bf16" in shown.stdout
    assert "in bfloat16" in shown.stdout
    assert "no plain loop: not wanted (--alone)" in shown.stdout
    for name in FIGURES:
        assert name in shown.stdout


def test_bench_step_of_a_system_without_sound() -> None:
    shown = CliRunner().invoke(app, ["step", "clip.tiny", "--steps", "1", "--json"])
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    assert told["plain"] is None
    assert told["why no plain"] == "clip has none"
    assert told["trivium"]["rows a step"] <= 32
    assert told["trivium"]["sound a second"] == 0


def tiny_probe() -> Probe:
    probe = Probe(2, "cpu", lambda _: None)
    probe._lengths = [torch.tensor([16_000, 320_000, 8_000, 8_000])]
    return probe


def test_the_plain_loop_is_told_the_same_sizes() -> None:
    made = without_weights(recipe("speechclip.large", [Path("x")]))
    spec = plain_spec(made, tiny_probe())
    assert spec["family"] == "hubert"
    assert spec["speech_sizes"]["num_hidden_layers"] == 24
    assert spec["picture_sizes"]["patch_size"] == 14
    assert spec["lengths"] == [1, 20, 0.5, 0.5]
    assert (spec["longest"], spec["batch"], spec["steps"]) == (15, 2, 2)
    assert spec["bf16"]
    assert spec["cached_pictures"]


def test_there_is_no_plain_loop_for_a_head_of_our_own() -> None:
    made = recipe("speechclip.tiny", [Path("x")]).override(["settings.shrink=4"])
    assert "ours by 4" in plain_spec(made, tiny_probe())


@pytest.fixture
def plain_step(monkeypatch):
    """Read a plain loop of the repository."""

    def read(name: str):
        folder = Path(__file__).parents[2] / "benchmarks" / "baselines"
        monkeypatch.syspath_prepend(str(folder))
        found = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        return module

    return read


@pytest.mark.parametrize("name", ["speechclip.tiny", "speechclip.base"])
def test_the_plain_loop_has_the_same_parameters(name, plain_step) -> None:
    changes = ["settings.text=null", "settings.loss=info_nce"]
    made = without_weights(recipe(name, [Path("x")])).override(changes)
    spec = plain_spec(made, tiny_probe())
    with torch.device("meta"):
        plain = plain_step("speechclip_step").Plain(json.loads(json.dumps(spec)))
        ours = SpeechClip(made.settings)
    assert describe_parameters(plain) == describe_parameters(ours)


def translated_probe() -> Probe:
    probe = tiny_probe()
    probe._tokens = [torch.tensor([7, 3]), torch.tensor([9, 4])]
    return probe


def test_the_plain_composite_has_the_same_parameters_and_whole_windows(plain_step) -> None:
    made = without_weights(recipe("composite.medium", [Path("x")]))
    # A micro for each step; without a teacher, which is no part of what is trained.
    made = made.override(["settings.teacher=null", "training.loader.micros_per_step=1"])
    spec = plain_spec(made, translated_probe())
    assert (spec["longest"], spec["batch"], spec["micros"]) == (30, 2, 1)
    assert spec["tokens"] == [7, 3, 9, 4]
    assert spec["lengths"] == [1, 20, 0.5, 0.5]
    with torch.device("meta"):
        plain = plain_step("composite_step").Plain(json.loads(json.dumps(spec)))
        ours = Composite(made.settings)
    assert describe_parameters(plain) == describe_parameters(ours)


def test_the_plain_composite_draws_fixed_lengths(plain_step) -> None:
    made = recipe("composite.tiny", [Path("x")])
    spec = plain_spec(made, translated_probe())
    assert spec["longest"] == 10  # 500 positions
    model, draw = plain_step("composite_step").prepare(spec)
    (spectra, source, target, there), samples = draw()
    assert spectra.shape == (2, 80, 1000)
    assert source.shape == target.shape == there.shape == (2, 9)
    assert set(there.sum(1).tolist()) <= {3, 4, 7, 9}
    assert (source[~there] == 1).all()
    assert 2 * 8_000 <= samples <= 2 * 160_000  # what is longer than the window is cut
    assert torch.isfinite(model(spectra, source, target, there))


def test_what_is_made_has_translations_spoken_and_written(tmp_path) -> None:
    small = ["sources.spoken.seconds=2", "sources.written.items=4"]
    made = recipe("composite.tiny", [tmp_path / "made"]).override(small)
    make_corpus(tmp_path / "made", made, 0.3)
    corpus = Corpus.open(tmp_path / "made")
    for table in ("utterances", "sentences"):
        rows = corpus.columns(table, ["language", "translation", "translation_language"])
        told = rows.to_pylist()
        assert {row["language"] for row in told} == set(LANGUAGES)
        assert {row["translation_language"] for row in told} == {LANGUAGES[0]}
        assert all(row["translation"] for row in told)


@pytest.mark.slow
def test_bench_step_of_a_composite_says_everything_of_both_loops() -> None:
    small = [*SMALL, "--set", "sources.written.items=4", "--set",
             "settings.speech.sizes.max_source_positions=100", "--json"]  # fmt: skip
    shown = CliRunner().invoke(app, ["step", "composite.tiny", *small])
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    assert told["why no plain"] == ""
    assert told["plain"]["sound a second"] > 0
    assert told["plain"]["padding %"] > told["trivium"]["padding %"]
    assert told["plain"]["rows a step"] == pytest.approx(told["trivium"]["rows a step"], abs=2)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"network": "test-wavlm", "random_weights": True}, "it knows no tower like test-wavlm"),
        ({"source": "./somewhere"}, "it knows no tower like ./somewhere"),
    ],
)
@pytest.mark.parametrize("name", ["speechclip.tiny", "composite.tiny"])
def test_why_there_is_no_plain_loop(name, change, why) -> None:
    made = recipe(name, [Path("x")])
    made = made.override([f"settings.speech={json.dumps(change)}"])
    assert plain_spec(made, tiny_probe()) == why


def test_there_is_no_plain_loop_of_texts_alone() -> None:
    made = recipe("composite.text", [Path("x")])
    assert plain_spec(made, tiny_probe()) == "it hears, and settings.speech is null"


def test_a_plain_loop_that_fails_or_is_not_there_is_told(monkeypatch, tmp_path) -> None:
    made, probe = recipe("speechclip.tiny", [Path("x")]), tiny_probe()
    monkeypatch.setattr(bench_step, "BASELINES_FOLDER", tmp_path)
    expected = (None, "speechclip_step.py is in the repository, which is not at hand")
    assert bench_step.measure_plain(made, probe, tmp_path) == expected
    (tmp_path / "speechclip_step.py").write_text("raise MemoryError('out of memory')")
    expected = (None, "speechclip_step.py failed: MemoryError: out of memory")
    assert bench_step.measure_plain(made, probe, tmp_path) == expected


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["speechclip.tniy"], "no recipe is called 'speechclip.tniy'; did you mean"),
        (["speechclip.tiny", "--steps", "0"], "should be greater than or equal to 1"),
        (["speechclip.tiny", "--steps", "379"], "has 380 steps, and 379 are to be timed after 2"),
        (["speechclip.tiny", "--fast"], "No such option: --fast"),
        (["speechclip.tiny", "--set", "training.lr=1"], "no setting 'training.lr'"),
        (["speechclip.tiny", "--corpus", "nowhere"], "nowhere is not there"),
        (["speechclip.world", "--random-weights"], "settings.speech is read from './runs/towers."),
        (["nowhere.json"], "nowhere.json is not there"),
    ],
)
def test_mistakes_are_one_sentence(capsys, monkeypatch, tmp_path, arguments, sentence) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench_step, "measure_plain", lambda *_: pytest.fail("too far"))
    assert run(["bench", "step", *arguments]) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("trivium:")]
    assert len(told) == 1
    assert sentence in told[0]
