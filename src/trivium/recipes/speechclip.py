"""Runs of `speechclip`: spoken captions mapped onto their pictures."""

from collections.abc import Sequence
from pathlib import Path

from trivium.data.augment import AugmentSettings
from trivium.data.loader import LoaderSettings
from trivium.data.source import SourceSettings
from trivium.models.speechclip import SpeechClipSettings
from trivium.models.towers import TowerSettings
from trivium.training.loop import Recipe, TrainingSettings
from trivium.training.optimizer import OptimizerSettings
from trivium.training.schedule import Phase

COLUMNS = ("audio", "image", "picture", "language")


def tiny(corpora: Sequence[Path]) -> Recipe:
    """Learns the 32 English captions of the tiny world by heart in under a minute."""
    training = TrainingSettings(
        phases=(Phase(steps=220, weights={"contrast": 1.0}),),
        optimizer=OptimizerSettings(lr=2e-3, weight_decay=0.0),
        loader=LoaderSettings(micros_per_step=1),
    )
    spoken = SourceSettings(
        corpora=tuple(corpora), where="picture is not null and language = 'en'",
        seconds=200, columns=COLUMNS,
    )  # fmt: skip
    return Recipe(system="speechclip", settings=SpeechClipSettings.tiny(),
                  sources={"spoken": spoken}, training=training)  # fmt: skip


def world_cpu(corpora: Sequence[Path]) -> Recipe:
    """English, Hindi and Japanese onto pictures, everything trained, for two cores.

    The towers begin with random weights; give `settings.picture` the towers of a `clip` run, and
    `settings.train_picture=false`, to map speech onto a space that is there already.
    """
    settings = SpeechClipSettings(
        speech=TowerSettings(
            network="test-wav2vec2", random_weights=True,
            sizes={"conv_dim": (96,) * 7, "hidden_size": 192, "num_hidden_layers": 3,
                   "num_attention_heads": 6, "intermediate_size": 768},
        ),
        picture=TowerSettings(
            network="test-clip", random_weights=True,
            sizes={"hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 6,
                   "intermediate_size": 768, "projection_dim": 256, "image_size": 64,
                   "patch_size": 8},
        ),
        train_picture=True, train_speech_from=0, feedforward=768, heads=6,
    )  # fmt: skip
    spoken = SourceSettings(
        corpora=tuple(corpora), where="picture is not null and language in ('en', 'hi', 'ja')",
        seconds=160, columns=COLUMNS,
        augment=AugmentSettings(noise_snr_db=(5, 30), warp=(0.92, 1.08), probability=0.5),
    )  # fmt: skip
    training = TrainingSettings(
        phases=(Phase(steps=1_500, weights={"contrast": 1.0}),),
        optimizer=OptimizerSettings(lr=5e-4, weight_decay=0.05),
        loader=LoaderSettings(micros_per_step=1),
        save_every=250,
    )
    return Recipe(system="speechclip", settings=settings, sources={"spoken": spoken},
                  training=training)  # fmt: skip
