"""Runs that make the towers which other runs begin from."""

from collections.abc import Sequence
from pathlib import Path

from trivium.data.augment import AugmentSettings
from trivium.data.loader import LoaderSettings
from trivium.data.source import SourceSettings
from trivium.models.clip import ClipSettings
from trivium.models.ctc import CtcSettings
from trivium.models.towers import TowerSettings
from trivium.training.loop import Recipe, TrainingSettings
from trivium.training.optimizer import OptimizerSettings
from trivium.training.schedule import Phase

# Where the recipes that build on these runs look for them.
WORLD_CLIP_RUN = "runs/towers.world_clip"
WORLD_SPEECH_RUN = "runs/towers.world_speech"
WORLD_CPU_CLIP_RUN = "runs/clip.world_cpu"
WORLD_CPU_SPEECH_RUN = "runs/towers.world_speech_cpu"
WORLD_CPU_ENGLISH_RUN = "runs/speechclip.world_cpu_en"
WORLD_CPU_AUGMENT = AugmentSettings(noise_snr_db=(5, 30), warp=(0.92, 1.08), probability=0.5)


def world_clip(corpora: Sequence[Path]) -> Recipe:
    """A space of drawn scenes and English sentences, for a GPU; 3.8 million parameters.

    Train it with `--out runs/towers.world_clip`, where `speechclip.world` looks for it.
    """
    layers = {"hidden_size": 192, "num_attention_heads": 6, "intermediate_size": 768,
              "projection_dim": 256}  # fmt: skip
    settings = ClipSettings(
        picture=TowerSettings(network="test-clip", random_weights=True,
                              sizes={**layers, "num_hidden_layers": 5, "image_size": 64,
                                     "patch_size": 8}),
        text=TowerSettings(network="test-clip", random_weights=True,
                           sizes={**layers, "num_hidden_layers": 3, "vocab_size": 400,
                                  "max_position_embeddings": 64}),
    )  # fmt: skip
    captions = SourceSettings(
        corpora=tuple(corpora), where="picture is not null and language = 'en'", items=512,
        columns=("image", "picture", "text"),
    )  # fmt: skip
    training = TrainingSettings(
        phases=(Phase(steps=8_000, weights={"contrast": 1.0}),),
        optimizer=OptimizerSettings(lr=1e-3, weight_decay=0.1, warmup=0.05, decay="cosine"),
        loader=LoaderSettings(micros_per_step=1),
        precision="bf16",
        save_every=1_000,
    )
    return Recipe(system="clip", settings=settings, sources={"captions": captions},
                  training=training, tokens=400)  # fmt: skip


def world_speech_cpu(corpora: Sequence[Path]) -> Recipe:
    """A small Whisper-shaped encoder that writes down English; a quarter of an hour on two cores.

    Train it with `--out runs/towers.world_speech_cpu`, where `speechclip.world_cpu` looks for it.
    """
    tower = TowerSettings(
        network="test-whisper", random_weights=True,
        sizes={"d_model": 192, "encoder_layers": 4, "encoder_attention_heads": 6,
               "encoder_ffn_dim": 768, "max_source_positions": 1000},
    )  # fmt: skip
    spoken = SourceSettings(
        corpora=tuple(corpora), where="language = 'en'", seconds=160, columns=("audio", "text"),
        augment=WORLD_CPU_AUGMENT,
    )  # fmt: skip
    training = TrainingSettings(
        phases=(Phase(steps=900, weights={"ctc": 1.0}),),
        optimizer=OptimizerSettings(lr=1.5e-3, weight_decay=0.05, warmup=0.05, decay="cosine"),
        loader=LoaderSettings(micros_per_step=1),
        save_every=200,
    )
    return Recipe(system="ctc", settings=CtcSettings(speech=tower), sources={"spoken": spoken},
                  training=training)  # fmt: skip
