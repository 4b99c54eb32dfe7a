"""Picture towers: CLIP's and SigLIP's, from pixels to one vector."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from trivium.errors import TriviumError
from trivium.models.towers.networks import Place, TowerSettings
from trivium.models.towers.tower import Tower
from trivium.models.towers.weights import Built, build

# Mean and standard deviation of each colour, 0 to 1, as published.
COLOURS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "siglip": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}

# Where each family keeps its layers.
PLACES: dict[str, Place] = {
    "clip": Place(
        "vision_model.encoder.layers", ("vision_model.post_layernorm", "visual_projection")
    ),
    "siglip": Place("encoder.layers", ("post_layernorm", "head")),
}


class PictureTower(Tower):
    """A published picture network and its preparation of pixels."""

    def __init__(self, built: Built) -> None:
        super().__init__(built, PLACES[built.family])
        config = self.network.config
        self.side: int = config.image_size
        self.width: int = config.projection_dim if self.family == "clip" else config.hidden_size
        mean, deviation = COLOURS[self.family]
        self.mean = tuple(built.preparation.get("image_mean", mean))
        self.deviation = tuple(built.preparation.get("image_std", deviation))

    @classmethod
    def from_settings(cls, settings: TowerSettings) -> Self:
        """The tower that settings describe, in evaluation mode."""
        return cls(build(settings, "picture")).eval()

    def forward(self, images: Tensor | Sequence[Tensor]) -> Tensor:
        """Vectors (B, D), not normalised, of anything that `pixels` takes."""
        found = self.network(self.pixels(images))
        vectors: Tensor = found.image_embeds if self.family == "clip" else found.pooler_output
        return vectors

    def pixels(self, images: Tensor | Sequence[Tensor]) -> Tensor:
        """What the network sees, (B, 3, side, side): resized, cropped to a square, normalised.

        Takes bytes of colour (B, H, W, 3), or a sequence of (H, W, 3) of any sizes; floating-point
        pixels (B, 3, side, side) are taken as ready.
        """
        if not isinstance(images, Tensor):
            return torch.cat([self.pixels(image[None]) for image in images])
        if images.is_floating_point():
            if images.shape[1:] != (3, self.side, self.side):
                raise TriviumError(
                    f"ready pixels have shape {tuple(images.shape)}; expected "
                    f"(B, 3, {self.side}, {self.side})"
                )
            return images
        if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != torch.uint8:
            raise TriviumError(
                f"pictures have shape {tuple(images.shape)} and type {images.dtype}; expected "
                "(B, height, width, 3) of uint8"
            )
        square = self._square(images.permute(0, 3, 1, 2))
        mean = torch.tensor(self.mean, device=images.device)[:, None, None]
        deviation = torch.tensor(self.deviation, device=images.device)[:, None, None]
        return (square / 255 - mean) / deviation

    def _square(self, images: Tensor) -> Tensor:
        """Float colours 0 to 255 of the middle square (CLIP) or the whole, squeezed (SigLIP)."""
        height, width = images.shape[-2:]
        size = (self.side, self.side)
        if self.family == "clip":
            short = min(height, width)
            size = (self.side * height // short, self.side * width // short)
        images = images.float()
        # Across, then down, with whole colours in between, as Pillow does it.
        for partial in ((height, size[1]), size):
            if partial != tuple(images.shape[-2:]):
                images = F.interpolate(images, partial, mode="bicubic", antialias=True)
                images = images.clamp(0, 255).round()
        top, left = (size[0] - self.side) // 2, (size[1] - self.side) // 2
        return images[..., top : top + self.side, left : left + self.side]
