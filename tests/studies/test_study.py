"""Cells are trained and measured once, continued after a kill, and fail without the others."""

from pathlib import Path

import pytest

from trivium import checkpoint
from trivium.errors import SettingsError, TriviumError
from trivium.recipes import recipe
from trivium.studies import study as studies
from trivium.studies.results import Measured
from trivium.studies.study import Cell, Progress, Stage, Study, run, steps_left, train_once
from trivium.tasks.score import Score, Signature
from trivium.training.loop import fit
from trivium.training.place import Place


def clip(corpus, seed, steps=2):
    changes = [f"training.phases.0.steps={steps}", f"training.loader.seed={seed}",
               "training.save_every=1", "sources.captions.items=8"]  # fmt: skip
    return recipe("clip.tiny", [corpus]).override(changes)


def sign(cell, trained: Path) -> Signature:
    return Signature(task="toy", corpus="c", split="test", model=checkpoint.checksum(trained))


def measure(cell, trained, signature) -> Measured:
    score = Score(task="toy", values={"x": 1.0}, primary="x", signature=signature)
    return Measured(cell=cell.name, axes=dict(cell.axes), seed=cell.seed, signature=signature,
                    scores=(score,))  # fmt: skip


def toy(out, corpus, measure=measure, steps=2):
    cells = tuple(
        Cell(f"{kind}.seed{seed}", clip(corpus, 10 * seed + place, steps), {"kind": kind}, seed,
             ("tower",))
        for place, kind in enumerate(("red", "blue")) for seed in range(2)
    )  # fmt: skip
    stages = (Stage("tower", clip(corpus, 5)), Stage("unused", clip(corpus, 6)))
    return Study("toy", out, stages, cells, sign, measure, lambda _: (), lambda *_: out)


@pytest.fixture
def no_training(monkeypatch):
    """Any training is an error."""

    def refuse(recipe, folder, **_):
        raise AssertionError(f"{folder} is trained again")

    return lambda: monkeypatch.setattr(studies, "fit", refuse)


def test_everything_is_trained_and_measured_once(tmp_path, world_folder, no_training):
    said, steps = [], []
    toy_study = toy(tmp_path, world_folder)
    assert steps_left(toy_study) == 5 * 2
    found = run(toy_study, progress=Progress(steps=steps.append, say=said.append))
    assert not found.missing
    assert sum(steps) == 5 * 2
    assert not (tmp_path / "stages" / "unused").exists()
    assert [line.split(":")[0] for line in said[1:]] == [
        "1 of 4, red.seed0", "2 of 4, red.seed1", "3 of 4, blue.seed0", "4 of 4, blue.seed1",
    ]  # fmt: skip

    no_training()

    def refuse(cell, trained, signature):
        raise AssertionError(f"{cell.name} is measured again")

    again = toy(tmp_path, world_folder, refuse)
    assert run(again) == found
    assert steps_left(again) == 0


def test_a_killed_cell_ends_as_one_that_was_not(tmp_path, world_folder):
    one, whole = clip(world_folder, 1), tmp_path / "whole"
    fit(one, tmp_path / "killed", max_steps=1)
    continued = train_once(one, tmp_path / "killed")
    assert continued.name == "step-00000002"
    assert checkpoint.checksum(continued) == checkpoint.checksum(train_once(one, whole))


def test_only_what_a_pattern_matches_is_trained(tmp_path, world_folder):
    found = run(toy(tmp_path, world_folder), "red.*1")
    assert [one.cell for one in found.measured] == ["red.seed1"]
    assert found.missing == ("red.seed0", "blue.seed0", "blue.seed1")
    with pytest.raises(SettingsError, match=r"no cell of toy is called 'rde\.seed0'; did you mean"):
        run(toy(tmp_path, world_folder), "rde.seed0")


def test_several_processes_are_refused(tmp_path, world_folder):
    with pytest.raises(SettingsError, match="torchrun started 2"):
        run(toy(tmp_path, world_folder), place=Place(rank=0, world=2))


def test_a_cell_that_diverges_keeps_no_other_from_being_trained(tmp_path, world_folder):
    def diverges(cell, trained, signature):
        if cell.name == "red.seed1":
            raise TriviumError("loss is not a number")
        return measure(cell, trained, signature)

    warned = []
    found = run(toy(tmp_path, world_folder, diverges), "*.seed*", Progress(warn=warned.append))
    assert found.failed == {"red.seed1": "loss is not a number"}
    assert found.missing == ("red.seed1",)
    assert warned == ["red.seed1: loss is not a number"]


def test_other_settings_than_a_cell_was_trained_with_are_an_error(tmp_path, world_folder):
    run(toy(tmp_path, world_folder), "red.seed0")
    with pytest.raises(SettingsError, match="begun with other settings"):
        run(toy(tmp_path, world_folder, steps=3), "red.seed0")


def test_what_was_measured_of_something_else_is_measured_again(tmp_path, world_folder, no_training):
    before = run(toy(tmp_path, world_folder), "red.seed0")
    path = tmp_path / "cells" / "red.seed0" / "measured.json"
    [one] = before.measured
    other = one.signature.model_copy(update={"corpus": "another"})
    path.write_text(one.model_copy(update={"signature": other}).to_json())
    assert not toy(tmp_path, world_folder).results().measured
    no_training()
    assert run(toy(tmp_path, world_folder), "red.seed0") == before
