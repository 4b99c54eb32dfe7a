"""The model that ships: it loads from nothing but the package, and knows what it says it knows."""

import numpy as np
import pytest

import trivium
from trivium import checkpoint
from trivium.models.loaded import SHIPPED


@pytest.fixture(scope="module")
def model():
    return trivium.load("world-speechclip")


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_is_small_and_says_what_it_is(name):
    folder = checkpoint.shipped(name)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 16e6
    card = (folder / "README.md").read_text(encoding="utf-8")
    for word in ("licence", "trivium train", "R@10", "synthetic"):
        assert word in card


def test_it_has_at_most_eight_million_parameters(model):
    assert sum(p.numel() for p in model.system.parameters()) <= 8e6


def test_speech_text_and_pictures_meet_in_one_space(model):
    rng = np.random.default_rng(0)
    speech = model.embed(speech=[rng.standard_normal(16_000).astype(np.float32)], language="hi")
    text = model.embed(text="a red star above two fish")
    picture = model.embed(image=rng.integers(0, 256, (96, 128, 3), dtype=np.uint8))
    assert speech.shape == (1, 256)
    assert text.shape == picture.shape == (256,)
    for vector in (speech[0], text, picture):
        assert vector.dtype == np.float32
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
