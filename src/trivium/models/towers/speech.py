"""Speech towers: 16 kHz waves in; frames, their lengths and every layer's state out.

An utterance gives the same whatever stands beside or behind it in a batch.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from trivium.data.batch import Ragged
from trivium.errors import TriviumError
from trivium.layers.norms import padding_of
from trivium.models.towers.fronts import FRONTS
from trivium.models.towers.networks import TowerSettings
from trivium.models.towers.tower import Tower
from trivium.models.towers.weights import Built, build


@dataclass(frozen=True, eq=False)
class Frames:
    """What a speech tower makes of a batch; zeros behind every row."""

    last: Ragged  # (B, T, D)
    states: tuple[Tensor, ...] = ()
    """Each (B, T, D), from what enters the first layer to `last`; none where they were mixed."""
    mixed: Ragged | None = None
    """The weighted sum of the states, where weights were given."""

    @property
    def lengths(self) -> Tensor:
        """(B,) frames of each utterance."""
        return self.last.lengths


class SpeechTower(Tower):
    """A published speech network.

    Utterances too short for one frame are heard with silence behind them.
    """

    def __init__(self, built: Built) -> None:
        normalise_waves = bool(built.preparation.get("do_normalize", True))
        front = FRONTS[built.family](built.model, normalise_waves)
        super().__init__(built, front.place)
        self.front = front
        self.width: int = self.network.config.hidden_size
        self.num_states: int = len(self.layers) + 1

    @classmethod
    def from_settings(cls, settings: TowerSettings) -> Self:
        """The tower that settings describe, in evaluation mode."""
        return cls(build(settings, "speech")).eval()

    def num_frames(self, samples: Tensor) -> Tensor:
        """How many frames utterances of so many samples have."""
        return self.front.num_frames(samples.clamp(min=self.front.min_samples))

    def silenced(self, waves: Ragged) -> Ragged:
        """The waves with zeros behind every row, and room for at least one frame."""
        samples = waves.data.masked_fill(padding_of(waves.lengths, waves.data.shape[1]), 0)
        samples = F.pad(samples, (0, max(0, self.front.min_samples - samples.shape[1])))
        return Ragged(samples, waves.lengths)

    def forward(self, waves: Ragged, mix: Tensor | None = None) -> Frames:
        """Frames of a batch of waves.

        `mix` weights the states, (states,) or (B, states) for weights of each utterance's own; the
        sum is taken while the states pass, and none of them is kept.
        """
        if mix is not None and mix.shape not in ((self.num_states,), (len(waves), self.num_states)):
            raise TriviumError(
                f"mix has shape {tuple(mix.shape)}; expected ({self.num_states},) or "
                f"({len(waves)}, {self.num_states}), a weight for each state"
            )
        entry = self.front.enter(self.network, self.silenced(waves))
        state, lengths = entry.state, entry.lengths
        padding = padding_of(lengths, state.shape[1])[..., None]  # (B, T, 1)
        states: list[Tensor] = []
        total: Tensor | None = None
        for place, layer in enumerate((*self.layers, None)):
            if layer is None:
                state = self.front.leave(self.network, state).masked_fill(padding, 0)
            if mix is None:
                states.append(state.masked_fill(padding, 0))
            else:
                weight = mix[..., place, None, None]  # (1, 1) or (B, 1, 1)
                total = weight * state if total is None else torch.addcmul(total, weight, state)
            if layer is not None:
                made = layer(state, **entry.context)
                state = made[0] if isinstance(made, tuple) else made
        mixed = None if total is None else Ragged(total.masked_fill(padding, 0), lengths)
        return Frames(Ragged(state, lengths), tuple(states), mixed)
