"""Log-mel features of batches of 16 kHz waves, as Whisper, w2v-BERT 2.0 and CTAL were given them.

Windows and filters are kept per device and always float32: they are no buffers of a network, which
a change to half precision would spoil.
"""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trivium.data.batch import Ragged
from trivium.layers.norms import standardise

SAMPLE_RATE_HZ, HOP, WINDOW = 16_000, 160, 400


def whisper_frames(samples: Tensor) -> Tensor:
    """How many frames `whisper_features` gives for so many samples."""
    return -(-samples // HOP)


def whisper_features(waves: Tensor, num_bins: int) -> Tensor:
    """Whisper's features, (B, num_bins, frames), of waves with zeros behind them.

    Equal to those of the same waves in Whisper's 30 s of silence, up to their own ends. (A wave
    that sounds to the end of the 30 s is mirrored there by Whisper; here silence follows.)
    """
    frames = -(-waves.shape[1] // HOP)
    # A frame more than the last may hear the end of a wave and so be its loudest.
    padded = F.pad(F.pad(waves.float(), (0, WINDOW)), (WINDOW // 2, 0), mode="reflect")
    with torch.autocast(waves.device.type, enabled=False):
        window = _hann(waves.device)
        spectrum = torch.stft(padded, WINDOW, HOP, window=window, center=False, return_complex=True)
        power = spectrum.abs().square()  # (B, 201, frames + 1 or 2)
        mel = _slaney_filters(num_bins, waves.device) @ power
    logs = mel.clamp(min=1e-10).log10()
    loudest = logs.amax((1, 2), keepdim=True)
    return (torch.maximum(logs, loudest - 8) / 4 + 1)[..., :frames]


def kaldi_frames(samples: Tensor) -> Tensor:
    """How many frames `kaldi_features` gives for so many samples."""
    return ((samples - WINDOW) // HOP + 1) // 2


def kaldi_features(waves: Tensor, lengths: Tensor, num_bins: int = 80) -> Tensor:
    """w2v-BERT's features, (B, frames, 2 num_bins): Kaldi's, normalised per bin, two to a frame."""
    # Quiet bins beside loud ones are lost in float32; Apple's devices have nothing wider.
    wide = torch.float32 if waves.device.type == "mps" else torch.float64
    windows = waves.to(wide).unfold(1, WINDOW, HOP) * 2**15  # (B, windows, 400)
    windows = windows - windows.mean(-1, keepdim=True)
    before = F.pad(windows, (1, 0), mode="replicate")[..., :-1]
    spectrum = torch.fft.rfft((windows - 0.97 * before) * _povey(waves.device), n=512)
    with torch.autocast(waves.device.type, enabled=False):
        power = spectrum.abs().square().float()  # (B, windows, 257)
        mel = power @ _kaldi_filters(num_bins, waves.device).T
    logs = mel.clamp(min=torch.finfo(torch.float32).eps).log()
    features = standardise(logs, (lengths - WINDOW) // HOP + 1, unbiased=True)
    pairs = features.shape[1] // 2
    return features[:, : 2 * pairs].reshape(len(waves), pairs, 2 * num_bins)


def log_mel(waves: Tensor, num_bins: int, hop: int, window: int, fft: int) -> Tensor:
    """Logarithms of mel power, (B, frames, num_bins), of waves with zeros behind them.

    A window stands around every `hop`-th sample, and finds silence before the wave and behind it.
    """
    padded = F.pad(waves.float(), (fft // 2, fft // 2))
    with torch.autocast(waves.device.type, enabled=False):
        spectrum = torch.stft(
            padded, fft, hop, window, _hann(waves.device, window),
            center=False, return_complex=True,
        )  # fmt: skip
        power = spectrum.real.square() + spectrum.imag.square()  # (B, 1 + fft / 2, frames)
        mel = _slaney_filters(num_bins, waves.device, fft) @ power
    return (mel + 1e-6).log().transpose(1, 2)


def log_mel_frames(samples: Tensor, hop: int) -> Tensor:
    """How many frames `log_mel` gives for so many samples; at least one."""
    return samples // hop + 1


def with_deltas(frames: Ragged, reach: int = 4) -> Ragged:
    """Frames (B, T, C) and behind them their slopes in time: (B, T, 2 C).

    A slope is that of the straight line nearest to a frame and the `reach` frames on each side of
    it; at the ends of a row its first and last frame go on.
    """
    longest = frames.data.shape[1]
    places = torch.arange(-reach, longest + reach, device=frames.data.device)
    index = places.clamp(min=0).minimum(frames.lengths[:, None] - 1)  # (B, T + 2 reach)
    index = index[..., None].expand(-1, -1, frames.data.shape[2])
    long = frames.data.gather(1, index)
    steps = range(1, reach + 1)
    sides = (
        step * (long[:, reach + step :][:, :longest] - long[:, reach - step :][:, :longest])
        for step in steps
    )
    slope = sum(sides, torch.zeros_like(frames.data)) / (2 * sum(step * step for step in steps))
    return Ragged(torch.cat([frames.data, slope], -1), frames.lengths)


@lru_cache(maxsize=16)
def _hann(device: torch.device, window: int = WINDOW) -> Tensor:
    with torch.inference_mode(mode=False):
        return torch.hann_window(window, device=device)


@lru_cache(maxsize=16)
def _povey(device: torch.device) -> Tensor:
    with torch.inference_mode(mode=False):
        hann = torch.hann_window(WINDOW, periodic=False, dtype=torch.float64)
        return hann.pow(0.85).float().to(device)


@lru_cache(maxsize=16)
def _slaney_filters(num_bins: int, device: torch.device, fft: int = WINDOW) -> Tensor:
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(
        1 + fft // 2, num_bins, 0.0, 8000.0, SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney"
    )
    return _on(filters.T, device)  # (bins, 1 + fft / 2)


@lru_cache(maxsize=16)
def _kaldi_filters(num_bins: int, device: torch.device) -> Tensor:
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(
        257,
        num_bins,
        20.0,
        8000.0,
        SAMPLE_RATE_HZ,
        mel_scale="kaldi",
        triangularize_in_mel_space=True,
    )
    return _on(filters.T, device)  # (bins, 257)


def _on(filters: NDArray[np.float64], device: torch.device) -> Tensor:
    with torch.inference_mode(mode=False):
        return torch.tensor(filters, dtype=torch.float32, device=device)
