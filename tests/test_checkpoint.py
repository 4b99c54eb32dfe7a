import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from trivium import checkpoint
from trivium.config import Settings
from trivium.errors import SettingsError


class Toy(Settings):
    width: int = 4


def tensors(value: float = 1.0):
    return {"linear.weight": torch.full((2, 3), float(value)), "linear.bias": torch.zeros(2)}


def test_a_checkpoint_gives_back_its_tensors_and_settings(tmp_path):
    folder = tmp_path / "model"
    checkpoint.save(folder, Toy(width=8), tensors(), "# A toy")
    loaded = checkpoint.load_tensors(folder, tensors(0))
    assert all(torch.equal(loaded[name], value) for name, value in tensors().items())
    assert Toy.load(folder / "config.json") == Toy(width=8)
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "config.json", "model.safetensors",
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_saving_again_replaces_the_whole_folder(tmp_path):
    folder = tmp_path / "model"
    checkpoint.save(folder, Toy(), tensors(1), "one")
    (folder / "stray").touch()
    checkpoint.save(folder, Toy(), tensors(2), "two")
    assert checkpoint.load_tensors(folder, tensors())["linear.weight"].mean() == 2
    assert not (folder / "stray").exists()


@pytest.mark.parametrize(
    ("expected", "sentence"),
    [
        (tensors() | {"linear.scale": torch.ones(1)}, r"lacks the tensor 'linear\.scale'"),
        (
            {"linear.weight": torch.ones(2, 3)},
            r"has a tensor 'linear\.bias' that the model does not",
        ),
        (
            {"linear.weight": torch.ones(2, 4), "linear.bias": torch.ones(2)},
            r"has shape \(2, 3\); the model's has \(2, 4\)",
        ),
    ],
)
def test_loading_is_strict(tmp_path, expected, sentence):
    checkpoint.save(tmp_path / "model", Toy(), tensors(), "")
    with pytest.raises(SettingsError, match=sentence):
        checkpoint.load_tensors(tmp_path / "model", expected)


def test_a_cut_file_is_refused(tmp_path):
    checkpoint.save(tmp_path / "model", Toy(), tensors(), "")
    path = tmp_path / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(SettingsError, match="not a whole safetensors file"):
        checkpoint.load_tensors(tmp_path / "model", tensors())


def test_a_folder_without_tensors_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no checkpoint"):
        checkpoint.load_tensors(tmp_path, tensors())


def test_an_error_while_writing_leaves_the_old_folder(tmp_path):
    checkpoint.save(tmp_path / "model", Toy(), tensors(1), "")
    with (
        pytest.raises(RuntimeError, match="full"),
        checkpoint.new_folder(tmp_path / "model") as new,
    ):
        (new / "half").touch()
        raise RuntimeError("the disk is full")
    assert checkpoint.load_tensors(tmp_path / "model", tensors())["linear.weight"].mean() == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_dying_between_the_two_renames_loses_nothing(tmp_path):
    folder = tmp_path / "model"
    checkpoint.save(folder, Toy(), tensors(), "")
    folder.rename(tmp_path / ".model.old")  # what a kill between them leaves
    assert checkpoint.load_tensors(folder, tensors())["linear.weight"].mean() == 1


SAVER = """
import sys, torch
from pathlib import Path
from trivium import checkpoint
from trivium.config import Settings
class Toy(Settings):
    width: int = 4
for value in range(1, 10_000):
    tensors = {"w": torch.full((1000, 300), float(value))}
    checkpoint.save(Path(sys.argv[1]), Toy(width=value), tensors, str(value))
    print(value, flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    folder = tmp_path / "model"
    for number in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        process.stdout.readline()
        time.sleep(0.013 * (number + 1))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        weights = checkpoint.load_tensors(folder, {"w": torch.empty(1000, 300)})["w"]
        assert weights.min() == weights.max() == Toy.load(folder / "config.json").width
    checkpoint.save(folder, Toy(), tensors(), "")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_writers_of_names_alike_leave_one_another_alone(tmp_path):
    with checkpoint.new_folder(tmp_path / "step.1") as new:
        (new / "half").touch()
        checkpoint.save(tmp_path / "step", Toy(), tensors(), "")
        checkpoint.write_file(tmp_path / "step.txt", "text")
        assert (new / "half").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step", "step.1", "step.txt"]


def test_what_a_dead_writer_left_is_removed_and_a_living_one_s_is_not(tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    stale = tmp_path / f".a.txt.{dead}.{'0' * 32}.part"
    living = tmp_path / f".a.txt.{os.getpid()}.{'0' * 32}.part"
    for path in (stale, living):
        path.touch()
    checkpoint.write_file(tmp_path / "a.txt", "text")
    assert (stale.exists(), living.exists()) == (False, True)


def test_a_checksum_is_of_the_tensors(tmp_path):
    for name, value in (("one", 1), ("same", 1), ("other", 2)):
        checkpoint.save(tmp_path / name, Toy(), tensors(value), name)
    sums = {name: checkpoint.checksum(tmp_path / name) for name in ("one", "same", "other")}
    assert sums["one"] == sums["same"] != sums["other"]


def test_tied_tensors_are_stored_once_and_come_back_tied(tmp_path):
    def model():
        layers = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
        layers[1].weight = layers[0].weight
        return layers

    one, other = model(), model()
    checkpoint.save(tmp_path / "m", Toy(), checkpoint.model_tensors(one), "")
    assert "1.weight" not in checkpoint.model_tensors(one)
    checkpoint.load_into(other, tmp_path / "m")
    x = torch.randn(2, 3)
    assert torch.equal(one(x), other(x))
