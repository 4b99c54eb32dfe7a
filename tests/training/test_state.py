import pytest

from tests.training.test_loop import assert_same_run, build, corpus, recipe
from trivium.errors import SettingsError
from trivium.training.loop import fit
from trivium.training.place import Place
from trivium.training.schedule import Phase
from trivium.training.state import Keeper, RunFolder, differences, here

__all__ = ["corpus"]  # a fixture


class Clock:
    """Seconds that pass when somebody looks."""

    def __init__(self, seconds_a_look):
        self.now, self.each = 0.0, seconds_a_look

    def __call__(self):
        self.now += self.each
        return self.now


class Follower:
    """A device that is told what the first one wishes."""

    rank, world, device, is_first = 1, 2, "cpu", False

    def __init__(self, wishes):
        self.wishes = iter(wishes)
        self.clock = Clock(1e9)

    def agree(self, wish):
        return next(self.wishes)


def keeper(tmp_path, made, place):
    return Keeper(RunFolder(tmp_path), made, build(), {}, place)


def test_a_checkpoint_after_so_many_minutes(tmp_path, corpus):
    phases = (Phase(steps=10, weights={"recover": 1.0}),)
    made = recipe(corpus, phases=phases, save_every=100, save_every_minutes=1.0, keep=9)
    # The clock is looked at when the run begins, after each step, and when it has saved.
    fit(made, tmp_path, build=build, place=Place(clock=Clock(25.0)))
    steps = [int(path.name.removeprefix("step-")) for path in RunFolder(tmp_path).checkpoints()]
    assert steps == [3, 6, 9, 10]


def test_a_checkpoint_by_steps_begins_the_minutes_anew(tmp_path, corpus):
    made = recipe(corpus, save_every=7, save_every_minutes=1.0)
    clock = Clock(0.0)
    kept = keeper(tmp_path, made, Place(clock=clock))
    clock.now = 50.0
    assert [kept.is_due(done, False) for done in (6, 7, 8)] == [False, True, False]
    clock.now = 60.0
    assert kept.is_due(8, False)
    assert kept.is_due(8, True)


def test_without_minutes_the_clock_says_nothing(tmp_path, corpus):
    kept = keeper(tmp_path, recipe(corpus, save_every=7), Place(clock=Clock(1e9)))
    assert [done for done in range(1, 22) if kept.is_due(done, False)] == [7, 14, 21]


def test_the_first_device_decides_when_to_save(tmp_path, corpus):
    made = recipe(corpus, save_every=100, save_every_minutes=1.0)
    kept = keeper(tmp_path, made, Follower([False, False, True]))
    assert [kept.is_due(done, False) for done in (1, 2, 3)] == [False, False, True]


def test_minutes_change_nothing_of_the_training(tmp_path, corpus):
    fit(recipe(corpus), tmp_path / "plain", build=build)
    timed = recipe(corpus, save_every_minutes=0.1)
    fit(timed, tmp_path / "timed", build=build, place=Place(clock=Clock(3.0)))
    assert_same_run(tmp_path / "timed", tmp_path / "plain")


def test_a_run_stops_early_with_a_checkpoint_and_goes_on(tmp_path, corpus):
    fit(recipe(corpus), tmp_path / "plain", build=build)
    fitted = fit(recipe(corpus), tmp_path / "cut", build=build, max_steps=5)
    assert fitted.checkpoint.name == "step-00000005"
    fitted = fit(recipe(corpus), tmp_path / "cut", build=build, max_steps=19, resume=True)
    assert fitted.checkpoint.name == "step-00000019"
    fit(recipe(corpus), tmp_path / "cut", build=build, resume=True)
    assert_same_run(tmp_path / "cut", tmp_path / "plain")


def test_how_devices_share_the_work_may_change_and_is_told(tmp_path, corpus):
    fit(recipe(corpus), tmp_path, build=build, max_steps=5)
    told = []
    fit(recipe(corpus, parallel="fsdp"), tmp_path, build=build, max_steps=6, resume=True,
        watch=told.append)  # fmt: skip
    assert told[0] == {"warning": "the last bits may differ: parallel was ddp and is fsdp"}


def test_states_of_before_ran_whole_on_each_device():
    old = {name: value for name, value in here(3, 1).model_dump().items() if name != "parallel"}
    assert differences(type(here(3, 1)).parse(old), here(3, 1)) == []


def test_a_run_without_checkpoints_begins_anew(tmp_path, corpus):
    fit(recipe(corpus), tmp_path, build=build, resume=True, max_steps=1)
    assert RunFolder(tmp_path).last_evaluation() is None
    with pytest.raises(SettingsError, match="holds a run"):
        fit(recipe(corpus), tmp_path, build=build)
