"""SeamlessM4T v2: it writes down speech, translates speech and texts; about 100 languages."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from trivium.config import read_json
from trivium.data.audio import SAMPLE_RATE_HZ, Samples
from trivium.errors import TriviumError
from trivium.models.passes import by_length
from trivium.models.published.codes import code_of, short
from trivium.models.published.network import Written, bare, read, search
from trivium.models.towers.writing import WritingSettings

LEAST_SECONDS = 0.1  # a shorter sound makes too few frames, and gets silence behind it
OTHERS = ("speech_encoder.", "text_encoder.", "t2u_model.", "vocoder.")


class Seamless:
    """A SeamlessM4T v2: what it hears and what it reads with, each loaded when it is wanted."""

    licence = "CC-BY-NC-4.0"
    max_seconds = None
    can = "write down speech, and translate speech and texts"

    def __init__(self, folder: Path, device: str, settings: WritingSettings) -> None:
        import transformers as hub

        self._folder, self._device, self._limit = folder, device, settings.max_tokens
        self._search = search(settings, self._limit)
        self.tokenizer = hub.AutoTokenizer.from_pretrained(folder)
        self._features = hub.SeamlessM4TFeatureExtractor.from_pretrained(folder)
        told = read_json(folder / "generation_config.json")
        self._tokens: dict[str, int] = told.get("text_decoder_lang_to_code_id", {})

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of those that it knows, of two letters where there are such."""
        return tuple(short(code) for code in self._tokens)

    @cached_property
    def _hearing(self) -> Any:
        from transformers import SeamlessM4Tv2ForSpeechToText as Network

        network = read(Network, self._folder, self._device, OTHERS)
        for layer in network.speech_encoder.adapter.layers:
            _silence_padding(layer)
        return network

    @cached_property
    def _reading(self) -> Any:
        from transformers import SeamlessM4Tv2ForTextToText as Network

        return read(Network, self._folder, self._device, OTHERS)

    def check(self, ability: str, language: str, to: str | None) -> None:
        """Refuse languages that it does not know, and to go without one that it must be told."""
        told = ability == "read" or to is None
        if told and not language:
            raise TriviumError(
                f"must be told the `language` of what it is given, which is {language!r}"
            )
        for code in ([language] if told else []) + ([] if to is None else [to]):
            code_of(code, self._tokens)

    def batches(self, sounds: Sequence[Samples]) -> Iterable[list[int]]:
        """By length."""
        return by_length(sounds)

    def hear(self, sounds: Sequence[Samples], language: str, to: str | None) -> Written:
        """A transcript, or a translation; the language of the speech matters to the first alone."""
        least = round(LEAST_SECONDS * SAMPLE_RATE_HZ)
        long = [np.pad(sound, (0, max(0, least - len(sound)))) for sound in sounds]
        inputs = self._features(long, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
        inputs["input_features"] = inputs["input_features"].to(self._hearing.dtype)
        return self._write(self._hearing, dict(inputs), to or language)

    def read(self, texts: Sequence[str], language: str, to: str) -> Written:
        """A translation."""
        self.tokenizer.src_lang = code_of(language, self._tokens)
        inputs = self.tokenizer(list(texts), padding=True, return_tensors="pt")
        return self._write(self._reading, dict(inputs), to)

    def _write(self, network: Any, inputs: dict[str, Tensor], to: str) -> Written:
        there = {name: tensor.to(network.device) for name, tensor in inputs.items()}
        config, code = network.generation_config, code_of(to, self._tokens)
        made: Tensor = network.generate(**there, tgt_lang=code, **self._search)
        prefix = [config.decoder_start_token_id, self._tokens[code]]
        rows = bare(made[:, len(prefix) :], config)
        ended = [len(row) < self._limit for row in rows]
        return Written(network, there, [prefix] * len(rows), rows, ended)


def _silence_padding(layer: Any) -> None:
    """Let a layer of transformers' adapter hear silence behind a sound, as if it were alone.

    Its convolutions mask nothing, so that the last frames would depend on the rest of the batch.
    """
    masks: list[Tensor] = []

    def note(_: Any, given: tuple[Tensor, Tensor]) -> None:
        masks[:] = [given[1]]  # (B, T)

    def silence(_: Any, given: tuple[Tensor]) -> tuple[Tensor]:
        return (given[0] * masks[0][:, None].to(given[0].dtype),)  # (B, D, T)

    layer.register_forward_pre_hook(note)
    for convolution in (layer.residual_conv, layer.self_attn_conv):
        convolution.register_forward_pre_hook(silence)
