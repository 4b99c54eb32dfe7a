"""Runs of `composite`: the text network, the speech tower, and both as one translator."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from trivium.data.augment import AugmentSettings
from trivium.data.corpus import Corpus
from trivium.data.loader import LoaderSettings
from trivium.data.source import SourceSettings
from trivium.models.composite import CompositeSettings
from trivium.models.composite.settings import PAPER as PAPER_SETTINGS
from trivium.models.ctc import CtcSettings
from trivium.models.joint.characters import most_used
from trivium.models.towers import TowerSettings
from trivium.models.towers.networks import Size
from trivium.training.loop import Recipe, TrainingSettings
from trivium.training.optimizer import OptimizerSettings
from trivium.training.schedule import Phase, Ramp

Weights = dict[str, float | Ramp]
# The authors': translation and recognition, text translation, and a tenth of cross-modality
# learning, which is the mean of its three losses of tokens and a fifth of its matching.
PAPER: Weights = {
    "st": 0.35, "asr": 0.35, "mt": 0.2,
    "mtp": 0.1 / 3, "stm": 0.1 / 3, "mst": 0.1 / 3, "erm": 0.1 * 0.2,
}  # fmt: skip
# Where `composite.world` and `composite.world_cpu` look for the runs that they begin with.
TEXT_RUN, SPEECH_RUN = "runs/composite.world_text", "runs/composite.world_speech"
TEXT_CPU_RUN, SPEECH_CPU_RUN = "runs/composite.world_cpu_text", "runs/composite.world_cpu_speech"
LANGUAGES = ("en", "hi", "ja", "es", "de", "sw")  # of the made world
# CoVoST 2 into English; mBART-50 knows neither Welsh nor Catalan.
COVOST = (
    "en", "fr", "de", "es", "it", "ru", "zh", "pt", "fa", "et", "mn", "nl", "tr", "ar", "sv", "lv",
    "ta", "ja", "id", "sl", "cy", "ca",
)  # fmt: skip
COVOST_HOURS = 860  # of training, in its 21 languages
EPOCHS, FROZEN_EPOCHS = 15, 5
# Small networks want larger weights to begin with than those of transformers.
WORLD: dict[str, Size] = {"d_model": 192, "init_std": 0.07}


def tiny(corpora: Sequence[Path]) -> Recipe:
    """Learns to translate 32 Japanese requests and opinions of the tiny world by heart.

    All losses come last, when the plain ones have been learned.
    """
    spoken = SourceSettings(
        corpora=tuple(corpora), where="language = 'ja' and id not like 'scene%'", seconds=60
    )
    # Tokens are made of the texts of all sources, and those of `spoken` are Japanese alone.
    written = SourceSettings(
        corpora=tuple(corpora), table="sentences", where="language in ('en', 'ja')", items=16
    )
    training = TrainingSettings(
        phases=(
            Phase(steps=220, weights={"st": 1.0, "asr": 0.5, "mt": 0.5}),
            Phase(steps=20, weights=PAPER),
        ),
        optimizer=OptimizerSettings(lr=3e-3, weight_decay=0.0),
        loader=LoaderSettings(micros_per_step=1),
    )
    return Recipe(system="composite", settings=CompositeSettings.tiny(), training=training,
                  sources={"spoken": spoken, "written": written}, tokens=380)  # fmt: skip


def world_text(corpora: Sequence[Path]) -> Recipe:
    """The text network of `composite.world`: sentences into English and back, for a GPU.

    Train it with `--out runs/composite.world_text`, where `composite.world` looks for it.
    """
    training = _training(Phase(steps=12_000, weights={"mt_written": 1.0}), lr=1e-3)
    return _world_text(_written(corpora, 20_000), training, layers=4)


def world_speech(corpora: Sequence[Path]) -> Recipe:
    """The speech tower of `composite.world`: it writes down six languages by CTC, for a GPU.

    Train it with `--out runs/composite.world_speech`, where `composite.world` looks for it.
    """
    training = _training(Phase(steps=12_000, weights={"ctc": 1.0}), lr=1e-3)
    return _world_speech(_spoken(corpora, 200), training)


def world(corpora: Sequence[Path]) -> Recipe:
    """Six languages into English and back, spoken and written, at most 8 M parameters; for a GPU.

    The text network is read from `runs/composite.world_text`, the speech tower, which has learned
    to write down what it hears, from `runs/composite.world_speech`; it stays as it is for the first
    third. As the means of tokens and of frames weigh what the authors' sums do not, so does `erm`.
    """
    weights: Weights = {**PAPER, "erm": 0.1, "mt_written": 0.2}
    training = _training(
        Phase(steps=4_000, weights=weights, freeze=("speech.*",)),
        Phase(steps=8_000, weights=weights), lr=5e-4,
    )  # fmt: skip
    sources = {"spoken": _spoken(corpora, 200), "written": _written(corpora, 5_000)}
    return Recipe(system="composite", settings=_world(TEXT_RUN, SPEECH_RUN), sources=sources,
                  training=training)  # fmt: skip


def world_cpu_text(corpora: Sequence[Path]) -> Recipe:
    """The text network of `composite.world_cpu`, for two cores.

    Train it with `--out runs/composite.world_cpu_text`, where `composite.world_cpu` looks for it.
    """
    training = _training(Phase(steps=2_400, weights={"mt_written": 1.0}), lr=1.5e-3)
    made = _world_text(_written(corpora, 8_000), training, layers=3)
    return made.model_copy(update={"tokens_have_case": True})


def world_cpu_speech(corpora: Sequence[Path]) -> Recipe:
    """The speech tower of `composite.world_cpu`: it writes down six languages, for two cores.

    Train it with `--out runs/composite.world_cpu_speech`, where `composite.world_cpu` looks for it.
    """
    training = _training(Phase(steps=6_000, weights={"ctc": 1.0}), lr=1.5e-3, micros=2)
    return _world_speech(_spoken_by_few(corpora, 80), training)


def world_cpu(corpora: Sequence[Path]) -> Recipe:
    """Six languages into English and back, spoken and written, for two cores; this one ships.

    It begins as `composite.world` does, with `runs/composite.world_cpu_text` and
    `runs/composite.world_cpu_speech`.
    """
    weights: Weights = {"st": 1.0, "asr": 0.5, "mt": 0.2}
    training = _training(
        Phase(steps=500, weights=weights, freeze=("speech.*",)),
        Phase(steps=2_000, weights=weights), lr=1e-3, micros=2,
    )  # fmt: skip
    return Recipe(system="composite", settings=_world(TEXT_CPU_RUN, SPEECH_CPU_RUN),
                  sources={"spoken": _spoken_by_few(corpora, 80)}, training=training)  # fmt: skip


def text(corpora: Sequence[Path]) -> Recipe:
    """The authors' first stage: mBART-50 on the texts and translations of utterances.

    Five epochs of CoVoST 2 if a step of 20,000 characters is 400 sentences.
    """
    settings = CompositeSettings(translator=TowerSettings(network="mbart-50"), languages=COVOST)
    steps = 5 * 550_000 // 400
    phase = Phase(steps=steps, weights={"mt_written": 1.0})
    training = _paper(phase, warmup=2_500 / steps, decay="linear")
    written = SourceSettings(
        corpora=tuple(corpora), where="translation is not null", characters=2_500
    )
    return Recipe(system="composite", settings=settings, sources={"written": written},
                  training=training)  # fmt: skip


def medium(corpora: Sequence[Path]) -> Recipe:
    """Whisper medium and mBART-50, with the authors' constants; CoVoST 2 into English.

    Weights, rates, what is hidden and what guides what are theirs, and so are sums over the tokens
    of an utterance. Their batch is told nowhere: a step has 800 s here, with which 15 epochs of
    CoVoST 2 are these steps. For the first five the speech tower stays as it is. The published
    mBART-50 is the teacher; after `composite.text`, name that run as translator and teacher.
    """
    return _covost(corpora, "whisper-medium")


def large(corpora: Sequence[Path]) -> Recipe:
    """As `composite.medium`, with the encoder of Whisper large v2."""
    return _covost(corpora, "whisper-large-v2")


def _covost(corpora: Sequence[Path], speech: str) -> Recipe:
    mbart = TowerSettings(network="mbart-50")
    settings = CompositeSettings(
        speech=TowerSettings(network=speech), translator=mbart, teacher=mbart, languages=COVOST,
        **PAPER_SETTINGS,
    )  # fmt: skip
    epoch = COVOST_HOURS * 3_600 // 800
    training = _paper(
        Phase(steps=FROZEN_EPOCHS * epoch, weights=PAPER, freeze=("speech.*",)),
        Phase(steps=(EPOCHS - FROZEN_EPOCHS) * epoch, weights=PAPER),
        warmup=5_000 / (EPOCHS * epoch),
        decay="quadratic",
    )
    spoken = SourceSettings(
        corpora=tuple(corpora), where="translation is not null", seconds=100, max_seconds=30
    )
    return Recipe(system="composite", settings=settings, sources={"spoken": spoken},
                  training=training)  # fmt: skip


def _paper(
    *phases: Phase, warmup: float, decay: Literal["linear", "quadratic"]
) -> TrainingSettings:
    """The authors' optimizer."""
    optimizer = OptimizerSettings(
        lr=2e-5, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1, warmup=warmup, decay=decay,
        final=0.005,
    )  # fmt: skip
    return TrainingSettings(
        phases=phases,
        optimizer=optimizer,
        loader=LoaderSettings(micros_per_step=8),
        precision="bf16",
        log_every=50,
        save_every=1_000,
    )


def _training(*phases: Phase, lr: float, micros: int = 1) -> TrainingSettings:
    return TrainingSettings(
        phases=phases,
        optimizer=OptimizerSettings(lr=lr, weight_decay=0.05, warmup=0.05, decay="cosine"),
        loader=LoaderSettings(micros_per_step=micros),
        precision="bf16",
        save_every=1_000,
    )


def _world(text_run: str, speech_run: str) -> CompositeSettings:
    return CompositeSettings(
        speech=TowerSettings(source=f"./{speech_run}"),
        translator=TowerSettings(source=f"./{text_run}"), match_layer=2,
    )  # fmt: skip


def _world_text(written: SourceSettings, training: TrainingSettings, layers: int) -> Recipe:
    sizes = {**WORLD, **_half("encoder", layers), **_half("decoder", layers), "dropout": 0.0,
             "vocab_size": 2_048, "max_position_embeddings": 512}  # fmt: skip
    translator = TowerSettings(network="test-mbart", random_weights=True, sizes=sizes)
    settings = CompositeSettings(translator=translator, languages=LANGUAGES)
    return Recipe(system="composite", settings=settings, sources={"written": written},
                  training=training, tokens=2_000)  # fmt: skip


def _world_speech(spoken: SourceSettings, training: TrainingSettings) -> Recipe:
    sizes = {**WORLD, **_half("encoder", 4), "max_source_positions": 1_000}
    tower = TowerSettings(network="test-whisper", random_weights=True, sizes=sizes)
    settings = CtcSettings(speech=tower, alphabet=_alphabet(spoken.corpora))
    heard = spoken.model_copy(update={"columns": ("audio", "text")})
    return Recipe(system="ctc", settings=settings, sources={"spoken": heard}, training=training)


def _half(name: str, layers: int) -> dict[str, Size]:
    return {f"{name}_layers": layers, f"{name}_attention_heads": 3, f"{name}_ffn_dim": 768}


def _spoken(corpora: Sequence[Path], seconds: float) -> SourceSettings:
    """Utterances of all languages, changed a little."""
    return SourceSettings(
        corpora=tuple(corpora), where="translation is not null", seconds=seconds, max_seconds=15,
        augment=AugmentSettings(noise_snr_db=(5, 30), warp=(0.9, 1.1), probability=0.5),
    )  # fmt: skip


def _spoken_by_few(corpora: Sequence[Path], seconds: float) -> SourceSettings:
    """As `_spoken`, with three in ten of the Swahili: of some languages little is at hand."""
    few = " or ".join(f"id like '%{digit}-sw'" for digit in (0, 3, 6))
    where = f"translation is not null and (language != 'sw' or {few})"
    return _spoken(corpora, seconds).model_copy(
        update={"where": where, "mix_by": "language", "temperature": 2.0}
    )


def _written(corpora: Sequence[Path], characters: int) -> SourceSettings:
    return SourceSettings(corpora=tuple(corpora), table="sentences", characters=characters,
                          where="translation is not null")  # fmt: skip


def _alphabet(corpora: Sequence[Path]) -> str:
    """The characters of spoken texts; without a corpus those of English."""
    there = [Corpus.open(folder) for folder in corpora if folder.exists()]
    tables = [corpus.columns("utterances", ["text"], "split = 'train'") for corpus in there]
    texts = [text for table in tables for text in table["text"].to_pylist() if text]
    return most_used(texts, 400, "lower") or " abcdefghijklmnopqrstuvwxyz'"
