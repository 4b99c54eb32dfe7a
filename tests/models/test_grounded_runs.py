"""Runs of grounded: schedules that read what they need, alarms that fire, toys that are learned."""

import json

import numpy as np
import pytest
import torch

from tests.models.test_grounded import PICTURED, prepared
from trivium.data.loader import Stopwatch, load
from trivium.data.source import Source, SourceSettings
from trivium.errors import SettingsError
from trivium.models.grounded import Grounded
from trivium.objectives.masked import chance_contrastive, gather_frames
from trivium.recipes import grounded as recipes
from trivium.training.loop import fit

# Schedules and alarms.


def short(folder, **phase):
    """The tiny recipe with one phase of its own and early alarms."""
    phases = [{"steps": 3, "weights": {**recipes.SSL, "ground": 1.0}, **phase}]
    return recipes.tiny([folder]).override(
        [f"training.phases={json.dumps(phases)}", "sources.speech.seconds=10",
         "sources.spoken.seconds=10", "training.alarms.chance_after=1", "training.log_every=1"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("weights", "role"), [(recipes.SSL, "speech"), ({"ground": 1.0, "ssl": 0.0}, "spoken")]
)
def test_a_schedule_of_one_loss_wants_one_source(tmp_path, world_folder, weights, role):
    recipe = short(world_folder, weights=weights)
    [other] = recipe.sources.keys() - {role}
    alone = recipe.model_copy(update={"sources": {role: recipe.sources[role]}})
    losses = fit(alone, tmp_path / "alone").losses
    assert losses.keys() == {name for name, weight in weights.items() if weight}
    without = recipe.model_copy(update={"sources": {other: recipe.sources[other]}})
    with pytest.raises(SettingsError, match=f"read '{role}'; give it a source"):
        fit(without, tmp_path / "without")


def planted(tmp_path, recipe, plant):
    """What a run warns of whose system has something broken in it that stays so."""
    told = []

    def build(recipe, _):
        system = Grounded(recipe.settings)
        with torch.no_grad():
            plant(system)
        return system

    fit(recipe, tmp_path / "run", build=build, watch=told.append)
    return "\n".join(line["warning"] for line in told if "warning" in line)


def test_guessing_what_was_masked_is_told(tmp_path, world_folder):
    def plant(system):
        system.project_prediction.weight.zero_()
        system.project_prediction.bias.fill_(1.0)
        system.project_code.weight.zero_()
        system.project_code.bias.fill_(1.0)

    recipe = short(world_folder, weights=recipes.SSL, freeze=["project_*"])
    told = planted(tmp_path, recipe, plant)
    assert "ssl is 3.0" in told  # a few negatives have the very code, and do not count
    assert "guessing gives 3.045" in told  # ln 21: twenty negatives


def test_a_codebook_of_one_entry_is_told(tmp_path, world_folder):
    def plant(system):
        system.quantizer.choice.weight.zero_()
        system.quantizer.choice.bias[::16] = 50.0  # the first entry of each codebook

    recipe = short(world_folder, weights=recipes.SSL, freeze=["quantizer.*"])
    assert "code_perplexity is 1, less than 5" in planted(tmp_path, recipe, plant)


def test_captions_that_are_all_alike_are_told(tmp_path, world_folder):
    def plant(system):
        system.project_picture.weight.zero_()
        system.project_picture.bias.fill_(1.0)

    recipe = short(world_folder, weights={"ground": 1.0}, freeze=["project_picture.*"])
    told = planted(tmp_path, recipe, plant)
    assert "ground is" in told
    assert "a system that knows nothing has" in told


# Learning.


def chance(system, parts):
    """What alike predictions lose, and what the system does; for each masked frame."""
    batch = parts["speech"]
    with torch.no_grad():
        found = system(parts, ("ssl", "diversity"))
        unmasked = gather_frames(system._hear(batch).normed, batch.inputs["masked"])
        codes = system.quantizer(unmasked, batch.inputs["temperature"]).codes
    count = batch.counts["ssl"]
    alike = chance_contrastive(codes, batch.inputs["negatives"]) / count
    return alike.item(), found["ssl"].sum.item() / count, found["diversity"].sum.item() / count


def test_self_supervision_learns_what_was_masked(tmp_path, world_folder):
    phases = [{"steps": 130, "weights": recipes.SSL, "lr": 5e-3}]
    recipe = recipes.tiny([world_folder]).override(
        [f"training.phases={json.dumps(phases)}", "settings.picture=null",
         "sources.speech.seconds=30"]
    )  # fmt: skip
    alone = recipe.model_copy(update={"sources": {"speech": recipe.sources["speech"]}})
    system = fit(alone, tmp_path / "run").system
    held_out = SourceSettings(corpora=(world_folder,), split="dev", where="language = 'en'",
                              seconds=60, columns=("audio",))  # fmt: skip
    batch = load(Source(held_out), np.arange(8), 0, 0, Stopwatch())
    alike, loss, lost_diversity = chance(system, prepared(system, speech=batch))
    assert alike > 2.9  # codes did not collapse, which would leave no negatives
    assert lost_diversity < 0.4
    assert loss < alike - 0.05  # sums in another order, as of one thread, end elsewhere: 0.09


def test_both_losses_at_once_learn_pictures_too(tmp_path, world_folder):
    where = PICTURED + " and picture < 'scene-train-000010'"
    phases = [{"steps": 150, "weights": {**recipes.SSL, "ground": 1.0}}]
    recipe = recipes.tiny([world_folder]).override(
        [f"training.phases={json.dumps(phases)}", f"sources.spoken.where={where}",
         "sources.speech.seconds=15", "sources.spoken.seconds=null", "sources.spoken.items=10"]
    )  # fmt: skip
    fitted = fit(recipe, tmp_path / "run")
    source = Source(recipe.sources["spoken"])
    batch = load(source, np.arange(len(source)), 0, 0, Stopwatch())
    captions = fitted.system.embed_speech(batch.speech, [None] * len(batch))
    pictures = fitted.system.embed_picture(batch.images)
    own = torch.arange(len(batch))
    assert len(batch) == 10
    assert ((captions @ pictures.T).argmax(1) == own).float().mean() >= 0.8
    assert ((pictures @ captions.T).argmax(1) == own).float().mean() >= 0.8
