"""From the frames of an utterance to one vector: residual convolutions, a token, attention.

The convolutions are those of Hsu et al., "Text-Free Image-to-Speech Synthesis Using Learned
Segmental Units" (2012.15454, ResDAVEnet), with each frame normalised over its channels where the
authors normalise over the batch: so an utterance gives the same vector whatever stands beside it.
"""

from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.config import Settings
from trivium.data.batch import Ragged


class PoolingSettings(Settings):
    """Sizes of the stages, and of what stands behind them."""

    stem: int = Field(default=128, ge=1)
    """Width of the frames that enter the first stage."""
    widths: tuple[int, ...] = Field(default=(128, 256, 512, 768), min_length=1)
    """Width of each stage; a stage halves the frames."""
    blocks: int = Field(default=2, ge=1)
    """Residual blocks of a stage."""
    kernel: int = Field(default=9, ge=1)
    """Frames that a convolution sees; odd."""
    layers: int = Field(default=1, ge=1)
    """Transformer layers behind the stages."""
    heads: int = Field(default=12, ge=1)
    """Their attention heads."""
    feedforward: int = Field(default=3072, ge=1)
    """Their inner width."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Their dropout."""

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel {self.kernel} has no frame in its middle; take an odd one")
        if self.widths[-1] % self.heads:
            raise ValueError(f"width {self.widths[-1]} is no multiple of {self.heads} heads")
        return self


class ConvolutionPooling(nn.Module):
    """Frames become few by strided residual blocks; a token gathers them by attention."""

    def __init__(self, width: int, settings: PoolingSettings) -> None:
        super().__init__()
        self.width = settings.widths[-1]
        self.stem = nn.Linear(width, settings.stem)
        blocks: list[nn.Module] = []
        before = settings.stem
        for after in settings.widths:
            for number in range(settings.blocks):
                blocks.append(ResidualBlock(before, after, settings.kernel, 1 if number else 2))
                before = after
        self.blocks = nn.ModuleList(blocks)
        self.project_token = nn.Identity() if width == self.width else nn.Linear(width, self.width)
        layer = nn.TransformerEncoderLayer(
            self.width, settings.heads, settings.feedforward, settings.dropout, batch_first=True
        )
        self.attention = nn.TransformerEncoder(layer, settings.layers, enable_nested_tensor=False)

    def forward(self, frames: Ragged, token: Tensor) -> Tensor:
        """Vectors (B, widths[-1]) of frames (B, T, D) and a token (B, D) for each row."""
        frames = Ragged(F.relu(self.stem(frames.data)), frames.lengths)
        for block in self.blocks:
            frames = block(frames)
        data = torch.cat([self.project_token(token)[:, None].to(frames.data), frames.data], dim=1)
        padding = F.pad(~frames.mask(), (1, 0), value=False)
        pooled: Tensor = self.attention(data, src_key_padding_mask=padding)[:, 0]
        return pooled


class ResidualBlock(nn.Module):
    """Two convolutions over time beside a straight way, which is as wide and as short."""

    def __init__(self, before: int, after: int, kernel: int, stride: int) -> None:
        super().__init__()
        half = kernel // 2
        self.first = nn.Conv1d(before, after, kernel, stride, half, bias=False)
        self.first_norm = nn.LayerNorm(after)
        self.second = nn.Conv1d(after, after, kernel, 1, half, bias=False)
        self.second_norm = nn.LayerNorm(after)
        straight = before == after and stride == 1
        self.way = None if straight else nn.Conv1d(before, after, 1, stride, bias=False)

    def forward(self, frames: Ragged) -> Ragged:
        """Frames (B, T / stride, after); behind the end of a row they mean nothing."""
        inner = convolve_rows(self.first, frames)
        inner = Ragged(F.relu(self.first_norm(inner.data)), inner.lengths)
        outer = self.second_norm(convolve_rows(self.second, inner).data)
        way = frames if self.way is None else convolve_rows(self.way, frames)
        return Ragged(F.relu(outer + way.data), inner.lengths)


def convolve_rows(convolution: nn.Conv1d, frames: Ragged) -> Ragged:
    """A convolution with an odd kernel that finds zeros behind every row."""
    data = frames.data.masked_fill(~frames.mask()[..., None], 0).transpose(1, 2)
    lengths = (frames.lengths - 1) // convolution.stride[0] + 1
    return Ragged(convolution(data).transpose(1, 2), lengths)
