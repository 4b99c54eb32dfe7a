"""What every system is: the contract that lets one engine train them all."""

import hashlib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from trivium import checkpoint
from trivium.config import Settings
from trivium.data.batch import Batch, Ragged
from trivium.errors import SettingsError, TriviumError, did_you_mean
from trivium.models import SYSTEMS
from trivium.models.towers.networks import Kind
from trivium.models.towers.tower import Tower
from trivium.objectives.terms import Pairs, Term

Parts = Mapping[str, Batch]


class System(Protocol):
    """A network with its losses, under the names that recipes use."""

    settings: Settings
    roles: Mapping[str, tuple[str, ...]]  # role -> columns its source must carry
    kinds: tuple[Kind, ...]  # what it embeds
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


def roles_of(system: System, objectives: Sequence[str]) -> frozenset[str]:
    """The roles that some objectives read: those in the system's `needs`, else all it has."""
    needs: Mapping[str, Sequence[str]] = getattr(system, "needs", {})
    return frozenset(role for name in objectives for role in needs.get(name, system.roles))


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


def towers(system: nn.Module) -> dict[str, Tower]:
    """The towers of a system by name, which is also the name of their settings."""
    return {name: child for name, child in system.named_children() if isinstance(child, Tower)}


def stored(system: nn.Module) -> dict[str, Tensor]:
    """What a checkpoint holds: every tensor but those of frozen towers that are published."""
    named = [name for name, tower in towers(system).items() if tower.is_elsewhere]
    tensors = checkpoint.model_tensors(system)
    return {
        name: tensor
        for name, tensor in tensors.items()
        if not any(name.startswith(f"{tower}.") for tower in named)
    }


def load_stored(system: nn.Module, folder: Path) -> None:
    """Put what a checkpoint holds into a system; all of it, and nothing else."""
    checkpoint.put(checkpoint.load_tensors(folder, stored(system)), stored(system))


def load_start(system: nn.Module, folder: Path) -> None:
    """Put the weights of another run of the same system in; that run may have other frozen parts.

    Published towers that its checkpoint only names are here already, from where they are published.
    """
    there = checkpoint.names(folder)
    published = tuple(f"{name}." for name, tower in towers(system).items() if tower.origin)
    expected = {
        name: tensor
        for name, tensor in checkpoint.model_tensors(system).items()
        if name in there or not name.startswith(published)
    }
    checkpoint.put(checkpoint.load_tensors(folder, expected), expected)


def described(system: Any, whole: bool = False) -> Settings:
    """A system's settings as a checkpoint states them: what builds it again, wherever it lies.

    A tower whose weights the checkpoint holds needs no source any more; one that is only named
    there is read from its source, and must have the same weights. A `whole` checkpoint holds all.
    """
    settings: Settings = system.settings
    return settings.model_copy(
        update={
            name: tower.described if whole else tower.settings()
            for name, tower in towers(system).items()
        }
    )


def tokenizer_of(system: nn.Module) -> Tokenizer | None:
    """What turns its texts into tokens, if it reads any."""
    found = (getattr(tower, "tokenizer", None) for tower in towers(system).values())
    return next((tokenizer for tokenizer in found if tokenizer is not None), None)


def describe_parameters(system: nn.Module) -> dict[str, Any]:
    """How many parameters there are, and how many of them are trained."""
    return {
        "parameters": sum(p.numel() for p in system.parameters()),
        "trained": sum(p.numel() for p in system.parameters() if p.requires_grad),
    }
