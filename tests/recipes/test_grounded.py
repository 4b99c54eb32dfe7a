"""The nine schedules as data, and the recipes of `grounded`: what of them is published."""

import json
from pathlib import Path

import pytest
import torch

from trivium.errors import SettingsError
from trivium.models.grounded import Grounded, GroundedSettings
from trivium.models.system import describe_parameters, roles_of
from trivium.recipes import recipe, without_weights
from trivium.recipes.grounded import SCHEDULES, SSL, base, schedule, world
from trivium.training.loop import fit
from trivium.training.schedule import Draws, Schedule

ANYWHERE = [Path("some/corpus")]
GROUND = {"ground": 1.0}
BOTH = {"masked_ground": 0.5, "ssl": 0.5, "diversity": 0.05, "penalty": 0.5}
# What each of the nine trains at steps 0, 19, 20 and 69 of 70, by hand.
TRAINED = {
    "W2V2": (SSL, SSL, SSL, SSL),
    "VGS": (GROUND, GROUND, GROUND, GROUND),
    "VGS+": (BOTH, BOTH, BOTH, BOTH),
    "(W2V2,VGS+)": (SSL, SSL, BOTH, BOTH),
    "(VGS,VGS+)": (GROUND, GROUND, BOTH, BOTH),
    "(W2V2,VGS)": (SSL, SSL, GROUND, GROUND),
    "(VGS,W2V2)": (GROUND, GROUND, SSL, SSL),
    "(VGS+,W2V2)": (BOTH, BOTH, SSL, SSL),
    "(VGS+,VGS)": (BOTH, BOTH, GROUND, GROUND),
}


@pytest.mark.parametrize("name", TRAINED)
def test_a_schedule_trains_what_its_name_says(name):
    made = Schedule(schedule(name, 70))
    moments = [made.at(step) for step in (0, 19, 20, 69)]
    assert tuple(moment.phase.weights_at(moment.step) for moment in moments) == TRAINED[name]
    assert made.steps == 70
    # The optimizer and its rate begin anew with the second phase, and not before.
    second = "," in name
    assert [moment.since_reset for moment in moments] == ([0, 19, 0, 49] if second
                                                          else [0, 19, 20, 69])  # fmt: skip
    assert [moment.until_reset for moment in moments] == ([20, 20, 50, 50] if second else [70] * 4)


def test_there_are_nine_and_two_of_ours():
    assert tuple(SCHEDULES) == tuple(TRAINED)
    with pytest.raises(SettingsError, match=r"no schedule is called 'VGS-'; did you mean 'VGS"):
        schedule("VGS-", 70)


def test_turns_alternate_and_a_ramp_goes_from_one_loss_to_the_other():
    turns = Schedule(schedule("alternating", 6))
    told = [turns.at(step).phase.weights_at(step) for step in range(6)]
    assert told == [GROUND, SSL] * 3
    ramp = Schedule(schedule("ramp", 11))
    assert ramp.at(0).phase.weights_at(0) == SSL
    assert ramp.at(5).phase.weights_at(5) == BOTH
    assert ramp.at(10).phase.weights_at(10) == {"masked_ground": 1.0}


@pytest.mark.parametrize(
    ("name", "read"),
    [("VGS", {"spoken"}), ("W2V2", {"speech"}), ("(VGS,W2V2)", {"spoken", "speech"})],
)
def test_a_loss_wants_its_own_source_alone(name, read):
    system = Grounded.tiny()  # self-supervision hears `speech`
    draws = Draws(Schedule(schedule(name, 70)), lambda names: roles_of(system, names))
    assert draws.roles == read


def test_the_constants_of_the_paper():
    made = base(ANYWHERE)
    settings, optimizer = made.settings, made.training.optimizer
    assert (optimizer.lr, optimizer.betas, optimizer.eps) == (1e-4, (0.9, 0.999), 1e-6)
    assert (optimizer.weight_decay, optimizer.warmup, optimizer.clip) == (0.01, 0.1, 1.0)
    assert (optimizer.decay, optimizer.final) == ("linear", 0.0)
    steps = sum(phase.steps for phase in made.training.phases)
    assert steps == pytest.approx(647_000, rel=1e-3)  # 70 epochs of 592,000 captions by 64
    parts = Schedule(base(ANYWHERE, "(W2V2,VGS)").training.phases)
    assert [phase.steps for phase in parts.phases] == [20 * 9_251, 50 * 9_251]
    step = made.sources["spoken"].seconds * made.training.loader.micros_per_step
    assert step / 4.41 == pytest.approx(64, abs=0.1)  # 742 h of 605,000 captions
    assert (settings.shared_layers, settings.match_width, settings.margin) == (8, 256, 1.0)
    assert settings.loss == "masked_margin_softmax"
    masking, codes = settings.masking, settings.quantizer
    assert (masking.share, masking.span, masking.min_spans, masking.negatives) == (0.65, 10, 2, 100)
    assert (codes.groups, codes.entries, codes.temperature[0]) == (2, 320, 2.0)
    assert settings.match_temperature == 0.1
    assert settings.pooling.widths == (128, 256, 512, 768)
    assert settings.token_in_shared_layers
    assert settings.feature_gradient == 1.0
    assert settings.speech.random_weights
    assert not settings.picture.random_weights


def test_paper_sizes_and_those_of_the_world():
    with torch.device("meta"):
        paper = Grounded(without_weights(base(ANYWHERE)).settings)
        small = Grounded(world(ANYWHERE).settings)
    assert describe_parameters(paper)["trained"] / 1e6 == pytest.approx(133.6, abs=0.1)
    assert len(paper.speech.layers) == 12
    assert sum(p.numel() for p in paper.speech.parameters()) / 1e6 == pytest.approx(94.4, abs=0.1)
    assert describe_parameters(small)["parameters"] <= 8e6
    assert len(small.speech.layers) * 8 == small.settings.shared_layers * 12


def test_more_corpora_are_heard_by_self_supervision():
    alone = base([Path("coco")])
    assert alone.settings.ssl_on == "spoken"
    assert list(alone.sources) == ["spoken"]
    both = base([Path("coco"), Path("libri")])
    assert both.settings.ssl_on == "speech"
    assert both.sources["spoken"].corpora == (Path("coco"),)
    assert both.sources["speech"].corpora == (Path("coco"), Path("libri"))


@pytest.mark.parametrize(("name", "corpora"), [("world", 1), ("base", 1), ("base", 2)])
def test_recipes_train_with_tiny_towers(name, corpora, tmp_path, world_folder):
    tiny = GroundedSettings.tiny()
    made = recipe(f"grounded.{name}", [world_folder] * corpora).override([
        f"settings.speech={tiny.speech.model_dump_json()}",
        f"settings.picture={tiny.picture.model_dump_json()}",
        f"settings.pooling={tiny.pooling.model_dump_json()}",
        f"settings.masking={tiny.masking.model_dump_json()}",
        f"settings.shared_layers={tiny.shared_layers}",
        f"training.phases={json.dumps([p.model_dump() for p in schedule('(VGS+,VGS)', 7)])}",
        "training.log_every=1", "sources.spoken.seconds=12",
        *(["sources.speech.seconds=12"] if corpora == 2 else []),
    ])  # fmt: skip
    assert made.training.precision == "bf16"
    lines = []
    fitted = fit(made, tmp_path / "run", watch=lines.append, max_steps=3)
    trained = [set(line) & {"ssl", "ground", "masked_ground"} for line in lines if "lr" in line]
    assert trained == [{"ssl", "masked_ground"}] * 2 + [{"ground"}]
    assert all(torch.tensor(loss).isfinite() for loss in fitted.losses.values())
