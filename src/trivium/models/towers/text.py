"""Text towers: CLIP's and SigLIP's, from tokens to one vector, and the tokens themselves."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.pre_tokenizers import PreTokenizer
from torch import Tensor

from trivium.data.batch import Ragged
from trivium.errors import SettingsError, TriviumError
from trivium.models.towers.networks import Place, TowerSettings
from trivium.models.towers.tower import Tower
from trivium.models.towers.weights import Built, build

TOKENIZER = "tokenizer.json"
START, END = "<|startoftext|>", "<|endoftext|>"
# As GPT-2 parts texts, but that marks are of their letters: Hindi's vowels are marks.
WORDS = r" ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|\s+(?!\S)|\s+"

# Where each family keeps its layers.
PLACES: dict[str, Place] = {
    "clip": Place("text_model.encoder.layers", ("text_model.final_layer_norm", "text_projection")),
    "siglip": Place("encoder.layers", ("final_layer_norm", "head")),
}


class TextTower(Tower):
    """A published text network; the tokens of a text end with its end token."""

    def __init__(self, built: Built, tokenizer: Tokenizer | None = None) -> None:
        super().__init__(built, PLACES[built.family])
        self.tokenizer = tokenizer
        config = self.network.config
        self.max_tokens: int = config.max_position_embeddings
        self.width: int = config.projection_dim if self.family == "clip" else config.projection_size
        if tokenizer is not None and tokenizer.get_vocab_size() > config.vocab_size:
            raise SettingsError(
                f"the tokenizer has {tokenizer.get_vocab_size()} tokens and the network "
                f"{config.vocab_size}; set sizes.vocab_size or train a smaller tokenizer"
            )

    @classmethod
    def from_settings(cls, settings: TowerSettings, tokenizer: Tokenizer | None = None) -> Self:
        """The tower that settings describe, in evaluation mode.

        A folder's own tokenizer is used if none is given.
        """
        built = build(settings, "text")
        if tokenizer is None and built.folder is not None:
            tokenizer = read_tokenizer(built.folder)
        return cls(built, tokenizer).eval()

    def tokens(self, texts: Sequence[str]) -> Ragged:
        """Token ids of texts, cut to what the network holds."""
        if self.tokenizer is None:
            raise TriviumError(f"there is no tokenizer for {len(texts)} texts; give the tower one")
        return encode_texts(self.tokenizer, texts, self.max_tokens)

    def forward(self, tokens: Ragged) -> Tensor:
        """Vectors (B, D), not normalised."""
        if tokens.data.shape[1] > self.max_tokens:
            raise TriviumError(
                f"texts of {tokens.data.shape[1]} tokens are longer than the network's "
                f"{self.max_tokens}; cut them with encode_texts"
            )
        return self._clip(tokens) if self.family == "clip" else self._siglip(tokens)

    def _clip(self, tokens: Ragged) -> Tensor:
        """The state at the end token, projected; what stands behind it is not looked at."""
        body = self.network.text_model
        state = body.embeddings(input_ids=tokens.data)
        for layer in body.encoder.layers:
            state = layer(state, None, is_causal=True)
        rows = torch.arange(len(tokens), device=state.device)
        end = body.final_layer_norm(state[rows, tokens.lengths - 1])
        vectors: Tensor = self.network.text_projection(end)
        return vectors

    def _siglip(self, tokens: Ragged) -> Tensor:
        """As published: every text is filled up to 64 tokens, and all of them are looked at."""
        shape = (len(tokens), self.max_tokens)
        filled = tokens.data.new_full(shape, self.network.config.pad_token_id)
        width = tokens.data.shape[1]
        filled[:, :width] = torch.where(tokens.mask(), tokens.data, filled[:, :width])
        vectors: Tensor = self.network(input_ids=filled).pooler_output
        return vectors


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int) -> Ragged:
    """Token ids of texts; a text that is cut keeps its end token."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]
    cut = [ids if len(ids) <= max_tokens else [*ids[: max_tokens - 1], ids[-1]] for ids in rows]
    return Ragged.from_rows([np.asarray(ids, np.int64) for ids in cut])


def train_tokenizer(
    texts: Iterable[str], vocabulary_size: int, *, keep_case: bool = False
) -> Tokenizer:
    """A byte-level tokenizer of these texts, with start and end tokens as CLIP has them."""
    from tokenizers import decoders, models, normalizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    case = () if keep_case else (normalizers.Lowercase(),)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), *case, normalizers.Prepend(" ")]
    )
    tokenizer.pre_tokenizer = words()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in (START, END)],
    )
    return tokenizer


def words() -> PreTokenizer:
    """Words as bytes; a text has to begin with a space, as each of its words does."""
    parted = pre_tokenizers.Split(Regex(WORDS), "isolated")
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([parted, as_bytes])


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a folder in the hub's format."""
    path = folder / TOKENIZER
    if not path.exists():
        raise SettingsError(f"{path} is not there, so texts cannot be turned into tokens")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()  # of what it was used for when it was saved
    tokenizer.no_truncation()
    return tokenizer
