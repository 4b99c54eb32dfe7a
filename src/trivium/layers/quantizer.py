"""A product quantiser whose choices are learned: a vector becomes an entry of each codebook.

Baevski et al., "wav2vec 2.0" (2006.11477), section 2; Jang et al., "Categorical Reparameterization
with Gumbel-Softmax" (1611.01144).
"""

from dataclasses import dataclass
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from trivium.config import Settings


class QuantizerSettings(Settings):
    """Codebooks, and how sharply they are chosen from while training goes on."""

    groups: int = Field(default=2, ge=1)
    """Codebooks; a code is an entry of each."""
    entries: int = Field(default=320, ge=2)
    """Entries of each codebook."""
    width: int = Field(default=256, ge=1)
    """Width of a code vector: the entries of all codebooks side by side."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Of what is quantised."""
    temperature: tuple[float, float] = (2.0, 0.5)
    """Of the Gumbel softmax, at the first step and at the least."""
    cooling: float = Field(default=0.999995, gt=0, le=1)
    """What the temperature is multiplied with at every step."""

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        if self.width % self.groups:
            raise ValueError(f"width {self.width} is no multiple of the {self.groups} codebooks")
        first, least = self.temperature
        if not 0 < least <= first:
            raise ValueError(f"temperature goes from {first:g} to {least:g}; it must fall, above 0")
        return self

    def temperature_at(self, step: int) -> float:
        """The temperature at a step of the run."""
        first, least = self.temperature
        return max(first * self.cooling**step, least)


@dataclass(frozen=True, eq=False)
class Quantized:
    """What became of vectors (..., C)."""

    vectors: Tensor  # (..., width)
    codes: Tensor  # (...) int64: equal numbers are equal vectors
    shares: Tensor  # (..., groups, entries)
    """How likely each entry is without noise; in evaluation 1 for the chosen one."""


class GumbelQuantizer(nn.Module):
    """Chooses by the most likely entry, in training after Gumbel noise.

    The gradient passes as if the entries had been mixed by the noisy softmax (straight through).
    """

    def __init__(self, width: int, settings: QuantizerSettings) -> None:
        super().__init__()
        self.settings = settings
        self.choice = nn.Linear(width, settings.groups * settings.entries)
        own = settings.width // settings.groups
        self.entries = nn.Parameter(torch.rand(settings.groups, settings.entries, own))
        self.dropout = nn.Dropout(settings.dropout)
        nn.init.normal_(self.choice.weight)
        nn.init.zeros_(self.choice.bias)

    def forward(self, vectors: Tensor, temperature: Tensor) -> Quantized:
        """Codes of `vectors`; the temperature, (1,), matters in training only."""
        logits = self.choice(self.dropout(vectors))
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        logits = logits.unflatten(-1, (self.settings.groups, self.settings.entries))
        if self.training:
            # -log of an exponential variable is a Gumbel variable.
            noise = -torch.empty_like(logits).exponential_().clamp_(min=1e-30).log()
            soft = ((logits + noise) / temperature).softmax(-1)
            chosen = soft.argmax(-1)  # (..., groups)
            hard = _one_hot(chosen, soft)
            # Added in this order it is exactly one: `hard - soft + soft` would be off by rounding,
            # and two equal codes would be two vectors.
            weights, shares = hard + (soft - soft.detach()), logits.softmax(-1)
        else:
            chosen = logits.argmax(-1)
            weights = shares = _one_hot(chosen, logits)
        found = torch.einsum("...gv,gvd->...gd", weights, self.entries.to(weights))
        places = self.settings.entries ** torch.arange(self.settings.groups, device=chosen.device)
        return Quantized(found.flatten(-2), (chosen * places).sum(-1), shares)

    @torch.no_grad()
    def likeliest(self, vectors: Tensor) -> Tensor:
        """The likeliest entry of each codebook, (..., groups) int64: no noise, no dropout.

        What is predicted of masked frames: nothing random, nothing that sends a gradient back.
        """
        with torch.autocast(vectors.device.type, enabled=False):
            logits: Tensor = self.choice(vectors.to(self.choice.weight.dtype))
        return logits.view(*vectors.shape[:-1], self.settings.groups, -1).argmax(-1)


def _one_hot(chosen: Tensor, like: Tensor) -> Tensor:
    """1 at the chosen entries; torch's own waits for the device to check their numbers."""
    return torch.zeros_like(like).scatter(-1, chosen[..., None], 1)
