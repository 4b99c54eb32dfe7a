"""What `joint` is made of between waves and its heads: Conformer layers of ours, or published ones.

Both begin with w2v-BERT's log-mel features, and both run any sequence through any of their layers:
frames, characters, or frames with characters behind them.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.data.batch import Ragged
from trivium.errors import SettingsError
from trivium.layers.conformer import ConformerLayer, ConformerSettings, Subsampling
from trivium.layers.norms import padding_of
from trivium.layers.spectra import kaldi_features, kaldi_frames
from trivium.models.towers import SpeechTower
from trivium.models.towers.attention import distances
from trivium.models.towers.fronts import BertFront
from trivium.models.towers.tower import Layered


@dataclass(frozen=True, eq=False)
class Heard:
    """Utterances before the first layer, as they were said: nothing of them is masked."""

    clean: Tensor  # (B, T, C) what is quantised
    state: Tensor  # (B, T, D) what enters the layers
    lengths: Tensor  # (B,)


class Body(Protocol):
    """Layers, and how waves come to the first of them."""

    width: int
    """Of the states."""
    clean_width: int
    """Of what is quantised."""
    layers: nn.ModuleList

    def num_frames(self, samples: Tensor) -> Tensor:
        """Frames of utterances of so many samples."""

    def hear(self, waves: Ragged) -> Heard:
        """What enters the first layer."""

    def told(self, lengths: Tensor, longest: int) -> dict[str, Any]:
        """What each layer is told beside the states (B, longest, D) of rows so long."""


class Conformer(Layered):
    """Convolutions that make one frame, of 40 ms, of four; layers that look both ways."""

    def __init__(self, settings: ConformerSettings) -> None:
        super().__init__()
        self.bins, self.width = settings.bins, settings.width
        self.subsampling = Subsampling(settings)
        self.clean_width = self.subsampling.width
        self.projection = nn.Linear(self.clean_width, settings.width)
        self.dropout = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(ConformerLayer(settings) for _ in range(settings.layers))

    def num_frames(self, samples: Tensor) -> Tensor:
        """Every 40 ms; at least one."""
        return self.subsampling.num_frames(2 * _pairs(samples))

    def hear(self, waves: Ragged) -> Heard:
        """Features, convolutions, projection."""
        pairs = _features(waves, self.bins)
        single = pairs.data.reshape(len(waves), -1, self.bins)  # every 10 ms
        made = self.subsampling(Ragged(single.to(self.projection.weight.dtype), 2 * pairs.lengths))
        return Heard(made.data, self.dropout(self.projection(made.data)), made.lengths)

    def told(self, lengths: Tensor, longest: int) -> dict[str, Any]:
        """Where rows have frames."""
        return {"mask": ~padding_of(lengths, longest)}


class Published:
    """The layers of a w2v-BERT 2.0, which a system holds as its tower `speech`."""

    def __init__(self, tower: SpeechTower) -> None:
        front = tower.front
        if not isinstance(front, BertFront) or not front.by_distance:
            raise SettingsError(
                f"the speech tower is a {tower.family}; `joint` goes on from a w2v-BERT 2.0 whose "
                "positions are distances, or takes settings.conformer in its place"
            )
        self.tower, self.front = tower, front
        self.width, self.layers = tower.width, tower.layers
        self.clean_width = 2 * front.num_bins

    def num_frames(self, samples: Tensor) -> Tensor:
        """Every 20 ms; at least one."""
        return _pairs(samples)

    def hear(self, waves: Ragged) -> Heard:
        """Features and projection; normalised features are what is quantised."""
        network = self.tower.network
        features = _features(waves, self.front.num_bins)
        state, clean = network.feature_projection(features.data.to(network.dtype))
        return Heard(clean, network.encoder.dropout(state), features.lengths)

    def told(self, lengths: Tensor, longest: int) -> dict[str, Any]:
        """Where rows have frames, and how far these are from one another."""
        mask = ~padding_of(lengths, longest)
        return {
            "attention_mask": mask[:, None, None],
            "conv_attention_mask": mask,
            "relative_position_embeddings": distances(longest, *self.front.reach, lengths.device),
        }


def join(first: Ragged, second: Ragged) -> Ragged:
    """Rows with the rows of another directly behind their ends, so that padding lies at the end."""
    room = second.data.shape[1]
    begun = first.data.masked_fill(~first.mask()[..., None], 0)
    places = first.lengths[:, None] + torch.arange(room, device=begun.device)
    index = places[..., None].expand(-1, -1, second.data.shape[2])
    joined = F.pad(begun, (0, 0, 0, room)).scatter(1, index, second.data.to(begun.dtype))
    return Ragged(joined, first.lengths + second.lengths)


def _pairs(samples: Tensor) -> Tensor:
    return kaldi_frames(samples.clamp(min=BertFront.min_samples))


def _features(waves: Ragged, bins: int) -> Ragged:
    """Log-mel features, two windows side by side; silence behind what is too short for them."""
    samples = waves.data.masked_fill(~waves.mask(), 0)
    samples = F.pad(samples, (0, max(0, BertFront.min_samples - samples.shape[1])))
    lengths = waves.lengths.clamp(min=BertFront.min_samples)
    return Ragged(kaldi_features(samples, lengths, bins), kaldi_frames(lengths))
