"""The audio encoder: frames of an utterance, layers that attend to its text, and what was there."""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.data.batch import Ragged
from trivium.errors import TriviumError
from trivium.layers.norms import padding_of, standardise
from trivium.layers.spectra import log_mel, log_mel_frames, with_deltas
from trivium.models.fused.settings import AudioSettings, FusedSettings
from trivium.models.fused.text import INITIAL, NORM_EPSILON, begin, new_layer
from trivium.models.towers import SpeechTower
from trivium.models.towers.tower import Layered


class Front(Protocol):
    """From waves to frames of mean 0 and variance 1 over each utterance, channel by channel."""

    channels: int
    """Of a frame."""

    def num_frames(self, samples: Tensor) -> Tensor:
        """Frames of utterances of so many samples; at least one."""

    def hear(self, waves: Ragged) -> Ragged:
        """Frames (B, T, channels)."""


class MelFront:
    """Log-mel features and their slopes."""

    def __init__(self, settings: AudioSettings) -> None:
        self.settings, self.channels = settings, 2 * settings.bins

    def num_frames(self, samples: Tensor) -> Tensor:
        """One around every `hop`-th sample."""
        return log_mel_frames(samples, self.settings.hop)

    def hear(self, waves: Ragged) -> Ragged:
        """Features, slopes, statistics: of what was said alone."""
        settings = self.settings
        behind = padding_of(waves.lengths, waves.data.shape[1])
        mel = log_mel(
            waves.data.masked_fill(behind, 0), settings.bins, settings.hop,
            settings.window, settings.fft,
        )  # fmt: skip
        frames = with_deltas(Ragged(mel, self.num_frames(waves.lengths)))
        return Ragged(standardise(frames.data, frames.lengths), frames.lengths)


class TowerFront:
    """Frames of a published network."""

    def __init__(self, tower: SpeechTower) -> None:
        self.tower, self.channels = tower, tower.width

    def num_frames(self, samples: Tensor) -> Tensor:
        """As the network has them."""
        return self.tower.num_frames(samples)

    def hear(self, waves: Ragged) -> Ragged:
        """The last layer's, and statistics."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.tower.frozen):
            frames = self.tower(waves).last
        return Ragged(standardise(frames.data, frames.lengths), frames.lengths)


class AudioEncoder(Layered):
    """Frames through layers; each sees its own side, then the text, then itself."""

    def __init__(self, channels: int, settings: FusedSettings) -> None:
        super().__init__()
        width, audio = settings.width, settings.audio
        self.causal, self.attends = audio.causal, audio.cross_attention
        self.projection = nn.Linear(channels, width)
        self.positions = nn.Embedding(audio.positions, width)
        self.kind = nn.Parameter(torch.empty(1, width).normal_(std=INITIAL))
        self.norm = nn.LayerNorm(width, NORM_EPSILON)
        self.dropout = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(new_layer(settings, self.attends) for _ in range(audio.layers))
        self.dense = nn.Linear(width, width)
        self.dense_norm = nn.LayerNorm(width, NORM_EPSILON)
        self.say = nn.Linear(width, channels)
        begin(self)

    def forward(self, frames: Ragged, text: Ragged | None) -> Ragged:
        """States (B, T, D) of frames (B, T, channels) beside the states of a text (B, L, D)."""
        longest, padding = frames.data.shape[1], ~frames.mask()
        places = torch.arange(longest, device=frames.data.device)
        state = self.projection(frames.data.to(self.projection.weight.dtype))
        state = self.dropout(self.norm(state + self.positions(places) + self.kind))
        if self.attends and text is None:
            raise TriviumError(f"{len(frames)} utterances came without the text to attend to")
        later = places > places[:, None] if self.causal else None
        for layer in self.layers:
            if self.attends and text is not None:
                state = layer(
                    state, text.data, tgt_mask=later, tgt_key_padding_mask=padding,
                    memory_key_padding_mask=~text.mask(),
                )  # fmt: skip
            else:
                state = layer(state, src_mask=later, src_key_padding_mask=padding)
        return Ragged(state, frames.lengths)

    def predict(self, states: Tensor) -> Tensor:
        """What frames were: (..., channels)."""
        made: Tensor = self.say(self.dense_norm(F.gelu(self.dense(states))))
        return made
