"""Lines of metrics.jsonl, with how fast training was between them, and TensorBoard's copy."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from trivium.data.loader import Spent
from trivium.errors import SettingsError
from trivium.training.place import Place

# What a line says of its window; everything else in it is the same when the run is repeated.
MEASURED = ("seconds", "sound_a_second", "waiting", "padding", "memory_gib")


@dataclass(frozen=True)
class Window:
    """What all devices together did between two lines."""

    steps: int
    seconds: float  # of training: what measuring and saving took is not counted
    waiting: float  # of these, for the loader
    sound: float  # seconds of it
    padded: float  # the same with padding

    def figures(self) -> dict[str, float]:
        """What a line says of it."""
        told = {"seconds": round(self.seconds, 4)}
        if self.seconds > 0:
            told["waiting"] = round(self.waiting / self.seconds, 4)
            if self.sound:
                told["sound_a_second"] = round(self.sound / self.seconds, 1)
        if self.padded:
            told["padding"] = round(1 - self.sound / self.padded, 4)
        return told


class Metrics:
    """Writes what is logged; on devices other than the first it only measures."""

    def __init__(
        self,
        path: Path,
        place: Place,
        spent: Spent,
        board: Any = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._path = path if place.is_first else None
        self._place, self._spent, self._clock = place, spent, clock
        self._board = board if place.is_first else None
        self._last = self._now(clock())
        self._apart = 0.0

    def window(self, steps: int) -> Window:
        """What happened since the last time; every device must ask."""
        now = self._now(self._clock())
        elapsed, *others = (new - old for new, old in zip(now, self._last, strict=True))
        self._last = now
        waiting, sound, padded = self._place.total(*others)
        seconds, self._apart = elapsed - self._apart, 0.0
        return Window(steps, seconds, waiting / self._place.world, sound, padded)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """What happens in the block is no training, and its time is not counted."""
        began = self._clock()
        yield
        self._apart += self._clock() - began

    def write(self, line: Mapping[str, Any]) -> None:
        """Add a line, which begins with its step."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(line) + "\n")
        if self._board is not None:
            for name, value in _scalars(line):
                self._board.add_scalar(name, value, line["step"])
            self._board.flush()

    def close(self) -> None:
        """Nothing more will be written."""
        if self._board is not None:
            self._board.close()

    def _now(self, seconds: float) -> tuple[float, float, float, float]:
        spent = self._spent
        return seconds, spent.waiting, spent.seconds, spent.padded_seconds


def tensorboard(folder: Path, step: int) -> Any:
    """A writer of TensorBoard's files, which forgets what was written from `step` on."""
    try:
        module = import_module("tensorboardX")
    except ImportError as error:
        raise SettingsError(
            f"training.tensorboard is true and {error.name} is not installed; "
            "pip install tensorboardX, or set it to false"
        ) from error
    return module.SummaryWriter(str(folder / "tensorboard"), purge_step=step)


def device_memory(place: Place) -> dict[str, float]:
    """The most memory that was in use on this device since the last time, in GiB."""
    if not place.is_cuda:
        return {}
    peak = torch.cuda.max_memory_allocated(place.device)
    torch.cuda.reset_peak_memory_stats(place.device)
    return {"memory_gib": round(peak / 2**30, 3)}


def _scalars(line: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Every number of a line by name; those of a score under the name of its task."""
    for name, value in line.items():
        if isinstance(value, (int, float)) and name != "step":
            yield name, value
    evaluation = line.get("evaluation")
    if evaluation is not None:
        for name, value in evaluation["values"].items():
            yield f"{evaluation['task']}/{name}", value
