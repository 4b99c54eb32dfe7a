"""SpeechCLIP: speech mapped onto a space of pictures and text that was there before.

Berry et al., "M-SpeechCLIP: Leveraging Large-Scale, Pre-Trained Models for Multilingual Speech to
Image Retrieval" (2211.01180), and Shih et al., "SpeechCLIP" (2210.00705), the parallel variant.

A weighted sum over all layers of a speech tower, a learned token in front, a transformer layer, a
projection of that token: one vector for an utterance, pulled towards the vector of its picture.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from itertools import combinations
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.config import Settings
from trivium.data.batch import Batch, Ragged
from trivium.data.source import Source
from trivium.errors import SettingsError, TriviumError, did_you_mean
from trivium.models.gallery import Gallery
from trivium.models.system import as_tensor, freeze, item_numbers, towers
from trivium.models.towers import Frames, PictureTower, SpeechTower, TextTower, TowerSettings
from trivium.models.towers.networks import Kind, Size
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
    text: TowerSettings | None = None
    """The text tower of the same space, never trained: sentences are found without having been
    seen."""
    train_picture: bool = False
    """Train the picture tower too; frozen it is what the papers have."""
    cache_pictures: bool = True
    """Make the vectors of a frozen picture tower once and keep them beside the corpus."""
    train_speech_from: int | None = Field(default=None, ge=0)
    """Train the speech tower from this layer up; 0 is all of it, null none."""
    languages: tuple[str, ...] = ()
    """Languages the next two know."""
    language_token: bool = False
    """Tell the head the language by a learned vector after the first."""
    language_weights: bool = False
    """Layer weights of each language's own."""
    shrink: int = Field(default=1, ge=1)
    """Frames that a convolution makes one of before the head looks at them; 1 has none."""
    pooling_layers: int = Field(default=1, ge=1)
    """Transformer layers of the head."""
    norm_first: bool = False
    """Norms before the layers' parts instead of behind, and one at the end."""
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
        # Three convolutions instead of seven, to 25 frames a second: a quarter of the time.
        sizes: dict[str, Size] = {
            "conv_dim": (32,) * 3, "conv_kernel": (40, 8, 4), "conv_stride": (20, 8, 4),
        }  # fmt: skip
        return cls(
            speech=TowerSettings(network="test-hubert", random_weights=True, sizes=sizes),
            picture=TowerSettings(network="test-clip", random_weights=True),
            train_picture=True, train_speech_from=0, heads=4, feedforward=64, dropout=0.0,
        )  # fmt: skip


class SpeechClip(nn.Module):
    """The system `speechclip`.

    Its objectives: `contrast`, the papers'; `find`, the same among all pictures of the corpus
    instead of those of a step, where their vectors are cached; `crosslingual`, captions of one
    picture in different languages find one another.
    """

    Settings: ClassVar = SpeechClipSettings
    objectives: ClassVar[tuple[str, ...]] = ("contrast", "find", "crosslingual")
    pair_objectives: ClassVar[tuple[str, ...]] = ("contrast", "crosslingual")

    def __init__(self, settings: SpeechClipSettings, tokenizer: Tokenizer | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.speech = SpeechTower.from_settings(settings.speech)
        self.picture = PictureTower.from_settings(settings.picture)
        self.text = (
            None if settings.text is None else TextTower.from_settings(settings.text, tokenizer)
        )
        self.gallery: Gallery | None = None
        # All pictures of the source, (G, D); nothing that a checkpoint should hold.
        self.register_buffer("shown", torch.zeros(0, self.picture.width), persistent=False)
        width = self.speech.width
        if width % settings.heads:
            raise SettingsError(f"the speech tower has width {width}, which {settings.heads} heads "
                                "cannot share; set heads")  # fmt: skip
        languages = max(1, len(settings.languages)) if settings.language_weights else 1
        # Softmax of zeros: every layer counts the same at the start.
        self.layer_weights = nn.Parameter(torch.zeros(languages, self.speech.num_states))
        self.token = nn.Parameter(torch.rand(width))
        self.language_tokens = (
            nn.Embedding(len(settings.languages), width) if settings.language_token else None
        )
        self.shrink = Shrink(width, settings.shrink) if settings.shrink > 1 else None
        layer = nn.TransformerEncoderLayer(
            width, settings.heads, settings.feedforward, settings.dropout,
            batch_first=True, norm_first=settings.norm_first,
        )  # fmt: skip
        self.pooling = nn.TransformerEncoder(
            layer, settings.pooling_layers, nn.LayerNorm(width) if settings.norm_first else None,
            enable_nested_tensor=False,
        )  # fmt: skip
        self.projection = nn.Linear(width, self.picture.width)
        self.log_scale = nn.Parameter(torch.tensor([-math.log(settings.temperature)]))
        if not settings.train_picture:
            self.picture.freeze()
        if self.text is not None:
            self.text.freeze()
        if settings.loss != "info_nce":
            self.log_scale.requires_grad_(False)  # dot products carry their own scale
        if settings.train_speech_from is None:
            self.speech.freeze()
        elif settings.train_speech_from > 0:
            freeze(self.speech, but=self.speech.layers_from(settings.train_speech_from))

    @classmethod
    def tiny(cls) -> Self:
        """A system that learns a toy in seconds."""
        return cls(SpeechClipSettings.tiny())

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        """Pictures are read from the corpus unless their vectors are cached."""
        shown = () if self._caches else ("image",)
        return {"spoken": ("audio", "picture", "language", *shown)}

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What can be embedded."""
        return ("speech", "picture") if self.text is None else ("speech", "text", "picture")

    @property
    def _caches(self) -> bool:
        return self.settings.cache_pictures and not self.settings.train_picture

    def begin(self, sources: Mapping[str, Source]) -> None:
        """Make the picture vectors, or find them where they were kept."""
        if not self._caches:
            return
        self.gallery = Gallery(sources["spoken"], self.picture)
        vectors = self.gallery.vectors(self.gallery.shown)
        self.shown = F.normalize(vectors, dim=1).to(self.token.device)

    def prepare(self, parts: dict[str, Batch], _: np.random.Generator) -> dict[str, Batch]:
        """Pictures as vectors or pixels, and which captions show the same one."""
        batch = parts["spoken"]
        names = batch.columns["picture"]
        if None in names:
            raise TriviumError(
                f"{batch.ids[names.index(None)]!r} has no picture; leave such rows out, as "
                'where="picture is not null" does'
            )
        inputs = {"pictures": item_numbers(names), "languages": self._numbers(batch),
                  "partners": _partners(names, batch.languages or ())}  # fmt: skip
        if self.gallery is not None:
            places = self.gallery.places(batch)
            inputs["vectors"] = self.gallery.vectors(places)
            inputs["places"] = self.gallery.numbers(places)
        elif batch.images is None:
            raise TriviumError(f"the batch of {batch.ids[0]!r} has no pictures")
        else:
            inputs["pixels"] = self.picture.pixels(batch.images)
        pairs = len(inputs["partners"])
        counts = {"contrast": len(batch), "find": len(batch), "crosslingual": pairs}
        return {"spoken": batch.with_inputs(counts, **inputs)}

    def forward(
        self, parts: Mapping[str, Batch], active: tuple[str, ...]
    ) -> dict[str, Term | Pairs]:
        """Each active objective of a micro."""
        batch = parts["spoken"]

        @cache
        def speech() -> Tensor:
            if batch.speech is None:
                raise TriviumError(f"the batch of {batch.ids[0]!r} has no sound")
            return self.hear(batch.speech, as_tensor(batch.inputs["languages"]))

        def pairs(a: Tensor, b: Tensor, ids: Tensor) -> Pairs:
            scale = self.log_scale.exp() if self.settings.loss == "info_nce" else torch.ones(1)
            return Pairs(a, b, ids, scale.to(a.device), LOSSES[self.settings.loss])

        def contrast() -> Pairs:
            """An utterance finds its picture among all of the step, and the other way."""
            return pairs(speech(), self._look(batch), as_tensor(batch.inputs["pictures"]))

        def find() -> Term:
            """An utterance finds its picture among all that the source shows."""
            if not len(self.shown):
                raise TriviumError(
                    "the objective 'find' looks among cached pictures, and there are "
                    f"{len(self.shown)}; freeze the picture tower and leave cache_pictures on"
                )
            with torch.autocast(self.shown.device.type, enabled=False):
                cosines = F.normalize(speech().float(), dim=1) @ self.shown.T  # (B, G)
                logits = self.log_scale.exp() * cosines
            places = as_tensor(batch.inputs["places"])
            return Term(F.cross_entropy(logits, places, reduction="sum"))

        def crosslingual() -> Pairs:
            """Captions of one picture find one another across languages."""
            first, second = as_tensor(batch.inputs["partners"]).unbind(1)
            if not len(first):
                raise TriviumError(
                    f"no two captions of the micro of {batch.ids[0]!r} show one picture in "
                    "different languages; set sources.spoken.together='picture'"
                )
            ids = as_tensor(batch.inputs["pictures"])[first]
            return pairs(speech()[first], speech()[second], ids)

        terms: dict[str, Callable[[], Term | Pairs]] = {
            "contrast": contrast, "find": find, "crosslingual": crosslingual,
        }  # fmt: skip
        return {name: terms[name]() for name in active}

    def _look(self, batch: Batch) -> Tensor:
        """Vectors of the pictures of a micro (B, D); not of unit length."""
        if "vectors" in batch.inputs:
            return as_tensor(batch.inputs["vectors"])
        with torch.set_grad_enabled(self.settings.train_picture and torch.is_grad_enabled()):
            vectors: Tensor = self.picture(as_tensor(batch.inputs["pixels"]))
        return vectors

    def hear(self, speech: Ragged, languages: Tensor) -> Tensor:
        """Utterances as vectors (B, D) beside those of pictures; not of unit length."""
        weights = self.layer_weights.softmax(1)  # (languages or 1, states)
        mix = weights[languages] if self.settings.language_weights else weights[0]
        frames = self.speech(speech, mix=mix).mixed
        if frames is None:
            raise TriviumError(f"the speech tower {type(self.speech).__name__} mixed no states")
        if self.shrink is not None:
            frames = self.shrink(frames)
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

    @torch.inference_mode()
    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors of sentences."""
        if self.text is None:
            raise TriviumError(f"this speechclip has no text tower for {len(texts)} texts")
        tokens: Ragged = self.text.tokens(texts).to(self.token.device)
        return F.normalize(self.text(tokens), dim=1)

    @torch.inference_mode()
    def frames(self, speech: Ragged) -> Frames:
        """Frames of utterances with the state of every layer of the speech tower."""
        heard: Frames = self.speech(speech)
        return heard

    def train(self, mode: bool = True) -> Self:
        """Towers without a trained parameter never drop anything out."""
        super().train(mode)
        for tower in towers(self).values():
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


class Shrink(nn.Module):
    """One frame of so many neighbours: shorter rows, in which words are nearer to one another."""

    def __init__(self, width: int, times: int) -> None:
        super().__init__()
        self.times = times
        self.convolution = nn.Conv1d(width, width, 2 * times + 1, stride=times, padding=times)
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Ragged) -> Ragged:
        """(B, T, D) becomes (B, T / times, D), lengths rounded up; zeros must stand behind rows."""
        made = F.gelu(self.convolution(frames.data.transpose(1, 2))).transpose(1, 2)
        return Ragged(self.norm(made), -(-frames.lengths // self.times))


def _partners(pictures: Sequence[str], languages: Sequence[str | None]) -> Tensor:
    """Rows that show one picture in two languages, (P, 2)."""
    showing: dict[str, list[int]] = {}
    for row, picture in enumerate(pictures):
        showing.setdefault(picture, []).append(row)
    found = [
        pair
        for rows in showing.values()
        for pair in combinations(rows, 2)
        if languages and languages[pair[0]] != languages[pair[1]]
    ]
    return torch.tensor(found, dtype=torch.int64).reshape(-1, 2)
