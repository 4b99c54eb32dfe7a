"""`fit`: from settings to a trained system, step by step.

All that happens at a step follows from the settings and its number: the rows, what is changed in
them, the masks, dropout. So a run that is killed and resumed is the run that was not.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, SerializeAsAny, model_validator
from tokenizers import Tokenizer
from torch import nn

from trivium import checkpoint
from trivium.config import Settings
from trivium.data.corpus import Corpus
from trivium.data.loader import Loader, LoaderSettings
from trivium.data.source import Source, SourceSettings
from trivium.errors import SettingsError, TriviumError, did_you_mean
from trivium.models.system import System, system_class, trainable
from trivium.models.towers.text import TOKENIZER, read_tokenizer, train_tokenizer
from trivium.runtime import derive_seed
from trivium.training.optimizer import OptimizerSettings, build_optimizer
from trivium.training.place import Place
from trivium.training.schedule import Moment, Phase, Schedule, frozen_names
from trivium.training.state import RunFolder, differences, here
from trivium.training.step import StepSeed, train_step

# Told of each logged line, and of warnings: {"warning": sentence}.
Watch = Callable[[dict[str, Any]], None]


class TrainingSettings(Settings):
    """All of a run but its system and its data."""

    phases: tuple[Phase, ...]
    """What is trained when."""
    optimizer: OptimizerSettings = OptimizerSettings()
    """How."""
    loader: LoaderSettings = LoaderSettings()
    """Micros of a step, the run's seed, threads."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16: forward passes under autocast; parameters and optimizer stay float32."""
    log_every: int = Field(default=10, ge=1)
    """Steps between lines of metrics.jsonl."""
    save_every: int = Field(default=500, ge=1)
    """Steps between checkpoints; the last step always makes one."""
    keep: int = Field(default=2, ge=1)
    """Checkpoints that stay."""


class Recipe(Settings):
    """A whole run."""

    system: str
    """Name of the system."""
    settings: SerializeAsAny[Settings]
    """Of the system; its own class."""
    sources: dict[str, SourceSettings]
    """Role and the rows it gets."""
    training: TrainingSettings
    """The rest."""
    tokens: int | None = Field(default=None, ge=260)
    """Size of the vocabulary that is made of the sources' texts, where the system reads any."""

    @model_validator(mode="before")
    @classmethod
    def _settings_of_the_system(cls, values: Any) -> Any:
        """Plain values, as in JSON, become the settings class of the system they name."""
        if isinstance(values, dict) and isinstance(values.get("settings"), dict):
            settings = system_class(str(values.get("system"))).Settings
            return {**values, "settings": settings.parse(values["settings"], "settings")}
        return values


@dataclass
class Fitted:
    """What a finished run gives back."""

    system: nn.Module
    checkpoint: Path
    losses: dict[str, float]  # of the last logged step


def fit(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    watch: Watch = lambda _: None,
    place: Place | None = None,
    build: Callable[[Recipe, Path], nn.Module] | None = None,
) -> Fitted:
    """Train the recipe's system, or what `build` makes, in the folder `out`."""
    place = place or Place()
    training = recipe.training
    folder, schedule = RunFolder(out), Schedule(training.phases)
    _begin(folder, recipe, resume, place)
    torch.manual_seed(derive_seed(training.loader.seed, "init"))
    place.meet()
    bare = (build or build_system)(recipe, out).to(place.device)
    system: System = bare  # type: ignore[assignment]
    _check_roles(system, recipe, schedule)
    sources = {role: Source(settings) for role, settings in recipe.sources.items()}
    loader = Loader(sources, training.loader, place.rank, place.world, system.prepare)

    every = trainable(bare)  # before any phase freezes some
    optimizer = build_optimizer(every, training.optimizer)
    step = 0
    if resume and folder.checkpoints():
        saved = folder.restore(bare, optimizer, every)
        for difference in differences(saved, here(saved.step, place.world)):
            watch({"warning": f"the last bits may differ: {difference}"})
        step = saved.step
    if place.is_first:
        folder.truncate_metrics(step)

    losses: dict[str, float] = {}
    bare.train()
    model = _for_phase(bare, every, schedule.at(min(step, schedule.steps - 1)), place)
    metrics = _Metrics(folder, place)
    for number, micros in loader.steps(step, schedule.steps):
        moment = schedule.at(number)
        if moment.step == 0 and number:
            if moment.phase.reset_optimizer:
                optimizer = build_optimizer(every, training.optimizer)
            model = _for_phase(bare, every, moment, place)
        optimizer.zero_grad(set_to_none=True)
        seed = StepSeed(training.loader.seed, number)
        here_now = [{role: b.to(place.device) for role, b in parts.items()} for parts in micros]
        weights = moment.phase.weights_at(moment.step)
        bf16 = training.precision == "bf16"
        losses = train_step(model, here_now, weights, seed, place, bf16)
        norm = clip(every, training.optimizer.clip)
        _check_finite(losses, norm, number)
        lr = learning_rate(training.optimizer, moment)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        last = number == schedule.steps - 1
        if last or number % training.log_every == 0:
            line = {"step": number, "lr": lr, "grad_norm": norm, **losses}
            metrics.write(line)
            watch(line)
        if last or (number + 1) % training.save_every == 0:
            _save(folder, recipe, bare, optimizer, every, number + 1, place)
    newest = folder.checkpoints()[-1]
    return Fitted(bare.eval(), newest, losses)


def build_system(recipe: Recipe, out: Path) -> nn.Module:
    """The system of a recipe with new weights, or published ones where its towers have them."""
    kind = system_class(recipe.system)
    if recipe.tokens is None:
        built: nn.Module = kind(recipe.settings)
    else:
        built = kind(recipe.settings, _tokenizer(recipe, recipe.tokens, out))
    return built


def _tokenizer(recipe: Recipe, tokens: int, out: Path) -> Tokenizer:
    """The run's tokenizer: made of the sources' texts once, and kept beside the recipe."""
    path = out / TOKENIZER
    if not path.exists():
        texts = [
            text
            for settings in recipe.sources.values()
            for folder in settings.corpora
            for text in Corpus.open(folder)
            .columns(settings.table, ["text"], settings.filter)
            .column("text")
            .to_pylist()
            if text
        ]
        checkpoint.write_file(path, train_tokenizer(texts, tokens).to_str())
    return read_tokenizer(out)


def learning_rate(settings: OptimizerSettings, moment: Moment) -> float:
    """The rate at a moment: the phase's peak, or the optimizer's, times warm-up and decay."""
    peak = settings.lr if moment.phase.lr is None else moment.phase.lr
    return peak * settings.factor(moment.since_reset, moment.until_reset)


def clip(parameters: Mapping[str, nn.Parameter], limit: float | None) -> float:
    """Shrink all gradients together to a norm of at most `limit`; the norm they had."""
    with_gradient = [p for p in parameters.values() if p.grad is not None]
    norm = nn.utils.clip_grad_norm_(with_gradient, math.inf if limit is None else limit)
    return float(norm)


def _begin(folder: RunFolder, recipe: Recipe, resume: bool, place: Place) -> None:
    if resume:
        folder.check_settings(recipe)
    elif folder.checkpoints():
        raise SettingsError(
            f"{folder.path} holds a run; continue it with --resume, or name another folder"
        )
    if place.is_first:
        folder.path.mkdir(parents=True, exist_ok=True)
        checkpoint.write_file(folder.path / checkpoint.CONFIG, recipe.to_json())


def _check_roles(system: System, recipe: Recipe, schedule: Schedule) -> None:
    """Sources and objectives that the system does not know, before anything is read."""
    for role in recipe.sources.keys() ^ system.roles.keys():
        known = ", ".join(system.roles)
        raise SettingsError(f"{recipe.system} takes the sources {known}; {role!r} does not match")
    for role, columns in system.roles.items():
        carried = recipe.sources[role].carried
        for column in columns:
            if column not in carried:
                raise SettingsError(
                    f"{recipe.system} needs the column {column!r} of {role}; "
                    f"its source carries {', '.join(carried)}"
                )
    for phase in schedule.phases:
        for name in phase.weights:
            if name not in system.objectives:
                hint = did_you_mean(name, system.objectives)
                raise SettingsError(f"{recipe.system} has no objective {name!r}; {hint}")


def _for_phase(
    bare: nn.Module, every: Mapping[str, nn.Parameter], moment: Moment, place: Place
) -> nn.Module:
    """Freeze what the phase freezes, and wrap the system for the devices."""
    frozen = frozen_names(tuple(every), moment.phase.freeze)
    for name, parameter in every.items():
        parameter.requires_grad_(name not in frozen)
    if place.world == 1:
        return bare
    # A phase may leave parameters without a gradient, which DDP must be told to expect.
    return nn.parallel.DistributedDataParallel(bare, find_unused_parameters=True)


def _check_finite(losses: Mapping[str, float], norm: float, step: int) -> None:
    bad = [
        name for name, value in {**losses, "grad_norm": norm}.items() if not math.isfinite(value)
    ]
    if bad:
        told = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
        raise TriviumError(
            f"at step {step} {' and '.join(bad)} is not a number "
            f"({told}, gradient norm {norm:.3g}); lower the learning rate, or resume from the last "
            "checkpoint with a smaller clip"
        )


def _save(
    folder: RunFolder,
    recipe: Recipe,
    bare: nn.Module,
    optimizer: torch.optim.Optimizer,
    every: Mapping[str, nn.Parameter],
    step: int,
    place: Place,
) -> None:
    if place.is_first:
        folder.save(recipe, bare, optimizer, every, here(step, place.world))
        folder.purge(recipe.training.keep)
    place.meet()


class _Metrics:
    """Lines of metrics.jsonl, with the time between them."""

    def __init__(self, folder: RunFolder, place: Place) -> None:
        self._path = folder.metrics if place.is_first else None
        self._last = time.perf_counter()

    def write(self, line: dict[str, float]) -> None:
        """Add a line."""
        now = time.perf_counter()
        timed = {**line, "seconds": round(now - self._last, 4)}
        self._last = now
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(timed) + "\n")
