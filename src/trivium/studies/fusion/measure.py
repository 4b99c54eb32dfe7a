"""What a cell is measured by: its task on held-out and on its own rows, and what is hidden."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import torch

from trivium import checkpoint
from trivium.data.batch import Batch
from trivium.data.corpus import Corpus
from trivium.data.loader import Stopwatch, load
from trivium.data.source import Source, SourceSettings
from trivium.models.fused import Fused
from trivium.models.loaded import Model
from trivium.recipes.fused import Wish
from trivium.studies.fusion.sizes import FusionSettings
from trivium.studies.results import Measured
from trivium.studies.study import Cell
from trivium.tasks import classification, sentiment
from trivium.tasks.classification import ClassificationSettings
from trivium.tasks.rows import ALL_SPLITS
from trivium.tasks.score import Score, Signature
from trivium.tasks.sentiment import SentimentSettings
from trivium.tasks.voices import verification
from trivium.tasks.voices.verification import VerificationSettings

# Scores beside that of the task, and what is in them.
OWN, LOSSES = "own rows", "losses"
OVERLAP, MLM, MCAM, OTHERS = "orthogonality", "mlm", "mcam", "mcam beside other texts"
BLOCK_ROWS = 32


class Measurement:
    """Measures cells on one corpus; each pre-training once."""

    def __init__(self, settings: FusionSettings, corpus: Path, stages: Path) -> None:
        self.settings, self._stages = settings, stages
        self._path, self._corpus = corpus, Corpus.open(corpus)
        self._hidden = cache(self._hidden_of)

    def sign(self, cell: Cell, trained: Path) -> Signature:
        """What decides every number of a cell: its model, and that which it began from."""
        [before] = cell.needs
        begun = checkpoint.checksum(checkpoint.newest(self._stages / before))
        settings, rows = self.settings, self.settings.rows[_wish(cell)]
        told = f"{settings.draws} draws, {settings.trials} trials"
        return Signature(
            task=f"study/fusion after {begun[:12]}, {told}",
            corpus=self._corpus.card.fingerprint,
            split=f"{settings.split} where {rows}",
            model=checkpoint.checksum(trained),
        )

    def measure(self, cell: Cell, trained: Path, signature: Signature) -> Measured:
        """The task on held-out rows and on those of training, and losses of held-out rows."""
        wish, model = _wish(cell), Model.load(trained)
        split, rows = self.settings.split, self.settings.rows[wish]
        scores = [_called(wish, self._score(wish, model, split, rows))]
        losses: dict[str, float] = {}
        if wish != "voices":  # of a speaker who is held out no loss can be told
            own = str(cell.recipe.sources["rows"].filter)
            scores.append(_called(OWN, self._score(wish, model, ALL_SPLITS, own)))
            losses = self._losses(model, "rows", rows, (OVERLAP,), 1)
            if cell.axes["pretraining"] != "scratch" and cell.axes["modality"] == "both":
                losses |= self._hidden(cell.needs[0], rows)
        if losses:
            signed = signature.model_copy(update={"task": LOSSES})
            scores.append(Score(task=LOSSES, values=losses, primary=next(iter(losses)),
                                lower_is_better=True, signature=signed))  # fmt: skip
        return Measured(cell=cell.name, axes=dict(cell.axes), seed=cell.seed, signature=signature,
                        scores=tuple(scores))  # fmt: skip

    def _score(self, wish: Wish, model: Model, split: str, where: str) -> Score:
        corpus = self._corpus
        if wish == "emotion":
            asked = ClassificationSettings(
                where=where, resamples=0, primary="unweighted accuracy"
            )  # fmt: skip
            return classification.measure(model, corpus, split, asked).score
        if wish == "sentiment":
            kept = SentimentSettings(where=where, resamples=0)
            return sentiment.measure(model, corpus, split, kept).score
        trials = VerificationSettings(where=where, resamples=0, count=self.settings.trials)
        return verification.measure(model, corpus, split, trials).score

    def _hidden_of(self, stage: str, rows: str) -> dict[str, float]:
        """What a pre-training says of held-out rows, beside their texts and beside others."""
        model, draws = Model.load(checkpoint.newest(self._stages / stage)), self.settings.draws
        beside = self._losses(model, "pairs", rows, (MCAM,), draws, _with_other_texts)
        return {**self._losses(model, "pairs", rows, (MLM, MCAM), draws), OTHERS: beside[MCAM]}

    def _losses(
        self,
        model: Model,
        role: str,
        where: str,
        names: tuple[str, ...],
        draws: int,
        change: Callable[[Batch], Batch] = lambda batch: batch,
    ) -> dict[str, float]:
        """The mean of each of those objectives that a system has, over held-out rows."""
        system = cast("Fused", model.system)
        active = tuple(name for name in names if name in system.objectives)
        if not active:
            return {}
        rows = SourceSettings(
            corpora=(self._path,), split=self.settings.split, where=where,
            items=BLOCK_ROWS, columns=system.roles[role],
        )  # fmt: skip
        device = next(system.parameters()).device
        sums, counts = (dict.fromkeys(active, 0.0) for _ in range(2))
        for batch in _batches(Source(rows), draws):
            # Of rows none of which counts there is no part.
            for part in system.prepare({role: change(batch)}, np.random.default_rng(0)).values():
                with torch.inference_mode():
                    terms = system({role: part.to(device)}, active)
                for name in active:
                    sums[name] += float(terms[name].sum)
                    counts[name] += part.counts[name]
        return {name: sums[name] / counts[name] for name in active}


def _batches(source: Source, draws: int) -> Iterator[Batch]:
    """All rows, as often as something else is hidden of them."""
    order = np.arange(len(source))
    for epoch in range(draws):
        for start in range(0, len(order), BLOCK_ROWS):
            yield load(source, order[start : start + BLOCK_ROWS], epoch, 0, Stopwatch())


def _with_other_texts(batch: Batch) -> Batch:
    """Every row beside the text of the one before it; what is hidden of its sound stays."""
    texts = batch.texts or ()
    return replace(batch, texts=(*texts[-1:], *texts[:-1]))


def _wish(cell: Cell) -> Wish:
    known: tuple[Wish, ...] = ("emotion", "sentiment", "voices")
    return next(wish for wish in known if wish == cell.axes["task"])


def _called(task: str, score: Score) -> Score:
    """A score under the study's own name for its task."""
    signed = score.signature.model_copy(update={"task": task})
    return score.model_copy(update={"task": task, "signature": signed})
