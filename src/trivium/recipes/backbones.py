"""The published networks that towers can begin with: sizes, licences, and who uses them."""

from collections import defaultdict
from pathlib import Path

from trivium.models.towers.networks import NETWORKS, published, towers_in
from trivium.recipes import RECIPES
from trivium.training.recipe import Recipe

NON_COMMERCIAL = "not for commercial use"
# What becomes of the states of a network where one vector is wanted, by family.
POOLING = {
    "clip": "class token, end of text",
    "siglip": "attention, last token",
}
FRAMES = "by the system"


def table() -> tuple[list[str], list[list[str]]]:
    """Headers, and a row for each network that is published."""
    headers = ["network", "weights", "kinds", "millions", "licence", "languages", "sound",
               "pooling", "recipes"]  # fmt: skip
    users = used_by()
    rows = []
    for name, network in NETWORKS.items():
        if network.repository is None:
            continue
        licence = network.licence or "unknown"
        rows.append([
            name,
            network.repository,
            ", ".join(network.sizes),
            "" if network.published_millions is None else f"{network.published_millions:,.0f}",
            f"{licence}: {NON_COMMERCIAL}" if network.is_non_commercial else licence,
            network.languages or "unknown",
            f"{network.sample_rate_hz / 1000:g} kHz" if "speech" in network.sizes else "",
            POOLING.get(network.family, FRAMES),
            ", ".join(users[name]),
        ])  # fmt: skip
    return headers, rows


def used_by() -> dict[str, list[str]]:
    """The recipes that begin with the weights of each network."""
    users: dict[str, list[str]] = defaultdict(list)
    names = {id(network): name for name, network in NETWORKS.items()}
    for recipe, make in RECIPES.items():
        for _, tower in towers_in(make([Path("CORPUS")]).settings):
            network = published(tower)
            if network is not None and recipe not in users[names[id(network)]]:
                users[names[id(network)]].append(recipe)
    return users


def restrictions(recipe: Recipe) -> list[str]:
    """A sentence for each tower of a recipe whose weights are not for commercial use."""
    found = ((name, published(tower)) for name, tower in towers_in(recipe.settings))
    return [
        f"{name} begins with {network.repository}, whose licence {network.licence} is "
        f"{NON_COMMERCIAL}: so is what is trained from it"
        for name, network in found
        if network is not None and network.is_non_commercial
    ]
