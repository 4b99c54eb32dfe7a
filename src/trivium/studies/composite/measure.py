"""What a cell is measured by: speech translated directly and by cascades, texts, recognition."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from trivium import checkpoint
from trivium.data.audio import Samples
from trivium.models.loaded import Model
from trivium.runtime import derive_seed
from trivium.studies.composite.cells import SPEECH, TEXT, among
from trivium.studies.composite.sizes import CompositeStudySettings
from trivium.studies.results import Measured
from trivium.studies.study import Cell
from trivium.tasks.during import FirstRows
from trivium.tasks.score import Score, Signature
from trivium.tasks.words import recognition, translation
from trivium.tasks.words.cascade import Chain
from trivium.tasks.words.recognition import RecognitionSettings
from trivium.tasks.words.translation import (
    GROUPS_INTO,
    Source,
    TranslationSettings,
    Translator,
)

# The scores of a cell: it translates speech; texts; writes down what it hears; and translates that.
DIRECT, TEXTS, ERRORS = "translation.speech", "translation.text", "recognition"
OWN_CASCADE = "translation.cascade"
# Those of the two stages, recogniser and text network, which are the same of every cell.
STAGES_CASCADE, STAGE_TEXTS = "translation.cascade of the stages", "translation.text of its stage"
STAGE_ERRORS = "recognition of its stage"
GUESSES = 10  # whose mean is chance


class Guess:
    """Says any translation of a training row, whatever it is given."""

    checksum = "guess"

    def __init__(self, known: Sequence[str], seed: int) -> None:
        self._known, self._generator = known, np.random.default_rng(seed)

    def translate_speech(self, sounds: Sequence[Samples], *_: str) -> list[str]:
        """As many as there are sounds."""
        return self._say(len(sounds))

    def translate_text(self, texts: Sequence[str], *_: str) -> list[str]:
        """As many as there are texts."""
        return self._say(len(texts))

    def _say(self, count: int) -> list[str]:
        places = self._generator.integers(len(self._known), size=count)
        return [self._known[place] for place in places]


class Measurement:
    """Measures cells on the rows of one corpus that the study is about."""

    def __init__(self, settings: CompositeStudySettings, corpus: Path, stages: Path) -> None:
        self.settings, self._stages = settings, stages
        self._corpus = FirstRows.open(corpus)
        self._corpus.where = f"({settings.rows}) and {among(settings.languages)}"
        self._of_stages, self._chance = cache(self._measure_stages), cache(self._measure_chance)

    def sign(self, cell: Cell, trained: Path) -> Signature:  # noqa: ARG002
        """What decides every number of a cell: its model, the stages, and the rows."""
        stages = (checkpoint.newest(self._stages / name) for name in (SPEECH, TEXT))
        return Signature(
            task="study/composite",
            corpus=self._corpus.card.fingerprint,
            split=f"{self.settings.split} where {self._corpus.where}",
            text="cascade " + "+".join(checkpoint.checksum(stage)[:12] for stage in stages),
            model=checkpoint.checksum(trained),
        )

    def measure(self, cell: Cell, trained: Path, signature: Signature) -> Measured:
        """Every number of a trained cell."""
        model = Model.load(trained)
        direct = self._translated(model, "speech").model_copy(update={"chance": self._chance()})
        scores = (
            direct, self._translated(model, "text"), self._recognised(model),
            named(self._translated(Chain(model, model), "speech"), OWN_CASCADE),
            *self._of_stages(),
        )  # fmt: skip
        return Measured(cell=cell.name, axes=dict(cell.axes), seed=cell.seed, signature=signature,
                        scores=scores)  # fmt: skip

    def _translated(self, model: Translator, source: Source) -> Score:
        settings = self.settings
        asked = TranslationSettings(resamples=0, groups=settings.groups)
        return translation.measure(
            model, self._corpus, settings.split, source, asked, to=GROUPS_INTO
        ).score

    def _recognised(self, model: Model) -> Score:
        settings = RecognitionSettings(resamples=0)
        return recognition.measure(model, self._corpus, self.settings.split, settings).score

    def _measure_stages(self) -> tuple[Score, ...]:
        hears, reads = (Model.load(self._stages / name) for name in (SPEECH, TEXT))
        return (
            named(self._translated(Chain(hears, reads), "speech"), STAGES_CASCADE),
            named(self._translated(reads, "text"), STAGE_TEXTS),
            named(self._recognised(hears), STAGE_ERRORS),
        )

    def _measure_chance(self) -> dict[str, float]:
        """What is right by accident, as the mean of some guesses."""
        columns = ["translation", "translation_language"]
        rows = self._corpus.columns("utterances", columns, "split = 'train'").to_pylist()
        known = [row["translation"] for row in rows if row["translation_language"] == GROUPS_INTO]
        guesses = [Guess(known, derive_seed("composite", "guess", n)) for n in range(GUESSES)]
        found = [self._translated(guess, "text").values for guess in guesses]
        return {name: sum(values[name] for values in found) / GUESSES for name in found[0]}


def named(score: Score, task: str) -> Score:
    """A score by another name, so that a cell can have several of one task."""
    signed = score.signature.model_copy(update={"task": task})
    return score.model_copy(update={"task": task, "signature": signed})
