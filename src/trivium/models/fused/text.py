"""The text encoder: RoBERTa's shape, new or published, with its head for hidden tokens."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.config import read_json
from trivium.data.batch import Ragged
from trivium.data.text import normaliser
from trivium.errors import SettingsError, TriviumError
from trivium.models.fused.settings import FusedSettings
from trivium.models.towers import TowerSettings, encode_texts
from trivium.models.towers.networks import Place
from trivium.models.towers.tower import Tower
from trivium.models.towers.weights import Built, fetch, load_heads

MASK = "<mask>"
# RoBERTa counts positions from here: the first two stand for no token.
FIRST_POSITION = 2
NORM_EPSILON = 1e-5
INITIAL = 0.02  # standard deviation of new weights


class TextNetwork(nn.Module):
    """Tokens to states, and states to scores of tokens."""

    def __init__(self, settings: FusedSettings) -> None:
        super().__init__()
        width = settings.width
        self.embedding = nn.Embedding(settings.text.vocabulary, width)
        self.positions = nn.Embedding(settings.text.positions, width)
        self.kind = nn.Parameter(torch.empty(1, width).normal_(std=INITIAL))
        self.norm = nn.LayerNorm(width, NORM_EPSILON)
        self.dropout = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(new_layer(settings) for _ in range(settings.text.layers))
        self.dense = nn.Linear(width, width)
        self.dense_norm = nn.LayerNorm(width, NORM_EPSILON)
        self.bias = nn.Parameter(torch.zeros(settings.text.vocabulary))
        begin(self)

    def forward(self, tokens: Ragged) -> Ragged:
        """States (B, L, D)."""
        places = torch.arange(tokens.data.shape[1], device=tokens.data.device) + FIRST_POSITION
        state = self.embedding(tokens.data) + self.positions(places) + self.kind
        state, padding = self.dropout(self.norm(state)), ~tokens.mask()
        for layer in self.layers:
            state = layer(state, src_key_padding_mask=padding)
        return Ragged(state, tokens.lengths)

    def predict(self, states: Tensor) -> Tensor:
        """A score for every token of the vocabulary; the embedding serves both ways."""
        made = self.dense_norm(F.gelu(self.dense(states)))
        return F.linear(made, self.embedding.weight, self.bias)

    def published(self) -> dict[str, Tensor]:
        """Parameters under the names that RoBERTa is published with."""
        first = {
            "embeddings.word_embeddings.weight": self.embedding.weight,
            "embeddings.position_embeddings.weight": self.positions.weight,
            "embeddings.token_type_embeddings.weight": self.kind,
            "embeddings.LayerNorm.weight": self.norm.weight,
            "embeddings.LayerNorm.bias": self.norm.bias,
        }
        for number, layer in enumerate(self.layers):
            first |= {f"encoder.layer.{number}.{k}": t for k, t in _of_layer(layer).items()}
        return {f"roberta.{name}": tensor for name, tensor in first.items()} | {
            "lm_head.dense.weight": self.dense.weight, "lm_head.dense.bias": self.dense.bias,
            "lm_head.layer_norm.weight": self.dense_norm.weight,
            "lm_head.layer_norm.bias": self.dense_norm.bias, "lm_head.bias": self.bias,
        }  # fmt: skip


class TextEncoder(Tower):
    """The network with its tokenizer; a checkpoint holds its weights, wherever they came from."""

    network: TextNetwork

    def __init__(self, settings: FusedSettings, tokenizer: Tokenizer | None) -> None:
        described = settings.text.model_copy(update={"source": None})
        network = TextNetwork(settings)
        built = Built(network, "roberta", {}, described)  # type: ignore[arg-type]
        super().__init__(built, Place("layers"))
        self.tokenizer = tokenizer
        self.max_tokens = settings.text.positions - FIRST_POSITION
        self.mask = settings.text.vocabulary - 1
        self.normalise = normaliser(settings.normaliser)
        if tokenizer is not None:
            self.mask = self._mask_of(tokenizer, settings.text.vocabulary)
        if settings.text.source is not None:
            _check_shape(published_folder(settings.text.source), settings)
            origin = TowerSettings(source=settings.text.source)
            load_heads(origin, "text", self.network.published())

    def forward(self, tokens: Ragged) -> Ragged:
        """States (B, L, D) of tokens."""
        states: Ragged = self.network(tokens)
        return states

    def tokens(self, texts: Sequence[str]) -> Ragged:
        """Tokens of texts, a first and a last one around each."""
        if self.tokenizer is None:
            raise TriviumError(
                f"there is no tokenizer for {len(texts)} texts; give recipe.tokens, or a start or "
                "source that has one"
            )
        normalised = [self.normalise(text) for text in texts]
        return encode_texts(self.tokenizer, normalised, self.max_tokens)

    @staticmethod
    def _mask_of(tokenizer: Tokenizer, vocabulary: int) -> int:
        found = tokenizer.token_to_id(MASK)
        size = tokenizer.get_vocab_size()
        if size + (found is None) > vocabulary:
            raise SettingsError(
                f"the tokenizer has {size} tokens{' and needs a mask' if found is None else ''}; "
                f"text.vocabulary is {vocabulary}: raise it, or train a smaller tokenizer"
            )
        return vocabulary - 1 if found is None else int(found)


def published_folder(source: str) -> Path:
    """Where a RoBERTa lies: the folder that is named, or what the hub's cache has of it."""
    return TowerSettings(source=source).folder or fetch(source, "main")


def _check_shape(folder: Path, settings: FusedSettings) -> None:
    """Refuse what tensors alone do not tell: heads, and layers that would be left over."""
    told = read_json(folder / "config.json")
    wanted = {"num_hidden_layers": ("text.layers", settings.text.layers),
              "num_attention_heads": ("heads", settings.heads)}  # fmt: skip
    for name, (ours, value) in wanted.items():
        if told.get(name) != value:
            raise SettingsError(
                f"{folder} says {name} {told.get(name)}, and settings.{ours} is {value}; make "
                "them equal"
            )


def new_layer(settings: FusedSettings, attends: bool = False) -> nn.Module:
    """A layer with norms behind its parts, which sees its own side and perhaps another."""
    kind = nn.TransformerDecoderLayer if attends else nn.TransformerEncoderLayer
    layer = kind(
        settings.width, settings.heads, settings.feedforward, settings.dropout,
        activation="gelu", layer_norm_eps=NORM_EPSILON, batch_first=True,
    )  # fmt: skip
    layer.dropout = nn.Dropout(0.0)  # RoBERTa drops nothing between the two matrices
    return layer


def begin(module: nn.Module) -> None:
    """New weights as BERT's are."""
    for name, parameter in module.named_parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=INITIAL)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)


def _of_layer(layer: nn.Module) -> dict[str, Tensor]:
    """Parameters of a layer by RoBERTa's names; query, key and value are one matrix here."""
    own = dict(layer.named_parameters())
    made: dict[str, Tensor] = {}
    for end in ("weight", "bias"):
        parts = own[f"self_attn.in_proj_{end}"].chunk(3)
        for name, part in zip(("query", "key", "value"), parts, strict=True):
            made[f"attention.self.{name}.{end}"] = part
        for name, ours in (
            ("attention.output.dense", "self_attn.out_proj"),
            ("attention.output.LayerNorm", "norm1"),
            ("intermediate.dense", "linear1"),
            ("output.dense", "linear2"),
            ("output.LayerNorm", "norm2"),
        ):
            made[f"{name}.{end}"] = own[f"{ours}.{end}"]
    return made
