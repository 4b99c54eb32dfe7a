"""What every tower has: a network of transformers, and layers that can be named."""

from typing import Any, cast

from torch import nn

from trivium.errors import SettingsError
from trivium.models.towers.networks import Place


class Tower(nn.Module):
    """A network and the place of its layers."""

    def __init__(self, network: Any, place: Place) -> None:
        super().__init__()
        self.network = network
        self.place = place

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
