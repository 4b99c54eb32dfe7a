"""Lines: what should be written and what was; and how sure sums over them are."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from trivium.checkpoint import write_file
from trivium.config import Settings
from trivium.errors import TriviumError
from trivium.tasks.metrics import Floats, Integers, bootstrap
from trivium.tasks.score import Score


class Line(Settings):
    """A reference and what a model wrote in its place, as they were before any normaliser."""

    id: str
    """Of the row, or its number from 1."""
    language: str
    """Its language, or the direction of a translation."""
    reference: str
    """What should be written."""
    hypothesis: str
    """What was written."""


class Written(Settings):
    """A result, and every line it was made of."""

    score: Score
    """The numbers; what their names mean is told by the task."""
    remarks: tuple[str, ...] = ()
    """Sentences on what was empty, left out or missing."""
    lines: tuple[Line, ...] = Field(default=(), exclude=True)
    """They go into a file of their own."""

    def write(self, folder: Path) -> None:
        """`recognition.json`, or as the task is called, and `recognition.jsonl` with the lines."""
        name = type(self).__name__.lower()
        told = (json.dumps(line.model_dump(), ensure_ascii=False) for line in self.lines)
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / f"{name}.json", self.to_json())
        write_file(folder / f"{name}.jsonl", "".join(f"{line}\n" for line in told))


def pair(
    hypotheses: Sequence[str],
    references: Sequence[str],
    languages: Sequence[str],
    ids: Sequence[str] = (),
) -> tuple[Line, ...]:
    """Lists side by side; without `ids` lines are numbered."""
    ids = ids or [str(number) for number in range(1, len(references) + 1)]
    lengths = [len(hypotheses), len(references), len(languages), len(ids)]
    if len(set(lengths)) > 1 or not references:
        raise TriviumError(
            "there are {} hypotheses, {} references, {} languages and {} ids; expected equally "
            "many, and at least one".format(*lengths)
        )
    for name, texts in (("hypothesis", hypotheses), ("reference", references)):
        for id_, text in zip(ids, texts, strict=True):
            if not isinstance(text, str):
                raise TriviumError(f"the {name} of {id_!r} is {text!r}; expected a text")
    rows = zip(ids, languages, references, hypotheses, strict=True)
    return tuple(
        Line(id=id_, language=language, reference=reference, hypothesis=hypothesis)
        for id_, language, reference, hypothesis in rows
    )


def resampled_sums(counts: Integers, seed: int, resamples: int) -> Floats:
    """Sums of counts (N, M) over rows drawn again, (resamples, M); the order of rows is nothing."""
    ordered = counts[np.lexsort(counts.T)].astype(np.float64)
    means = bootstrap(ordered, np.arange(len(counts)), seed, resamples)
    return np.rint(means * len(counts))
