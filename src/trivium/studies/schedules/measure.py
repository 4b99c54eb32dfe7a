"""What a cell is measured by: retrieval, phones of two corpora by layer, and how it came there."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from trivium import checkpoint
from trivium.data.corpus import Corpus
from trivium.models.grounded import GroundedSettings
from trivium.models.loaded import Model
from trivium.studies.results import Measured
from trivium.studies.schedules.cells import said
from trivium.studies.schedules.sizes import SchedulesSettings
from trivium.studies.study import Cell
from trivium.tasks.abx import measure as abx
from trivium.tasks.during import FirstRows
from trivium.tasks.retrieval import measure
from trivium.tasks.score import Score, Signature
from trivium.training.state import RunFolder

OWN, SECOND = "own", "second"  # corpora
AFTER = "measured after"  # the curve of steps that belongs to those of scores
SHARED = "shared layers"  # a single number
LOSSES = ("ground", "masked_ground", "ssl")


class Measurement:
    """Measures cells on the corpus of their captions, and on one that none was trained on."""

    def __init__(self, settings: SchedulesSettings, corpus: Path, second: Path) -> None:
        self.settings = settings
        self._own, self._second = FirstRows.open(corpus), Corpus.open(second)
        self._own.where = said(settings.language)

    def sign(self, cell: Cell, trained: Path) -> Signature:
        """What decides every number of a cell."""
        settings, model = self.settings, checkpoint.checksum(trained)
        cards = (self._own.card, self._second.card)
        return Signature(
            task=f"study/schedules@{settings.recall_at}/{cell.axes['schedule']}",
            corpus="+".join(card.fingerprint for card in cards),
            split=f"{settings.split}+{settings.second_split}",
            gallery=f"{settings.abx.words}, said in {settings.language}",
            model=model,
        )

    def measure(self, cell: Cell, trained: Path, signature: Signature) -> Measured:
        """Retrieval both ways and the error of each layer, at the end; curves of the run."""
        settings, model = self.settings, Model.load(trained)
        found = measure(model, self._own, settings.split, resamples=0)
        [pair] = found.compared
        # What stands for all is of the recall that the study is about.
        pictures = pair.score.model_copy(update={"primary": f"recall@{settings.recall_at}"})
        own = abx.measure(model, self._own, settings.split, settings.abx)
        second = abx.measure(model, self._second, settings.second_split, settings.abx)
        scores = (
            _called("retrieval", pictures),
            _called(f"abx/{OWN}", own.score),
            _called(f"abx/{SECOND}", second.score),
        )
        lines = RunFolder(trained.parents[1]).read_metrics()
        shared = float(cast("GroundedSettings", cell.recipe.settings).shared_layers)
        return Measured(
            cell=cell.name, axes=dict(cell.axes), seed=cell.seed, signature=signature,
            scores=scores, curves={SHARED: (shared,), **curves(lines, settings.recall_at)},
        )  # fmt: skip


def curves(lines: Iterable[dict[str, Any]], recall_at: int) -> dict[str, tuple[float, ...]]:
    """What a run logged: losses with their steps, and scores with theirs."""
    found: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    for line in lines:
        if "evaluation" in line:
            values, chance = (line["evaluation"][name] for name in ("values", "chance"))
            add(AFTER, line["step"] + 1)
            add("recall", values[f"recall@{recall_at}"])
            add("chance", chance[f"recall@{recall_at}"])
            for name, value in values.items():
                if name.startswith("abx/") and ".layer" in name:
                    add(name, value)
        for name in LOSSES:
            if name in line:
                add(f"loss/{name}", line[name])
                add(f"loss/{name}/step", line["step"])
    return {name: tuple(values) for name, values in found.items()}


def _called(task: str, score: Score) -> Score:
    """A score under the study's own name for its task."""
    signed = score.signature.model_copy(update={"task": task})
    return score.model_copy(update={"task": task, "signature": signed})
