"""Whole runs by name: functions of the corpora they train on."""

from collections.abc import Callable, Sequence
from pathlib import Path

from trivium.errors import SettingsError, did_you_mean
from trivium.recipes import clip, speechclip
from trivium.training.loop import Recipe

RECIPES: dict[str, Callable[[Sequence[Path]], Recipe]] = {
    "clip.tiny": clip.tiny,
    "clip.world_cpu": clip.world_cpu,
    "speechclip.tiny": speechclip.tiny,
    "speechclip.world_cpu": speechclip.world_cpu,
}


def recipe(name: str, corpora: Sequence[Path]) -> Recipe:
    """The recipe of a name, or the one that a run wrote as JSON."""
    if name.endswith(".json"):
        return Recipe.load(Path(name))
    if name not in RECIPES:
        raise SettingsError(f"no recipe is called {name!r}; {did_you_mean(name, RECIPES)}")
    if not corpora:
        raise SettingsError(f"the recipe {name} needs a corpus; name one with --corpus DIR")
    return RECIPES[name](corpora)
