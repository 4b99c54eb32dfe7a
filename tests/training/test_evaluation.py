import json
import shutil

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from tests.training.test_loop import assert_same_run, build, corpus, recipe, tensors, untimed
from trivium.errors import SettingsError
from trivium.tasks.score import Score, Signature
from trivium.training.evaluation import EvaluationSettings, undisturbed
from trivium.training.loop import fit
from trivium.training.place import Place
from trivium.training.state import RunFolder
from trivium.version import VERSION

__all__ = ["corpus"]  # a fixture


class Weighing:
    """Measures the weights themselves, and disturbs whatever it can."""

    def __init__(self, values=()):
        self.values, self.given, self.checked = list(values), [], 0

    def check(self, system):
        self.checked += 1

    def __call__(self, system):
        assert not any(module.training for module in system.modules())
        torch.manual_seed(4)
        nn.Dropout()(torch.ones(3))
        system.train()
        weight = float(system.left.weight.detach().abs().sum())
        value = self.values[len(self.given)] if self.values else weight
        self.given.append(value)
        signature = Signature(task="weighing", corpus="c" * 64, split="dev")
        return Score(task="weighing", values={"weight": value, "twice": 2 * value},
                     primary="weight", chance={"weight": 1.0}, signature=signature)  # fmt: skip


def measured(corpus, **training):
    evaluation = EvaluationSettings(every=7)
    return recipe(corpus, **training).model_copy(update={"evaluation": evaluation})


def without_scores(folder):
    return [line for line in untimed(folder) if "evaluation" not in line]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory, corpus):
    folder = tmp_path_factory.mktemp("whole") / "run"
    fit(measured(corpus), folder, build=build, evaluate=Weighing())
    return folder


def test_measuring_changes_nothing_of_the_training(tmp_path, corpus, whole_run):
    fit(recipe(corpus), tmp_path / "plain", build=build)
    assert without_scores(whole_run) == untimed(tmp_path / "plain")
    ours, theirs = tensors(whole_run), tensors(tmp_path / "plain")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("steps", [6, 7, 13, 20])
def test_a_measured_run_is_resumed_bit_for_bit(tmp_path, corpus, steps, whole_run):
    def stop(line):
        if line["step"] == steps and "evaluation" not in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(measured(corpus), tmp_path / "run", build=build, watch=stop, evaluate=Weighing())
    fit(measured(corpus), tmp_path / "run", build=build, resume=True, evaluate=Weighing())
    assert_same_run(tmp_path / "run", whole_run)
    best = [(folder / "best" / "model.safetensors").read_bytes()
            for folder in (tmp_path / "run", whole_run)]  # fmt: skip
    assert best[0] == best[1]


def test_scores_come_after_every_so_many_steps_and_after_the_last(whole_run):
    lines = [line for line in untimed(whole_run) if "evaluation" in line]
    assert [line["step"] for line in lines] == [6, 13, 20, 27, 29]
    found = lines[0]["evaluation"]
    assert (found["task"], found["primary"], found["best"]) == ("weighing", "weight", True)
    assert found["values"]["twice"] == 2 * found["values"]["weight"]
    assert found["signature"] == f"task:weighing|corpus:{'c' * 12}|split:dev|version:{VERSION}"


def test_the_best_is_kept_beside_the_newest(tmp_path, corpus):
    told = []
    evaluate = Weighing([1.0, 5.0, 5.0, 2.0, 3.0])
    fit(measured(corpus, keep=1), tmp_path, build=build, evaluate=evaluate, watch=told.append)
    assert evaluate.checked == 1
    bests = [line["evaluation"]["best"] for line in told if "evaluation" in line]
    assert bests == [True, True, False, False, False]
    best = RunFolder(tmp_path).best
    assert Score.load(best / "score.json").values == {"weight": 5.0, "twice": 10.0}
    assert sorted(path.name for path in best.iterdir()) == [
        "README.md", "config.json", "model.safetensors", "score.json"]  # fmt: skip
    assert "after 14 of 30 steps" in (best / "README.md").read_text()
    assert [path.name for path in RunFolder(tmp_path).checkpoints()] == ["step-00000030"]


def test_a_run_that_never_saved_hands_nothing_on(tmp_path, corpus):
    fit(measured(corpus), tmp_path, build=build, evaluate=Weighing([99.0] * 5))
    shutil.rmtree(tmp_path / "checkpoints")
    (tmp_path / "tokenizer.json").write_text("of other texts")
    with pytest.raises(SettingsError, match="best is the best of a run without a checkpoint"):
        fit(measured(corpus), tmp_path, build=build)
    RunFolder(tmp_path).best.rename(tmp_path / "kept")
    fit(measured(corpus), tmp_path, build=build, evaluate=Weighing([1.0] * 5))
    assert Score.load(RunFolder(tmp_path).best / "score.json").values["weight"] == 1.0
    assert not (tmp_path / "tokenizer.json").exists()


def test_a_resumed_run_knows_the_best_of_before(tmp_path, corpus):
    fit(measured(corpus), tmp_path, build=build, evaluate=Weighing([9.0]), max_steps=7)
    fit(measured(corpus), tmp_path, build=build, evaluate=Weighing([1.0] * 4), resume=True)
    assert Score.load(RunFolder(tmp_path).best / "score.json").values["weight"] == 9.0


def test_lower_can_be_better(tmp_path, corpus):
    class Errors(Weighing):
        def __call__(self, system):
            return super().__call__(system).model_copy(update={"lower_is_better": True})

    fit(measured(corpus), tmp_path, build=build, evaluate=Errors([4.0, 2.0, 3.0, 9.0, 2.0]))
    assert Score.load(RunFolder(tmp_path).best / "score.json").values["weight"] == 2.0


def test_the_model_card_says_data_steps_and_scores(whole_run):
    text = (RunFolder(whole_run).checkpoints()[-1] / "README.md").read_text()
    assert text.startswith("# toy, 30 steps\n")
    assert "| rows | by-hand | train | CC0-1.0 | Made by a test. |" in text
    assert "`weighing` after 30 steps" in text
    last = [line for line in untimed(whole_run) if "evaluation" in line][-1]
    weight = last["evaluation"]["values"]["weight"]
    assert f"| weight | {weight:,.2f} | 1.00 |" in text


def test_a_recipe_that_is_not_measured_says_so(tmp_path, corpus):
    told = []
    fit(measured(corpus), tmp_path, build=build, watch=told.append, max_steps=2)
    assert told[0] == {
        "warning": "the recipe asks for retrieval, and nothing that measures was given"
    }


def test_randomness_and_modes_are_put_back():
    system = nn.Sequential(nn.Linear(2, 2), nn.Dropout()).train()
    system[0].eval()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with undisturbed(system, Place()):
        torch.rand(7)
        system.eval()
        system[0].train()
    assert torch.equal(torch.rand(3), expected)
    assert [module.training for module in system] == [False, True]
    assert system.training


def test_the_evaluation_of_a_recipe_survives_json(corpus):
    made = measured(corpus)
    assert json.loads(made.to_json())["evaluation"]["every"] == 7


def test_tasks_have_one_name_and_there_is_at_least_one():
    assert EvaluationSettings(tasks=("retrieval", "abx")).task == "retrieval+abx"
    with pytest.raises(ValidationError, match="at least 1 item"):
        EvaluationSettings(tasks=())
