"""CLIP: pictures and sentences in one space.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision"
(2103.00020). At paper size its towers come with their weights; at world size they are trained here,
on English sentences about drawn scenes, so that a space is there before speech is mapped onto it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
import torch
from pydantic import Field
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.config import Settings
from trivium.data.batch import Batch, Ragged
from trivium.errors import TriviumError
from trivium.models.system import as_ragged, as_tensor, item_numbers
from trivium.models.towers import PictureTower, TextTower, TowerSettings
from trivium.models.towers.networks import Kind
from trivium.objectives.contrastive import info_nce
from trivium.objectives.terms import Pairs, Term


class ClipSettings(Settings):
    """The two towers."""

    picture: TowerSettings
    """The picture tower."""
    text: TowerSettings
    """The text tower."""
    temperature: float = Field(default=0.07, gt=0)
    """At the start; it is learned."""

    @classmethod
    def tiny(cls) -> Self:
        """Sizes for tests."""
        tower = TowerSettings(network="test-clip", random_weights=True)
        return cls(picture=tower, text=tower)


class Clip(nn.Module):
    """The system `clip`; its one objective is `contrast`."""

    Settings: ClassVar = ClipSettings
    kinds: ClassVar[tuple[Kind, ...]] = ("text", "picture")
    roles: ClassVar[Mapping[str, tuple[str, ...]]] = {"captions": ("image", "picture", "text")}
    objectives: ClassVar[tuple[str, ...]] = ("contrast",)
    pair_objectives: ClassVar[tuple[str, ...]] = ("contrast",)

    def __init__(self, settings: ClipSettings, tokenizer: Tokenizer | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.picture = PictureTower.from_settings(settings.picture)
        self.text = TextTower.from_settings(settings.text, tokenizer)
        self.log_scale = nn.Parameter(torch.tensor([-math.log(settings.temperature)]))

    @classmethod
    def tiny(cls, tokenizer: Tokenizer) -> Self:
        """A system that learns a toy in seconds."""
        return cls(ClipSettings.tiny(), tokenizer)

    def prepare(self, parts: dict[str, Batch], _: np.random.Generator) -> dict[str, Batch]:
        """Pixels, tokens, and which captions show the same picture."""
        batch = parts["captions"]
        if batch.images is None or batch.texts is None:
            raise TriviumError(f"the batch of {batch.ids[0]!r} has no pictures or no texts")
        tokens = self.text.tokens([text or "" for text in batch.texts])
        prepared = batch.with_inputs(
            {"contrast": len(batch)},
            pixels=self.picture.pixels(batch.images),
            tokens=tokens,
            pictures=item_numbers(batch.columns["picture"]),
        )
        return {"captions": prepared}

    def forward(
        self, parts: Mapping[str, Batch], active: tuple[str, ...]
    ) -> dict[str, Term | Pairs]:
        """`contrast`: a sentence finds its picture among all of the step, and the other way."""
        batch = parts["captions"]

        def contrast() -> Pairs:
            texts = self.text(as_ragged(batch.inputs["tokens"]))
            pictures = self.picture(as_tensor(batch.inputs["pixels"]))
            ids = as_tensor(batch.inputs["pictures"])
            return Pairs(texts, pictures, ids, self.log_scale.exp(), info_nce)

        terms = {"contrast": contrast}
        return {name: terms[name]() for name in active}

    @torch.inference_mode()
    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors of sentences."""
        tokens: Ragged = self.text.tokens(texts).to(self.log_scale.device)
        return F.normalize(self.text(tokens), dim=1)

    @torch.inference_mode()
    def embed_picture(self, images: Sequence[Tensor]) -> Tensor:
        """Unit vectors of pictures, (H, W, 3) of uint8 each."""
        pixels = self.picture.pixels(list(images)).to(self.log_scale.device)
        return F.normalize(self.picture(pixels), dim=1)
