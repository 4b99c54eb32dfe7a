"""Runs of `speechclip`: spoken captions mapped onto their pictures."""

from collections.abc import Sequence
from pathlib import Path

from trivium.data.augment import AugmentSettings
from trivium.data.loader import LoaderSettings
from trivium.data.source import SourceSettings
from trivium.models.speechclip import SpeechClipSettings
from trivium.models.towers import TowerSettings
from trivium.recipes.towers import (
    WORLD_CLIP_RUN,
    WORLD_CPU_AUGMENT,
    WORLD_CPU_CLIP_RUN,
    WORLD_CPU_ENGLISH_RUN,
    WORLD_CPU_SPEECH_RUN,
    WORLD_SPEECH_RUN,
)
from trivium.training.loop import Recipe, TrainingSettings
from trivium.training.optimizer import OptimizerSettings
from trivium.training.schedule import Phase

COLUMNS = ("audio", "image", "picture", "language")


def tiny(corpora: Sequence[Path]) -> Recipe:
    """Learns the 32 English captions of the tiny world by heart in half a minute."""
    training = TrainingSettings(
        phases=(Phase(steps=380, weights={"contrast": 1.0}),),
        optimizer=OptimizerSettings(lr=2e-3, weight_decay=0.0),
        loader=LoaderSettings(micros_per_step=1),
    )
    spoken = SourceSettings(
        corpora=tuple(corpora), where="picture is not null and language = 'en'",
        seconds=200, columns=COLUMNS,
    )  # fmt: skip
    return Recipe(system="speechclip", settings=SpeechClipSettings.tiny(),
                  sources={"spoken": spoken}, training=training)  # fmt: skip


def world_cpu_en(corpora: Sequence[Path]) -> Recipe:
    """English onto the pictures of `clip.world_cpu` by a head on a frozen tower, for two cores.

    The picture and text towers are read from `runs/clip.world_cpu`, the speech tower, which has
    learned to write down English, from `runs/towers.world_speech_cpu`. All three stay as they are.
    Train it with `--out runs/speechclip.world_cpu_en`, where `speechclip.world_cpu` begins.
    """
    # At the head's rate the tower would forget what it knows.
    phase = Phase(steps=300, weights={"find": 1.0}, freeze=("speech.*",), lr=1e-3)
    return _world_cpu(corpora, ("en",), phase)


def world_cpu(corpora: Sequence[Path]) -> Recipe:
    """English, Hindi and Japanese onto the pictures of `clip.world_cpu`, for two cores.

    It begins with the weights of `runs/speechclip.world_cpu_en` and trains head and speech tower.
    """
    phase = Phase(steps=1_200, weights={"find": 1.0}, lr=5e-4)
    recipe = _world_cpu(corpora, ("en", "hi", "ja"), phase)
    return recipe.model_copy(update={"start": f"./{WORLD_CPU_ENGLISH_RUN}"})


def base(corpora: Sequence[Path]) -> Recipe:
    """Spoken captions onto CLIP ViT-B/32 through HuBERT base, both frozen, as M-SpeechCLIP did it.

    The constants are those of the authors' code: Adam without decay, batches of 128 captions,
    masked-margin softmax of dot products, 1e-4 reached from a tenth of it in the first tenth of the
    steps and left again in a straight line. Steps cannot follow from corpora that nobody has opened
    yet: they are those of 99,000 captions in each of three languages (Places), 50 times. A step
    holds 128 captions if they last ten seconds; give `sources.spoken.seconds` the mean of yours
    times 128. It is one micro: frozen towers need little memory, and of several each would be heard
    twice. `settings.loss=info_nce` compares cosines instead, as our other recipes do.
    """
    return _paper(corpora, "hubert-base", "clip-vit-b-32")


def large(corpora: Sequence[Path]) -> Recipe:
    """As `speechclip.base`, with CLIP ViT-L/14 and the HuBERT large that recognises English."""
    return _paper(corpora, "hubert-large-ls960-ft", "clip-vit-l-14")


def world(corpora: Sequence[Path]) -> Recipe:
    """English, Hindi and Japanese onto the frozen pictures of `towers.world_clip`; for a GPU.

    The towers are read from `runs/towers.world_clip` and `runs/towers.world_speech`, which the
    recipes of those names make. The whole has at most eight million parameters.
    """
    return _world(corpora, ("en", "hi", "ja"), steps=12_000)


def world_en(corpora: Sequence[Path]) -> Recipe:
    """As `speechclip.world`, with English alone; each caption is heard as often as there."""
    return _world(corpora, ("en",), steps=4_000)


def world_hi(corpora: Sequence[Path]) -> Recipe:
    """As `speechclip.world`, with Hindi alone; each caption is heard as often as there."""
    return _world(corpora, ("hi",), steps=4_000)


def world_ja(corpora: Sequence[Path]) -> Recipe:
    """As `speechclip.world`, with Japanese alone; each caption is heard as often as there."""
    return _world(corpora, ("ja",), steps=4_000)


def _paper(corpora: Sequence[Path], speech: str, picture: str) -> Recipe:
    """Published towers, frozen, and the authors' constants."""
    settings = SpeechClipSettings(
        speech=TowerSettings(network=speech), picture=TowerSettings(network=picture),
        text=TowerSettings(network=picture), loss="masked_margin_softmax",
    )  # fmt: skip
    spoken = SourceSettings(
        corpora=tuple(corpora), where="picture is not null", seconds=1_280, max_seconds=40,
        columns=COLUMNS,
    )  # fmt: skip
    training = TrainingSettings(
        phases=(Phase(steps=3 * 99_000 * 50 // 128, weights={"contrast": 1.0}),),
        optimizer=OptimizerSettings(
            lr=1e-4, betas=(0.9, 0.999), weight_decay=0.0, warmup=0.1, final=0.1, clip=None
        ),
        loader=LoaderSettings(micros_per_step=1),
        precision="bf16",
        log_every=50,
        save_every=2_000,
    )
    return Recipe(system="speechclip", settings=settings, sources={"spoken": spoken},
                  training=training)  # fmt: skip


def _world_cpu(corpora: Sequence[Path], languages: tuple[str, ...], phase: Phase) -> Recipe:
    """A small speech tower that has read English onto towers that are there."""
    space = TowerSettings(source=f"./{WORLD_CPU_CLIP_RUN}")
    settings = SpeechClipSettings(
        speech=TowerSettings(source=f"./{WORLD_CPU_SPEECH_RUN}"), picture=space, text=space,
        train_speech_from=0, feedforward=768, heads=6, shrink=4, pooling_layers=2, norm_first=True,
    )  # fmt: skip
    spoken = SourceSettings(
        corpora=tuple(corpora), where=_spoken_in(languages), seconds=40,
        columns=("audio", "picture", "language"), augment=WORLD_CPU_AUGMENT,
    )  # fmt: skip
    training = TrainingSettings(
        # Against all pictures of the corpus: 45 captions a step would be few to tell apart.
        phases=(phase,),
        optimizer=OptimizerSettings(weight_decay=0.05, warmup=0.05, decay="cosine"),
        # Captions of four lengths a step: those of one alone are told apart by other things.
        loader=LoaderSettings(micros_per_step=4),
        save_every=250,
    )
    return Recipe(system="speechclip", settings=settings, sources={"spoken": spoken},
                  training=training)  # fmt: skip


def _spoken_in(languages: tuple[str, ...]) -> str:
    named = ", ".join(f"'{language}'" for language in languages)
    return f"picture is not null and language in ({named})"


def _world(corpora: Sequence[Path], languages: tuple[str, ...], steps: int) -> Recipe:
    """Towers of runs of ours, the speech tower trained on; about 500 captions a step."""
    space = TowerSettings(source=f"./{WORLD_CLIP_RUN}")
    settings = SpeechClipSettings(
        speech=TowerSettings(source=f"./{WORLD_SPEECH_RUN}"),
        picture=space,
        text=space,
        train_speech_from=0,
        feedforward=768,
    )
    spoken = SourceSettings(
        corpora=tuple(corpora), where=_spoken_in(languages), seconds=400, columns=COLUMNS,
        augment=AugmentSettings(noise_snr_db=(5, 30), warp=(0.9, 1.1), gain_db=(-10, 6),
                                probability=0.8),
    )  # fmt: skip
    training = TrainingSettings(
        phases=(Phase(steps=steps, weights={"contrast": 1.0}),),
        optimizer=OptimizerSettings(lr=1e-3, weight_decay=0.05, decay="cosine"),
        loader=LoaderSettings(micros_per_step=4),
        precision="bf16",
        save_every=1_000,
    )
    return Recipe(system="speechclip", settings=settings, sources={"spoken": spoken},
                  training=training)  # fmt: skip
