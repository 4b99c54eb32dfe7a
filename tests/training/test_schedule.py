import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from trivium.errors import SettingsError
from trivium.training.optimizer import OptimizerSettings
from trivium.training.schedule import Draws, Phase, Ramp, Schedule, frozen_names


def phase(steps=10, **columns):
    return Phase(steps=steps, weights=columns.pop("weights", {"ssl": 1.0}), **columns)


def test_sequential_simultaneous_and_alternating():
    schedule = Schedule([
        phase(3, weights={"ssl": 1.0}),
        phase(2, weights={"ssl": 0.5, "ground": 0.5}),
        phase(4, weights={"ssl": 1.0, "ground": 2.0}, turns=(("ssl",), ("ground",))),
    ])  # fmt: skip
    told = [schedule.at(step).phase.weights_at(schedule.at(step).step) for step in range(9)]
    assert told == [
        *[{"ssl": 1.0}] * 3, *[{"ssl": 0.5, "ground": 0.5}] * 2,
        {"ssl": 1.0}, {"ground": 2.0}, {"ssl": 1.0}, {"ground": 2.0},
    ]  # fmt: skip


def test_a_ramp_goes_from_start_to_end():
    ramped = phase(5, weights={"ssl": Ramp(start=1, end=0), "ground": Ramp(start=0, end=1)})
    assert ramped.weights_at(0) == {"ssl": 1.0}
    assert ramped.weights_at(2) == {"ssl": 0.5, "ground": 0.5}
    assert ramped.weights_at(4) == {"ground": 1.0}


@given(st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=6))
def test_every_step_is_in_the_phase_that_counting_says(phases):
    schedule = Schedule([phase(steps, reset_optimizer=reset) for steps, reset in phases])
    step = 0
    since = 0
    for number, (steps, reset) in enumerate(phases):
        for inside in range(steps):
            since = 0 if inside == 0 and reset else since
            moment = schedule.at(step)
            assert (moment.number, moment.step, moment.since_reset) == (number, inside, since)
            step, since = step + 1, since + 1
    assert step == schedule.steps
    assert schedule.at(step - 1).since_reset == schedule.at(step - 1).until_reset - 1


@pytest.mark.parametrize("step", [-1, 10])
def test_steps_outside_are_refused(step):
    with pytest.raises(SettingsError, match=f"step {step} is outside"):
        Schedule([phase(10)]).at(step)


def test_what_trains_nothing_is_refused():
    with pytest.raises(SettingsError, match="0 phases"):
        Schedule([])
    with pytest.raises(ValidationError, match=r"ssl.*above 0 at step 0"):
        phase(weights={"ssl": 0.0})
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        phase(weights={"ssl": 1.0, "ground": -0.5})
    with pytest.raises(ValidationError, match=r"ssl.*above 0 at step 9"):
        phase(weights={"ssl": Ramp(start=1, end=0)})
    with pytest.raises(ValidationError, match=r"ground.*above 0 at step 1"):
        phase(weights={"ssl": 1.0, "ground": 0.0}, turns=(("ssl",), ("ground",)))
    with pytest.raises(ValidationError, match="turns name 'sls'; did you mean 'ssl'"):
        phase(turns=(("sls",),))


def test_patterns_freeze_what_they_match_and_nothing_in_silence():
    names = ("speech.frontend.w", "speech.layers.0.w", "head.w")
    assert frozen_names(names, ("speech.*",)) == {"speech.frontend.w", "speech.layers.0.w"}
    with pytest.raises(SettingsError, match=r"'speach\.\*' freezes no parameter"):
        frozen_names(names, ("speach.*",))


@given(
    st.integers(1, 500), st.floats(0, 0.9), st.floats(0, 0.5),
    st.sampled_from(["linear", "quadratic", "cosine", "inverse_sqrt", "none"]),
)  # fmt: skip
def test_the_rate_rises_falls_and_is_never_zero(steps, warmup, final, decay):
    settings = OptimizerSettings(warmup=warmup, decay=decay, final=final)
    factors = [settings.factor(step, steps) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
    top = factors.index(max(factors))
    assert factors[:top] == sorted(factors[:top])
    assert factors[top:] == sorted(factors[top:], reverse=True)


READ_BY = {"ssl": {"speech"}, "ground": {"spoken"}, "both": {"speech", "spoken"}}


def read_by(names):
    return set().union(*(READ_BY[name] for name in names))


TURNS = st.lists(st.sampled_from(sorted(READ_BY)).map(lambda name: (name,)), max_size=4)


@given(st.lists(st.tuples(st.integers(1, 12), TURNS), min_size=1, max_size=5))
def test_a_source_moves_on_at_the_steps_that_read_it(phases):
    schedule = Schedule([
        phase(steps, weights=dict.fromkeys(READ_BY, 1.0), turns=tuple(turns))
        for steps, turns in phases
    ])  # fmt: skip
    draws = Draws(schedule, read_by)
    seen = {"speech": 0, "spoken": 0}
    for step in range(schedule.steps):
        moment = schedule.at(step)
        read = read_by(moment.phase.weights_at(moment.step))
        assert draws.at(step) == {role: seen[role] for role in seen if role in read}
        for role in read:
            seen[role] += 1
    assert draws.roles == {role for role, count in seen.items() if count}
    with pytest.raises(SettingsError, match="0 steps after"):
        draws.at(schedule.steps)


def test_objectives_of_no_weight_read_nothing():
    schedule = Schedule([phase(weights={"ssl": 1.0, "ground": 0.0})])
    assert Draws(schedule, read_by).roles == {"speech"}
