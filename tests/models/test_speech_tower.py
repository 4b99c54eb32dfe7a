"""Speech towers: the published networks to the last digit, and the same in every batch."""

import copy
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trivium.data.batch import Ragged
from trivium.errors import SettingsError, TriviumError
from trivium.models.towers import NETWORKS, SpeechTower, TowerSettings
from trivium.models.towers.fronts import convolve

TEST_NETWORKS = [n for n in NETWORKS if n.startswith("test-") and "speech" in NETWORKS[n].sizes]


def tower(name: str, **sizes: Any) -> SpeechTower:
    """A new one with random weights."""
    torch.manual_seed(7)
    settings_ = TowerSettings(network=name, random_weights=True, sizes=sizes)
    return SpeechTower.from_settings(settings_)


@cache
def shared(name: str) -> SpeechTower:
    """One for tests that leave it as it is."""
    return tower(name)


def waves(lengths: list[int], extra: int = 0) -> Ragged:
    """Noise off its zero line, and other noise behind it."""
    generator = torch.Generator().manual_seed(sum(lengths) + extra)
    data = torch.randn(len(lengths), max(lengths) + extra, generator=generator) * 0.1 + 0.05
    return Ragged(data, torch.tensor(lengths))


def untouched(ours: SpeechTower) -> Any:
    """The same network as transformers builds and runs it."""
    theirs = type(ours.network)(ours.network.config)
    theirs.load_state_dict(ours.network.state_dict())
    return theirs.eval()


def published_inputs(ours: SpeechTower, wave: Tensor) -> dict[str, Tensor]:
    """What transformers' own extractor makes of a wave."""
    import transformers

    kind = ours.network.config.model_type
    if kind == "whisper":
        extractor: Any = transformers.WhisperFeatureExtractor(chunk_length=2)
    elif kind == "wav2vec2-bert":
        extractor = transformers.SeamlessM4TFeatureExtractor()
    else:
        normalise = ours.front.normalise_waves  # type: ignore[attr-defined]
        extractor = transformers.Wav2Vec2FeatureExtractor(
            do_normalize=normalise, return_attention_mask=False
        )
    return dict(extractor(wave.numpy(), sampling_rate=16_000, return_tensors="pt"))


@pytest.mark.parametrize("name", TEST_NETWORKS)
@torch.no_grad()
def test_one_wave_gives_what_transformers_gives(name):
    ours = shared(name)
    # Transformers' Whisper takes its whole window only: 2 s in the test's sizes.
    length = 32_000 if name == "test-whisper" else 9_600
    batch = waves([length])
    batch.data[:, -400:] = 0  # at the end of its window it mirrors what sounds; we do not
    wanted = untouched(ours)(**published_inputs(ours, batch.data[0]), output_hidden_states=True)
    found = ours(batch)
    frames = int(found.lengths[0])
    theirs = [*wanted.hidden_states[:-1], wanted.last_hidden_state]
    assert len(found.states) == len(theirs) == ours.num_states
    for mine, other in zip(found.states, theirs, strict=True):
        assert mine.shape[-1] == ours.width
        torch.testing.assert_close(mine[0], other[0, :frames], atol=1e-4, rtol=0)
    assert torch.equal(found.last.data, found.states[-1])


@pytest.mark.parametrize("name", TEST_NETWORKS)
@settings(max_examples=6)
@given(st.lists(st.integers(0, 3000), min_size=2, max_size=3), st.integers(0, 1500))
@torch.no_grad()
def test_an_utterance_gives_the_same_in_every_batch(name, lengths, extra):
    ours = shared(name)
    batch = waves(lengths, extra)
    together = ours(batch)
    assert together.lengths.tolist() == ours.num_frames(batch.lengths).tolist()
    for row, length in enumerate(lengths):
        own = slice(row, row + 1)
        alone = ours(Ragged(batch.data[own, :length], batch.lengths[own]))
        frames = int(alone.lengths[0])
        assert frames == together.lengths[row]
        for a, b in zip(together.states, alone.states, strict=True):
            torch.testing.assert_close(a[row, :frames], b[0], atol=1e-4, rtol=0)
            assert not a[row, frames:].any()
            assert a.isfinite().all()


@pytest.mark.parametrize("name", TEST_NETWORKS)
@pytest.mark.parametrize("per_utterance", [False, True])
@torch.no_grad()
def test_states_mixed_as_they_pass_are_the_stacked_sum(name, per_utterance):
    ours = shared(name)
    batch = waves([2000, 1200, 1600])
    shape = (3, ours.num_states) if per_utterance else (ours.num_states,)
    mix = torch.randn(shape).softmax(-1)
    stacked = torch.stack(ours(batch).states, 1)  # (B, states, T, D)
    wanted = torch.einsum("bs,bstd->btd", mix.expand(3, -1), stacked)
    found = ours(batch, mix)
    assert found.states == ()
    torch.testing.assert_close(found.mixed.data, wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.last.data, stacked[:, -1])


def test_the_gradient_of_the_mix_is_that_of_the_stacked_sum():
    ours = shared("test-wavlm")
    batch = waves([2000, 1200])
    mix = torch.randn(2, ours.num_states, requires_grad=True)
    found = ours(batch, mix).mixed.data
    towards = torch.randn_like(found)
    (ours_gradient,) = torch.autograd.grad((found * towards).sum(), mix)
    stacked = torch.stack(ours(batch).states, 1).detach()
    wanted = (stacked * towards[:, None]).sum((2, 3))
    torch.testing.assert_close(ours_gradient, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", TEST_NETWORKS)
def test_training_reaches_every_parameter_and_is_random_only_by_dropout(name):
    none = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}
    none["dropout" if name == "test-whisper" else "feat_proj_dropout"] = 0.0
    if name == "test-w2v-bert":
        none["conformer_conv_dropout"] = 0.0
    if name == "test-whisper":
        del none["hidden_dropout"]
    ours = tower(name, **none).train()
    batch = waves([2000, 1200])
    found = ours(batch).last.data
    torch.testing.assert_close(found, copy.deepcopy(ours).eval()(batch).last.data)
    (found * torch.randn_like(found)).sum().backward()
    silent = {
        parameter for parameter, value in ours.named_parameters()
        if value.requires_grad and value.grad is None
    }  # fmt: skip
    assert not silent  # DDP waits for ever for a parameter without a gradient


@pytest.mark.parametrize("name", ["test-hubert", "test-wavlm", "test-w2v-bert", "test-whisper"])
def test_dropout_drops_in_training(name):
    ours = tower(name, attention_dropout=0.5).train()
    batch = waves([2000])
    assert not torch.equal(ours(batch).last.data, ours(batch).last.data)


@pytest.mark.parametrize("name", TEST_NETWORKS)
@torch.no_grad()
def test_weights_may_be_in_half_precision(name):
    ours = copy.deepcopy(shared(name)).to(torch.bfloat16)
    batch = waves([2000, 1200])
    found = ours(batch, torch.full((ours.num_states,), 1 / ours.num_states))
    assert found.last.data.dtype == torch.bfloat16
    assert found.mixed.data.isfinite().all()
    wanted = shared(name)(batch)
    alike = torch.cosine_similarity(found.last.data.float(), wanted.last.data, dim=-1)
    assert alike[~(wanted.last.data == 0).all(-1)].mean() > 0.8  # new weights amplify noise


@torch.no_grad()
def test_a_copy_uses_its_own_weights():
    ours = tower("test-wavlm")
    twin = copy.deepcopy(ours)
    batch = waves([2000])
    before = twin(batch).last.data
    for parameter in ours.parameters():
        parameter.zero_()
    assert torch.equal(twin(batch).last.data, before)


@pytest.mark.parametrize("name", TEST_NETWORKS)
def test_patterns_name_the_layers_from_k_up(name):
    from fnmatch import fnmatchcase

    ours = shared(name)
    names = [name for name, _ in ours.named_parameters()]
    upper = {n for p in ours.layers_from(2) for n in names if fnmatchcase(n, p)}
    own = {id(p) for p in ours.layers[1].parameters()}
    found = {id(p) for n, p in ours.named_parameters() if n in upper}
    behind = found - own
    assert own <= found
    # Whisper and the networks that norm before each layer have one more norm at the end.
    assert len(behind) == (2 if name.endswith("-large") or name == "test-whisper" else 0)
    lower = [id(p) for p in ours.layers[0].parameters()]
    assert not found.intersection(lower)
    every = {n for p in ours.layers_from(1) for n in names if fnmatchcase(n, p)}
    assert len(every) == len(upper) + len(lower)
    with pytest.raises(SettingsError, match="no layer 3; the tower has layers 1 to 2"):
        ours.layers_from(3)


@torch.no_grad()
def test_whisper_hears_its_window_and_no_more():
    ours = shared("test-whisper")  # 2 s
    with pytest.raises(TriviumError, match=r"2\.1 s is longer than the 2\.0 s"):
        ours(waves([33_600, 100]))
    batch = waves([32_000, 100])
    wider = Ragged(torch.nn.functional.pad(batch.data, (0, 3200), value=1.0), batch.lengths)
    assert torch.equal(ours(wider).last.data, ours(batch).last.data)


def test_a_mix_for_other_states_is_refused():
    with pytest.raises(TriviumError, match=r"mix has shape \(4,\); expected \(3,\) or \(1, 3\)"):
        shared("test-hubert")(waves([1000]), torch.ones(4))


@pytest.mark.parametrize("name", ["test-hubert", "test-hubert-large"])
def test_the_order_of_channels_in_memory_changes_nothing(name):
    ours = shared(name)
    layers = ours.network.feature_extractor.conv_layers
    batch = waves([2000, 1200])
    parameters = list(layers.parameters())
    found = []
    for channels_last in (False, True):
        frames, lengths = convolve(layers, batch.data, batch.lengths, channels_last=channels_last)
        assert lengths.tolist() == ours.num_frames(batch.lengths).tolist()
        found.append([frames, *torch.autograd.grad(frames.square().sum(), parameters)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
