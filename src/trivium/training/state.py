"""A run's folder: what is written while it trains, and what a resumed run reads.

`checkpoints/step-000100/` is a checkpoint folder with `state/` beside the model: the optimizer by
name, the step, and what must be equal for a resume to be bit for bit.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trivium import checkpoint
from trivium.config import Settings, inside, read_json
from trivium.data.corpus import Card
from trivium.data.source import Source
from trivium.errors import SettingsError
from trivium.models.system import described, load_stored, stored, tokenizer_of
from trivium.models.towers.networks import published, towers_in
from trivium.models.towers.text import TOKENIZER
from trivium.training.evaluation import SCORE, Found
from trivium.training.optimizer import optimizer_tensors, restore_optimizer
from trivium.training.place import Place, gathered
from trivium.training.recipe import Recipe
from trivium.version import VERSION

OPTIMIZER, STATE = "state/optimizer.safetensors", "state/state.json"
# What may be another when a run is resumed: the training is the same.
FREE = frozenset({"training.parallel"})


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
    parallel: str = "ddp"
    """How the devices share the work."""
    corpora: dict[str, tuple[str, ...]] = {}
    """Fingerprints of what each source reads; empty in older runs."""


@dataclass(frozen=True)
class Snapshot:
    """All that a checkpoint holds."""

    recipe: Recipe
    """As a checkpoint states it."""
    tensors: Mapping[str, Tensor]
    """Of the system."""
    moments: Mapping[str, Tensor]
    """Of the optimizer."""
    state: RunState
    readme: str


def here(step: int, world: int, parallel: str = "ddp") -> RunState:
    """The state of this process at a step."""
    return RunState(
        step=step, threads=torch.get_num_threads(), world=world, parallel=parallel,
        torch=str(torch.__version__).partition("+")[0],
    )  # fmt: skip


def differences(saved: RunState, now: RunState) -> list[str]:
    """What differs so that a resumed run may differ in the last bits."""
    return [
        f"{name} was {getattr(saved, name)} and is {getattr(now, name)}"
        for name in ("threads", "world", "parallel", "torch")
        if getattr(saved, name) != getattr(now, name)
    ]


def refuse_other_rows(saved: RunState, cards: Mapping[str, Sequence[Card]]) -> None:
    """Refuse to go on with corpora that are not as they were."""
    now = fingerprints(cards)
    changed = [name for name, before in saved.corpora.items() if now.get(name, before) != before]
    if changed:
        raise SettingsError(
            f"the corpora of {', '.join(changed)} are not those that the run was trained on until "
            f"step {saved.step:,}; begin a new run, which may begin with its weights (start)"
        )


def fingerprints(cards: Mapping[str, Sequence[Card]]) -> dict[str, tuple[str, ...]]:
    """What each source reads, by role."""
    return {role: tuple(card.fingerprint for card in own) for role, own in cards.items()}


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

    @property
    def best(self) -> Path:
        """The checkpoint with the best score, without a state to resume from."""
        return self.path / "best"

    def save(self, snapshot: Snapshot) -> Path:
        """Write a checkpoint, atomically."""
        from safetensors.torch import save_file

        target = self.path / "checkpoints" / f"step-{snapshot.state.step:08}"
        with checkpoint.new_folder(target) as new:
            self._fill(new, snapshot)
            (new / "state").mkdir()
            save_file(dict(snapshot.moments), new / OPTIMIZER)
            (new / STATE).write_text(snapshot.state.to_json(), encoding="utf-8")
        return target

    def forget(self) -> None:
        """Take away the tokens of a run that ended before its first checkpoint."""
        (self.path / TOKENIZER).unlink(missing_ok=True)

    def save_best(self, snapshot: Snapshot, score: str) -> None:
        """Write the best checkpoint and its score, as JSON, in place of the one before."""
        with checkpoint.new_folder(self.best) as new:
            self._fill(new, snapshot)
            (new / SCORE).write_text(score, encoding="utf-8")

    def _fill(self, new: Path, snapshot: Snapshot) -> None:
        checkpoint.fill(new, snapshot.recipe, snapshot.tensors, snapshot.readme)
        if (self.path / TOKENIZER).exists():
            shutil.copy(self.path / TOKENIZER, new / TOKENIZER)

    def purge(self, keep: int) -> None:
        """Remove all but the newest checkpoints."""
        for old in self.checkpoints()[:-keep]:
            shutil.rmtree(old)

    def restore(self, system: nn.Module) -> RunState | None:
        """Put the newest checkpoint, if there is one, into a system."""
        folders = self.checkpoints()
        if not folders:
            return None
        load_stored(system, folders[-1])
        return RunState.load(folders[-1] / STATE)

    def restore_optimizer(
        self, optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]
    ) -> None:
        """Put the moments of the newest checkpoint into an optimizer."""
        from safetensors.torch import load_file

        restore_optimizer(optimizer, parameters, load_file(self.checkpoints()[-1] / OPTIMIZER))

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

    def last_evaluation(self) -> dict[str, Any] | None:
        """The last logged line that holds a score."""
        if not self.metrics.exists():
            return None
        lines = [line for line in self.read_metrics() if "evaluation" in line]
        return lines[-1] if lines else None

    def check_settings(self, recipe: Recipe) -> None:
        """Refuse to go on with other settings than the run began with."""
        path = self.path / checkpoint.CONFIG
        if not path.exists():
            return
        values = read_json(path)
        with suppress(SettingsError):  # a setting that no longer exists is told as a change
            # Settings that are younger than the run had their defaults then.
            settings = type(recipe.settings).parse(values["settings"])
            values = json.loads(Recipe.parse({**values, "settings": settings}).to_json())
        before, now = _flat(values), _flat(json.loads(recipe.to_json()))
        changed = [
            f"{name}: {before.get(name)!r} -> {now.get(name)!r}"
            for name in sorted(before.keys() | now.keys())
            if before.get(name) != now.get(name) and name not in FREE
        ]
        if changed:
            raise SettingsError(
                f"{self.path} was begun with other settings ({'; '.join(changed)}); "
                "name another folder, or resume with the same"
            )


class Keeper:
    """Writes checkpoints when it is time to."""

    def __init__(
        self,
        folder: RunFolder,
        recipe: Recipe,
        system: nn.Module,
        sources: Mapping[str, Source],
        place: Place,
    ) -> None:
        self._folder, self._training, self._place = folder, recipe.training, place
        # Before the system is laid over devices, where no tower can say what its weights are.
        self._recipe = recipe.model_copy(update={"settings": described(system)})
        tokenizer = tokenizer_of(system)
        if place.is_first and tokenizer is not None:  # a text tower may have brought its own
            checkpoint.write_file(folder.path / TOKENIZER, tokenizer.to_str())
        self._cards = {role: [c.card for c in source.corpora] for role, source in sources.items()}
        self._evaluation = folder.last_evaluation()
        self._saved = place.clock()

    def is_due(self, done: int, last: bool) -> bool:
        """Whether to save after so many steps; the first device's clock counts for all."""
        if last or done % self._training.save_every == 0:
            return True
        minutes = self._training.save_every_minutes
        if minutes is None:
            return False
        return self._place.agree(self._place.clock() - self._saved >= 60 * minutes)

    def save(
        self,
        system: nn.Module,
        optimizer: torch.optim.Optimizer,
        parameters: Mapping[str, nn.Parameter],
        step: int,
    ) -> None:
        """Write a checkpoint before `step`, and remove those that are not to be kept."""
        moments = gathered(optimizer_tensors(optimizer, parameters), self._place)
        snapshot = self._snapshot(system, step, moments)
        if self._place.is_first:
            self._folder.save(snapshot)
            self._folder.purge(self._training.keep)
        self._saved = self._place.clock()
        self._place.meet()

    def keep_if_best(self, system: nn.Module, found: Found | None, number: int) -> None:
        """Remember a score for the model card; write the best checkpoint if it is the best."""
        if found is not None:
            self._evaluation = {"step": number, "evaluation": found.line()}
        if self._place.agree(found is not None and found.is_best):
            snapshot = self._snapshot(system, number + 1, {})
            if found is not None:
                self._folder.save_best(snapshot, found.score.to_json())

    def _snapshot(self, system: nn.Module, step: int, moments: Mapping[str, Tensor]) -> Snapshot:
        state = here(step, self._place.world, self._training.parallel)
        state = state.model_copy(update={"corpora": fingerprints(self._cards)})
        card = readme(self._recipe, self._cards, state, self._evaluation)
        tensors = gathered(stored(system), self._place)
        return Snapshot(self._recipe, tensors, moments, state, card)


def readme(
    recipe: Recipe,
    cards: Mapping[str, Sequence[Card]],
    state: RunState,
    evaluation: Mapping[str, Any] | None,
) -> str:
    """The model card: system, data, steps and, from a line of the metrics, scores."""
    steps = sum(phase.steps for phase in recipe.training.phases)
    rows = [
        f"| {role} | {card.name} | {recipe.sources[role].split or 'all'} | {card.licence} "
        f"| {card.source} | {card.fingerprint[:12]} |"
        for role, of_role in cards.items()
        for card in of_role
    ]
    parts = [
        f"# {recipe.system}, {state.step:,} steps",
        (
            f"A checkpoint of `{recipe.system}` after {state.step:,} of {steps:,} steps, made by "
            f"trivium {VERSION}. `config.json` is the whole recipe; `trivium.load` reads the "
            "folder."
        ),
        "## Data",
        "\n".join(["| role | corpus | split | licence | source | fingerprint |",
                   "|---|---|---|---|---|---|", *rows]),
    ]  # fmt: skip
    weights = _begun_with(recipe)
    if weights:
        parts += ["## Weights it began with", weights]
    if evaluation is not None:
        parts += ["## Scores", *_scores(evaluation)]
    return "\n\n".join(parts) + "\n"


def _begun_with(recipe: Recipe) -> str:
    """A table of published weights and of runs that a recipe begins with; nothing without any."""
    found = ((name, published(tower)) for name, tower in towers_in(recipe.settings))
    rows = [
        f"| {name} | {network.repository} | {network.licence}"
        f"{', **not for commercial use**' if network.is_non_commercial else ''} |"
        for name, network in found
        if network is not None
    ]
    starts = [("start", recipe.start)]
    starts += [(f"{name}.start", getattr(inner, "start", None))
               for name, inner in inside(recipe.settings, "settings")]  # fmt: skip
    rows += [f"| {name} | {start} | as its card says |" for name, start in starts if start]
    return "\n".join(["| what | weights | licence |", "|---|---|---|", *rows]) if rows else ""


def _scores(line: Mapping[str, Any]) -> list[str]:
    found = line["evaluation"]
    rows = [
        f"| {name} | {value:,.2f} | {_number(found['chance'].get(name))} |"
        for name, value in found["values"].items()
    ]
    said = f"`{found['task']}` after {line['step'] + 1:,} steps, `{found['signature']}`; it goes by"
    table = ["| value | score | chance |", "|---|---|---|", *rows]
    return [f"{said} {found['primary']}.", "\n".join(table)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(values, dict) or not values:
        return {prefix: values}
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}.{name}" if prefix else name)
    return flat
