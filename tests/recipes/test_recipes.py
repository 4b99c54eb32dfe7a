"""Recipes by name: what they resolve to, what of them is published, and a step of each of them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from trivium.config import Settings
from trivium.errors import SettingsError
from trivium.models.clip import ClipSettings
from trivium.models.loaded import Model
from trivium.models.speechclip import SpeechClip
from trivium.models.system import describe_parameters
from trivium.models.towers import NETWORKS, TowerSettings
from trivium.recipes import RECIPES, recipe, without_weights
from trivium.recipes.towers import WORLD_CLIP_RUN, WORLD_SPEECH_RUN
from trivium.training.loop import Recipe, fit

ANYWHERE = [Path("some/corpus")]
TINY_TOWERS = [
    'settings.speech={"network": "test-hubert", "random_weights": true}',
    'settings.picture={"network": "test-clip", "random_weights": true}',
    "settings.text=null",
]


def towers_in(value, found):
    if isinstance(value, TowerSettings):
        found.append(value)
    elif isinstance(value, Settings):
        for name in type(value).model_fields:
            towers_in(getattr(value, name), found)
    elif isinstance(value, dict | tuple | list):
        for inner in value.values() if isinstance(value, dict) else value:
            towers_in(inner, found)
    return found


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_said_in_a_sentence_and_survives_json(name, tmp_path):
    made = recipe(name, ANYWHERE)
    assert RECIPES[name].__doc__.strip().splitlines()[0].endswith((".", ";"))
    (tmp_path / "recipe.json").write_text(made.to_json())
    assert Recipe.load(tmp_path / "recipe.json") == made
    assert all(source.corpora == tuple(ANYWHERE) for source in made.sources.values())


def test_what_a_run_wrote_can_be_run_on_other_corpora(tmp_path):
    made = recipe("composite.tiny", ANYWHERE)
    (tmp_path / "config.json").write_text(made.to_json())
    again, other = (recipe(str(tmp_path / "config.json"), named) for named in ([], [Path("mine")]))
    assert again == made
    assert {source.corpora for source in other.sources.values()} == {(Path("mine"),)}
    assert other.sources["spoken"].where == made.sources["spoken"].where


@pytest.mark.parametrize("name", RECIPES)
def test_without_weights_every_tower_is_random_and_nothing_else_changes(name):
    made = recipe(name, ANYWHERE)
    sources = [tower.source for tower in towers_in(made.settings, []) if tower.source]
    if sources:
        with pytest.raises(SettingsError, match=f"is read from '{sources[0]}'"):
            without_weights(made)
        return
    bare = without_weights(made)
    before, after = towers_in(made.settings, []), towers_in(bare.settings, [])
    # Those have no tower, or need none: their layers begin with new weights anyway.
    assert len(before) == len(after) > (-1 if made.system in ("fused", "joint", "tuned") else 0)
    for old, new in zip(before, after, strict=True):
        assert new.random_weights
        assert (new.network, new.sizes) == (old.network, old.sizes)
        assert new.source is new.revision is None
    assert without_weights(bare) == bare
    assert bare.model_copy(update={"settings": made.settings}) == made
    assert Recipe.parse(bare.model_dump(mode="json")) == bare


def test_without_weights_knows_a_published_repository_by_its_name():
    made = recipe("clip.tiny", ANYWHERE)
    published = NETWORKS["clip-vit-l-14"].repository
    source = TowerSettings(source=published, revision="abc")
    made = made.model_copy(update={"settings": ClipSettings(picture=source, text=source)})
    for tower in towers_in(without_weights(made).settings, []):
        assert tower == TowerSettings(network="clip-vit-l-14", random_weights=True)
    mine = ClipSettings(picture=source, text=TowerSettings(source="me/mine"))
    with pytest.raises(
        SettingsError, match=r"settings.text is read from 'me/mine', and no network"
    ):
        without_weights(made.model_copy(update={"settings": mine}))


def test_without_weights_finds_towers_in_lists_and_groups():
    class Nest(Settings):
        several: tuple[TowerSettings, ...]
        named: dict[str, TowerSettings]

    tower = TowerSettings(network="hubert-base")
    made = recipe("clip.tiny", ANYWHERE)
    nest = Nest(several=(tower, tower), named={"a": tower})
    found = towers_in(without_weights(made.model_copy(update={"settings": nest})).settings, [])
    assert [each.random_weights for each in found] == [True] * 3
    lost = Nest(several=(tower, TowerSettings(source="me/mine")), named={})
    with pytest.raises(SettingsError, match=r"settings.several.1 is read from 'me/mine'"):
        without_weights(made.model_copy(update={"settings": lost}))


@pytest.mark.parametrize(
    ("name", "trained", "speech", "pair"),
    # Trained: computed from the authors' sizes; the speech tower as its paper prints it, with the
    # head of its pre-training; pictures with the texts of their CLIP.
    [("speechclip.base", 5.91, 95, 151.28), ("speechclip.large", 9.19, 317, 427.62)],
)
def test_paper_sizes_are_the_published_ones(name, trained, speech, pair):
    made = without_weights(recipe(name, ANYWHERE))
    with torch.device("meta"):
        system = SpeechClip(made.settings)
    assert describe_parameters(system)["trained"] / 1e6 == pytest.approx(trained, abs=0.01)
    assert count(system.speech) == pytest.approx(speech, rel=0.007)
    assert count(system.picture) + count(system.text) == pytest.approx(pair, rel=1e-4)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


@pytest.mark.parametrize("name", ["speechclip.base", "speechclip.large"])
def test_the_constants_of_the_paper(name):
    made = recipe(name, ANYWHERE)
    settings, training = made.settings, made.training
    assert (settings.heads, settings.feedforward, settings.dropout) == (8, 2048, 0.1)
    assert settings.pooling_layers == 1
    assert settings.train_speech_from is None
    assert not settings.train_picture
    optimizer = training.optimizer
    assert (optimizer.lr, optimizer.weight_decay, optimizer.betas) == (1e-4, 0, (0.9, 0.999))
    steps = sum(phase.steps for phase in training.phases)
    assert steps == pytest.approx(3 * 99_000 / 128 * 50, abs=1)
    # A tenth of the peak at both ends, the peak after a tenth of the steps.
    assert optimizer.factor(0, steps) == pytest.approx(0.1, abs=1e-3)
    assert optimizer.factor(round(0.1 * steps), steps) == pytest.approx(1, abs=1e-3)
    assert optimizer.factor(steps - 1, steps) == pytest.approx(0.1, abs=1e-3)
    ten_seconds_each = made.sources["spoken"].seconds * training.loader.micros_per_step / 10
    assert ten_seconds_each == 128


def test_what_the_world_trains_has_at_most_eight_million_parameters_in_all():
    clip = recipe("towers.world_clip", ANYWHERE).settings
    settings = recipe("speechclip.world", ANYWHERE).settings
    speech = recipe("towers.world_speech", ANYWHERE).settings.speech
    towers = {"speech": speech, "picture": clip.picture, "text": clip.text}
    with torch.device("meta"):
        system = SpeechClip(settings.model_copy(update=towers))
    assert 6 < count(system) <= 8
    assert count(system.picture) + count(system.text) == pytest.approx(3.8, abs=0.05)


def test_languages_of_the_world_recipes():
    filters = {name: recipe(f"speechclip.{name}", ANYWHERE).sources["spoken"].where
               for name in ("world", "world_en", "world_hi", "world_ja")}  # fmt: skip
    assert filters["world"].endswith("language in ('en', 'hi', 'ja')")
    for language in ("en", "hi", "ja"):
        assert filters[f"world_{language}"].endswith(f"language in ('{language}')")


@pytest.mark.parametrize("name", ["speechclip.base", "speechclip.large", "speechclip.world_ja"])
def test_big_recipes_train_with_tiny_towers(name, tmp_path, world_folder):
    made = recipe(name, [world_folder]).override([
        *TINY_TOWERS, "settings.heads=4", "settings.feedforward=64", "sources.spoken.seconds=15",
        "training.phases.0.steps=2", "training.log_every=1",
    ])  # fmt: skip
    assert made.training.precision == "bf16"
    seen = []
    fitted = fit(made, tmp_path / "run", watch=seen.append)
    assert [line["step"] for line in seen if "contrast" in line] == [0, 1]
    assert all(torch.tensor(loss).isfinite() for loss in fitted.losses.values())
    assert (fitted.checkpoint / "model.safetensors").exists()


def test_speech_is_mapped_onto_the_pictures_of_the_run_that_a_recipe_names(
    tmp_path, monkeypatch, world_folder
):
    monkeypatch.chdir(tmp_path)
    short = ["training.phases.0.steps=1"]
    speech = recipe("speechclip.world", [world_folder]).override(
        [*short, "sources.spoken.seconds=12", "training.loader.micros_per_step=1"]
    )
    with pytest.raises(SettingsError, match=r"runs/towers\.world_speech"):
        fit(speech, tmp_path / "speech")
    clip = recipe("towers.world_clip", [world_folder]).override(
        [*short, "sources.captions.items=4"]
    )
    made = fit(clip, Path(WORLD_CLIP_RUN))
    tower = recipe("towers.world_speech", [world_folder]).override(
        [*short, "sources.speech.seconds=12"]
    )
    fit(tower, Path(WORLD_SPEECH_RUN))
    fitted = fit(speech, tmp_path / "speech-again")
    again = Model.load(tmp_path / "speech-again")
    assert again.kinds == ("speech", "text", "picture")
    words = ["a red star"]
    np.testing.assert_allclose(
        again.embed(text=words), Model.load(WORLD_CLIP_RUN).embed(text=words), atol=1e-6
    )
    for name, tensor in made.system.picture.state_dict().items():
        torch.testing.assert_close(fitted.system.picture.state_dict()[name], tensor)
