"""What a cell is measured by: translation of speech and of texts, errors of recognition, labels."""

from pathlib import Path

from trivium import checkpoint
from trivium.models.joint import Joint
from trivium.models.loaded import Model
from trivium.studies.results import Measured
from trivium.studies.study import Cell
from trivium.studies.text_helps.cells import stage_name
from trivium.studies.text_helps.sizes import INTO, TextHelpsSettings
from trivium.tasks import classification
from trivium.tasks.classification import ClassificationSettings
from trivium.tasks.during import FirstRows
from trivium.tasks.score import Score, Signature
from trivium.tasks.words import recognition, translation
from trivium.tasks.words.recognition import RecognitionSettings
from trivium.tasks.words.translation import TranslationSettings
from trivium.training.state import RunFolder

SMOOTH = 5  # lines of losses whose mean counts
LOSS = "loss/"


class Measurement:
    """Measures cells on the rows of one corpus that the study is about."""

    def __init__(self, settings: TextHelpsSettings, corpus: Path, stages: Path) -> None:
        self.settings, self._stages = settings, stages
        self._corpus = FirstRows.open(corpus)
        self._corpus.where = settings.rows

    def sign(self, cell: Cell, trained: Path) -> Signature:  # noqa: ARG002
        """What decides every number of a cell."""
        settings = self.settings
        which = f" where {settings.rows}" if settings.rows else ""
        return Signature(
            task=f"study/text-helps into {INTO}",
            corpus=self._corpus.card.fingerprint,
            split=f"{settings.split}{which}",
            model=checkpoint.checksum(trained),
        )

    def measure(self, cell: Cell, trained: Path, signature: Signature) -> Measured:
        """Every number of a trained cell, and the losses that its pre-training ended with."""
        stage = self._stages / stage_name(cell.axes["variant"], cell.seed)
        return Measured(
            cell=cell.name, axes=dict(cell.axes), seed=cell.seed, signature=signature,
            scores=self._scores(cell.axes["task"], Model.load(trained)), curves=last_losses(stage),
        )  # fmt: skip

    def _scores(self, task: str, model: Model) -> tuple[Score, ...]:
        corpus, split, resamples = self._corpus, self.settings.split, self.settings.resamples
        if task == "recognition":
            settings = RecognitionSettings(resamples=resamples)
            return (recognition.measure(model, corpus, split, settings).score,)
        if task != "translation":
            asked = ClassificationSettings(resamples=resamples)
            return (classification.measure(model, corpus, split, asked).score,)
        asked_for = TranslationSettings(resamples=resamples, groups={})
        return tuple(
            translation.measure(model, corpus, split, source, asked_for, to=INTO).score
            for source in ("speech", "text")
        )


def last_losses(folder: Path) -> dict[str, tuple[float, ...]]:
    """The mean of the last lines of each loss that a pre-training logged."""
    logged: dict[str, list[float]] = {}
    for line in RunFolder(folder).read_metrics():
        for name in Joint.objectives:
            if name in line:
                logged.setdefault(name, []).append(line[name])
    return {f"{LOSS}{name}": (sum(values[-SMOOTH:]) / len(values[-SMOOTH:]),)
            for name, values in logged.items()}  # fmt: skip
