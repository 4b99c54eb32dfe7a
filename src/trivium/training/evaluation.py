"""Measuring a system while it trains, and keeping the best of what was found.

What measures is given to `fit`: tasks stand above training. A run that is measured trains what the
same run trains that is not.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from trivium import checkpoint
from trivium.config import Settings
from trivium.models.system import stored
from trivium.training.place import Place, gathered, is_sharded

SCORE = "score.json"  # of the best checkpoint, in its folder


class EvaluationSettings(Settings):
    """What is measured while a run trains, and how often."""

    tasks: tuple[str, ...] = Field(default=("retrieval",), min_length=1)
    """Names of tasks: retrieval, abx, recognition, translation, classification, sentiment,
    verification; the first decides which checkpoint is the best."""
    corpora: tuple[Path, ...] = ()
    """Corpora to measure on; none means those of the sources."""
    split: str = "dev"
    """The split to measure on; `*` for all, as where `where` is that of a fold."""
    where: str | None = None
    """A further filter of the rows, as in SQL: `language = 'en'`."""
    every: int = Field(default=500, ge=1)
    """Steps between measurements; the last step is always measured."""
    items: int | None = Field(default=1000, ge=1)
    """Rows of each corpus that are measured, the first ones; null means all."""

    @property
    def task(self) -> str:
        """All of them as one name: `retrieval+abx`."""
        return "+".join(self.tasks)


class Score(Protocol):
    """What `tasks.score.Score` is, as far as training looks at it."""

    @property
    def task(self) -> str:
        """Name of the task."""

    @property
    def values(self) -> Mapping[str, float]:
        """The numbers by name."""

    @property
    def chance(self) -> Mapping[str, float]:
        """What a model that knows nothing gets."""

    @property
    def primary(self) -> str:
        """Which of the values stands for all."""

    @property
    def signature(self) -> object:
        """As text: what exactly was measured."""

    def better_than(self, other: Any) -> bool:
        """Whether the primary value is strictly better."""

    def to_json(self) -> str:
        """All of it, as `load` reads it."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """The score in a file."""


class Evaluate(Protocol):
    """What measures a system."""

    def check(self, system: nn.Module) -> None:
        """Refuse what cannot be measured, before anything is trained."""

    def __call__(self, system: nn.Module) -> Score:
        """The score of a system that is in evaluation mode."""


@dataclass(frozen=True)
class Found:
    """A measurement, and whether it is the best of the run so far."""

    score: Score
    is_best: bool

    def line(self) -> dict[str, Any]:
        """What metrics.jsonl says of it."""
        score = self.score
        return {
            "task": score.task, "primary": score.primary, "best": self.is_best,
            "values": dict(score.values), "chance": dict(score.chance),
            "signature": str(score.signature),
        }  # fmt: skip


class Evaluation:
    """Measures on the first device, while the others wait."""

    def __init__(
        self,
        settings: EvaluationSettings,
        evaluate: Evaluate,
        best: Path,
        place: Place,
        rebuild: Callable[[], nn.Module],
    ) -> None:
        self._every = settings.every
        self._evaluate, self._best, self._place = evaluate, best, place
        self._rebuild = rebuild
        # Built where one device alone cannot run a system whose parameters lie on all of them.
        self._whole: nn.Module | None = None

    def is_due(self, done: int, last: bool) -> bool:
        """Whether to measure after so many steps."""
        return last or done % self._every == 0

    def run(self, system: nn.Module) -> Found | None:
        """The score of the system as it is now; None on devices that do not measure."""
        with undisturbed(system, self._place):
            tensors = gathered(stored(system), self._place) if is_sharded(system) else None
            found = None
            if self._place.is_first:
                whole = system if tensors is None else self._filled(tensors)
                score = self._evaluate(whole.eval())
                found = Found(score, self._is_best(score))
        self._place.meet()
        return found

    def _is_best(self, score: Score) -> bool:
        path = checkpoint.complete(self._best) / SCORE
        return not path.exists() or score.better_than(score.load(path))

    def _filled(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        if self._whole is None:
            self._whole = self._rebuild()
        checkpoint.put(tensors, stored(self._whole))
        return self._whole


@contextmanager
def undisturbed(system: nn.Module, place: Place) -> Iterator[None]:
    """Leave torch's randomness, and what of a system is in training, as they were."""
    modes = [(module, module.training) for module in system.modules()]
    with torch.random.fork_rng([torch.device(place.device)] if place.is_cuda else []):
        yield
    for module, training in modes:
        module.training = training
