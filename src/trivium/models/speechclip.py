"""SpeechCLIP: speech mapped onto a space of pictures and text that was there before.

Berry et al., "M-SpeechCLIP: Leveraging Large-Scale, Pre-Trained Models for Multilingual Speech to
Image Retrieval" (2211.01180), and Shih et al., "SpeechCLIP" (2210.00705), the parallel variant.

A weighted sum over all layers of a speech tower, a learned token in front, a transformer layer, a
projection of that token: one vector for an utterance, pulled towards the vector of its picture.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.config import Settings
from trivium.data.batch import Batch, Ragged
from trivium.errors import TriviumError, did_you_mean
from trivium.models.system import as_tensor, freeze, item_numbers
from trivium.models.towers import PictureTower, SpeechTower, TowerSettings
from trivium.objectives.contrastive import info_nce, masked_margin_softmax
from trivium.objectives.terms import PairLoss, Pairs, Term

LOSSES: dict[str, PairLoss] = {
    "info_nce": info_nce,
    "masked_margin_softmax": masked_margin_softmax,
    "masked_margin_softmax_unique": partial(masked_margin_softmax, mask_duplicates=True),
}


class SpeechClipSettings(Settings):
    """Towers, what is trained of them, and the head that joins them."""

    speech: TowerSettings
    """The speech tower."""
    picture: TowerSettings
    """The picture tower, whose vectors are the targets."""
    train_picture: bool = False
    """Train it too; frozen it is what the papers have."""
    train_speech_from: int | None = Field(default=None, ge=0)
    """Train the speech tower from this layer up; 0 is all of it, null none."""
    languages: tuple[str, ...] = ()
    """Languages the next two know."""
    language_token: bool = False
    """Tell the head the language by a learned vector after the first."""
    language_weights: bool = False
    """Layer weights of each language's own."""
    pooling_layers: int = Field(default=1, ge=1)
    """Transformer layers of the head."""
    heads: int = Field(default=8, ge=1)
    """Attention heads of the head."""
    feedforward: int = Field(default=2048, ge=1)
    """Its inner width."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Its dropout."""
    loss: Literal["info_nce", "masked_margin_softmax", "masked_margin_softmax_unique"] = "info_nce"
    """Cosines with a learned temperature, or the authors' dot products with a margin."""
    temperature: float = Field(default=0.07, gt=0)
    """Of `info_nce`, at the start."""

    @model_validator(mode="after")
    def _languages_are_named(self) -> Self:
        if (self.language_token or self.language_weights) and not self.languages:
            raise ValueError(
                f"languages is {self.languages}; a language token or weights need them"
            )
        return self

    @classmethod
    def tiny(cls) -> Self:
        """Sizes for tests."""
        return cls(
            speech=TowerSettings(network="test-hubert", random_weights=True),
            picture=TowerSettings(network="test-clip", random_weights=True),
            train_picture=True, train_speech_from=0, heads=4, feedforward=64, dropout=0.0,
        )  # fmt: skip


class SpeechClip(nn.Module):
    """The system `speechclip`; its one objective is `contrast`."""

    Settings: ClassVar = SpeechClipSettings
    roles: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "spoken": ("audio", "image", "picture", "language")
    }
    objectives: ClassVar[tuple[str, ...]] = ("contrast",)
    pair_objectives: ClassVar[tuple[str, ...]] = ("contrast",)

    def __init__(self, settings: SpeechClipSettings) -> None:
        super().__init__()
        self.settings = settings
        self.speech = SpeechTower.from_settings(settings.speech)
        self.picture = PictureTower.from_settings(settings.picture)
        width = self.speech.width
        languages = max(1, len(settings.languages)) if settings.language_weights else 1
        # Softmax of zeros: every layer counts the same at the start.
        self.layer_weights = nn.Parameter(torch.zeros(languages, self.speech.num_states))
        self.token = nn.Parameter(torch.rand(width))
        self.language_tokens = (
            nn.Embedding(len(settings.languages), width) if settings.language_token else None
        )
        layer = nn.TransformerEncoderLayer(
            width, settings.heads, settings.feedforward, settings.dropout, batch_first=True
        )
        self.pooling = nn.TransformerEncoder(
            layer, settings.pooling_layers, enable_nested_tensor=False
        )
        self.projection = nn.Linear(width, self.picture.width)
        self.log_scale = nn.Parameter(torch.tensor([-math.log(settings.temperature)]))
        if not settings.train_picture:
            freeze(self.picture)
        if settings.loss != "info_nce":
            self.log_scale.requires_grad_(False)  # dot products carry their own scale
        if settings.train_speech_from is None:
            freeze(self.speech)
        elif settings.train_speech_from > 0:
            freeze(self.speech, but=self.speech.layers_from(settings.train_speech_from))

    @classmethod
    def tiny(cls) -> Self:
        """A system that learns a toy in seconds."""
        return cls(SpeechClipSettings.tiny())

    def prepare(self, parts: dict[str, Batch], _: np.random.Generator) -> dict[str, Batch]:
        """Pixels of the right size, and which captions show the same picture."""
        batch = parts["spoken"]
        if batch.images is None:
            raise TriviumError(f"the batch of {batch.ids[0]!r} has no pictures")
        pictures = item_numbers(batch.columns["picture"])
        pixels = self.picture.pixels(batch.images)
        inputs = {"pixels": pixels, "pictures": pictures, "languages": self._numbers(batch)}
        return {"spoken": batch.with_inputs({"contrast": len(batch)}, **inputs)}

    def forward(
        self, parts: Mapping[str, Batch], active: tuple[str, ...]
    ) -> dict[str, Term | Pairs]:
        """`contrast`: an utterance finds its picture among all of the step, and the other way."""
        batch = parts["spoken"]

        def contrast() -> Pairs:
            if batch.speech is None:
                raise TriviumError(f"the batch of {batch.ids[0]!r} has no sound")
            speech = self.hear(batch.speech, as_tensor(batch.inputs["languages"]))
            with torch.set_grad_enabled(self.settings.train_picture and torch.is_grad_enabled()):
                pictures = self.picture(as_tensor(batch.inputs["pixels"]))
            scale = self.log_scale.exp() if self.settings.loss == "info_nce" else torch.ones(1)
            ids = as_tensor(batch.inputs["pictures"])
            return Pairs(speech, pictures, ids, scale.to(speech), LOSSES[self.settings.loss])

        terms = {"contrast": contrast}
        return {name: terms[name]() for name in active}

    def hear(self, speech: Ragged, languages: Tensor) -> Tensor:
        """Utterances as vectors (B, D) beside those of pictures; not of unit length."""
        weights = self.layer_weights.softmax(1)  # (languages or 1, states)
        mix = weights[languages] if self.settings.language_weights else weights[0]
        frames = self.speech(speech, mix=mix).mixed
        if frames is None:
            raise TriviumError(f"the speech tower {type(self.speech).__name__} mixed no states")
        first = [self.token.expand(len(speech), 1, -1)]
        if self.language_tokens is not None:
            first.append(self.language_tokens(languages)[:, None])
        data = torch.cat([*first, frames.data], dim=1)  # (B, 1 or 2 + T, D)
        padding = F.pad(~frames.mask(), (len(first), 0), value=False)
        pooled = self.pooling(data, src_key_padding_mask=padding)[:, 0]
        vectors: Tensor = self.projection(pooled)
        return vectors

    @torch.inference_mode()
    def embed_speech(self, speech: Ragged, languages: Sequence[str | None]) -> Tensor:
        """Unit vectors of utterances."""
        numbers = self._language_numbers(languages).to(speech.data.device)
        return F.normalize(self.hear(speech, numbers), dim=1)

    @torch.inference_mode()
    def embed_picture(self, images: Sequence[Tensor]) -> Tensor:
        """Unit vectors of pictures, (H, W, 3) of uint8 each."""
        pixels = self.picture.pixels(list(images)).to(self.token.device)
        return F.normalize(self.picture(pixels), dim=1)

    def train(self, mode: bool = True) -> Self:
        """Towers without a trained parameter never drop anything out."""
        super().train(mode)
        for tower in (self.speech, self.picture):
            if not any(p.requires_grad for p in tower.parameters()):
                tower.eval()
        return self

    def _numbers(self, batch: Batch) -> Tensor:
        return self._language_numbers(batch.languages or [None] * len(batch))

    def _language_numbers(self, languages: Sequence[str | None]) -> Tensor:
        known = self.settings.languages
        if not (self.settings.language_token or self.settings.language_weights):
            return torch.zeros(len(languages), dtype=torch.int64)
        for language in languages:
            if language not in known:
                hint = did_you_mean(str(language), known)
                raise TriviumError(f"this model was not told of the language {language!r}; {hint}")
        return torch.tensor([known.index(str(language)) for language in languages])
