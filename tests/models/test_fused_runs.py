"""Fused in training: audio learns from the text, and runs begin from other runs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.models.test_fused import built, prepared
from trivium.data.batch import Batch, Ragged
from trivium.errors import SettingsError
from trivium.models.loaded import Model
from trivium.models.towers import train_tokenizer
from trivium.recipes import fused as recipes
from trivium.recipes import recipe
from trivium.training.loop import fit
from trivium.training.schedule import Phase
from trivium.training.step import StepSeed, train_step

HERTZ = {"low": 300.0, "middle": 900.0, "high": 2_700.0}
WORDS = train_tokenizer([" ".join(HERTZ)] * 5, 300)


def tones(count, seed):
    """Three words, and for each a quarter of a second at its own pitch."""
    generator = np.random.default_rng(seed)
    texts = [" ".join(generator.choice([*HERTZ], 3)) for _ in range(count)]
    time = np.arange(4_000) / 16_000
    rows = [
        np.concatenate([0.3 * np.sin(2 * np.pi * HERTZ[word] * time) for word in text.split()])
        for text in texts
    ]
    sounds = Ragged.from_rows([row.astype(np.float32) for row in rows])
    ids = tuple(f"{seed}-{number}" for number in range(count))
    return Batch(ids, np.arange(count), speech=sounds, texts=tuple(texts))


def acoustic(system, part):
    with torch.no_grad():
        term = system({"pairs": part}, ("mcam",))["mcam"]
    return float(term.sum) / part.counts["mcam"]


def test_the_text_of_others_raises_the_acoustic_loss_of_a_trained_model():
    """Most of the sound is hidden: what was said there stands in the text alone."""
    hidden = {"share": 1.0, "spans": (24, 28), "zeros": 1.0, "others": 0.0}
    system = built(tokenizer=WORDS, hidden_frames=hidden, hidden_tokens=0.01, audio={"bins": 16})
    optimizer = torch.optim.AdamW(system.train().parameters())
    for step in range(240):
        parts = prepared(system, pairs=tones(16, step + 1))
        optimizer.param_groups[0]["lr"] = 3e-3 * min(1, (step + 1) / 40)
        optimizer.zero_grad()
        train_step(system, [parts], {"mcam": 1.0}, StepSeed(0, step))
        optimizer.step()
    system.eval()
    part = prepared(system, pairs=tones(64, 0))["pairs"]
    tokens = part.inputs["seen_tokens"]
    others = Ragged(tokens.data.roll(1, 0), tokens.lengths.roll(1, 0))
    shuffled = replace(part, inputs={**part.inputs, "seen_tokens": others})
    assert acoustic(system, shuffled) > 1.1 * acoustic(system, part)
    # Late fusion has no way to the text, and what is shuffled is nothing to it.
    late = built(tokenizer=WORDS, audio={"bins": 16, "cross_attention": False})
    assert acoustic(late, shuffled) == acoustic(late, part)


def short(made, folder_of_start=None):
    """Two steps of a recipe at a tiny size."""
    sizes = {"width": 16, "heads": 2, "feedforward": 16,
             "text": {"layers": 1, "vocabulary": 400, "positions": 64},
             "audio": {"layers": 1, "positions": 700, "hop": 200, "bins": 8}}  # fmt: skip
    start = {} if folder_of_start is None else {"start": str(folder_of_start)}
    given = {**made.settings.model_dump(), **sizes, **start}
    changed = made.model_copy(
        update={"settings": type(made.settings).parse(given),
                "tokens": None if made.tokens is None else 399}
    )  # fmt: skip
    return changed.override(["training.phases.0.steps=2", "training.log_every=1"])


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory, world_folder):
    """A run of `fused.world` at a tiny size."""
    folder = tmp_path_factory.mktemp("fused") / "run"
    made = short(recipe("fused.world", [world_folder])).override(["sources.pairs.seconds=60"])
    fit(made, folder)
    return folder


def test_a_run_that_was_ended_goes_on_as_if_it_had_not_been(tmp_path, world_folder):
    made = short(recipe("fused.world", [world_folder])).override(["sources.pairs.seconds=40"])
    whole = fit(made, tmp_path / "whole")
    assert tuple(whole.losses) == ("mlm", "mcam")
    fit(made, tmp_path / "parted", max_steps=1)
    assert fit(made, tmp_path / "parted", resume=True).losses == whole.losses


@pytest.mark.parametrize("name", ["emotion", "sentiment", "voices"])
def test_it_is_tuned_from_a_run_and_read_back_without_it(name, tmp_path, world_folder, pretrained):
    made = short(recipe(f"fused.world_{name}", [world_folder]), pretrained)
    fitted = fit(made.override(["sources.rows.seconds=60"]), tmp_path / "run")
    assert all(np.isfinite(loss) for loss in fitted.losses.values())
    model = Model.load(tmp_path / "run")
    assert model.reads == ("speech", "text")
    wave = (0.1 * np.random.default_rng(0).normal(size=16_000)).astype(np.float32)
    rows = [wave, wave[:9_000]], ["this is good", "青い星"]
    fitted.system.eval()
    waves = Ragged.from_rows(rows[0])
    if name == "sentiment":
        wanted = fitted.system.score(waves, rows[1])
        np.testing.assert_allclose(model.score(*rows), wanted, atol=1e-5)
        return
    labels, logits = model.classify(*rows)
    assert len(labels) == 4 if name == "emotion" else len(labels) > 20
    np.testing.assert_allclose(logits, fitted.system.classify(waves, rows[1]), atol=1e-4)
    vectors = model.embed_voice(*rows)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_what_a_run_begins_with_is_what_was_asked_for(world_folder, pretrained, tmp_path):
    made = short(recipe("fused.world_emotion", [world_folder]), pretrained)
    there = Model.load(pretrained).system

    def begun(**changes):
        torch.manual_seed(1)
        settings = type(made.settings).parse({**made.settings.model_dump(), **changes})
        return type(there)(settings)

    def same(system, side):
        ours, theirs = (getattr(s, side).state_dict() for s in (system, there))
        return all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())

    for sides in (("text", "audio"), ("audio",), ()):
        system = begun(start_with=sides)
        assert [same(system, side) for side in ("text", "audio")] == [
            side in sides for side in ("text", "audio")
        ]
        assert system.text.tokenizer.to_str() == there.text.tokenizer.to_str()
        assert system.settings.start is None
    assert same(begun(modality="text", fusion="none"), "text")
    with pytest.raises(SettingsError, match="brings a tokenizer of its own"):
        type(there)(made.settings, WORDS)
    # Encoders of another kind have other tensors.
    with pytest.raises(SettingsError, match=r"has a tensor 'layers.0.\w+"):
        begun(audio={**made.settings.audio.model_dump(), "cross_attention": False})
    with pytest.raises(SettingsError, match="neither a checkpoint nor a run"):
        begun(start=str(tmp_path))


@pytest.mark.parametrize("modality", ["text", "audio"])
def test_one_side_alone_is_tuned(modality, tmp_path, world_folder, pretrained):
    settings = recipes.world_settings(start=str(pretrained), modality=modality, fusion="none")
    training = recipes.tiny_training(Phase(steps=2, weights=recipes.weights("emotion", "none")))
    rows = recipes.Rows(recipes.FEELINGS)
    made = recipes.tune([world_folder], "emotion", settings, training, rows, items=8)
    fitted = fit(short(made, pretrained), tmp_path / "run")
    assert np.isfinite(fitted.losses["classify"])
    model = Model.load(tmp_path / "run")
    assert model.reads == (("text",) if modality == "text" else ("speech",))
