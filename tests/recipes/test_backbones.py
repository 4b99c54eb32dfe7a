"""The table of published networks: all of them, their licences, and who begins with them."""

from pathlib import Path

import pytest

from tests.guards.backbones_page import page
from trivium.models.towers import networks
from trivium.models.towers.networks import NETWORKS, Network, TowerSettings, published, towers_in
from trivium.recipes import RECIPES
from trivium.recipes.backbones import restrictions, table
from trivium.training.state import RunState, readme

ROOT = Path(__file__).parents[2]
STATE = RunState(step=3, threads=1, world=1, torch="2.13.0")


@pytest.fixture
def forbidden(monkeypatch):
    """HuBERT base, as if its licence forbade commercial use."""
    base = NETWORKS["hubert-base"]
    made = Network(**{**base.__dict__, "licence": "CC-BY-NC-4.0"})
    monkeypatch.setitem(networks.NETWORKS, "hubert-base", made)


def row(name):
    headers, rows = table()
    [found] = [row for row in rows if row[0] == name]
    return dict(zip(headers, found, strict=True))


def test_every_published_network_has_a_row_and_none_else():
    _, rows = table()
    assert [row[0] for row in rows] == [n for n, network in NETWORKS.items() if network.repository]
    assert row("hubert-large-ls960-ft")["recipes"] == "speechclip.large"
    assert row("w2v-bert-2.0")["licence"] == "MIT"
    assert row("clip-vit-l-14")["sound"] == ""
    assert row("whisper-tiny")["sound"] == "16 kHz"


def test_the_page_of_backbones_is_what_the_table_says():
    assert (ROOT / "docs" / "backbones.md").read_text() == page(), "run `make docs`"


def test_towers_are_found_wherever_they_stand():
    made = RECIPES["speechclip.large"]([Path("anywhere")])
    found = dict(towers_in(made.settings))
    assert found["settings.speech"].network == "hubert-large-ls960-ft"
    assert {"settings.speech", "settings.picture"} <= set(found)


def test_a_source_that_is_a_known_repository_is_that_network():
    assert published(TowerSettings(source="facebook/hubert-base-ls960")) is NETWORKS["hubert-base"]
    assert published(TowerSettings(source="somebody/else")) is None
    assert published(TowerSettings(network="hubert-base", random_weights=True)) is None


def test_weights_that_may_not_be_sold_are_marked_everywhere(forbidden):
    recipe = RECIPES["speechclip.base"]([Path("anywhere")])
    [sentence] = restrictions(recipe)
    assert "settings.speech" in sentence
    assert "CC-BY-NC-4.0" in sentence
    assert "not for commercial use" in row("hubert-base")["licence"]
    card = readme(recipe, {}, STATE, None)
    assert "| settings.speech | facebook/hubert-base-ls960 | CC-BY-NC-4.0, **not for" in card


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("tuned.intents", "| settings.encoder.start | ./runs/joint.world_tlm_ctc | as its card"),
        ("fused.iemocap", "| settings.start | runs/fused.base | as its card"),
    ],
)
def test_a_card_names_the_run_that_another_begins_with(name, row):
    card = readme(RECIPES[name]([Path("anywhere")]), {}, STATE, None)
    assert row in card


def test_weights_that_may_be_sold_are_not():
    recipe = RECIPES["speechclip.base"]([Path("anywhere")])
    assert restrictions(recipe) == []
    assert "not for commercial" not in readme(recipe, {}, STATE, None)
