"""Whole runs by name: functions of the corpora they train on."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trivium.config import Settings
from trivium.errors import SettingsError, did_you_mean
from trivium.models.towers import NETWORKS, TowerSettings
from trivium.recipes import clip, composite, fused, grounded, joint, speechclip, towers, tuned
from trivium.training.loop import Recipe

RECIPES: dict[str, Callable[[Sequence[Path]], Recipe]] = {
    "clip.tiny": clip.tiny,
    "clip.world_cpu": clip.world_cpu,
    "composite.large": composite.large,
    "composite.medium": composite.medium,
    "composite.text": composite.text,
    "composite.tiny": composite.tiny,
    "composite.world": composite.world,
    "composite.world_cpu": composite.world_cpu,
    "composite.world_cpu_speech": composite.world_cpu_speech,
    "composite.world_cpu_text": composite.world_cpu_text,
    "composite.world_speech": composite.world_speech,
    "composite.world_text": composite.world_text,
    "fused.base": fused.base,
    "fused.iemocap": fused.iemocap,
    "fused.large": fused.large,
    "fused.librispeech_voices": fused.librispeech_voices,
    "fused.mosei": fused.mosei,
    "fused.small": fused.small,
    "fused.tiny": fused.tiny,
    "fused.world": fused.world,
    "fused.world_emotion": fused.world_emotion,
    "fused.world_sentiment": fused.world_sentiment,
    "fused.world_voices": fused.world_voices,
    "grounded.base": grounded.base,
    "grounded.tiny": grounded.tiny,
    "grounded.world": grounded.world,
    "joint.base": joint.base,
    "joint.from_w2vbert2": joint.from_w2vbert2,
    "joint.large": joint.large,
    "joint.tiny": joint.tiny,
    "joint.world": joint.world_tlm_ctc,
    "joint.world_ctc": joint.world_ctc,
    "joint.world_speech": joint.world_speech,
    "joint.world_tlm": joint.world_tlm,
    "joint.world_tlm_ctc": joint.world_tlm_ctc,
    "speechclip.base": speechclip.base,
    "speechclip.large": speechclip.large,
    "speechclip.tiny": speechclip.tiny,
    "speechclip.world": speechclip.world,
    "speechclip.world_cpu": speechclip.world_cpu,
    "speechclip.world_cpu_en": speechclip.world_cpu_en,
    "speechclip.world_en": speechclip.world_en,
    "speechclip.world_hi": speechclip.world_hi,
    "speechclip.world_ja": speechclip.world_ja,
    "towers.world_clip": towers.world_clip,
    "towers.world_speech": grounded.w2v2_world,
    "towers.world_speech_cpu": towers.world_speech_cpu,
    "tuned.intents": tuned.intents,
    "tuned.languages": tuned.languages,
    "tuned.probe": tuned.probe,
    "tuned.recognition": tuned.recognition,
    "tuned.sentences": tuned.sentences,
    "tuned.tiny": tuned.tiny,
    "tuned.translation": tuned.translation,
    "tuned.translation_speech": tuned.translation_speech,
}


def recipe(name: str, corpora: Sequence[Path]) -> Recipe:
    """The recipe of a name, or the one that a run wrote as JSON."""
    if name.endswith(".json"):
        return _on(Recipe.load(Path(name)), corpora)
    if name not in RECIPES:
        raise SettingsError(f"no recipe is called {name!r}; {did_you_mean(name, RECIPES)}")
    if not corpora:
        raise SettingsError(f"the recipe {name} needs a corpus; name one with --corpus DIR")
    return RECIPES[name](corpora)


def _on(recipe: Recipe, corpora: Sequence[Path]) -> Recipe:
    """The recipe on other corpora, if any are named: all of its sources read them."""
    if not corpora:
        return recipe
    sources = {
        role: source.model_copy(update={"corpora": tuple(corpora)})
        for role, source in recipe.sources.items()
    }
    return recipe.model_copy(update={"sources": sources})


def without_weights(recipe: Recipe) -> Recipe:
    """The same run with every tower built at its size with new weights, and none read."""
    return recipe.model_copy(
        update={"settings": _random(recipe.settings, "settings"), "start": None}
    )


def _random(value: Any, name: str) -> Any:
    """A value of settings with the towers in it changed; `name` is where it stands."""
    if isinstance(value, TowerSettings):
        return _random_tower(value, name)
    if isinstance(value, Settings):
        inner = {field: getattr(value, field) for field in type(value).model_fields}
        return value.model_copy(update=_random(inner, name))
    if isinstance(value, dict):
        return {key: _random(inner, f"{name}.{key}") for key, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(_random(inner, f"{name}.{place}") for place, inner in enumerate(value))
    return value


def _random_tower(tower: TowerSettings, name: str) -> TowerSettings:
    if tower.random_weights:
        return tower
    published = {network.repository: known for known, network in NETWORKS.items()}
    network = tower.network or published.get(tower.source)
    if network is None:
        raise SettingsError(
            f"{name} is read from {tower.source!r}, and no network of a known size is called so; "
            f"name one: --set '{name}={{\"network\": ...}}'"
        )
    return TowerSettings(network=network, random_weights=True)
