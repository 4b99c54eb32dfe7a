"""Grounded: wav2vec 2.0 and visual grounding in one network that share its lower layers.

Khorrami et al., "Simultaneous or Sequential Training? How Speech Representations Cooperate in a
Multi-Task Self-Supervised Learning System" (2306.02972), on Peng and Harwath, "Self-Supervised
Representation Learning for Speech Using Visual Grounding and Masked Language Modeling"
(2202.03543).

Layers 1 to `shared_layers` of a wav2vec 2.0 serve both losses; those above find what was masked.
A learned token goes through the shared layers with the frames; the frames are pooled by
convolutions, the token joins them again in front of a transformer layer, and becomes the caption.
Which loss counts when is the schedule's affair: `ground` hears the utterance as it is,
`masked_ground` hears the same masked pass that self-supervision makes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.config import Settings
from trivium.data.batch import Batch, Ragged
from trivium.errors import SettingsError, TriviumError
from trivium.layers.pooling import ConvolutionPooling, PoolingSettings
from trivium.layers.quantizer import GumbelQuantizer, Quantized, QuantizerSettings
from trivium.models.system import as_ragged, as_tensor, item_numbers
from trivium.models.towers import Frames, PictureTower, SpeechTower, TowerSettings
from trivium.models.towers.fronts import Heard, WaveFront
from trivium.models.towers.networks import Kind
from trivium.models.towers.weights import load_heads
from trivium.objectives.contrastive import info_nce, masked_margin_softmax
from trivium.objectives.masked import (
    MaskSettings,
    code_perplexity,
    contrastive_loss,
    covered_frames,
    diversity_loss,
    draw_masks,
    feature_penalty,
    gather_frames,
)
from trivium.objectives.terms import PairLoss, Pairs, Term


class GroundedSettings(Settings):
    """Towers, what they share, and the heads of both losses."""

    speech: TowerSettings
    """A wav2vec 2.0."""
    picture: TowerSettings | None = None
    """The picture tower; null leaves out the whole branch of grounding."""
    train_picture: bool = False
    """Train it too."""
    shared_layers: int = Field(default=8, ge=1)
    """Layers of the speech tower that serve both losses; those above serve self-supervision."""
    token_in_shared_layers: bool = True
    """The caption's token goes through the shared layers, as published; else it only pools."""
    ssl_on: Literal["speech", "spoken"] = "speech"
    """The role that self-supervision hears: a source of its own, or the spoken pictures."""
    masking: MaskSettings = MaskSettings()
    """What is masked, and the negatives."""
    quantizer: QuantizerSettings = QuantizerSettings()
    """The targets of what is masked."""
    match_width: int = Field(default=256, ge=1)
    """Width in which predictions and targets are compared."""
    match_temperature: float = Field(default=0.1, gt=0)
    """Of that comparison."""
    feature_gradient: float = Field(default=1.0, ge=0)
    """What the gradient is multiplied with where it enters the convolutions over the wave."""
    heads: Literal["random", "published"] = "random"
    """`published` begins with the quantiser that the speech tower's folder holds."""
    pooling: PoolingSettings = PoolingSettings()
    """From frames to the caption's vector."""
    loss: Literal["info_nce", "masked_margin_softmax"] = "masked_margin_softmax"
    """Cosines with a learned temperature, or the authors' dot products with a margin."""
    margin: float = Field(default=1.0, ge=0)
    """Of `masked_margin_softmax`."""
    temperature: float = Field(default=0.07, gt=0)
    """Of `info_nce`, at the start."""

    @classmethod
    def tiny(cls) -> Self:
        """Sizes for tests."""
        sizes: dict[str, Any] = {
            "conv_dim": (32,) * 3, "conv_kernel": (40, 8, 4), "conv_stride": (20, 8, 4),
            "num_hidden_layers": 3, "hidden_dropout": 0.0, "attention_dropout": 0.0,
            "activation_dropout": 0.0, "feat_proj_dropout": 0.0,
        }  # fmt: skip
        return cls(
            speech=TowerSettings(network="test-wav2vec2", random_weights=True, sizes=sizes),
            picture=TowerSettings(network="test-clip", random_weights=True),
            train_picture=True, shared_layers=2, match_width=32, loss="info_nce",
            temperature=0.2,
            masking=MaskSettings(share=0.3, span=2, negatives=20), match_temperature=0.3,
            quantizer=QuantizerSettings(entries=16, width=32, dropout=0.0, cooling=0.995),
            pooling=PoolingSettings(stem=32, widths=(32, 32), blocks=1, kernel=3, heads=4,
                                    feedforward=64, dropout=0.0),
        )  # fmt: skip


# What stands beside the tower in a published checkpoint, and here.
HEADS = {
    "wav2vec2.masked_spec_embed": "mask_vector",
    "quantizer.codevectors": "quantizer.entries",
    "quantizer.weight_proj.weight": "quantizer.choice.weight",
    "quantizer.weight_proj.bias": "quantizer.choice.bias",
    "project_hid.weight": "project_prediction.weight",
    "project_hid.bias": "project_prediction.bias",
    "project_q.weight": "project_code.weight",
    "project_q.bias": "project_code.bias",
}


@dataclass(frozen=True, eq=False)
class Shared:
    """Utterances in the layers that serve both losses."""

    states: tuple[Tensor, ...]  # each (B, T, D), from what enters the first layer
    token: Tensor | None  # (B, D), where it came along
    lengths: Tensor  # (B,)
    context: Mapping[str, Tensor]  # what the layers above are told beside their input


class Grounded(nn.Module):
    """The system `grounded`.

    Its objectives: `ssl`, `diversity` and `penalty` are wav2vec 2.0's; `ground` compares captions
    with pictures, `masked_ground` does it with what is left of a masked caption.
    """

    Settings: ClassVar = GroundedSettings
    objectives: ClassVar[tuple[str, ...]] = (
        "ssl", "diversity", "penalty", "ground", "masked_ground",
    )  # fmt: skip
    pair_objectives: ClassVar[tuple[str, ...]] = ("ground", "masked_ground")

    def __init__(self, settings: GroundedSettings) -> None:
        super().__init__()
        self.settings = settings
        self.speech = SpeechTower.from_settings(settings.speech)
        self.front = cast("WaveFront", self.speech.front)
        depth, width = len(self.speech.layers), self.speech.width
        if self.speech.family != "wav2vec2" or settings.shared_layers > depth:
            raise SettingsError(
                f"the speech tower is a {self.speech.family} of {depth} layers; expected a "
                f"wav2vec2 of at least {settings.shared_layers}, which is shared_layers"
            )
        self.mask_vector = nn.Parameter(torch.rand(width))
        convolved = self.speech.network.config.conv_dim[-1]
        self.quantizer = GumbelQuantizer(convolved, settings.quantizer)
        self._used: Tensor | None = None
        self.project_prediction = nn.Linear(width, settings.match_width)
        self.project_code = nn.Linear(settings.quantizer.width, settings.match_width)
        if settings.heads == "published" and self.speech.origin is not None:
            own = {theirs: self.get_parameter(ours) for theirs, ours in HEADS.items()}
            load_heads(self.speech.origin, "speech", own)
        self.picture: PictureTower | None = None
        if settings.picture is not None:
            self.token = nn.Parameter(torch.rand(width))
            self.picture = PictureTower.from_settings(settings.picture)
            self.pooling = ConvolutionPooling(width, settings.pooling)
            self.project_picture = nn.Linear(self.picture.width, settings.pooling.widths[-1])
            self.log_scale = nn.Parameter(torch.tensor([-math.log(settings.temperature)]))
            if not settings.train_picture:
                self.picture.freeze()
            if settings.loss != "info_nce":
                self.log_scale.requires_grad_(False)  # dot products carry their own scale

    @classmethod
    def tiny(cls) -> Self:
        """A system that learns a toy in seconds."""
        return cls(GroundedSettings.tiny())

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        """The sound that is masked, and the pictures if there is a tower to see them."""
        roles = {} if self.picture is None else {"spoken": ("audio", "image", "picture")}
        return {self.settings.ssl_on: ("audio",), **roles}

    @property
    def needs(self) -> Mapping[str, tuple[str, ...]]:
        """Role that each objective reads, so that a schedule of one loss wants one source."""
        own = dict.fromkeys(("ssl", "diversity", "penalty"), (self.settings.ssl_on,))
        return {**own, **dict.fromkeys(self.pair_objectives, ("spoken",))}

    @property
    def guesses(self) -> Mapping[str, float]:
        """The loss of a network that cannot tell what was masked from what else was."""
        return {"ssl": math.log(1 + self.settings.masking.negatives)}

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What can be embedded."""
        return () if self.picture is None else ("speech", "picture")

    def prepare(self, parts: dict[str, Batch], _: np.random.Generator) -> dict[str, Batch]:
        """What is masked, negatives, the temperature of the codes; pixels, where there are any."""
        return {role: self._with_pictures(self._with_masks(parts[role], role)) for role in parts}

    def forward(
        self, parts: Mapping[str, Batch], active: tuple[str, ...]
    ) -> dict[str, Term | Pairs]:
        """Each active objective of a micro; whatever several of them need is made once."""
        ssl_on, self._used = self.settings.ssl_on, None

        @cache
        def heard(role: str) -> Heard:
            return self._hear(parts[role])

        @cache
        def shared(role: str, masked: bool) -> Shared:
            covered = as_ragged(parts[role].inputs["masked"]) if masked else None
            return self._share(heard(role), covered)

        @cache
        def quantized() -> Quantized:
            inputs = parts[ssl_on].inputs
            normed = cast("Tensor", heard(ssl_on).normed)  # wav2vec 2.0 shows it
            unmasked = gather_frames(normed, as_ragged(inputs["masked"]))
            made: Quantized = self.quantizer(unmasked, as_tensor(inputs["temperature"]))
            masked = as_ragged(inputs["masked"])
            self._used = code_perplexity(made.shares.detach(), masked)
            return made

        @cache
        def pictures() -> Tensor:
            return self._look(as_tensor(parts["spoken"].inputs["pixels"]))

        def ssl() -> Term:
            """What is masked is told apart from what else is masked in the utterance."""
            inputs = parts[ssl_on].inputs
            last = self._finish(shared(ssl_on, True))[-1]
            predictions = self.project_prediction(gather_frames(last, as_ragged(inputs["masked"])))
            targets, codes = self.project_code(quantized().vectors), quantized().codes
            negatives, temperature = inputs["negatives"], self.settings.match_temperature
            return Term(
                contrastive_loss(predictions, targets, codes, as_ragged(negatives), temperature)
            )

        def diversity() -> Term:
            """All codes are used; a loss of each micro, weighted by its masked frames."""
            masked = as_ragged(parts[ssl_on].inputs["masked"])
            return Term(diversity_loss(quantized().shares, masked))

        def penalty() -> Term:
            """What leaves the convolutions stays small."""
            found = heard(ssl_on)
            return Term(feature_penalty(Ragged(found.features, found.lengths)))

        def ground(masked: bool) -> Pairs:
            """A caption finds its picture among all of the step, and the other way."""
            captions = self._caption(shared("spoken", masked))
            ids = as_tensor(parts["spoken"].inputs["pictures"])
            return Pairs(captions, pictures(), ids, *self._comparison())

        # Pairs come first, in this order: their embeddings are made twice, the first time without
        # the other objectives, and dropout must draw the same numbers then.
        terms: dict[str, Callable[[], Term | Pairs]] = {
            "ground": lambda: ground(False), "masked_ground": lambda: ground(True),
            "ssl": ssl, "diversity": diversity, "penalty": penalty,
        }  # fmt: skip
        return {name: make() for name, make in terms.items() if name in active}

    def observe(self) -> dict[str, float]:
        """Entries in use of the codebook that uses fewest, in the last micro that had codes."""
        return {} if self._used is None else {"code_perplexity": float(self._used.min())}

    @torch.inference_mode()
    def embed_speech(self, speech: Ragged, _: Sequence[str | None] = ()) -> Tensor:
        """Unit vectors of utterances, of whatever language."""
        return F.normalize(self._caption(self._share(self._front(speech), None)), dim=1)

    @torch.inference_mode()
    def embed_picture(self, images: Sequence[Tensor]) -> Tensor:
        """Unit vectors of pictures, (H, W, 3) of uint8 each."""
        pixels = self._pictured().pixels(list(images)).to(self.mask_vector.device)
        return F.normalize(self._look(pixels), dim=1)

    @torch.inference_mode()
    def frames(self, speech: Ragged) -> Frames:
        """Frames of utterances with the state of every layer, as grounding hears them."""
        shared = self._share(self._front(speech), None)
        states = (*shared.states[:-1], *self._finish(shared))
        padding = ~Ragged(states[0], shared.lengths).mask()[..., None]
        states = tuple(state.masked_fill(padding, 0) for state in states)
        return Frames(Ragged(states[-1], shared.lengths), states)

    def train(self, mode: bool = True) -> Self:
        """A frozen picture tower never drops anything out."""
        super().train(mode)
        if self.picture is not None and not self.settings.train_picture:
            self.picture.eval()
        return self

    def _hear(self, batch: Batch) -> Heard:
        if batch.speech is None:
            raise TriviumError(f"the batch of {batch.ids[0]!r} has no sound")
        heard = self._front(batch.speech)
        if heard.features.requires_grad and self.settings.feature_gradient != 1:
            shrink = self.settings.feature_gradient
            heard.features.register_hook(lambda grad: grad * shrink)  # type: ignore[no-untyped-call]
        return heard

    def _front(self, speech: Ragged) -> Heard:
        return self.front.hear(self.speech.network, self.speech.silenced(speech))

    def _share(self, heard: Heard, masked: Ragged | None) -> Shared:
        """The shared layers, with the token in front of the frames."""
        state = heard.state
        if masked is not None:
            covered = covered_frames(masked, state.shape[1])[..., None]
            state = torch.where(covered, self.mask_vector.to(state.dtype), state)
        entry = self.front.begin(self.speech.network, state, heard.lengths)
        state, told = entry.state, dict(entry.context)
        tokens = int(self.picture is not None and self.settings.token_in_shared_layers)
        if tokens:
            first = self.token.to(state.dtype).expand(len(state), 1, -1)
            state = torch.cat([first, state], dim=1)
            told["attention_mask"] = F.pad(told["attention_mask"], (1, 0), value=True)
        states = self._through(state, told, slice(0, self.settings.shared_layers))
        token = states[-1][:, 0] if tokens else None
        own = tuple(state[:, tokens:] for state in states)
        return Shared(own, token, heard.lengths, entry.context)

    def _finish(self, shared: Shared) -> tuple[Tensor, ...]:
        """States from the top of the shared layers to the whole network's output."""
        above = slice(self.settings.shared_layers, None)
        states = self._through(shared.states[-1], shared.context, above)
        last = self.front.leave(self.speech.network, states[-1])
        return (*states[:-1], last)

    def _through(self, state: Tensor, told: Mapping[str, Any], which: slice) -> tuple[Tensor, ...]:
        states = [state]
        for layer in self.speech.layers[which]:
            states.append(layer(states[-1], **told))
        return tuple(states)

    def _caption(self, shared: Shared) -> Tensor:
        """Utterances as vectors beside those of pictures; not of unit length."""
        self._pictured()
        token = self.token.expand(len(shared.lengths), -1) if shared.token is None else shared.token
        vectors: Tensor = self.pooling(Ragged(shared.states[-1], shared.lengths), token)
        return vectors

    def _look(self, pixels: Tensor) -> Tensor:
        """Pictures as vectors beside those of captions; not of unit length."""
        tower = self._pictured()
        with torch.set_grad_enabled(self.settings.train_picture and torch.is_grad_enabled()):
            vectors = tower(pixels)
        projected: Tensor = self.project_picture(vectors)
        return projected

    def _pictured(self) -> PictureTower:
        if self.picture is None:
            raise TriviumError(
                f"this network has no branch for pictures: its picture tower is {self.picture}; "
                "give settings.picture to ground it"
            )
        return self.picture

    def _comparison(self) -> tuple[Tensor, PairLoss]:
        if self.settings.loss == "info_nce":
            return self.log_scale.exp(), info_nce
        margin = partial(masked_margin_softmax, delta=self.settings.margin, mask_duplicates=True)
        return torch.ones_like(self.log_scale), margin

    def _with_masks(self, batch: Batch, role: str) -> Batch:
        """Frames to mask, drawn for each row alone, and where the row is told apart from."""
        if batch.speech is None:
            raise TriviumError(f"the batch of {batch.ids[0]!r} has no sound")
        frames = self.speech.num_frames(batch.speech.lengths).tolist()
        masked, negatives = draw_masks(frames, self.settings.masking, batch.generator)
        # The temperature falls with the steps of the run, so that a resumed run has the same.
        temperature = self.settings.quantizer.temperature_at(batch.step)
        count = int(masked.lengths.sum())
        counts = {"ssl": count, "diversity": count, "penalty": sum(frames)}
        return batch.with_inputs(
            counts if role == self.settings.ssl_on else {},
            masked=masked,
            negatives=negatives,
            temperature=torch.tensor([temperature]),
        )

    def _with_pictures(self, batch: Batch) -> Batch:
        if self.picture is None or batch.images is None:
            return batch
        return batch.with_inputs(
            {"ground": len(batch), "masked_ground": len(batch)},
            pixels=self.picture.pixels(batch.images),
            pictures=item_numbers(batch.columns["picture"]),
        )
