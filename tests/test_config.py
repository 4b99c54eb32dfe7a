import json
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from trivium.config import Settings
from trivium.errors import SettingsError


class Optimizer(Settings):
    lr: float = Field(1e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.98)


class Run(Settings):
    steps: int = 10
    mode: Literal["fast", "slow"] = "fast"
    optimizer: Optimizer = Optimizer()
    weights: dict[str, float] = {}
    stages: tuple[Optimizer, ...] = (Optimizer(),)


@given(st.integers(), st.floats(1e-9, 1e9), st.dictionaries(st.text(), st.floats(-1, 1)))
def test_settings_survive_json(tmp_path_factory, steps, lr, weights):
    run = Run(steps=steps, optimizer=Optimizer(lr=lr), weights=weights)
    path = Path(tmp_path_factory.mktemp("json")) / "run.json"
    path.write_text(run.to_json(), encoding="utf-8")
    assert Run.load(path) == run


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("steps=25", Run(steps=25)),
        ("mode=slow", Run(mode="slow")),
        ("optimizer.lr=2e-4", Run(optimizer=Optimizer(lr=2e-4))),
        ("optimizer.betas=[0.8, 0.9]", Run(optimizer=Optimizer(betas=(0.8, 0.9)))),
        ("weights.ssl=.5", Run(weights={"ssl": 0.5})),
        ("stages.0.lr=5", Run(stages=(Optimizer(lr=5),))),
    ],
)
def test_override_reaches_any_place(assignment, expected):
    assert Run().override([assignment]) == expected


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("step=3", "no setting 'step'; did you mean 'steps'"),
        ("optimiser.lr=3", "no setting 'optimiser'; did you mean 'optimizer'"),
        ("optimizer.rl=3", "no setting 'optimizer.rl'; .*lr"),
        ("optimizer.lr=abc", r"optimizer.lr = 'abc': .*number"),
        ("optimizer.lr=-1", r"optimizer.lr = -1: .*greater than 0"),
        ("mode=quick", "mode = 'quick'.*'fast' or 'slow'"),
        ("steps", "expected name=value"),
        ("stages.4.lr=1", "'4' is no place in a list of 1"),
        ("steps.more=1", "steps is 10, not a group"),
    ],
)
def test_a_wrong_override_gets_one_sentence(assignment, sentence):
    with pytest.raises(SettingsError, match=sentence) as caught:
        Run().override([assignment])
    assert "\n" not in str(caught.value)


def test_every_fault_of_a_file_is_named_with_the_file(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"stpes": 3, "optimizer": {"lr": 0}}))
    with pytest.raises(SettingsError, match=r"run\.json: .*lr = 0.*stpes.*did you mean 'steps'"):
        Run.load(path)


@pytest.mark.parametrize(
    ("text", "sentence"), [("{", "is not JSON"), ("[1]", "holds a list; expected an object")]
)
def test_a_file_that_is_no_object_is_refused(tmp_path, text, sentence):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(SettingsError, match=sentence):
        Run.load(tmp_path / "run.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere\.json is not there"):
        Run.load(tmp_path / "nowhere.json")


def test_settings_cannot_change():
    with pytest.raises(ValueError, match="frozen"):
        Run().steps = 3


def test_a_name_that_occurs_twice_is_not_decided_in_silence(tmp_path):
    (tmp_path / "run.json").write_text('{"steps": 1, "steps": 2}')
    with pytest.raises(SettingsError, match="'steps' occurs twice"):
        Run.load(tmp_path / "run.json")


def test_a_folder_and_a_bottomless_file_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        Run.load(tmp_path)
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(SettingsError, match="is not JSON"):
        Run.load(tmp_path / "deep.json")
