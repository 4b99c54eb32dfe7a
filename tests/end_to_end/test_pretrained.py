"""The models that ship: they load from the package alone, and know what they say they know."""

import numpy as np
import pytest

import trivium
from trivium import checkpoint
from trivium.data.corpus import Corpus
from trivium.errors import SettingsError, TriviumError
from trivium.models.loaded import SHIPPED
from trivium.models.towers import PictureTower, SpeechTower, TextTower, TowerSettings
from trivium.tasks.retrieval import measure
from trivium.tasks.words import translation

MEASURES = {"world-speechclip": "R@10", "world-composite": "BLEU"}


@pytest.fixture(scope="module")
def model():
    return trivium.load("world-speechclip")


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_is_small_and_says_what_it_is(name):
    folder = checkpoint.shipped(name)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 16e6
    card = (folder / "README.md").read_text(encoding="utf-8")
    for word in ("licence", "trivium train", MEASURES[name], "synthetic"):
        assert word in card
    system = trivium.load(name).system
    assert sum(p.numel() for p in system.parameters()) <= 8e6


def test_sentences_never_met_are_translated_from_voices_never_heard(world_folder):
    """Eight Japanese sentences a split; `docs/composite.md` has the measurement on 1,200."""
    model, corpus = trivium.load("world-composite"), Corpus.open(world_folder)
    quick = translation.TranslationSettings(resamples=0)
    found = translation.measure(model, corpus, "test", "speech", quick, languages=["ja"])
    assert found.score.values["BLEU.ja-en"] >= 50


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


def test_a_sound_is_the_same_in_every_form(model):
    heard = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000).astype(np.float32)
    whole = (heard * 2**15).astype(np.int16)
    both = np.stack([heard + 0.1, heard - 0.1], axis=1)
    expected = model.embed(speech=heard)
    for other in (whole, (heard, 16_000), (whole, 16_000), both, (both, 16_000)):
        assert model.embed(speech=other) @ expected > 0.9999
    assert model.embed(speech=(heard, whole)).shape == (2, 256)
    two = model.embed(text=("a red star", "two fish"))
    np.testing.assert_array_equal(two, model.embed(text=["a red star", "two fish"]))
    with pytest.raises(TriviumError, match=r"shape \(16, 1000\); expected \(S,\), or \(S, 2\)"):
        model.embed(speech=heard.reshape(16, 1_000))


@pytest.mark.parametrize("split", ["dev", "test"])
def test_it_finds_scenes_it_has_never_met_by_voices_it_has_never_heard(model, world_folder, split):
    """Four scenes each; `docs/speechclip.md` has the measurement on 900."""
    found = measure(model, Corpus.open(world_folder), split, resamples=0)
    by_pair = {(pair.a, pair.b): pair.score.values["recall@1"] for pair in found.compared}
    for pair in (("speech.en", "picture"), ("speech.ja", "picture"), ("speech.ja", "text.en")):
        assert by_pair[pair] >= 75


@pytest.mark.parametrize("kind", ["speech", "text", "picture"])
def test_its_towers_are_sources_by_its_name(model, kind):
    tower = {"speech": SpeechTower, "text": TextTower, "picture": PictureTower}[kind]
    read = tower.from_settings(TowerSettings(source="world-speechclip"))
    assert read.checksum() == getattr(model.system, kind).checksum()


def test_a_folder_of_that_name_is_meant_before_what_ships(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = checkpoint.find("world-speechclip")
    assert ours == checkpoint.shipped("world-speechclip")
    (tmp_path / "world-speechclip").mkdir()
    with pytest.raises(SettingsError, match="neither a checkpoint nor a run"):
        checkpoint.find("world-speechclip")


def test_it_computes_where_it_is_told_to():
    assert trivium.load("world-speechclip", device="cpu").device.type == "cpu"
