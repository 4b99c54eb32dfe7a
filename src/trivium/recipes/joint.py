"""Runs of `joint`: speech, characters and pairs of the two, each with its budget in every step."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from trivium.data.corpus import Corpus
from trivium.data.loader import LoaderSettings
from trivium.data.source import SourceSettings
from trivium.layers.conformer import ConformerSettings
from trivium.layers.quantizer import QuantizerSettings
from trivium.models.joint import JointSettings
from trivium.models.joint.characters import most_used
from trivium.models.towers import TowerSettings
from trivium.training.loop import Recipe, TrainingSettings
from trivium.training.optimizer import OptimizerSettings
from trivium.training.schedule import Phase, Ramp

Variant = Literal["speech-only", "tlm", "ctc", "tlm+ctc"]
Weights = dict[str, float | Ramp]
# w2v-BERT's: both losses count the same, diversity a tenth of them.
SPEECH: Weights = {"contrastive": 1.0, "diversity": 0.1, "codes": 1.0}


def weights(variant: Variant, text: float = 0.3, pairs: float = 0.03) -> Weights:
    """What each objective of a variant counts; variants differ in nothing else.

    As published: speech 1, text 0.3, pairs 0.03, so that a small set of pairs is not learned by
    heart.
    """
    if variant == "speech-only":
        return dict(SPEECH)
    tlm: Weights = {"tlm_text": pairs, "tlm_speech": pairs} if "tlm" in variant else {}
    ctc: Weights = {"ctc": pairs} if "ctc" in variant else {}
    return {**SPEECH, "spans": text, **ctc, **tlm}


def tiny(corpora: Sequence[Path]) -> Recipe:
    """English of the tiny world; writes down its 16 requests by heart within a minute."""
    english = "language = 'en'"
    sources = {
        "speech": SourceSettings(corpora=tuple(corpora), where=english, seconds=20),
        "text": SourceSettings(corpora=tuple(corpora), table="sentences", where=english,
                               characters=600),
        "pairs": SourceSettings(corpora=tuple(corpora), where=f"{english} and id like 'request%'",
                                seconds=20),
    }  # fmt: skip
    training = TrainingSettings(
        phases=(Phase(steps=220, weights=weights("tlm+ctc", pairs=1.0)),),
        optimizer=OptimizerSettings(lr=3e-3, weight_decay=0.0),
        loader=LoaderSettings(micros_per_step=1),
    )
    return _recipe(JointSettings.tiny(), sources, training)


def world_speech(corpora: Sequence[Path]) -> Recipe:
    """Speech of a made world in all its languages and nothing else, 8 M parameters; for a GPU."""
    return _world(corpora, "speech-only")


def world_tlm(corpora: Sequence[Path]) -> Recipe:
    """As `joint.world_speech`, with sentences, and pairs that are read side by side."""
    return _world(corpora, "tlm")


def world_ctc(corpora: Sequence[Path]) -> Recipe:
    """As `joint.world_speech`, with sentences, and pairs whose text is written down."""
    return _world(corpora, "ctc")


def world_tlm_ctc(corpora: Sequence[Path]) -> Recipe:
    """As `joint.world_speech`, with sentences, and pairs used in both ways."""
    return _world(corpora, "tlm+ctc")


def base(corpora: Sequence[Path]) -> Recipe:
    """The paper's 0.6 billion parameters and constants, on corpora of one's own.

    Steps, rate, warm-up, sizes, masks, codes and weights are the paper's, as far as it tells them:
    docs/joint.md says what it leaves open. A step holds its 2,048 utterances, 8,192 texts and 256
    pairs if sounds last 15 s and texts are cut at 512 characters.
    """
    return _paper(corpora, ConformerSettings(), lr=6e-4, steps=1_300_000)


def large(corpora: Sequence[Path]) -> Recipe:
    """The paper's 2 billion parameters: as `joint.base`, with 40 layers of width 1,408."""
    sizes = ConformerSettings(layers=40, width=1408, feedforward=5632)
    return _paper(corpora, sizes, lr=3.6e-4, steps=350_000)


def from_w2vbert2(corpora: Sequence[Path]) -> Recipe:
    """Goes on with the pre-training of w2v-BERT 2.0 on one's own speech; texts are not needed.

    Its codes were never published: new ones are learned first, on the network as it is, then all of
    it is trained. Contrast is made after layer 8 of 24, as its authors have it; steps and rates are
    guesses.
    """
    settings = JointSettings(speech=TowerSettings(network="w2v-bert-2.0"))
    training = TrainingSettings(
        phases=(
            Phase(steps=2_000, weights=weights("speech-only"), freeze=("speech.*",), lr=5e-4),
            Phase(steps=20_000, weights=weights("speech-only"), reset_optimizer=True),
        ),
        optimizer=OptimizerSettings(lr=5e-5, warmup=0.1),
        loader=LoaderSettings(micros_per_step=8),
        precision="bf16",
        save_every=1_000,
    )
    speech = SourceSettings(corpora=tuple(corpora), seconds=200, min_seconds=1, max_seconds=30)
    return _recipe(settings, {"speech": speech}, training)


def _world(corpora: Sequence[Path], variant: Variant) -> Recipe:
    """The variants differ in their schedule alone."""
    settings = JointSettings(
        conformer=ConformerSettings(layers=8, width=192, feedforward=768, heads=6, groups=6,
                                    channels=16),
        speech_layers=3, alphabet=_alphabet(corpora, 400),
        quantizer=QuantizerSettings(groups=1, entries=256, width=128, dropout=0.0,
                                    temperature=(2.0, 0.1), cooling=0.9998),
        match_width=128,
    )  # fmt: skip
    training = TrainingSettings(
        phases=(Phase(steps=30_000, weights=weights(variant)),),
        optimizer=OptimizerSettings(lr=1e-3, weight_decay=0.01, warmup=0.1),
        loader=LoaderSettings(micros_per_step=1),
        precision="bf16",
        save_every=2_000,
    )
    sources = _sources(corpora, seconds=400, characters=40_000, paired_seconds=200)
    return _recipe(settings, sources, training)


def _paper(corpora: Sequence[Path], sizes: ConformerSettings, lr: float, steps: int) -> Recipe:
    settings = JointSettings(conformer=sizes, alphabet=_alphabet(corpora, 4_096))
    training = TrainingSettings(
        phases=(Phase(steps=steps, weights=weights("tlm+ctc")),),
        optimizer=OptimizerSettings(
            lr=lr, weight_decay=0.0, warmup=40_000 / steps, decay="inverse_sqrt"
        ),
        loader=LoaderSettings(micros_per_step=64),
        precision="bf16",
        log_every=100,
        save_every=5_000,
    )
    sources = _sources(corpora, 2_048 * 15 / 64, 8_192 * 512 // 64, 256 * 15 / 64)
    return _recipe(settings, sources, training)


def _sources(
    corpora: Sequence[Path], seconds: float, characters: int, paired_seconds: float
) -> dict[str, SourceSettings]:
    """All utterances, all sentences, all utterances with a text; languages brought closer."""
    rows = {
        "speech": SourceSettings(corpora=tuple(corpora), seconds=seconds, max_seconds=30),
        "text": SourceSettings(corpora=tuple(corpora), table="sentences", characters=characters,
                               max_characters=2_048),
        "pairs": SourceSettings(corpora=tuple(corpora), seconds=paired_seconds, max_seconds=30,
                                where="text is not null"),
    }  # fmt: skip
    mixed = {"mix_by": "language", "temperature": 3.0}
    return {role: source.model_copy(update=mixed) for role, source in rows.items()}


def _alphabet(corpora: Sequence[Path], size: int) -> str:
    """The characters that the corpora have most often; none of a corpus that is not there yet."""
    columns = (
        corpus.columns(table, ["text"], "split = 'train'").column("text")
        for corpus in (Corpus.open(folder) for folder in corpora if folder.exists())
        for table in ("utterances", "sentences")
    )
    texts = (
        text for column in columns for chunk in column.chunks for text in chunk.to_pylist() if text
    )
    return most_used(texts, size, "lower")


def _recipe(
    settings: JointSettings, sources: dict[str, SourceSettings], training: TrainingSettings
) -> Recipe:
    return Recipe(system="joint", settings=settings, sources=sources, training=training)
