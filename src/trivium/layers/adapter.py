"""Between a speech tower and a text network: fewer frames, of the width of word vectors."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.data.batch import Ragged


class LengthAdapter(nn.Module):
    """Two gated convolutions of stride 2: one frame of four, whatever stands behind a row.

    ComSL's (2305.14838): half a feed-forward network and a norm stand before the first convolution
    and behind it, nothing behind the second.
    """

    def __init__(self, width: int, new_width: int) -> None:
        super().__init__()
        self.before = HalfFeedForward(width)
        self.first = GatedConvolution(width, new_width)
        self.between = HalfFeedForward(new_width)
        self.second = GatedConvolution(new_width, new_width)

    @staticmethod
    def num_frames(frames: Tensor) -> Tensor:
        """A fourth of them, rounded up."""
        return GatedConvolution.num_frames(GatedConvolution.num_frames(frames))

    def forward(self, frames: Ragged) -> Ragged:
        """(B, T, D) becomes (B, T / 4, new D), with zeros behind every row."""
        halved = self.first(Ragged(self.before(frames.data), frames.lengths))
        made: Ragged = self.second(Ragged(self.between(halved.data), halved.lengths))
        return Ragged(made.data.masked_fill(~made.mask()[..., None], 0), made.lengths)


class HalfFeedForward(nn.Module):
    """A feed-forward network that counts half beside its input, and a norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, 4 * width)
        self.outer = nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, D) stays so."""
        made: Tensor = self.norm(frames + 0.5 * self.outer(F.relu(self.inner(frames))))
        return made


class GatedConvolution(nn.Module):
    """A convolution over three frames, every second kept, half of its channels gating the rest."""

    def __init__(self, width: int, new_width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, 2 * new_width, 3, stride=2, padding=1)

    @staticmethod
    def num_frames(frames: Tensor) -> Tensor:
        """Half of them, rounded up."""
        return torch.div(frames + 1, 2, rounding_mode="floor")

    def forward(self, frames: Ragged) -> Ragged:
        """(B, T, D) becomes (B, T / 2, new D); it finds zeros behind a row."""
        clean = frames.data.masked_fill(~frames.mask()[..., None], 0)
        made = F.glu(self.convolution(clean.transpose(1, 2)), dim=1).transpose(1, 2)
        return Ragged(made, self.num_frames(frames.lengths))
