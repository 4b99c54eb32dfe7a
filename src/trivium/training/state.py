"""A run's folder: what is written while it trains, and what a resumed run reads.

`checkpoints/step-000100/` is a checkpoint folder with `state/` beside the model: the optimizer by
name, the step, and what must be equal for a resume to be bit for bit.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trivium import checkpoint
from trivium.config import Settings, read_json
from trivium.errors import SettingsError
from trivium.models.towers.text import TOKENIZER
from trivium.training.optimizer import optimizer_tensors, restore_optimizer

OPTIMIZER, STATE = "state/optimizer.safetensors", "state/state.json"


class RunState(Settings):
    """What `state.json` says."""

    step: int
    """The next step to train."""
    threads: int
    """Of torch: sums on a CPU depend on it."""
    world: int
    """Devices."""
    torch: str
    """Version."""


def here(step: int, world: int) -> RunState:
    """The state of this process at a step."""
    version = str(torch.__version__).partition("+")[0]
    return RunState(step=step, threads=torch.get_num_threads(), world=world, torch=version)


def differences(saved: RunState, now: RunState) -> list[str]:
    """What differs so that a resumed run may differ in the last bits."""
    return [
        f"{name} was {getattr(saved, name)} and is {getattr(now, name)}"
        for name in ("threads", "world", "torch")
        if getattr(saved, name) != getattr(now, name)
    ]


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def metrics(self) -> Path:
        """One JSON object a line: what each logged step measured."""
        return self.path / "metrics.jsonl"

    def checkpoints(self) -> list[Path]:
        """Whole checkpoints, oldest first."""
        found = sorted((self.path / "checkpoints").glob("step-*"))
        return [folder for folder in found if (folder / STATE).exists()]

    def save(
        self,
        settings: Settings,
        system: nn.Module,
        optimizer: torch.optim.Optimizer,
        parameters: Mapping[str, nn.Parameter],
        state: RunState,
    ) -> Path:
        """Write a checkpoint, atomically."""
        from safetensors.torch import save_file

        target = self.path / "checkpoints" / f"step-{state.step:08}"
        with checkpoint.new_folder(target) as new:
            checkpoint.fill(new, settings, checkpoint.model_tensors(system), _readme(state))
            if (self.path / TOKENIZER).exists():
                shutil.copy(self.path / TOKENIZER, new / TOKENIZER)
            (new / "state").mkdir()
            save_file(optimizer_tensors(optimizer, parameters), new / OPTIMIZER)
            (new / STATE).write_text(state.to_json(), encoding="utf-8")
        return target

    def purge(self, keep: int) -> None:
        """Remove all but the newest checkpoints."""
        for old in self.checkpoints()[:-keep]:
            shutil.rmtree(old)

    def restore(
        self,
        system: nn.Module,
        optimizer: torch.optim.Optimizer,
        parameters: Mapping[str, nn.Parameter],
    ) -> RunState:
        """Put the newest checkpoint into the system and the optimizer."""
        from safetensors.torch import load_file

        folders = self.checkpoints()
        if not folders:
            raise SettingsError(f"{self.path} has no checkpoint to resume from")
        newest = folders[-1]
        checkpoint.load_into(system, newest)
        restore_optimizer(optimizer, parameters, load_file(newest / OPTIMIZER))
        return RunState.load(newest / STATE)

    def truncate_metrics(self, step: int) -> None:
        """Forget what was logged at `step` and later: those steps are trained again."""
        if self.metrics.exists():
            kept = [line for line in self.read_metrics() if line["step"] < step]
            text = "".join(json.dumps(line) + "\n" for line in kept)
            checkpoint.write_file(self.metrics, text)

    def read_metrics(self) -> Iterator[dict[str, Any]]:
        """The logged lines; one that a kill cut short is left out."""
        for line in self.metrics.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                return

    def check_settings(self, settings: Settings) -> None:
        """Refuse to go on with other settings than the run began with."""
        path = self.path / checkpoint.CONFIG
        if not path.exists():
            return
        before, now = _flat(read_json(path)), _flat(json.loads(settings.to_json()))
        changed = [
            f"{name}: {before.get(name)!r} -> {now.get(name)!r}"
            for name in sorted(before.keys() | now.keys())
            if before.get(name) != now.get(name)
        ]
        if changed:
            raise SettingsError(
                f"{self.path} was begun with other settings ({'; '.join(changed)}); "
                "name another folder, or resume with the same"
            )


def _readme(state: RunState) -> str:
    return f"# A checkpoint of a training run, before step {state.step}\n"


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(values, dict) or not values:
        return {prefix: values}
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}.{name}" if prefix else name)
    return flat
