"""Runs of `grounded`: self-supervision, spoken captions and their pictures, or both."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from trivium.data.loader import LoaderSettings
from trivium.data.source import SourceSettings
from trivium.errors import SettingsError, did_you_mean
from trivium.layers.pooling import PoolingSettings
from trivium.layers.quantizer import QuantizerSettings
from trivium.models.grounded import GroundedSettings
from trivium.models.towers import TowerSettings
from trivium.models.towers.networks import Size
from trivium.training.loop import Recipe, TrainingSettings
from trivium.training.optimizer import OptimizerSettings
from trivium.training.schedule import Phase, Ramp

Weights = Mapping[str, float | Ramp]

# Weights of wav2vec 2.0's parts as published: diversity 0.1; the penalty 10 of fairseq is 1 in
# the code of 2306.02972.
SSL: dict[str, float | Ramp] = {"ssl": 1.0, "diversity": 0.1, "penalty": 1.0}

# What a phase of the paper trains: alpha times grounding, 1 - alpha times self-supervision. Alone,
# grounding hears the utterance as it is; together both hear one masked pass.
LOSSES: dict[str, Weights] = {
    "VGS": {"ground": 1.0},
    "W2V2": SSL,
    "VGS+": {"masked_ground": 0.5, "ssl": 0.5, "diversity": 0.05, "penalty": 0.5},
}

# The paper's nine: the whole run, or 20 of 70 epochs and then 50.
SCHEDULES: dict[str, tuple[str, ...]] = {
    "W2V2": ("W2V2",),
    "VGS": ("VGS",),
    "VGS+": ("VGS+",),
    "(W2V2,VGS+)": ("W2V2", "VGS+"),
    "(VGS,VGS+)": ("VGS", "VGS+"),
    "(W2V2,VGS)": ("W2V2", "VGS"),
    "(VGS,W2V2)": ("VGS", "W2V2"),
    "(VGS+,W2V2)": ("VGS+", "W2V2"),
    "(VGS+,VGS)": ("VGS+", "VGS"),
}
EPOCHS, FIRST_EPOCHS = 70, 20

SPOKEN = ("audio", "image", "picture")
WORLD_SPEECH: dict[str, Size] = {
    "conv_dim": (128,) * 7, "hidden_size": 192, "num_attention_heads": 6,
    "intermediate_size": 768, "num_conv_pos_embeddings": 64, "num_conv_pos_embedding_groups": 16,
}  # fmt: skip
WORLD_CODES = QuantizerSettings(entries=64, width=128, cooling=0.9999)

# Ours: one loss and the other in turn, and one loss fading into the other.
FADING: Weights = {
    "masked_ground": Ramp(start=0, end=1), "ssl": Ramp(start=1, end=0),
    "diversity": Ramp(start=0.1, end=0), "penalty": Ramp(start=1, end=0),
}  # fmt: skip


def schedule(name: str, steps: int) -> tuple[Phase, ...]:
    """The phases of a schedule, `steps` in all; a second phase begins with a new optimizer.

    The paper's nine, `alternating` (one loss a step, in turn) and `ramp` (from self-supervision
    alone to grounding alone).

    >>> [(phase.steps, tuple(phase.weights)) for phase in schedule("(W2V2,VGS)", 70)]
    [(20, ('ssl', 'diversity', 'penalty')), (50, ('ground',))]
    """
    if name == "alternating":
        weights = {**LOSSES["VGS"], **LOSSES["W2V2"]}
        return (Phase(steps=steps, weights=weights, turns=(tuple(LOSSES["VGS"]), tuple(SSL))),)
    if name == "ramp":
        return (Phase(steps=steps, weights=dict(FADING)),)
    if name not in SCHEDULES:
        hint = did_you_mean(name, [*SCHEDULES, "alternating", "ramp"])
        raise SettingsError(f"no schedule is called {name!r}; {hint}")
    first, *then = SCHEDULES[name]
    if not then:
        return (Phase(steps=steps, weights=dict(LOSSES[first])),)
    before = first_phase(steps)
    return (
        Phase(steps=before, weights=dict(LOSSES[first])),
        Phase(steps=steps - before, weights=dict(LOSSES[then[0]]), reset_optimizer=True),
    )


def first_phase(steps: int) -> int:
    """How many of the steps of a sequential schedule come before the switch."""
    return round(steps * FIRST_EPOCHS / EPOCHS)


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
            columns=SPOKEN,
        ),
    }  # fmt: skip
    return Recipe(system="grounded", settings=GroundedSettings.tiny(), sources=sources,
                  training=training)  # fmt: skip


def world(corpora: Sequence[Path], scenario: str = "VGS+") -> Recipe:
    """Both losses on the English captions of a made world, 6 million parameters, for a GPU.

    One masked pass serves both; `scenario` is the name of another schedule.
    """
    settings = GroundedSettings(
        speech=TowerSettings(network="test-wav2vec2-large", random_weights=True,
                             sizes={**WORLD_SPEECH, "num_hidden_layers": 6}),
        picture=TowerSettings(network="test-clip", random_weights=True,
                              sizes={"hidden_size": 192, "num_attention_heads": 6,
                                     "intermediate_size": 768, "projection_dim": 256,
                                     "num_hidden_layers": 4, "image_size": 64, "patch_size": 8}),
        train_picture=True,
        shared_layers=4,
        ssl_on="spoken",
        quantizer=WORLD_CODES,
        match_width=128,
        pooling=PoolingSettings(stem=64, widths=(64, 128, 192), blocks=1, kernel=5, heads=6,
                                feedforward=768),
        loss="info_nce",
    )  # fmt: skip
    spoken = SourceSettings(
        corpora=tuple(corpora), where="picture is not null and language = 'en'", seconds=200,
        columns=SPOKEN,
    )  # fmt: skip
    training = TrainingSettings(
        phases=schedule(scenario, 14_000),
        optimizer=OptimizerSettings(lr=1e-3, weight_decay=0.01, warmup=0.1),
        loader=LoaderSettings(micros_per_step=4),
        precision="bf16",
        save_every=2_000,
    )
    return Recipe(system="grounded", settings=settings, sources={"spoken": spoken},
                  training=training)  # fmt: skip


def base(corpora: Sequence[Path], scenario: str = "VGS+") -> Recipe:
    """The network and the constants of the paper, on SpokenCOCO in our format.

    The first corpus has the spoken pictures; if there are more, self-supervision hears all of
    them, as LibriSpeech too. Everything but the picture tower begins from random weights.
    Steps are those of 592,000 captions, 64 at a time, 70 times; `scenario` is the name of another
    schedule. A step holds 64 captions if they last 4.4 s, as SpokenCOCO's do.
    """
    spoken, *speech = corpora
    settings = GroundedSettings(
        speech=TowerSettings(network="wav2vec2-base", random_weights=True),
        picture=TowerSettings(network="clip-vit-b-32"),
        ssl_on="speech" if speech else "spoken",
    )
    sources = {
        "spoken": SourceSettings(
            corpora=(spoken,), where="picture is not null", seconds=70.5, max_seconds=20,
            columns=SPOKEN,
        )
    }  # fmt: skip
    if speech:
        sources["speech"] = SourceSettings(
            corpora=tuple(corpora), seconds=70.5, max_seconds=20, columns=("audio",)
        )
    training = TrainingSettings(
        phases=schedule(scenario, 70 * 9_251),
        optimizer=OptimizerSettings(
            lr=1e-4, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01, warmup=0.1, clip=1.0
        ),
        loader=LoaderSettings(micros_per_step=4),
        precision="bf16",
        save_every=5_000,
    )
    return Recipe(system="grounded", settings=settings, sources=sources,
                  training=training)  # fmt: skip


def w2v2_world(corpora: Sequence[Path]) -> Recipe:
    """wav2vec 2.0 on the English of a made world, 2.7 million parameters, for a GPU.

    What it leaves is a speech tower that has heard English only and read nothing.
    """
    settings = GroundedSettings(
        speech=TowerSettings(network="test-wav2vec2-large", random_weights=True,
                             sizes={**WORLD_SPEECH, "num_hidden_layers": 5}),
        shared_layers=3,
        quantizer=WORLD_CODES,
        match_width=128,
    )  # fmt: skip
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
