"""Which networks are known by name, and the settings that choose one.

Sizes are in the words of transformers' configurations, and what is not named is the default there:
the base network of its family.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from trivium.checkpoint import shipped
from trivium.config import Settings, inside
from trivium.errors import SettingsError, did_you_mean

Kind = Literal["speech", "picture", "text", "translator"]
Size = bool | int | float | str | tuple[int, ...]
Sizes = Mapping[str, Size]


@dataclass(frozen=True)
class Classes:
    """The classes that build one kind of a family, by their places in transformers."""

    config: str
    model: str


@dataclass(frozen=True)
class Place:
    """Where in a network its layers are, and what stands behind the last of them."""

    layers: str
    behind: tuple[str, ...] = ()


# config.json calls the family `model_type`; a whole CLIP or SigLIP holds both its kinds.
FAMILIES: dict[Kind, dict[str, Classes]] = {
    "speech": {
        "hubert": Classes("HubertConfig", "HubertModel"),
        "wav2vec2": Classes("Wav2Vec2Config", "Wav2Vec2Model"),
        "wavlm": Classes("WavLMConfig", "WavLMModel"),
        "wav2vec2-bert": Classes("Wav2Vec2BertConfig", "Wav2Vec2BertModel"),
        "whisper": Classes("WhisperConfig", "models.whisper.modeling_whisper.WhisperEncoder"),
    },
    "picture": {
        "clip": Classes("CLIPVisionConfig", "CLIPVisionModelWithProjection"),
        "siglip": Classes("SiglipVisionConfig", "SiglipVisionModel"),
    },
    "text": {
        "clip": Classes("CLIPTextConfig", "CLIPTextModelWithProjection"),
        "siglip": Classes("SiglipTextConfig", "SiglipTextModel"),
    },
    "translator": {
        "mbart": Classes("MBartConfig", "MBartForConditionalGeneration"),
        "m2m_100": Classes("M2M100Config", "M2M100ForConditionalGeneration"),  # NLLB too
    },
}


@dataclass(frozen=True)
class Network:
    """A network by name: where its weights are, and the sizes that build it without them."""

    family: str
    sizes: Mapping[Kind, Sizes]
    repository: str | None = None  # on the hub
    revision: str = "main"
    licence: str | None = None
    languages: str | None = None
    published_millions: float | None = None
    """Parameters as its authors print them, of the whole: Whisper with its decoder, CLIP's pair."""
    normalise_waves: bool = True
    """Whether the published preparation brings each utterance to mean 0 and variance 1."""
    sample_rate_hz: int = 16_000  # of speech

    @property
    def is_non_commercial(self) -> bool:
        """Whether its licence forbids commercial use of the weights and what is made of them."""
        return self.licence is not None and "-NC" in self.licence


_LARGE: Sizes = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
_LAYER_NORM: Sizes = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
_WAVE_LARGE: Sizes = {**_LARGE, **_LAYER_NORM, "conv_bias": True}
_TEST: Sizes = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
_TEST_WAVES: Sizes = {
    **_TEST,
    "conv_dim": (32,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
_TEST_WAVES_LARGE: Sizes = {**_TEST_WAVES, **_LAYER_NORM, "conv_bias": True}


def _speech(family: str, repository: str, sizes: Sizes, millions: float, **card: Any) -> Network:
    card = {"licence": "Apache-2.0", "languages": "English", **card}
    return Network(family, {"speech": sizes}, repository, published_millions=millions, **card)


def _whisper(size: str, shape: tuple[int, int, int], millions: float, **others: Size) -> Network:
    return _speech(
        "whisper",
        f"openai/whisper-{size}",
        {**_two_halves(*shape), **others},
        millions,
        languages="99 languages",
    )


def _two_halves(width: int, layers: int, heads: int) -> Sizes:
    # Of a Whisper the decoder is never built here, but its configuration names a whole one.
    sizes: dict[str, Size] = {"d_model": width}
    for half in ("encoder", "decoder"):
        sizes[f"{half}_layers"] = layers
        sizes[f"{half}_attention_heads"] = heads
        sizes[f"{half}_ffn_dim"] = 4 * width
    return sizes


def _translator(family: str, repository: str, vocabulary: int, **card: Any) -> Network:
    # Twelve layers each way of width 1,024, which is what transformers' configurations begin with.
    sizes: Sizes = {
        "vocab_size": vocabulary,
        "scale_embedding": True,
        "activation_function": "relu",
    }
    return Network(family, {"translator": sizes}, repository, **card)


_TEST_TRANSLATOR: Sizes = {**_two_halves(32, 2, 4), "vocab_size": 400, "scale_embedding": True}


def _pair(family: str, repository: str | None, picture: Sizes, text: Sizes, **card: Any) -> Network:
    return Network(family, {"picture": picture, "text": text}, repository, **card)


# Millions of parameters: HuBERT, wav2vec 2.0 and WavLM from the tables of their papers
# (2106.07447, 2006.11477, 2110.13900), which count pre-training heads; w2v-BERT 2.0 from its model
# card; Whisper from its README; CLIP and SigLIP from the table of models in open_clip.
NETWORKS: dict[str, Network] = {
    "hubert-base": _speech("hubert", "facebook/hubert-base-ls960", {}, 95),
    "hubert-large": _speech("hubert", "facebook/hubert-large-ll60k", _WAVE_LARGE, 317),
    "hubert-large-ls960-ft": _speech("hubert", "facebook/hubert-large-ls960-ft", _WAVE_LARGE, 317),
    "wav2vec2-base": _speech("wav2vec2", "facebook/wav2vec2-base", {}, 95),
    "wav2vec2-large": _speech("wav2vec2", "facebook/wav2vec2-large", _LARGE, 317),
    "wav2vec2-large-lv60": _speech("wav2vec2", "facebook/wav2vec2-large-lv60", _WAVE_LARGE, 317),
    "wavlm-base": _speech(
        "wavlm", "microsoft/wavlm-base", {}, 94.7, licence="CC-BY-SA-3.0", normalise_waves=False
    ),
    "wavlm-large": _speech(
        "wavlm",
        "microsoft/wavlm-large",
        {**_LARGE, **_LAYER_NORM},
        316.62,
        licence="CC-BY-SA-3.0",
    ),
    "w2v-bert-2.0": _speech(
        "wav2vec2-bert",
        "facebook/w2v-bert-2.0",
        {},
        580,
        licence="MIT",
        languages="143 languages",
    ),
    "whisper-tiny": _whisper("tiny", (384, 4, 6), 39),
    "whisper-base": _whisper("base", (512, 6, 8), 74),
    "whisper-small": _whisper("small", (768, 12, 12), 244),
    "whisper-medium": _whisper("medium", (1024, 24, 16), 769),
    "whisper-large-v2": _whisper("large-v2", (1280, 32, 20), 1550),
    "whisper-large-v3": _whisper(
        "large-v3", (1280, 32, 20), 1550, num_mel_bins=128, vocab_size=51_866
    ),
    "clip-vit-b-32": _pair(
        "clip",
        "openai/clip-vit-base-patch32",
        {},
        {},
        licence="MIT",
        languages="English",
        published_millions=151.28,
    ),
    "clip-vit-l-14": _pair(
        "clip",
        "openai/clip-vit-large-patch14",
        {**_LARGE, "patch_size": 14, "projection_dim": 768},
        {
            "hidden_size": 768,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
            "projection_dim": 768,
        },
        licence="MIT",
        languages="English",
        published_millions=427.62,
    ),
    "siglip-base": _pair(
        "siglip",
        "google/siglip-base-patch16-224",
        {},
        {},
        licence="Apache-2.0",
        languages="English",
        published_millions=203.16,
    ),
    "mbart-50": _translator(
        "mbart", "facebook/mbart-large-50-many-to-many-mmt", 250_054, languages="52 languages"
    ),
    "m2m100-418m": _translator(
        "m2m_100", "facebook/m2m100_418M", 128_112, licence="MIT", languages="100 languages"
    ),
    "nllb-200-600m": _translator(
        "m2m_100",
        "facebook/nllb-200-distilled-600M",
        256_206,
        licence="CC-BY-NC-4.0",
        languages="200 languages",
    ),
    # Sizes for tests, published nowhere.
    "test-hubert": Network("hubert", {"speech": _TEST_WAVES}),
    "test-hubert-large": Network("hubert", {"speech": _TEST_WAVES_LARGE}),
    "test-wav2vec2": Network("wav2vec2", {"speech": _TEST_WAVES}),
    "test-wav2vec2-large": Network("wav2vec2", {"speech": _TEST_WAVES_LARGE}),
    "test-wavlm": Network("wavlm", {"speech": _TEST_WAVES}, normalise_waves=False),
    "test-wavlm-large": Network("wavlm", {"speech": {**_TEST_WAVES, **_LAYER_NORM}}),
    "test-w2v-bert": Network("wav2vec2-bert", {"speech": _TEST}),
    "test-whisper": Network(
        "whisper", {"speech": {**_two_halves(32, 2, 4), "max_source_positions": 100}}
    ),
    "test-clip": _pair(
        "clip",
        None,
        {**_TEST, "image_size": 32, "patch_size": 8, "projection_dim": 24},
        {**_TEST, "vocab_size": 300, "projection_dim": 24},
    ),
    "test-siglip": _pair(
        "siglip",
        None,
        {**_TEST, "image_size": 32, "patch_size": 8},
        {**_TEST, "vocab_size": 300, "projection_size": 32},
    ),
    "test-mbart": Network("mbart", {"translator": _TEST_TRANSLATOR}),
    "test-m2m100": Network("m2m_100", {"translator": _TEST_TRANSLATOR}),
}


class TowerSettings(Settings):
    """One network: by name, or from a place of one's own."""

    network: str | None = None
    """A name in NETWORKS. Beside a source without `preprocessor_config.json` it says how waves are
    normalised; else null is enough there."""
    source: str | None = None
    """A run of ours, a folder in the hub's format, a model that ships, or a hub repository
    `owner/name`; null: the published one."""
    revision: str | None = None
    """Of a hub repository; null: the published network's, or `main`."""
    random_weights: bool = False
    """Build the network of this name without weights: to train it, or to measure its speed."""
    sizes: dict[str, Size] = Field(default_factory=dict)
    """Other sizes than the named network's, in transformers' words; with random weights only."""
    preparation: dict[str, Any] = Field(default_factory=dict)
    """What `preprocessor_config.json` would say of inputs; with random weights only."""
    checksum: str | None = None
    """sha256 of the weights in the source, which must be these."""

    @model_validator(mode="after")
    def _says_what_to_build(self) -> Self:
        if self.network is None and self.source is None:
            raise ValueError(f"network is {self.network} and so is source; name one of them")
        if self.network is not None and self.network not in NETWORKS:
            hint = did_you_mean(self.network, NETWORKS)
            raise ValueError(f"no network is called {self.network!r}; {hint}")
        if self.random_weights and self.network is None:
            raise ValueError(
                f"random_weights with the source {self.source!r} has no sizes; name a network"
            )
        if self.random_weights and self.source is not None:
            raise ValueError(f"random_weights would leave the source {self.source!r} unread")
        if self.preparation and not self.random_weights:
            raise ValueError(
                f"preparation {sorted(self.preparation)} would not fit the weights; "
                "set random_weights"
            )
        if self.checksum is not None and self.random_weights:
            raise ValueError(f"random_weights never have the checksum {self.checksum!r}")
        if self.sizes and not self.random_weights:
            raise ValueError(
                f"sizes {sorted(self.sizes)} would not fit the weights; set random_weights"
            )
        return self

    @property
    def folder(self) -> Path | None:
        """The folder that `source` names, if it names one rather than a repository."""
        if self.source is None:
            return None
        path = Path(self.source).expanduser()
        if not path.exists() and shipped(self.source) is not None:
            return shipped(self.source)
        is_path = path.is_dir() or path.is_absolute() or self.source.startswith((".", "~"))
        return path if is_path else None

    def known(self, kind: Kind) -> Network:
        """The entry of NETWORKS for `network`, if it has a tower of this kind."""
        having = [name for name, network in NETWORKS.items() if kind in network.sizes]
        if self.network not in having:
            hint = did_you_mean(str(self.network), having)
            raise SettingsError(f"{self.network!r} is no network for {kind}; {hint}")
        return NETWORKS[self.network]


def towers_in(settings: Settings) -> Iterator[tuple[str, TowerSettings]]:
    """The towers anywhere in settings, each with where it stands there."""
    for name, inner in inside(settings, "settings"):
        if isinstance(inner, TowerSettings):
            yield name, inner


def published(tower: TowerSettings) -> Network | None:
    """The known network whose weights a tower begins with; None for its own or unknown ones."""
    if tower.random_weights:
        return None
    if tower.source is None:
        return NETWORKS[str(tower.network)]
    known = {network.repository: network for network in NETWORKS.values() if network.repository}
    return known.get(tower.source)
