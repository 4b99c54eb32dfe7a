"""What every tower has: a network of transformers, its layers by name, and where it is from."""

from typing import cast

from torch import nn

from trivium import checkpoint
from trivium.errors import SettingsError
from trivium.models.towers.networks import Place, TowerSettings
from trivium.models.towers.weights import Built


class Layered(nn.Module):
    """What keeps in `layers` what is compiled and sharded one by one."""


class Tower(Layered):
    """A network and the place of its layers."""

    def __init__(self, built: Built, place: Place) -> None:
        super().__init__()
        self.network = built.model
        self.family = built.family
        self.place = place
        self.described = built.described
        """Settings that build this network again, without weights."""
        self.origin = built.origin
        """Where its weights lie in the hub's format, if they were read from there."""
        self.frozen = False
        """Whether no parameter is ever trained."""
        self._checksum = ""

    @property
    def layers(self) -> nn.ModuleList:
        """The transformer or Conformer layers: what to compile, shard and freeze one by one."""
        return cast("nn.ModuleList", self.network.get_submodule(self.place.layers))

    def layers_from(self, first: int) -> tuple[str, ...]:
        """Patterns of the parameters from layer `first` up, and of what stands behind the last.

        Layer 1 is the lowest. It is what to train when the rest of the tower is frozen.
        """
        count = len(self.layers)
        if not 1 <= first <= count:
            raise SettingsError(f"there is no layer {first}; the tower has layers 1 to {count}")
        layers = [f"{self.place.layers}.{number}" for number in range(first - 1, count)]
        return tuple(f"network.{name}.*" for name in (*layers, *self.place.behind))

    def freeze(self) -> None:
        """Train nothing of it, ever: a checkpoint then names published weights, and holds none."""
        self.frozen = True
        for parameter in self.parameters():
            parameter.requires_grad_(False)

    def checksum(self) -> str:
        """sha256 of its weights."""
        if self._checksum and self.frozen:
            return self._checksum
        self._checksum = checkpoint.tensors_checksum(checkpoint.model_tensors(self.network))
        return self._checksum

    @property
    def is_elsewhere(self) -> bool:
        """Whether a checkpoint need not hold its weights: they are published and never change."""
        return self.frozen and self.origin is not None

    def settings(self) -> TowerSettings:
        """What builds it again: with its weights where they are elsewhere, else without any."""
        if self.origin is None or not self.is_elsewhere:
            return self.described
        return self.origin.model_copy(update={"checksum": self.checksum()})
