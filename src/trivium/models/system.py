"""What every system is: the contract that lets one engine train them all."""

import hashlib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from trivium.config import Settings
from trivium.data.batch import Batch, Ragged
from trivium.errors import SettingsError, TriviumError, did_you_mean
from trivium.models import SYSTEMS
from trivium.objectives.terms import Pairs, Term

Parts = Mapping[str, Batch]


class System(Protocol):
    """A network with its losses, under the names that recipes use."""

    settings: Settings
    roles: ClassVar[Mapping[str, tuple[str, ...]]]  # role -> columns its source must carry
    objectives: ClassVar[tuple[str, ...]]
    pair_objectives: ClassVar[tuple[str, ...]]  # those of them that compare pairs

    def prepare(self, parts: dict[str, Batch], generator: np.random.Generator) -> dict[str, Batch]:
        """Token ids, masks, targets and counts; runs in the loader's threads."""

    def __call__(self, parts: Parts, active: tuple[str, ...]) -> dict[str, Term | Pairs]:
        """The active objectives of one micro."""


def system_class(name: str) -> Any:
    """The class of a system by its name in SYSTEMS."""
    if name not in SYSTEMS:
        raise SettingsError(f"no system is called {name!r}; {did_you_mean(name, SYSTEMS)}")
    module, class_name = SYSTEMS[name]
    return getattr(import_module(module), class_name)


def freeze(module: nn.Module, but: Sequence[str] = ()) -> None:
    """Train nothing of a module but the parameters that a pattern matches."""
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(any(fnmatchcase(name, pattern) for pattern in but))


def item_numbers(names: Sequence[str]) -> Tensor:
    """A number for each name, the same in every micro and on every device: (B,) int64."""
    digests = (hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names)
    return torch.tensor([int.from_bytes(digest, "little", signed=True) for digest in digests])


def as_tensor(thing: Tensor | Ragged) -> Tensor:
    """A plain tensor that `prepare` made."""
    if isinstance(thing, Ragged):
        raise TriviumError(f"rows of {thing.lengths.tolist()} entries are no plain tensor")
    return thing


def as_ragged(thing: Tensor | Ragged) -> Ragged:
    """Padded rows that `prepare` made."""
    if isinstance(thing, Tensor):
        raise TriviumError(f"a tensor of shape {tuple(thing.shape)} has no lengths")
    return thing


def trainable(system: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that training may change, by name."""
    return {name: p for name, p in system.named_parameters() if p.requires_grad}


def describe_parameters(system: nn.Module) -> dict[str, Any]:
    """How many parameters there are, and how many of them are trained."""
    return {
        "parameters": sum(p.numel() for p in system.parameters()),
        "trained": sum(p.numel() for p in system.parameters() if p.requires_grad),
    }
