"""Runs of `clip`: pictures and English sentences."""

from collections.abc import Sequence
from pathlib import Path

from trivium.data.loader import LoaderSettings
from trivium.data.source import SourceSettings
from trivium.models.clip import ClipSettings
from trivium.models.towers import TowerSettings
from trivium.training.loop import Recipe, TrainingSettings
from trivium.training.optimizer import OptimizerSettings
from trivium.training.schedule import Phase

ENGLISH = "picture is not null and language = 'en'"


def tiny(corpora: Sequence[Path]) -> Recipe:
    """Learns the 32 English captions of the tiny world in seconds."""
    training = TrainingSettings(
        phases=(Phase(steps=150, weights={"contrast": 1.0}),),
        optimizer=OptimizerSettings(lr=3e-3, weight_decay=0.0),
        loader=LoaderSettings(micros_per_step=2),
    )
    return _recipe(corpora, ClipSettings.tiny(), training, items=16, tokens=300)


def world_cpu(corpora: Sequence[Path]) -> Recipe:
    """A space of drawn scenes and English sentences, on two cores in about twenty minutes."""
    layers = {"hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 6,
              "intermediate_size": 768, "projection_dim": 256}  # fmt: skip
    settings = ClipSettings(
        picture=TowerSettings(network="test-clip", random_weights=True,
                              sizes={**layers, "image_size": 64, "patch_size": 8}),
        text=TowerSettings(network="test-clip", random_weights=True,
                           sizes={**layers, "vocab_size": 400, "max_position_embeddings": 64}),
    )  # fmt: skip
    training = TrainingSettings(
        phases=(Phase(steps=1_500, weights={"contrast": 1.0}),),
        optimizer=OptimizerSettings(lr=1e-3, weight_decay=0.1, warmup=0.05, decay="cosine"),
        loader=LoaderSettings(micros_per_step=1),
    )
    return _recipe(corpora, settings, training, items=128, tokens=400)


def _recipe(
    corpora: Sequence[Path],
    settings: ClipSettings,
    training: TrainingSettings,
    items: int,
    tokens: int,
) -> Recipe:
    captions = SourceSettings(
        corpora=tuple(corpora), where=ENGLISH, items=items, columns=("image", "picture", "text")
    )
    return Recipe(
        system="clip",
        settings=settings,
        sources={"captions": captions},
        training=training,
        tokens=tokens,
    )
