"""Log-mel features: transformers' own extractors, for whole batches and on any device."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import tone
from trivium.layers.spectra import (
    kaldi_features,
    kaldi_frames,
    whisper_features,
    whisper_frames,
)


def wave(samples: int) -> np.ndarray:
    """A tone and noise that swell and fade three times a second, as speech does."""
    noise = np.random.default_rng(samples).normal(scale=0.05, size=samples)
    swell = 0.2 + np.abs(tone(samples / 16_000, hertz=1.5))[:samples]
    return (swell * (noise + tone(samples / 16_000)[:samples])).astype(np.float32)


@pytest.mark.parametrize("num_bins", [80, 128])
@pytest.mark.parametrize("samples", [16_000, 12_345, 481, 100])
def test_whisper_features_are_those_of_30_seconds(samples, num_bins):
    from transformers import WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor(feature_size=num_bins)
    wanted = extractor(
        wave(samples), sampling_rate=16_000, return_attention_mask=True, return_tensors="pt"
    )
    found = whisper_features(torch.from_numpy(wave(samples))[None], num_bins)
    frames = int(wanted.attention_mask.sum())
    assert frames == found.shape[-1] == whisper_frames(torch.tensor(samples))
    torch.testing.assert_close(found, wanted.input_features[..., :frames], atol=1e-4, rtol=0)


@pytest.mark.parametrize("samples", [16_000, 12_345, 560, 719, 720])
def test_kaldi_features_are_those_of_w2v_bert(samples):
    from transformers import SeamlessM4TFeatureExtractor

    wanted = SeamlessM4TFeatureExtractor()(wave(samples), sampling_rate=16_000, return_tensors="pt")
    found = kaldi_features(torch.from_numpy(wave(samples))[None], torch.tensor([samples]))
    frames = int(wanted.attention_mask.sum())  # half a pair is masked out there
    assert frames == found.shape[1] == kaldi_frames(torch.tensor(samples))
    torch.testing.assert_close(found, wanted.input_features[:, :frames], atol=1e-4, rtol=0)


@settings(max_examples=15)
@given(st.lists(st.integers(560, 4000), min_size=2, max_size=3))
def test_a_wave_has_its_features_whatever_stands_beside_it(samples):
    waves = torch.zeros(len(samples), max(samples) + 300)
    for row, length in enumerate(samples):
        waves[row, :length] = torch.from_numpy(wave(length))
    lengths = torch.tensor(samples)
    mel, stacked = whisper_features(waves, 80), kaldi_features(waves, lengths)
    for row, length in enumerate(samples):
        own = waves[row : row + 1, :length]
        alone = whisper_features(own, 80)
        torch.testing.assert_close(mel[row, :, : alone.shape[-1]], alone[0], atol=1e-4, rtol=0)
        alone = kaldi_features(own, lengths[row : row + 1])
        # Of two or three frames the spread is small, and rounding is divided by it.
        torch.testing.assert_close(stacked[row, : alone.shape[1]], alone[0], atol=2e-3, rtol=0)


def test_features_keep_their_precision_under_autocast_and_after_inference_mode():
    waves = torch.from_numpy(wave(8000))[None]
    lengths = torch.tensor([8000])
    with torch.inference_mode():  # fills the caches of windows and filters
        plain = whisper_features(waves, 40), kaldi_features(waves, lengths, 40)
    with torch.autocast("cpu", torch.bfloat16):
        cast = whisper_features(waves, 40), kaldi_features(waves, lengths, 40)
    for ours, theirs in zip(cast, plain, strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs.clone(), atol=1e-5, rtol=0)
    leaf = waves.clone().requires_grad_()
    whisper_features(leaf, 40).sum().backward()
    assert leaf.grad.isfinite().all()
