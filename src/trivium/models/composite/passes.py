"""The passes of one micro of utterances, each made when it is first asked for, and once."""

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from trivium.data.batch import Batch, Ragged
from trivium.errors import TriviumError
from trivium.models.composite.settings import CompositeSettings
from trivium.models.system import as_ragged, as_tensor
from trivium.models.towers.translator import Read, Translator


class Passes:
    """Encoder states of speech, of text, and of both joined; and what the decoder makes of them."""

    def __init__(
        self,
        translator: Translator,
        settings: CompositeSettings,
        batch: Batch,
        active: tuple[str, ...],
        hear: Callable[[Batch], Ragged],
    ) -> None:
        self.translator, self.settings = translator, settings
        self._batch, self._active, self._hear = batch, active, hear
        self.source = as_ragged(batch.inputs["source"])
        self.target = as_ragged(batch.inputs["target"])
        self.source_places, self.target_places, self.hidden_places = (
            as_tensor(batch.inputs[f"{name}_places"]) for name in ("source", "target", "hidden")
        )

    @cached_property
    def frames(self) -> Ragged:
        """The languages' tokens and the frames behind them, as the text encoder is given them."""
        return self._hear(self._batch)

    @cached_property
    def speech(self) -> Read:
        """Speech alone."""
        scale = self.settings.encoder_gradient
        return read_alone(self.translator, self.frames, scale, states="erm" in self._active)

    @cached_property
    def joined(self) -> Read:
        """Text of which some tokens are hidden, and speech directly behind it."""
        numbers, order = self.source.data, as_ragged(self._batch.inputs["joined"])
        order = fitted("text and speech", order, self.translator.max_tokens, self._batch.ids)
        shown = numbers.flatten().index_fill(0, self.hidden_places, self.translator.mask)
        text = self.translator.embed(shown.view_as(numbers))
        both = torch.cat([text, self.frames.data], dim=1)
        together = Ragged(both.gather(1, _wide(order.data, both)), order.lengths)
        return self.translator.read(together, states="erm" in self._active)

    @cached_property
    def translated(self) -> Tensor:
        """States of the decoder on text alone, where its translation is told."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and "mt" in self._active):
            return translate(
                self.translator, self.source, self.target, self.target_places,
                self.settings.encoder_gradient,
            )  # fmt: skip

    def behind(self, states: Tensor) -> Ragged:
        """Of states of the joined pass those of speech."""
        places = torch.arange(self.frames.data.shape[1], device=states.device)
        places = (self.source.lengths[:, None] + places).clamp(max=states.shape[1] - 1)
        return Ragged(states.gather(1, _wide(places, states)), self.frames.lengths)

    def before(self, states: Tensor) -> Ragged:
        """Of states of the joined pass those of text."""
        return Ragged(states[:, : self.source.data.shape[1]], self.source.lengths)


def read_alone(
    translator: Translator, embedded: Ragged, scale: float = 1.0, *, states: bool = False
) -> Read:
    """A pass of the encoder on one kind alone; the gradient that leaves it downwards is scaled."""
    made = translator.read(embedded, states=states)
    data = made.last.data
    if scale != 1:
        data = data.detach() + scale * (data - data.detach())
    return Read(Ragged(data, made.last.lengths), made.states)


def translate(
    translator: Translator, source: Ragged, target: Ragged, places: Tensor, scale: float = 1.0
) -> Tensor:
    """States of the decoder (N, D) on texts, at these places of their translations."""
    embedded = Ragged(translator.embed(source.data), source.lengths)
    return write_states(translator, read_alone(translator, embedded, scale).last, target, places)


def write_states(translator: Translator, read: Ragged, numbers: Ragged, places: Tensor) -> Tensor:
    """States of the decoder (N, D) where the tokens at these places are told."""
    return translator.write(numbers.data, read).flatten(0, 1).index_select(0, places)


def fitted(what: str, rows: Ragged, limit: int, names: Sequence[str] = ()) -> Ragged:
    """Rows without padding beyond the positions there are; longer ones are refused.

    Lengths are looked at only where rows are wide.
    """
    if rows.data.shape[1] <= limit:
        return rows
    row = int(rows.lengths.argmax())
    longest = int(rows.lengths[row])
    if longest > limit:
        name = names[row] if names else f"utterance {row + 1}"
        raise TriviumError(
            f"{what} of {name!r} take {longest:,} positions, and the text network has {limit:,}; "
            "cut it, or leave such rows out with max_seconds"
        )
    return Ragged(rows.data[:, :limit], rows.lengths)


def _wide(places: Tensor, states: Tensor) -> Tensor:
    """Places (B, N) as an index into states (B, T, D)."""
    return places[..., None].expand(-1, -1, states.shape[2])
