"""The corpora of the study: spoken pictures, and speech that nothing is trained on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from trivium.data.audio import encode_flac
from trivium.data.augment import AugmentSettings, augment
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.data.world.build import WorldSettings, make_world
from trivium.runtime import derive_seed
from trivium.studies.schedules.sizes import SizeName

WORLD, SECOND, CLEAN = "world", "second", "second-clean"  # folders that the study makes
MADE: dict[SizeName, WorldSettings] = {
    "test": WorldSettings(size="tiny", languages=("en",)),
    "world": WorldSettings(size="base", languages=("en",)),
}
# Scenes of another seed, said in another language; its test split has voices of its own.
ABROAD = WorldSettings(size="small", seed=1, languages=("de",))
NOISE = AugmentSettings(noise_snr_db=(5, 15))
COLUMNS = ("id", "split", "audio", "seconds", "text", "characters", "language", "speaker", "phones")
ROWS = 64  # in memory at a time


def own_corpus(size: SizeName, out: Path, advance: Callable[[int], None] = lambda _: None) -> Path:
    """The made world that a study without a corpus makes, or continues, in its folder."""
    make_world(out / WORLD, MADE[size], advance=advance)
    return out / WORLD


def second_corpus(out: Path, advance: Callable[[int], None] = lambda _: None) -> Path:
    """German with noise, by voices that are in no training: made, or continued."""
    make_world(out / CLEAN, ABROAD, advance=advance)
    with_noise(Corpus.open(out / CLEAN), "test", out / SECOND)
    return out / SECOND


def with_noise(corpus: Corpus, split: str, out: Path) -> None:
    """A corpus of a split's utterances with noise, 5 to 15 dB below the speech."""
    told = f"{corpus.card.source} With noise, 5 to 15 dB below the speech."
    card = Card(
        name=f"{corpus.card.name}-noisy", licence=corpus.card.licence, source=told,
        made_by={"of": corpus.card.fingerprint, "split": split},
    )  # fmt: skip
    rows = corpus.columns("utterances", ["id"], f"split = '{split}'").column("row").to_numpy()
    with CorpusWriter(out, card) as writer:
        for start in range(0, len(rows), ROWS):
            columns = [*COLUMNS, "path", "offset"]
            for row in corpus.take("utterances", rows[start : start + ROWS], columns).to_pylist():
                id_ = f"{row['id']}-noisy"
                if writer.has("utterances", id_):
                    continue
                seed = np.random.default_rng(derive_seed(0, "noise", id_))
                sound = augment(corpus.sound(row), NOISE, seed)
                kept = {name: row[name] for name in COLUMNS}
                writer.add("utterances", {**kept, "id": id_, "audio": encode_flac(sound)})
