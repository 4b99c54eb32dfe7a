"""Heads of `tuned`: a small Transformer that writes, and a linear layer that chooses a label."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trivium.data.batch import Ragged
from trivium.errors import SettingsError
from trivium.models.joint.characters import Characters
from trivium.models.towers import Frames
from trivium.models.towers.writing import write
from trivium.models.tuned.settings import ClassifierSettings, DecoderSettings
from trivium.objectives.sequence import BLANK
from trivium.objectives.spans import prediction_loss


class Decoder(nn.Module):
    """Transformer layers that look at an encoder's highest states and write characters.

    The network is M2M-100's decoder: normed first, positions as sines, one matrix for what is read
    and written. Its tokens are padding, the alphabet, the end, and a beginning for each language.
    """

    def __init__(self, width: int, characters: Characters, settings: DecoderSettings) -> None:
        super().__init__()
        if not settings.languages or not characters.alphabet:
            raise SettingsError(
                f"the decoder writes {settings.languages} in the alphabet "
                f"{characters.alphabet!r}; name settings.decoder.languages, and settings.alphabet "
                "where the encoder has none"
            )
        self.settings, self.characters = settings, characters
        self.end = len(characters.alphabet) + 1
        self.begin = {
            language: self.end + 1 + place for place, language in enumerate(settings.languages)
        }
        self.bridge = nn.Linear(width, settings.width)
        self.network = _network(settings, self.end)

    def loss(self, frames: Ragged, begin: Tensor, targets: Ragged) -> Tensor:
        """Minus the log-likelihood of targets, ends included, summed; `begin` (B,) are languages.

        What stands behind an end in its row is fed and not counted.
        """
        fed = torch.cat([begin[:, None], targets.data[:, :-1]], 1)
        scores = self.network(
            encoder_outputs=(self.bridge(frames.data),), attention_mask=frames.mask().long(),
            decoder_input_ids=fed, use_cache=False,
        ).logits  # fmt: skip
        return prediction_loss(scores, targets)

    def write(self, frames: Ragged, language: str) -> list[str]:
        """Texts of one language."""
        states, prefix = self.bridge(frames.data), [self.begin[language]]
        rows = write(self.network, states, frames.mask(), prefix, self.settings.writing)
        # A language's token may come up where little is learned yet; it is no character.
        return [self.characters.write(n for n in row if n < self.end) for row in rows]


class Classifier(nn.Module):
    """The mean of a row's frames, of the highest layer or of all, and one linear layer."""

    def __init__(self, width: int, states: Mapping[str, int], settings: ClassifierSettings) -> None:
        super().__init__()
        if len(settings.labels) < 2:
            raise SettingsError(
                f"settings.classifier.labels are {settings.labels}; name at least two"
            )
        self.mixes = nn.ParameterDict(
            {kind: nn.Parameter(torch.zeros(count)) for kind, count in states.items()}
            if settings.layers == "mixed" else {}
        )  # fmt: skip
        self.dropout = nn.Dropout(settings.dropout)
        self.choose = nn.Linear(width, len(settings.labels))

    def forward(self, frames: Frames, kind: str) -> Tensor:
        """A score for each label (B, labels); `kind` is speech or text."""
        chosen: Sequence[Tensor] = frames.states if len(self.mixes) else (frames.last.data,)
        # Zeros stand behind rows, and the mean of a mix is the mix of the means.
        means = torch.stack([state.sum(1) for state in chosen]) / frames.lengths[None, :, None]
        if len(self.mixes):
            means = means * self.mixes[kind].softmax(0)[:, None, None]
        scores: Tensor = self.choose(self.dropout(means.sum(0)))
        return scores

    def weights(self) -> dict[str, list[float]]:
        """What each layer counts for speech and text, from what enters the first; if learned."""
        return {kind: mix.detach().softmax(0).tolist() for kind, mix in self.mixes.items()}


def _network(settings: DecoderSettings, end: int) -> Any:
    """M2M-100 without its encoder."""
    from transformers import M2M100Config, M2M100ForConditionalGeneration

    config = M2M100Config(
        vocab_size=end + 1 + len(settings.languages), d_model=settings.width, encoder_layers=0,
        decoder_layers=settings.layers, decoder_ffn_dim=settings.feedforward,
        decoder_attention_heads=settings.heads, dropout=settings.dropout,
        attention_dropout=settings.dropout, activation_dropout=0.0, decoder_layerdrop=0.0,
        pad_token_id=BLANK, eos_token_id=end, bos_token_id=end + 1,
        decoder_start_token_id=end + 1,
    )  # fmt: skip
    network = M2M100ForConditionalGeneration(config)
    network.model.encoder = nn.Identity()  # ours takes its place
    return network
