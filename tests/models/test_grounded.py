"""Grounded: each pass once, nothing read back from the device, the same in every batch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from trivium.data.batch import Batch, Ragged
from trivium.data.loader import Stopwatch, load
from trivium.data.source import Source, SourceSettings
from trivium.errors import SettingsError, TriviumError
from trivium.models.grounded import Grounded, GroundedSettings
from trivium.models.towers import TowerSettings
from trivium.objectives.masked import MaskSettings
from trivium.training.step import StepSeed, train_step

SSL = ("ssl", "diversity", "penalty")
PICTURED = "picture is not null and language = 'en'"
COLUMNS = ("audio", "image", "picture")
TINY = GroundedSettings.tiny()
MASKS = MaskSettings(share=0.5, span=3, negatives=6)


def built(seed=0, **changes):
    """A tiny system with other settings."""
    torch.manual_seed(seed)
    return Grounded(TINY.model_copy(update=changes)).eval()


def sized(**sizes):
    """The tiny speech tower with other sizes."""
    return TINY.speech.model_copy(update={"sizes": {**TINY.speech.sizes, **sizes}})


DROPPED = {"hidden_dropout": 0.2, "attention_dropout": 0.2, "feat_proj_dropout": 0.2}


def spoken(folder, rows=6):
    """Captions with their pictures, as they are loaded."""
    source = Source(
        SourceSettings(corpora=(folder,), where=PICTURED, seconds=60, columns=COLUMNS)
    )  # fmt: skip
    return load(source, np.arange(rows), epoch=0, seed=0, watch=Stopwatch())


def noise(lengths, seed=0, extra=0):
    """Utterances of so many samples, and other noise behind them."""
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(len(lengths), max(lengths) + extra, generator=generator) * 0.1 + 0.02
    ids = tuple(f"u{length}" for length in lengths)
    return Batch(ids, np.arange(len(lengths)), speech=Ragged(data, torch.tensor(lengths)))


def prepared(system, **parts):
    return system.prepare(parts, np.random.default_rng(0))


# Masks.


def test_what_is_masked_does_not_depend_on_the_micro():
    system = built(picture=None, masking=MASKS)
    together = prepared(system, speech=noise([9_000, 5_000, 700], extra=300))["speech"]
    for row, length in enumerate((9_000, 5_000, 700)):
        alone = prepared(system, speech=noise([length], seed=5))["speech"]
        for name in ("masked", "negatives"):
            assert torch.equal(together.inputs[name].rows()[row], alone.inputs[name].rows()[0])
    frames = system.speech.num_frames(together.speech.lengths)
    masked = together.inputs["masked"]
    assert together.counts["ssl"] == together.counts["diversity"] == masked.lengths.sum()
    assert together.counts["penalty"] == frames.sum()
    assert all(row.max() < count for row, count in zip(masked.rows(), frames, strict=True))


def test_masks_are_others_in_every_epoch():
    from dataclasses import replace

    system, batch = built(picture=None), noise([9_000])
    first = prepared(system, speech=batch)["speech"].inputs["masked"]
    second = prepared(system, speech=replace(batch, epoch=1))["speech"].inputs["masked"]
    assert not torch.equal(first.data, second.data)


def test_the_temperature_follows_the_step():
    system, batch = built(picture=None), noise([3_000])
    object.__setattr__(batch, "step", 100)
    found = prepared(system, speech=batch)["speech"].inputs["temperature"]
    assert found.tolist() == pytest.approx([2.0 * 0.995**100])


@settings(max_examples=10)
@given(st.lists(st.integers(0, 6_000), min_size=2, max_size=3), st.integers(0, 900))
def test_an_utterance_loses_the_same_in_every_batch(lengths, extra):
    system = built(masking=MASKS)
    batch = noise(lengths, extra=extra)
    together = system(prepared(system, speech=batch), ("ssl", "penalty"))
    sums = dict.fromkeys(together, 0.0)
    for row, length in enumerate(lengths):
        own = Ragged(batch.speech.data[row : row + 1, :length], torch.tensor([length]))
        alone = Batch(batch.ids[row : row + 1], batch.rows[:1], speech=own)
        for name, term in system(prepared(system, speech=alone), ("ssl", "penalty")).items():
            sums[name] += term.sum
    for name, term in together.items():
        torch.testing.assert_close(term.sum, sums[name], atol=1e-4, rtol=1e-4)


@settings(max_examples=10)
@given(st.lists(st.integers(0, 6_000), min_size=2, max_size=3), st.integers(0, 900),
       st.booleans())  # fmt: skip
def test_an_utterance_is_heard_the_same_in_every_batch(lengths, extra, through):
    system = built(token_in_shared_layers=through)
    waves = noise(lengths, extra=extra).speech
    vectors, frames = system.embed_speech(waves), system.frames(waves)
    assert len(frames.states) == 4
    for row, length in enumerate(lengths):
        alone = Ragged(waves.data[row : row + 1, :length], torch.tensor([length]))
        found = system.embed_speech(alone)
        torch.testing.assert_close(vectors[row : row + 1], found, atol=1e-4, rtol=0)
        for state, own in zip(frames.states, system.frames(alone).states, strict=True):
            count = int(frames.lengths[row])
            torch.testing.assert_close(state[row, :count], own[0], atol=1e-4, rtol=0)
            assert not state[row, count:].any()


def test_without_a_token_frames_are_those_of_the_tower():
    for norm in (False, True):
        for shared in (1, 3):
            system = built(speech=sized(do_stable_layer_norm=norm), shared_layers=shared,
                           token_in_shared_layers=False)  # fmt: skip
            waves = noise([4_000, 2_500]).speech
            for ours, theirs in zip(
                system.frames(waves).states, system.speech(waves).states, strict=True
            ):
                torch.testing.assert_close(ours, theirs)


# Passes and branches.


def test_self_supervision_alone_touches_no_pictures():
    system = built().train()
    parts = prepared(system, speech=noise([5_000, 4_000]))
    terms = system(parts, SSL)
    assert tuple(terms) == SSL
    sum(term.sum for term in terms.values()).backward()
    touched = {name.split(".")[0] for name, p in system.named_parameters() if p.grad is not None}
    assert touched == {"speech", "mask_vector", "quantizer", "project_prediction", "project_code",
                       "token"}  # fmt: skip
    alone = built(picture=None)
    assert dict(alone.roles) == {"speech": ("audio",)}
    assert alone.kinds == ()
    assert not {"token", "pooling.stem.weight"} & {name for name, _ in alone.named_parameters()}


def test_grounding_touches_no_quantiser_and_no_upper_layer(world_folder):
    system = built().train()
    parts = prepared(system, spoken=spoken(world_folder))
    system(parts, ("ground",))["ground"].value().backward()
    touched = {name for name, p in system.named_parameters() if p.grad is not None}
    layers = {int(name.split("encoder.layers.")[1][0]) for name in touched
              if name.startswith("speech.") and "encoder.layers." in name}  # fmt: skip
    assert layers == {0, 1}
    assert not any(name.startswith(("quantizer", "project_c", "mask")) for name in touched)
    assert {"token", "log_scale", "project_picture.weight"} <= touched


@pytest.mark.parametrize(
    ("active", "ssl_on", "fronts", "layers"),
    [
        (SSL, "speech", 1, (1, 1)),
        (("ground",), "speech", 1, (1, 0)),
        ((*SSL, "ground"), "speech", 2, (2, 1)),
        ((*SSL, "ground"), "spoken", 1, (2, 1)),
        ((*SSL, "masked_ground"), "spoken", 1, (1, 1)),
        ((*SSL, "masked_ground"), "speech", 2, (2, 1)),
    ],
)
def test_each_pass_is_made_once(world_folder, active, ssl_on, fronts, layers):
    system = built(ssl_on=ssl_on)
    batch = spoken(world_folder, 3)
    parts = prepared(system, spoken=batch, **({"speech": batch} if ssl_on == "speech" else {}))
    network, calls = system.speech.network, []
    watched = {"front": network.feature_projection, "low": network.encoder.layers[0],
               "high": network.encoder.layers[-1], "codes": system.quantizer}  # fmt: skip
    for name, module in watched.items():
        module.register_forward_hook(lambda *_, name=name: calls.append(name))
    assert set(system(parts, active)) == set(active)
    assert (calls.count("front"), (calls.count("low"), calls.count("high"))) == (fronts, layers)
    assert calls.count("codes") == ("ssl" in active)


class NothingComesBack(TorchDispatchMode):
    """Refuses what would make the host wait for a device."""

    def __torch_dispatch__(self, call, types, args=(), kwargs=None):
        name = str(call)
        waits = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal.default")
        assert not any(each in name for each in waits), name
        if "aten.index" in name and isinstance(args[1], (list, tuple)):
            assert not any(each is not None and each.dtype == torch.bool for each in args[1]), name
        return call(*args, **(kwargs or {}))


def test_nothing_is_read_back_in_a_step(world_folder):
    system = built(ssl_on="spoken", feature_gradient=0.1).train()
    parts = prepared(system, spoken=spoken(world_folder))
    active = (*SSL, "ground", "masked_ground")
    with NothingComesBack():
        terms = system(parts, active)
        total = sum(term.sum if name in SSL else term.value() for name, term in terms.items())
        total.backward()


@pytest.mark.parametrize("ssl_on", ["speech", "spoken"])
def test_pairs_are_the_same_with_and_without_the_other_objectives(world_folder, ssl_on):
    system = built(ssl_on=ssl_on, speech=sized(**DROPPED)).train()
    batch = spoken(world_folder)
    parts = prepared(system, spoken=batch, **({"speech": batch} if ssl_on == "speech" else {}))
    pairs = ("ground", "masked_ground")
    torch.manual_seed(1)
    alone = system(parts, pairs)
    torch.manual_seed(1)
    among = system(parts, (*SSL, *pairs))
    for name in pairs:
        assert torch.equal(alone[name].a, among[name].a)
        assert torch.equal(alone[name].b, among[name].b)


def test_micros_give_the_gradient_of_one_batch(world_folder):
    system = built(ssl_on="spoken")  # the quantiser does not draw
    source = Source(SourceSettings(corpora=(world_folder,), where=PICTURED, seconds=60,
                                   columns=COLUMNS))  # fmt: skip
    weights = {"ssl": 1.0, "penalty": 1.0, "ground": 0.5, "masked_ground": 0.5}

    def gradients(*groups):
        system.zero_grad()
        loads = [load(source, np.array(own), 0, 0, Stopwatch()) for own in groups]
        micros = [prepared(system, spoken=batch) for batch in loads]
        losses = train_step(system, micros, weights, StepSeed(0, 0))
        return losses, {n: p.grad.clone() for n, p in system.named_parameters()
                        if p.grad is not None}  # fmt: skip

    (one, whole), (several, parted) = gradients([0, 1, 2, 3, 4]), gradients([0, 1], [2, 3, 4])
    assert several == pytest.approx(one, rel=1e-4)
    assert whole.keys() == parted.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(parted[name], gradient, atol=2e-4, rtol=1e-3)


def test_the_gradient_of_the_convolutions_can_be_shrunk():
    grads = []
    for share in (1.0, 0.1):
        system = built(picture=None, feature_gradient=share)
        terms = system(prepared(system, speech=noise([4_000])), SSL)
        sum(term.sum for term in terms.values()).backward()
        network = system.speech.network
        grads.append((network.feature_extractor.conv_layers[0].conv.weight.grad,
                      network.feature_projection.projection.weight.grad))  # fmt: skip
    torch.testing.assert_close(grads[1][0], 0.1 * grads[0][0], atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(grads[1][1], grads[0][1])


# Grounding.


def test_a_frozen_picture_tower_stays_as_it_is_and_its_projection_learns(world_folder):
    system = built(train_picture=False, loss="masked_margin_softmax").train()
    pairs = system(prepared(system, spoken=spoken(world_folder)), ("ground",))["ground"]
    assert pairs.scale.tolist() == [1.0]
    pairs.value().backward()
    assert not any(p.grad is not None for p in system.picture.parameters())
    assert not system.picture.training
    assert system.project_picture.weight.grad is not None
    assert system.log_scale.grad is None


def test_captions_of_one_picture_are_no_negatives_and_the_margin_counts(world_folder):
    system = built(loss="masked_margin_softmax", margin=1.0)
    source = Source(SourceSettings(corpora=(world_folder,), items=4, columns=COLUMNS,
                                   where="picture = 'scene-train-000000'"))  # fmt: skip
    batch = load(source, np.arange(len(source)), 0, 0, Stopwatch())
    assert len(batch) == 2  # in two languages
    pairs = system(prepared(system, spoken=batch), ("ground",))["ground"]
    assert pairs.value().item() == pytest.approx(0, abs=1e-5)
    distinct = pairs.loss(pairs.a, pairs.b, torch.arange(2), pairs.scale).item()
    rows = pairs.a @ pairs.b.T - torch.eye(2)
    wanted = F.cross_entropy(rows, torch.arange(2)) + F.cross_entropy(rows.T, torch.arange(2))
    assert distinct == pytest.approx(wanted.item(), rel=1e-5)


def test_what_cannot_be_is_said():
    with pytest.raises(SettingsError, match=r"of 3 layers; expected .* at least 4"):
        built(shared_layers=4)
    hubert = TowerSettings(network="test-hubert", random_weights=True)
    with pytest.raises(SettingsError, match="is a hubert of 2 layers; expected a wav2vec2"):
        built(speech=hubert)
    system = built(picture=None)
    with pytest.raises(TriviumError, match="no branch for pictures"):
        system.embed_picture([torch.zeros(4, 4, 3, dtype=torch.uint8)])
    with pytest.raises(TriviumError, match="no branch for pictures"):
        system.embed_speech(noise([2_000]).speech)
    mute = Batch(("u",), np.arange(1))
    with pytest.raises(TriviumError, match="the batch of 'u' has no sound"):
        prepared(system, speech=mute)
