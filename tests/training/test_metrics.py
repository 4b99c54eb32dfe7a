import json
import sys
from types import SimpleNamespace

import pytest

from tests.training.test_loop import build, corpus, recipe
from tests.training.test_state import Clock
from trivium.data.loader import Spent
from trivium.errors import SettingsError
from trivium.training import metrics
from trivium.training.loop import fit
from trivium.training.metrics import Metrics, Window, device_memory
from trivium.training.place import Place

__all__ = ["corpus"]  # a fixture


@pytest.mark.parametrize(
    ("window", "figures"),
    [
        (Window(10, 4.0, 1.0, 60.0, 80.0),
         {"seconds": 4.0, "waiting": 0.25, "sound_a_second": 15.0, "padding": 0.25}),
        (Window(10, 4.0, 0.0, 0.0, 0.0), {"seconds": 4.0, "waiting": 0.0}),
        (Window(0, 0.0, 0.0, 0.0, 0.0), {"seconds": 0.0}),
    ],
)  # fmt: skip
def test_figures_of_a_window(window, figures):
    assert window.figures() == figures


def test_windows_hold_what_was_spent_since_the_last(tmp_path):
    spent, clock = Spent(waiting=7.0, seconds=70.0, padded_seconds=77.0), Clock(0.0)
    log = Metrics(tmp_path / "m.jsonl", Place(), spent, clock=clock)
    clock.now, spent.waiting, spent.seconds, spent.padded_seconds = 10.0, 9.0, 100.0, 117.0
    assert log.window(5) == Window(5, 10.0, 2.0, 30.0, 40.0)
    clock.now = 12.0
    with log.apart():
        clock.now = 112.0
    clock.now, spent.seconds = 113.0, 106.0
    assert log.window(2) == Window(2, 3.0, 0.0, 6.0, 0.0)
    clock.now = 114.0
    assert log.window(1).seconds == 1.0


def test_sound_is_that_of_all_devices_and_waiting_their_mean(tmp_path):
    place = SimpleNamespace(is_first=False, world=4, total=lambda *own: [4 * x for x in own])
    spent, clock = Spent(), Clock(0.0)
    log = Metrics(tmp_path / "m.jsonl", place, spent, clock=clock)
    clock.now, spent.waiting, spent.seconds, spent.padded_seconds = 10.0, 2.0, 30.0, 40.0
    assert log.window(5) == Window(5, 10.0, 2.0, 120.0, 160.0)
    log.write({"step": 1})
    assert not (tmp_path / "m.jsonl").exists()  # the first device writes


def test_a_run_writes_how_fast_it_was(tmp_path, corpus):
    told = []
    fit(recipe(corpus), tmp_path, build=build, watch=told.append, max_steps=4)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == told
    assert list(lines[0]) == ["step", "lr", "grad_norm", "recover", "seconds", "waiting"]


def test_memory_is_told_where_the_device_has_its_own(monkeypatch):
    assert device_memory(Place()) == {}
    reset = []
    monkeypatch.setattr(metrics.torch.cuda, "max_memory_allocated", lambda _: 3 * 2**30)
    monkeypatch.setattr(metrics.torch.cuda, "reset_peak_memory_stats", reset.append)
    assert device_memory(Place(device="cuda:1")) == {"memory_gib": 3.0}
    assert reset == ["cuda:1"]


class Writer:
    """What tensorboardX's writer is asked to do."""

    made = ()

    def __init__(self, folder, purge_step):
        self.folder, self.purge_step, self.scalars, self.open = folder, purge_step, {}, True
        Writer.made = (*Writer.made, self)

    def add_scalar(self, name, value, step):
        self.scalars[name, step] = value

    def flush(self):
        assert self.open

    def close(self):
        self.open = False


def test_tensorboard_is_told_every_number(tmp_path, corpus, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", SimpleNamespace(SummaryWriter=Writer))
    monkeypatch.setattr(Writer, "made", ())
    told = []
    options = {"build": build, "watch": told.append}
    fit(recipe(corpus, tensorboard=True), tmp_path, max_steps=4, **options)
    fit(recipe(corpus, tensorboard=True), tmp_path, max_steps=6, resume=True, **options)
    first, second = Writer.made
    assert (first.folder, first.purge_step) == (str(tmp_path / "tensorboard"), 0)
    assert second.purge_step == 4
    assert not first.open
    assert not second.open
    assert first.scalars["recover", 2] == told[2]["recover"]
    assert {step for _, step in second.scalars} == {4, 5}
    assert not any(name == "step" for name, _ in first.scalars)


def test_scores_have_the_name_of_their_task(tmp_path, monkeypatch):
    monkeypatch.setattr(Writer, "made", ())
    writer = Writer("x", 0)
    log = Metrics(tmp_path / "m.jsonl", Place(), Spent(), writer)
    found = {"task": "retrieval", "best": True, "values": {"recall@10": 40.0}}
    log.write({"step": 3, "evaluation": found})
    log.write({"step": 4, "warning": "look out"})
    assert writer.scalars == {("retrieval/recall@10", 3): 40.0}


def test_tensorboard_must_be_installed(tmp_path, corpus, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    sentence = "training.tensorboard is true and tensorboardX is not installed"
    with pytest.raises(SettingsError, match=sentence):
        fit(recipe(corpus, tensorboard=True), tmp_path, build=build)
    assert not (tmp_path / "checkpoints").exists()
