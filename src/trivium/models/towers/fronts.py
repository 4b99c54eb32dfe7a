"""What stands around the layers of each family of speech networks: from waves to state 0.

The layers themselves are transformers' own. What is written here is what sees padding there:
normalisation, convolutions, masks, and features that are computed outside of the network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.data.batch import Ragged
from trivium.errors import TriviumError
from trivium.layers.norms import masked_channel_norm, padding_of, standardise
from trivium.layers.spectra import (
    HOP,
    SAMPLE_RATE_HZ,
    kaldi_features,
    kaldi_frames,
    whisper_features,
    whisper_frames,
)
from trivium.models.towers.attention import (
    distances,
    use_distance_attention,
    use_gated_attention,
)
from trivium.models.towers.networks import Place


@dataclass(frozen=True, eq=False)
class Entry:
    """What enters the first layer, and what every layer is told beside its input."""

    state: Tensor  # (B, T, D)
    lengths: Tensor  # (B,)
    context: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Heard:
    """What the convolutions over a wave give, before positions are told."""

    features: Tensor  # (B, T, C) as the convolutions leave them
    normed: Tensor | None  # (B, T, C) what a quantiser is given; HuBERT shows it to nobody
    state: Tensor  # (B, T, D) projected
    lengths: Tensor  # (B,)


class Front(Protocol):
    """One family. It holds numbers only; the network is passed to it."""

    min_samples: int
    """The shortest utterance that gives a frame."""
    place: Place
    """Of the layers."""

    def num_frames(self, samples: Tensor) -> Tensor:
        """Frames of utterances of so many samples, none below `min_samples`."""

    def enter(self, network: Any, waves: Ragged) -> Entry:
        """State 0; behind the waves, of at least `min_samples` altogether, are zeros."""

    def leave(self, network: Any, state: Tensor) -> Tensor:
        """What the network does to the last layer's output."""


class WaveFront:
    """wav2vec 2.0, HuBERT and WavLM: convolutions over the wave itself."""

    def __init__(self, network: Any, normalise_waves: bool) -> None:
        config = network.config
        self.convolutions = tuple(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.norm_last = bool(config.do_stable_layer_norm)
        self.place = Place("encoder.layers", ("encoder.layer_norm",) if self.norm_last else ())
        self.normalise_waves = normalise_waves
        self.min_samples = 1
        for kernel, stride in reversed(self.convolutions):
            self.min_samples = (self.min_samples - 1) * stride + kernel
        self.gated = config.model_type == "wavlm"
        if self.gated:
            use_gated_attention(network.encoder.layers)

    def num_frames(self, samples: Tensor) -> Tensor:
        """What the convolutions leave."""
        for kernel, stride in self.convolutions:
            samples = (samples - kernel) // stride + 1
        return samples

    def enter(self, network: Any, waves: Ragged) -> Entry:
        """Convolutions, projection, and the convolution that tells positions."""
        heard = self.hear(network, waves)
        return self.begin(network, heard.state, heard.lengths)

    def hear(self, network: Any, waves: Ragged) -> Heard:
        """Convolutions and projection: what self-supervision masks, and what it quantises."""
        samples = standardise(waves.data, waves.lengths) if self.normalise_waves else waves.data
        lengths = waves.lengths.clamp(min=self.min_samples)
        convolutions = network.feature_extractor.conv_layers
        # Statistics over channels want a frame's channels together; so do a GPU's kernels. On a
        # processor the other kind of statistics is faster with a channel's frames together.
        channels_last = samples.is_cuda or network.config.feat_extract_norm == "layer"
        frames, lengths = convolve(
            convolutions, samples.to(network.dtype), lengths, channels_last=channels_last
        )
        made = network.feature_projection(frames)
        state, normed = made if isinstance(made, tuple) else (made, None)
        return Heard(frames, normed, state, lengths)

    def begin(self, network: Any, state: Tensor, lengths: Tensor) -> Entry:
        """The convolution that tells positions, on projected frames."""
        # The convolution over positions reaches beyond the end: there it must find zeros.
        padding = padding_of(lengths, state.shape[1])
        state = state.masked_fill(padding[..., None], 0)
        encoder = network.encoder
        state = state + encoder.pos_conv_embed(state)
        if not self.norm_last:
            state = encoder.layer_norm(state)
        context = {"attention_mask": ~padding[:, None, None]}
        if self.gated:
            length = state.shape[1]
            context["position_bias"] = encoder.layers[0].attention.compute_bias(length, length)
        return Entry(encoder.dropout(state), lengths, context)

    def leave(self, network: Any, state: Tensor) -> Tensor:
        """The norm behind the last layer, where the network norms before each layer."""
        return network.encoder.layer_norm(state) if self.norm_last else state


def convolve(
    layers: Any, samples: Tensor, lengths: Tensor, *, channels_last: bool
) -> tuple[Tensor, Tensor]:
    """Frames (B, T, C) and their lengths; the order of channels in memory changes speed only."""
    frames = samples[:, None]  # (B, C, T)
    for layer in layers:
        convolution = layer.conv
        if channels_last:
            weight = convolution.weight[:, :, None].to(memory_format=torch.channels_last)
            stride = (1, convolution.stride[0])
            frames = F.conv2d(frames[:, :, None], weight, convolution.bias, stride)[:, :, 0]
        else:
            frames = convolution(frames)
        lengths = (lengths - convolution.kernel_size[0]) // convolution.stride[0] + 1
        norm = getattr(layer, "layer_norm", None)
        if isinstance(norm, nn.GroupNorm):  # a group per channel: its statistics see padding
            frames = masked_channel_norm(frames, lengths, norm.weight, norm.bias, norm.eps)
        elif norm is not None:
            frames = norm(frames.transpose(1, 2)).transpose(1, 2)
        frames = layer.activation(frames)
    return frames.transpose(1, 2), lengths


class BertFront:
    """w2v-BERT 2.0: Conformer layers over Kaldi's features, two to a frame."""

    min_samples = 560  # two windows
    place = Place("encoder.layers")

    def __init__(self, network: Any, _: bool) -> None:
        config = network.config
        self.by_distance = config.position_embeddings_type == "relative_key"
        self.reach = (config.left_max_position_embeddings, config.right_max_position_embeddings)
        self.num_bins = config.feature_projection_input_dim // 2
        if self.by_distance:
            use_distance_attention(network.encoder.layers)

    def num_frames(self, samples: Tensor) -> Tensor:
        """Pairs of windows."""
        return kaldi_frames(samples)

    def enter(self, network: Any, waves: Ragged) -> Entry:
        """Features and projection."""
        samples = waves.lengths.clamp(min=self.min_samples)
        lengths = kaldi_frames(samples)
        features = kaldi_features(waves.data, samples, self.num_bins).to(network.dtype)
        padding = padding_of(lengths, features.shape[1])
        state, _ = network.feature_projection(features)
        state = network.encoder.dropout(state.masked_fill(padding[..., None], 0))
        positions: Tensor | None = None
        if self.by_distance:
            positions = distances(state.shape[1], *self.reach, state.device)
        elif network.encoder.embed_positions is not None:
            positions = network.encoder.embed_positions(state)
        context = {
            "attention_mask": ~padding[:, None, None],
            "conv_attention_mask": ~padding,
            "relative_position_embeddings": positions,
        }
        return Entry(state, lengths, context)

    def leave(self, network: Any, state: Tensor) -> Tensor:  # noqa: ARG002
        """Nothing: every layer ends with its norm."""
        return state


class WhisperFront:
    """Whisper's encoder on what was said, instead of on 30 s of it and silence."""

    min_samples = 1
    place = Place("layers", ("layer_norm",))

    def __init__(self, network: Any, _: bool) -> None:
        self.num_bins: int = network.config.num_mel_bins
        self.max_samples: int = network.config.max_source_positions * 2 * HOP

    def num_frames(self, samples: Tensor) -> Tensor:
        """Pairs of mel frames, the last perhaps alone."""
        return -(-whisper_frames(samples) // 2)

    def enter(self, network: Any, waves: Ragged) -> Entry:
        """Features, two convolutions, and as many positions as there are frames."""
        data = waves.data
        if data.shape[1] > self.max_samples:
            longest = int(waves.lengths.max())
            if longest > self.max_samples:
                raise TriviumError(
                    f"an utterance of {longest / SAMPLE_RATE_HZ:.1f} s is longer than the "
                    f"{self.max_samples / SAMPLE_RATE_HZ:.1f} s that Whisper has positions for; "
                    "cut it"
                )
            data = data[:, : self.max_samples]
        lengths = waves.lengths.clamp(min=self.min_samples)
        mel = whisper_features(data, self.num_bins).to(network.dtype)  # (B, bins, 2 T)
        # Each convolution finds zeros behind the end, as it does where the batch ends.
        behind = padding_of(whisper_frames(lengths), mel.shape[-1])[:, None]
        hidden = F.gelu(network.conv1(mel.masked_fill(behind, 0))).masked_fill(behind, 0)
        state = F.gelu(network.conv2(hidden)).transpose(1, 2)
        state = state + network.embed_positions.weight[: state.shape[1]]
        state = F.dropout(state, network.dropout, network.training)
        lengths = self.num_frames(lengths)
        context = {"attention_mask": ~padding_of(lengths, state.shape[1])[:, None, None]}
        return Entry(state, lengths, context)

    def leave(self, network: Any, state: Tensor) -> Tensor:
        """The norm behind the last layer."""
        return cast("Tensor", network.layer_norm(state))


FRONTS: dict[str, Callable[[Any, bool], Front]] = {
    "hubert": WaveFront,
    "wav2vec2": WaveFront,
    "wavlm": WaveFront,
    "wav2vec2-bert": BertFront,
    "whisper": WhisperFront,
}
