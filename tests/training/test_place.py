import os

import pytest
import torch
from torch import nn

from tests.training.ranks import fit_one
from tests.training.test_devices import logged
from tests.training.test_loop import build, corpus, recipe
from tests.training.toy import Toy, ToySettings
from trivium.models.towers.tower import Tower
from trivium.recipes import recipe as named
from trivium.training import place
from trivium.training.loop import fit
from trivium.training.optimizer import OptimizerSettings, build_optimizer, restore_optimizer
from trivium.training.place import Place, determined, gathered, is_sharded, like, shard, wrap
from trivium.training.recipe import build_system

__all__ = ["corpus"]  # a fixture


def test_alone_nothing_is_sent():
    alone = Place()
    assert alone.total(1.5, 2.0) == [1.5, 2.0]
    assert [alone.agree(wish) for wish in (True, False)] == [True, False]
    assert (alone.is_first, alone.is_cuda, Place(device="cuda:3").is_cuda) == (True, False, True)


def test_alone_a_system_is_not_wrapped():
    system = build()
    shard(system, Place(), "fsdp")
    assert wrap(system, Place()) is system
    assert not is_sharded(system)


def test_the_first_device_holds_what_is_gathered():
    tensors = {"a": torch.arange(3)}
    assert gathered(tensors, Place()) == tensors
    assert gathered(tensors, Place(rank=1, world=2)) == {}


def test_a_tensor_like_a_parameter_is_a_copy():
    tensor, parameter = torch.arange(3.0), nn.Parameter(torch.zeros(3))
    copy = like(tensor, parameter)
    tensor.zero_()
    assert copy.tolist() == [0, 1, 2]


def test_the_count_of_steps_lies_where_the_optimizer_wants_it():
    parameter = nn.Parameter(torch.zeros(3))
    state = {"w.step": torch.tensor(4.0), "w.exp_avg": torch.ones(3), "w.exp_avg_sq": torch.ones(3)}
    optimizer = build_optimizer({"w": parameter}, OptimizerSettings())
    restore_optimizer(optimizer, {"w": parameter}, state)
    assert optimizer.state[parameter]["step"] == 4
    meta = nn.Parameter(torch.zeros(3, device="meta"))
    optimizer.defaults["fused"] = True
    restore_optimizer(optimizer, {"w": meta}, state)
    assert {value.device.type for value in optimizer.state[meta].values()} == {"meta"}


# The compiler looks for gradients where there are none, and hides the warning of that.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_compiled_layers_train_what_plain_ones_train(tmp_path, world_folder, monkeypatch):
    compiled = []

    def remembered(self, backend):
        compiled.append(self)
        nn.Module.compile(self, backend=backend)

    [first, *_] = place.tower_layers(build_system(named("clip.tiny", [world_folder]), tmp_path))
    monkeypatch.setattr(place, "COMPILER", "aot_eager")
    monkeypatch.setattr(type(first), "compile", remembered, raising=False)
    options = {"settings": ["training.loader.micros_per_step=2"], "max_steps": 2}
    fit_one(world_folder, tmp_path / "plain", **options)
    assert not compiled
    options["settings"] = [*options["settings"], "training.compile=true"]
    fit_one(world_folder, tmp_path / "compiled", **options)
    assert compiled
    expected = logged(tmp_path / "plain", "contrast")
    assert logged(tmp_path / "compiled", "contrast") == pytest.approx(expected, rel=1e-5)
    torch.compiler.reset()


def test_layers_are_those_of_all_towers():
    class Network(nn.Module):
        def __init__(self, count):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(count))

    class Short(Tower):
        def __init__(self, count):
            nn.Module.__init__(self)
            self.network = Network(count)

        @property
        def layers(self):
            return self.network.layers

    system = nn.ModuleDict({"a": Short(2), "b": Short(1), "head": nn.Linear(2, 2)})
    found = place.tower_layers(system)
    assert found == [*system["a"].layers, *system["b"].layers]


def test_deterministic_kernels_only_while_it_trains(tmp_path, corpus, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    seen = []

    class Looking(Toy):
        def forward(self, parts, active):
            seen.append(torch.are_deterministic_algorithms_enabled())
            return super().forward(parts, active)

    for wanted in (False, True):
        fit(recipe(corpus, deterministic=wanted), tmp_path / str(wanted), max_steps=1,
            build=lambda *_: Looking(ToySettings()))  # fmt: skip
    assert seen[0] is False
    assert seen[-1] is True
    assert not torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_what_was_deterministic_before_stays_so():
    with determined(True):
        with determined(True), determined(False):
            assert torch.are_deterministic_algorithms_enabled()
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
