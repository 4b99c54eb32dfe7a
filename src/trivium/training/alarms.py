"""What a run warns of: each once, in one sentence with the value and what to do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import nn

from trivium.config import Settings
from trivium.errors import TriviumError
from trivium.objectives.contrastive import chance_loss
from trivium.objectives.terms import Pairs
from trivium.training.metrics import Window
from trivium.training.step import Parts

# A loss this close to chance has not left it.
NEAR = 0.95
# What must have been seen before a share is believed.
SECONDS, STEPS = 30.0, 10


class AlarmSettings(Settings):
    """When a run warns."""

    chance_after: int = Field(default=500, ge=1)
    """Steps of a phase after which contrastive losses should have left what chance gives."""
    padding: float = Field(default=0.1, gt=0, le=1)
    """Largest share of the sound that may be padding."""
    waiting: float = Field(default=0.2, gt=0, le=1)
    """Largest share of the time that may be spent on waiting for the loader."""
    perplexity: float = Field(default=5.0, ge=0)
    """Smallest perplexity of a codebook."""


@dataclass
class _Seen:
    """Windows so far, summed."""

    steps: int = 0
    seconds: float = 0.0
    waiting: float = 0.0
    sound: float = 0.0
    padded: float = 0.0


class Alarms:
    """Looks at what is logged."""

    def __init__(self, settings: AlarmSettings) -> None:
        self._settings = settings
        self._told: set[str] = set()
        self._seen: _Seen | None = None  # the first window, in which all begins, says little
        self._times_chance: dict[str, float] = {}  # loss at chance over chance_loss, by objective

    def of_window(self, window: Window) -> list[str]:
        """Warnings of padding and of waiting, from all windows so far."""
        seen, settings = self._seen, self._settings
        if seen is None:
            self._seen = _Seen()
            return []
        for name in vars(seen):
            setattr(seen, name, getattr(seen, name) + getattr(window, name))
        warnings = []
        padding = 1 - seen.sound / seen.padded if seen.padded else 0.0
        if seen.steps >= STEPS and padding > settings.padding:
            warnings += self._once(
                "padding",
                f"{padding:.0%} of the sound is padding, more than {settings.padding:.0%}; raise "
                "the budget of a micro, so that sounds of one length meet, or leave out the "
                "longest with max_seconds",
            )
        waiting = seen.waiting / seen.seconds if seen.seconds else 0.0
        if seen.seconds >= SECONDS and waiting > settings.waiting:
            warnings += self._once(
                "waiting",
                f"{waiting:.0%} of the time is spent on waiting for the loader, more than "
                f"{settings.waiting:.0%}; give training.loader.threads more cores, or store the "
                "corpus as flac on a faster disk",
            )
        return warnings

    def of_observed(self, observed: Mapping[str, float]) -> list[str]:
        """Warnings of codebooks that are hardly used."""
        low = self._settings.perplexity
        return [
            warning
            for name, value in observed.items()
            if name.endswith("perplexity") and value < low
            for warning in self._once(
                name,
                f"{name} is {value:.3g}, less than {low:g}: the codebook has collapsed; weight its "
                "diversity more, or lower the learning rate",
            )
        ]

    def of_losses(
        self,
        step: int,
        losses: Mapping[str, float],
        counts: Mapping[str, float],
        at_chance: Callable[[str, int], float],
    ) -> list[str]:
        """Warnings of contrastive losses that are no better than chance; `step` is the phase's."""
        if step < self._settings.chance_after:
            return []
        warnings = []
        for name, count in counts.items():
            pairs, loss = int(count), losses[name]
            if name in self._told or pairs < 2 or loss < NEAR * chance_loss(pairs):
                continue
            if name not in self._times_chance:
                self._times_chance[name] = at_chance(name, pairs) / chance_loss(pairs)
            chance = self._times_chance[name] * chance_loss(pairs)
            if loss > NEAR * chance:
                warnings += self._once(
                    name,
                    f"{name} is {loss:.3f} after {step} steps of its phase, and a system that "
                    f"knows nothing has {chance:.3f} with {pairs} pairs; lower the learning rate, "
                    "warm up longer, or compare more pairs a step",
                )
        return warnings

    def of_guesses(
        self, step: int, losses: Mapping[str, float], at_chance: Mapping[str, float]
    ) -> list[str]:
        """Warnings of losses that are no better than guessing; `step` is the phase's."""
        if step < self._settings.chance_after:
            return []
        return [
            warning
            for name, chance in at_chance.items()
            if losses.get(name, 0.0) > NEAR * chance
            for warning in self._once(
                name,
                f"{name} is {losses[name]:.3f} after {step} steps of its phase, and guessing "
                f"gives {chance:.3f}; lower the learning rate, or warm up longer",
            )
        ]

    def of_remarks(self, remarks: Mapping[str, str]) -> list[str]:
        """What a system remarks of its rows, by name."""
        return [told for name, remark in remarks.items() for told in self._once(name, remark)]

    def _once(self, name: str, sentence: str) -> list[str]:
        if name in self._told:
            return []
        self._told.add(name)
        return [sentence]


def loss_at_chance(
    model: nn.Module, parts: Parts, name: str, pairs: int, device: str = "cpu"
) -> float:
    """What an objective's loss is where every one of so many items has the same vector."""
    with torch.no_grad():
        term = model(parts, (name,))[name]
        if not isinstance(term, Pairs):
            raise TriviumError(f"{name} is among the pair objectives and gave no pairs: {term}")
        same = torch.ones(pairs, 1, device=device)
        scale = term.scale.float().to(device)
        return float(term.loss(same, same, torch.arange(pairs, device=device), scale))


def pair_names(system: object, active: Sequence[str]) -> tuple[str, ...]:
    """The active objectives that compare pairs."""
    return tuple(name for name in active if name in getattr(system, "pair_objectives", ()))
