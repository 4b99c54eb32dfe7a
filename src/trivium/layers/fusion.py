"""From the states of two streams to one vector: pooling by attention, by the largest, and a sum.

Li et al., "CTAL" (2109.00181): each stream is pooled twice, and the two streams are added where a
loss keeps them upright to one another.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from trivium.data.batch import Ragged
from trivium.errors import TriviumError

Fusion = Literal["orthogonal", "concatenation", "none"]


@dataclass(frozen=True, eq=False)
class Pooled:
    """One stream as two vectors."""

    chosen: Tensor  # (B, D) the first state, or states weighed by attention
    largest: Tensor  # (B, D) of each channel the largest


@dataclass(frozen=True, eq=False)
class Joined:
    """What a head makes of its streams."""

    vectors: Tensor  # (B, head.width)
    text: Pooled | None
    audio: Pooled | None


class FirstPooling(nn.Module):
    """A text by its first state, and by the largest of all others."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, width)

    def forward(self, states: Ragged) -> Pooled:
        """Both vectors of each row, which has two states at least: where it begins and ends."""
        made = torch.tanh(self.projection(states.data))
        return Pooled(made[:, 0], _largest(made[:, 1:], states.mask()[:, 1:]))


class AttentivePooling(nn.Module):
    """Speech by a weighted mean of its states, and by the largest of them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, width)
        self.attention = nn.Linear(width, 1, bias=False)

    def forward(self, states: Ragged) -> Pooled:
        """Both vectors of each row."""
        made, mask = torch.tanh(self.projection(states.data)), states.mask()
        weights = self.attention(made).masked_fill(~mask[..., None], -torch.inf).softmax(1)
        return Pooled((weights * made).sum(1), _largest(made, mask))


class FusionHead(nn.Module):
    """Two streams as one vector.

    `orthogonal` adds what is pooled of one to what is pooled of the other, `concatenation` puts
    what is chosen of both side by side, `none` looks at one stream alone.
    """

    def __init__(self, width: int, fusion: Fusion, text: bool, audio: bool) -> None:
        super().__init__()
        if (text and audio) != (fusion != "none") or not (text or audio):
            streams = [name for name, there in (("text", text), ("audio", audio)) if there]
            raise TriviumError(
                f"the fusion {fusion!r} was given {' and '.join(streams) or 'no stream'}; 'none' "
                "takes one stream, the others take both"
            )
        self.width, self.fusion = 2 * width, fusion
        self.text = FirstPooling(width) if text else None
        self.audio = AttentivePooling(width) if audio else None
        self.projection = nn.Linear(self.width, self.width)

    def forward(self, text: Ragged | None, audio: Ragged | None) -> Joined:
        """A vector for each row of the streams that it was built for."""
        one = self.text(text) if self.text is not None and text is not None else None
        two = self.audio(audio) if self.audio is not None and audio is not None else None
        joined = torch.tanh(self.projection(_join(one, two, self.fusion)))
        return Joined(joined, one, two)


def _join(text: Pooled | None, audio: Pooled | None, fusion: Fusion) -> Tensor:
    if text is not None and audio is not None:
        if fusion == "concatenation":
            return torch.cat([text.chosen, audio.chosen], 1)
        return torch.cat([text.chosen + audio.chosen, text.largest + audio.largest], 1)
    only = text or audio
    if only is None:
        raise TriviumError(f"the fusion {fusion!r} was given neither text nor audio")
    return torch.cat([only.chosen, only.largest], 1)


def _largest(states: Tensor, mask: Tensor) -> Tensor:
    return states.masked_fill(~mask[..., None], torch.finfo(states.dtype).min).amax(1)
