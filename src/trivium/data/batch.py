"""What a model is given: padded things with their lengths, and rows with named fields."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trivium.errors import TriviumError
from trivium.runtime import derive_seed


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of unequal length, zeros behind them; the lengths are absolute, in entries of `data`."""

    data: Tensor  # (B, longest, ...)
    lengths: Tensor  # (B,) int64

    def __post_init__(self) -> None:
        if self.data.ndim < 2 or self.lengths.shape != self.data.shape[:1]:
            raise TriviumError(
                f"lengths of shape {tuple(self.lengths.shape)} do not fit data of shape "
                f"{tuple(self.data.shape)}; expected (B,) and (B, longest, ...)"
            )

    @classmethod
    def from_rows(cls, rows: Sequence[NDArray[Any]], round_to: int = 1) -> Self:
        """Padded rows, each (length, ...); the longest is rounded up to a multiple of `round_to`.

        A few widths instead of many spare a compiled model its recompilations.
        """
        if not rows:
            raise TriviumError(f"{len(rows)} rows cannot be padded; at least one is needed")
        longest = -(-max(map(len, rows)) // round_to) * round_to
        padded = np.empty((len(rows), longest, *rows[0].shape[1:]), rows[0].dtype)
        for place, row in enumerate(rows):
            padded[place, : len(row)] = row
            padded[place, len(row) :] = 0
        lengths = torch.tensor([len(row) for row in rows])
        return cls(torch.from_numpy(padded), lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def mask(self) -> Tensor:
        """True where a row has entries."""
        places = torch.arange(self.data.shape[1], device=self.data.device)
        return places < self.lengths[:, None]  # (B, longest)

    def rows(self) -> list[Tensor]:
        """The rows without their padding; views."""
        pairs = zip(self.data, self.lengths.tolist(), strict=True)
        return [row[:length] for row, length in pairs]

    def to(self, device: torch.device | str) -> Self:
        """The same on a device; does not wait for pinned memory to be copied."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin(self) -> Self:
        """The same in memory that a GPU reads directly."""
        return self._map(Tensor.pin_memory)

    def _map(self, move: Callable[[Tensor], Tensor]) -> Self:
        return replace(self, data=move(self.data), lengths=move(self.lengths))


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of one source: what the corpus says of them, and what `prepare` made of that.

    Fields that a source was not asked for are None or empty.
    """

    ids: tuple[str, ...]
    rows: NDArray[np.int64]  # (B,) positions in the source
    epoch: int = 0
    seed: int = 0  # of the run
    step: int = 0  # of the run
    speech: Ragged | None = None  # (B, S) float32, 16 kHz
    images: tuple[Tensor, ...] | None = None  # B of (height, width, 3) uint8
    texts: tuple[str | None, ...] | None = None
    languages: tuple[str | None, ...] | None = None
    columns: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """The other columns asked for, by name: speaker, translation, label, phones, ..."""
    inputs: Mapping[str, Tensor | Ragged] = field(default_factory=dict)
    """What `prepare` adds: token ids, masks, targets, negatives."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """What `prepare` counts for each objective: masked frames, target tokens, pairs."""

    def __len__(self) -> int:
        return len(self.ids)

    def generator(self, row: int, purpose: str) -> np.random.Generator:
        """Randomness for one row, the same whatever micro, rank or thread the row is in."""
        seed = derive_seed(self.seed, purpose, self.epoch, self.ids[row])
        return np.random.Generator(np.random.PCG64(seed))

    def with_inputs(self, counts: Mapping[str, int], **inputs: Tensor | Ragged) -> Self:
        """A copy with more inputs and counts."""
        return replace(self, inputs={**self.inputs, **inputs}, counts={**self.counts, **counts})

    def to(self, device: torch.device | str) -> Self:
        """The same with its tensors on a device."""
        return self._map(
            lambda tensor: tensor.to(device, non_blocking=True), lambda ragged: ragged.to(device)
        )

    def pin(self) -> Self:
        """The same with its tensors in memory that a GPU reads directly."""
        return self._map(Tensor.pin_memory, Ragged.pin)

    def _map(self, tensor: Callable[[Tensor], Tensor], ragged: Callable[[Ragged], Ragged]) -> Self:
        return replace(
            self,
            speech=None if self.speech is None else ragged(self.speech),
            images=None if self.images is None else tuple(map(tensor, self.images)),
            inputs={
                name: tensor(thing) if isinstance(thing, Tensor) else ragged(thing)
                for name, thing in self.inputs.items()
            },
        )
