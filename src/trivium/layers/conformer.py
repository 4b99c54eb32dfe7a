"""Conformer layers that look both ways, and the convolutions that bring them fewer frames.

Gulati et al., "Conformer" (2005.08100), as mSLAM (2202.01374) has it: normalisation by groups in
place of that over the batch, and no positions but those that the convolutions tell. A row gives the
same whatever stands beside or behind it.
"""

from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.config import Settings
from trivium.data.batch import Ragged
from trivium.layers.norms import padding_of


class ConformerSettings(Settings):
    """Sizes; as they stand here, those of mSLAM with 0.6 billion parameters."""

    layers: int = Field(default=24, ge=1)
    """How many."""
    width: int = Field(default=1024, ge=1)
    """Of the states."""
    feedforward: int = Field(default=4096, ge=1)
    """Inner width of the feed-forward parts."""
    heads: int = Field(default=8, ge=1)
    """Of attention."""
    kernel: int = Field(default=5, ge=1)
    """Frames that a layer's convolution sees; odd."""
    groups: int = Field(default=32, ge=0)
    """Groups of channels that are normalised over a row's time; 0 normalises each frame alone."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Of every part."""
    bins: int = Field(default=80, ge=4)
    """Of the log-mel features that come in, a frame every 10 ms."""
    channels: int = Field(default=32, ge=1)
    """Of the two convolutions that make one frame of four."""

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel {self.kernel} has no frame in its middle; take an odd one")
        for name, parts in (("heads", self.heads), ("groups", self.groups or 1)):
            if self.width % parts:
                raise ValueError(f"width {self.width} is no multiple of {parts} {name}")
        return self


class ConformerLayer(nn.Module):
    """Half a feed-forward part, attention, a convolution, the other half, a norm."""

    def __init__(self, settings: ConformerSettings) -> None:
        super().__init__()
        self.before = FeedForward(settings)
        self.attention = Attention(settings)
        self.convolution = Convolution(settings)
        self.after = FeedForward(settings)
        self.norm = nn.LayerNorm(settings.width)

    def forward(self, state: Tensor, mask: Tensor) -> Tensor:
        """States (B, T, D); what stands where the mask (B, T) is false matters to no other."""
        state = state + self.before(state) / 2
        state = state + self.attention(state, mask)
        state = state + self.convolution(state, mask)
        state = state + self.after(state) / 2
        normed: Tensor = self.norm(state)
        return normed


class FeedForward(nn.Module):
    """Each frame alone."""

    def __init__(self, settings: ConformerSettings) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(settings.width)
        self.widen = nn.Linear(settings.width, settings.feedforward)
        self.narrow = nn.Linear(settings.feedforward, settings.width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, state: Tensor) -> Tensor:
        """(B, T, D)."""
        inner = self.dropout(F.silu(self.widen(self.norm(state))))
        outer: Tensor = self.dropout(self.narrow(inner))
        return outer


class Attention(nn.Module):
    """Each frame looks at all of its row."""

    def __init__(self, settings: ConformerSettings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.norm = nn.LayerNorm(settings.width)
        self.project = nn.Linear(settings.width, 3 * settings.width)
        self.out = nn.Linear(settings.width, settings.width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, state: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D)."""
        projected = self.project(self.norm(state)).unflatten(-1, (3, self.heads, -1))
        query, key, value = projected.permute(2, 0, 3, 1, 4)  # each (B, H, T, d)
        dropped = self.dropout.p if self.training else 0.0
        seen = F.scaled_dot_product_attention(query, key, value, mask[:, None, None], dropped)
        outer: Tensor = self.dropout(self.out(seen.transpose(1, 2).flatten(2)))
        return outer


class Convolution(nn.Module):
    """Each frame and its neighbours on both sides; before a row and behind it are zeros."""

    def __init__(self, settings: ConformerSettings) -> None:
        super().__init__()
        width, kernel = settings.width, settings.kernel
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.groups = settings.groups
        self.inner_norm = nn.GroupNorm(self.groups, width) if self.groups else nn.LayerNorm(width)
        self.narrow = nn.Linear(width, width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, state: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D)."""
        gated = F.glu(self.widen(self.norm(state)), dim=-1).masked_fill(~mask[..., None], 0)
        spread = self.depthwise(gated.transpose(1, 2)).transpose(1, 2)
        if isinstance(self.inner_norm, nn.GroupNorm):
            normed = masked_group_norm(spread, mask, self.inner_norm)
        else:
            normed = self.inner_norm(spread)
        outer: Tensor = self.dropout(self.narrow(F.silu(normed)))
        return outer


def masked_group_norm(state: Tensor, mask: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Group normalisation of states (B, T, D) over the frames that a row has, and over channels.

    Without padding it is what `norm` gives. Statistics are at least float32.
    """
    wide = state.to(torch.promote_types(state.dtype, torch.float32))
    values = wide.view(*state.shape[:2], norm.num_groups, -1)  # (B, T, G, d)
    own = mask[..., None, None].to(values)
    count = own.sum((1, 3), keepdim=True) * values.shape[-1]
    mean = (values * own).sum((1, 3), keepdim=True) / count
    centred = values - mean
    variance = (centred.square() * own).sum((1, 3), keepdim=True) / count
    normed = (centred * torch.rsqrt(variance + norm.eps)).flatten(2)
    return torch.addcmul(norm.bias, normed, norm.weight).to(state.dtype)


class Subsampling(nn.Module):
    """Log-mel features to a quarter as many frames, by two convolutions over time and bins."""

    def __init__(self, settings: ConformerSettings) -> None:
        super().__init__()
        channels = settings.channels
        self.first = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.width = channels * -(-settings.bins // 4)
        self.norm = nn.LayerNorm(self.width)

    @staticmethod
    def num_frames(frames: Tensor) -> Tensor:
        """How many frames so many become; the last of them may be made of fewer."""
        return (frames + 3) // 4

    def forward(self, features: Ragged) -> Ragged:
        """(B, T, bins) to (B, T / 4, channels x bins / 4)."""
        behind = padding_of(features.lengths, features.data.shape[1])[..., None]
        state = F.silu(self.first(features.data.masked_fill(behind, 0)[:, None]))
        behind = padding_of((features.lengths + 1) // 2, state.shape[2])[:, None, :, None]
        state = F.silu(self.second(state.masked_fill(behind, 0)))  # (B, C, T / 4, bins / 4)
        made: Tensor = self.norm(state.transpose(1, 2).flatten(2))
        return Ragged(made, self.num_frames(features.lengths))
