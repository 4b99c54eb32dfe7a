import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import COLUMNS_OF_CARD
from tests.training.toy import Toy, ToySettings
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.data.loader import LoaderSettings
from trivium.data.source import SourceSettings
from trivium.errors import SettingsError, TriviumError
from trivium.training.loop import Recipe, TrainingSettings, fit
from trivium.training.metrics import MEASURED
from trivium.training.optimizer import OptimizerSettings
from trivium.training.schedule import Phase
from trivium.training.state import RunFolder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts") / "corpus"
    with CorpusWriter(folder, Card(**COLUMNS_OF_CARD)) as writer:
        for number in range(80):
            text = "word " * (1 + number % 9) + str(number * 7919)
            row = {"id": f"t{number}", "split": "train", "text": text, "characters": len(text)}
            writer.add("sentences", row)
    return folder


def recipe(corpus, **training):
    source = SourceSettings(corpora=(corpus,), table="sentences", characters=300, columns=("text",))
    both = {"match": 1.0, "recover": 0.5}
    training = {
        "phases": (
            Phase(steps=12, weights={"recover": 1.0}, freeze=("right.*",)),
            Phase(steps=18, weights=both, reset_optimizer=True, lr=3e-3),
        ),
        "optimizer": OptimizerSettings(lr=1e-2),
        "loader": LoaderSettings(micros_per_step=2, seed=5, threads=2),
        "log_every": 1, "save_every": 7, "keep": 2,
    } | training  # fmt: skip
    return Recipe(system="toy", settings=ToySettings(), sources={"rows": source},
                  training=TrainingSettings(**training))  # fmt: skip


def build(*_):
    return Toy(ToySettings())


def untimed(folder):
    return [{k: v for k, v in line.items() if k not in MEASURED}
            for line in RunFolder(folder).read_metrics()]  # fmt: skip


def tensors(folder):
    newest = RunFolder(folder).checkpoints()[-1]
    return load_file(newest / "model.safetensors") | load_file(
        newest / "state/optimizer.safetensors"
    )


def assert_same_run(one, other):
    assert untimed(one) == untimed(other)
    ours, theirs = tensors(one), tensors(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_learns_and_leaves_what_it_should(tmp_path, corpus):
    phases = (Phase(steps=150, weights={"match": 1.0, "recover": 1.0}),)
    fitted = fit(recipe(corpus, phases=phases), tmp_path / "run", build=build)
    first, *_, last = untimed(tmp_path / "run")
    assert last["match"] < 0.6 * first["match"]
    assert last["recover"] < 0.2 * first["recover"]
    assert (first["step"], last["step"]) == (0, 149)
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["step-00000147", "step-00000150"]
    assert fitted.checkpoint.name == names[-1]
    assert not fitted.system.training


def test_frozen_parameters_stay_as_they_are(tmp_path, corpus):
    phases = (Phase(steps=6, weights={"match": 1.0}, freeze=("right.*", "log_scale")),)
    torch.manual_seed(0)
    moved = fit(recipe(corpus, phases=phases), tmp_path / "run", build=build).system.state_dict()
    phases = (Phase(steps=1, weights={"match": 1.0}, lr=1e-20),)
    fresh = fit(recipe(corpus, phases=phases), tmp_path / "fresh", build=build).system.state_dict()
    assert torch.equal(moved["right.weight"], fresh["right.weight"])
    assert torch.equal(moved["log_scale"], fresh["log_scale"])
    assert not torch.allclose(moved["left.weight"], fresh["left.weight"], atol=1e-4)


@pytest.mark.parametrize("steps", [5, 7, 12, 13, 21])
def test_a_resumed_run_is_the_run_that_was_not_interrupted(tmp_path, corpus, steps, whole_run):
    def stop(line):
        if line["step"] == steps:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(recipe(corpus), tmp_path / "run", build=build, watch=stop)
    torch.manual_seed(99)  # what was drawn before does not matter
    fit(recipe(corpus), tmp_path / "run", build=build, resume=True)
    assert_same_run(tmp_path / "run", whole_run)


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory, corpus):
    folder = tmp_path_factory.mktemp("whole") / "run"
    fit(recipe(corpus), folder, build=build)
    return folder


def test_threads_of_the_loader_change_nothing(tmp_path, corpus, whole_run):
    loader = LoaderSettings(micros_per_step=2, seed=5, threads=1, ahead=1)
    fit(recipe(corpus, loader=loader), tmp_path / "run", build=build)
    assert_same_run(tmp_path / "run", whole_run)


def test_another_seed_is_another_run(tmp_path, corpus, whole_run):
    fit(
        recipe(corpus, loader=LoaderSettings(micros_per_step=2, seed=6)),
        tmp_path / "run",
        build=build,
    )
    assert untimed(tmp_path / "run") != untimed(whole_run)


def test_a_finished_run_is_not_begun_again_and_can_be_resumed_to_nothing(
    tmp_path, corpus, whole_run
):
    with pytest.raises(SettingsError, match="holds a run; continue it with --resume"):
        fit(recipe(corpus), whole_run, build=build)
    before = untimed(whole_run)
    fit(recipe(corpus), whole_run, build=build, resume=True)
    assert untimed(whole_run) == before


def test_a_corpus_that_grew_is_another_at_resume(tmp_path, corpus):
    grown = tmp_path / "corpus"
    shutil.copytree(corpus, grown)
    fit(recipe(grown), tmp_path / "run", build=build, max_steps=10)
    with CorpusWriter(grown, Corpus.open(grown).card) as writer:
        writer.add("sentences", {"id": "new", "split": "train", "text": "x", "characters": 1})
    with pytest.raises(SettingsError, match=r"corpora of rows are not .* until step 10; begin a"):
        fit(recipe(grown), tmp_path / "run", build=build, resume=True)


def test_changed_settings_at_resume_are_listed(corpus, whole_run):
    changed = recipe(corpus, optimizer=OptimizerSettings(lr=0.5), keep=3)
    with pytest.raises(
        SettingsError, match=r"keep: 2 -> 3; training\.optimizer\.lr: 0\.01 -> 0\.5"
    ):
        fit(changed, whole_run, build=build, resume=True)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"phases": (Phase(steps=1, weights={"mach": 1.0}),)}, "'mach'; did you mean 'match'"),
        ({"phases": (Phase(steps=1, weights={"match": 1.0}, freeze=("lfet.*",)),)},
         r"'lfet\.\*' freezes no parameter; did you mean 'left'"),
        ({"phases": (Phase(steps=1, weights={"match": 1.0}),
                     Phase(steps=1, weights={"match": 1.0}, freeze=("lfet.*",)))},
         r"'lfet\.\*' freezes no parameter"),
        ({"phases": (Phase(steps=1, weights={"match": 1.0}),
                     Phase(steps=1, weights={"match": 1.0}, freeze=("*",)))},
         r"freeze \['\*'\] leaves nothing to train"),
    ],
)  # fmt: skip
def test_what_the_system_does_not_know_is_named(tmp_path, corpus, changes, sentence):
    with pytest.raises(SettingsError, match=sentence):
        fit(recipe(corpus, **changes), tmp_path / "run", build=build)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_diverging_run_stops_with_advice(tmp_path, corpus):
    class Bursting(Toy):
        def forward(self, parts, active):
            terms = super().forward(parts, active)
            object.__setattr__(terms["recover"], "sum", terms["recover"].sum * torch.inf)
            return terms

    phases = (Phase(steps=3, weights={"recover": 1.0}),)
    with pytest.raises(TriviumError, match="at step 0 recover and grad_norm is not a number"):
        fit(
            recipe(corpus, phases=phases), tmp_path / "run",
            build=lambda *_: Bursting(ToySettings()),
        )  # fmt: skip


RUN = """
import sys
from pathlib import Path
from tests.training.test_loop import build, recipe
from trivium.training.loop import fit
if __name__ == "__main__":
    fit(recipe(Path(sys.argv[1])), Path(sys.argv[2]), build=build, resume=True,
        watch=lambda line: print(line["step"], flush=True))
"""


def check_killed_runs(tmp_path, corpus, whole_run, kills):
    import numpy as np

    rng, died = np.random.default_rng(0), 0
    for _ in range(kills):
        command = [sys.executable, "-c", RUN, str(corpus), str(tmp_path / "run")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for _ in range(rng.integers(1, 14)):
            process.stdout.readline()
        time.sleep(rng.uniform(0, 0.01))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        died += process.returncode == -signal.SIGKILL
    assert died
    fit(recipe(corpus), tmp_path / "run", build=build, resume=True)
    assert_same_run(tmp_path / "run", whole_run)


def test_a_run_killed_at_random_moments_is_the_run_that_was_not(tmp_path, corpus, whole_run):
    check_killed_runs(tmp_path, corpus, whole_run, 3)


@pytest.mark.slow
def test_a_run_killed_forty_times_is_the_run_that_was_not(tmp_path, corpus, whole_run):
    check_killed_runs(tmp_path, corpus, whole_run, 40)


def test_a_line_that_a_kill_cut_short_is_left_out(tmp_path):
    folder = RunFolder(tmp_path)
    folder.metrics.write_text('{"step": 0}\n{"step": 1}\n{"st')
    folder.truncate_metrics(1)
    assert [json.loads(line) for line in folder.metrics.read_text().splitlines()] == [{"step": 0}]


def test_the_recipe_in_the_folder_is_the_recipe(whole_run, corpus):
    told = json.loads((Path(whole_run) / "config.json").read_text())
    assert told["training"]["optimizer"]["lr"] == 0.01
    assert told["settings"] == {"width": 8, "dropout": 0.2}
