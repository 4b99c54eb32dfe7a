"""Runs of `grounded`: self-supervision, spoken captions and their pictures, or both."""

from collections.abc import Sequence
from pathlib import Path

from trivium.data.loader import LoaderSettings
from trivium.data.source import SourceSettings
from trivium.layers.quantizer import QuantizerSettings
from trivium.models.grounded import GroundedSettings
from trivium.models.towers import TowerSettings
from trivium.models.towers.networks import Size
from trivium.training.loop import Recipe, TrainingSettings
from trivium.training.optimizer import OptimizerSettings
from trivium.training.schedule import Phase, Ramp

# Weights of wav2vec 2.0's parts as published: diversity 0.1; the penalty 10 of fairseq is 1 in
# the code of 2306.02972.
SSL: dict[str, float | Ramp] = {"ssl": 1.0, "diversity": 0.1, "penalty": 1.0}


def tiny(corpora: Sequence[Path]) -> Recipe:
    """The English of the tiny world: what was masked first, then its 32 pictures too."""
    training = TrainingSettings(
        phases=(
            Phase(steps=130, weights=SSL, lr=5e-3),
            Phase(steps=260, weights={**SSL, "ground": 0.3}, reset_optimizer=True),
        ),
        optimizer=OptimizerSettings(lr=3e-3, weight_decay=0.0),
        loader=LoaderSettings(micros_per_step=1),
    )
    english = "language = 'en'"
    sources = {
        "speech": SourceSettings(
            corpora=tuple(corpora), where=english, seconds=30, columns=("audio",)
        ),
        "spoken": SourceSettings(
            corpora=tuple(corpora), where=f"picture is not null and {english}", seconds=200,
            columns=("audio", "image", "picture"),
        ),
    }  # fmt: skip
    return Recipe(system="grounded", settings=GroundedSettings.tiny(), sources=sources,
                  training=training)  # fmt: skip


def w2v2_world(corpora: Sequence[Path]) -> Recipe:
    """wav2vec 2.0 on the English of a made world, 2.7 million parameters, for a GPU.

    What it leaves is a speech tower that has heard English only and read nothing.
    """
    sizes: dict[str, Size] = {
        "conv_dim": (128,) * 7, "hidden_size": 192, "num_hidden_layers": 5,
        "num_attention_heads": 6, "intermediate_size": 768, "num_conv_pos_embeddings": 64,
        "num_conv_pos_embedding_groups": 16,
    }  # fmt: skip
    settings = GroundedSettings(
        speech=TowerSettings(network="test-wav2vec2-large", random_weights=True, sizes=sizes),
        shared_layers=3,
        quantizer=QuantizerSettings(entries=64, width=128, cooling=0.9999),
        match_width=128,
    )
    english = SourceSettings(
        corpora=tuple(corpora), where="language = 'en'", seconds=400, columns=("audio",),
    )  # fmt: skip
    training = TrainingSettings(
        phases=(Phase(steps=20_000, weights=SSL),),
        optimizer=OptimizerSettings(lr=1e-3, weight_decay=0.01, warmup=0.1),
        loader=LoaderSettings(micros_per_step=1),
        precision="bf16",
        save_every=2_000,
    )
    return Recipe(system="grounded", settings=settings, sources={"speech": english},
                  training=training)  # fmt: skip
