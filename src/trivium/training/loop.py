"""`fit`: from settings to a trained system, step by step.

All that happens at a step follows from the settings and its number: the rows, what is changed in
them, the masks, dropout. So a run that is killed and resumed is the run that was not.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trivium import checkpoint
from trivium.data.loader import Loader
from trivium.errors import SettingsError, TriviumError
from trivium.models.system import System, load_start, roles_of, trainable
from trivium.runtime import derive_seed
from trivium.training.alarms import Alarms, loss_at_chance, pair_names
from trivium.training.evaluation import Evaluate, Evaluation, Found, undisturbed
from trivium.training.metrics import Metrics, device_memory, tensorboard
from trivium.training.optimizer import OptimizerSettings, build_optimizer
from trivium.training.place import Place, compile_layers, determined, shard, wrap
from trivium.training.recipe import (
    Recipe,
    TrainingSettings,
    begin_system,
    build_system,
    check_objectives,
    open_sources,
)
from trivium.training.schedule import Draws, Moment, Schedule, frozen_names
from trivium.training.state import Keeper, RunFolder, differences, here, refuse_other_rows
from trivium.training.step import Parts, StepSeed, total_counts, train_step

__all__ = ["Fitted", "Recipe", "TrainingSettings", "Watch", "build_system", "fit"]

# Told of each logged line, of scores as {"step", "evaluation"}, and of {"warning": sentence}.
Watch = Callable[[dict[str, Any]], None]
Build = Callable[[Recipe, Path], nn.Module]


@dataclass
class Fitted:
    """What a finished run gives back."""

    system: nn.Module
    checkpoint: Path
    losses: dict[str, float]  # of the last step


def fit(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    watch: Watch = lambda _: None,
    place: Place | None = None,
    build: Build = build_system,
    evaluate: Evaluate | None = None,
    max_steps: int | None = None,
) -> Fitted:
    """Train the recipe's system, or what `build` makes, in the folder `out`.

    `evaluate` measures what `recipe.evaluation` asks for. A run ends early, with a checkpoint to
    resume from, when `max_steps` of its steps are done.
    """
    training, place = recipe.training, place or Place()
    with determined(training.deterministic):
        run = _set_up(recipe, out, resume, watch, place, build)
        evaluation = _evaluation(recipe, out, evaluate, build, run, watch)
        schedule, optimizer, log = run.schedule, run.optimizer, run.log
        stop = min(schedule.steps, max_steps or schedule.steps)
        model = run.begin(schedule.at(min(run.step, schedule.steps - 1)))
        losses: dict[str, float] = {}
        for number, micros in run.loader.steps(run.step, stop):
            moment = schedule.at(number)
            if moment.step == 0 and number:
                if moment.phase.reset_optimizer:
                    optimizer = build_optimizer(run.every, training.optimizer)
                model = run.begin(moment)
            optimizer.zero_grad(set_to_none=True)
            seed = StepSeed(training.loader.seed, number)
            here_now = [{role: b.to(place.device) for role, b in parts.items()} for parts in micros]
            weights = moment.phase.weights_at(moment.step)
            bf16 = training.precision == "bf16"
            losses = train_step(model, here_now, weights, seed, place, bf16)
            norm = clip(run.every, training.optimizer.clip)
            _check_finite(losses, norm, number)
            lr = learning_rate(training.optimizer, moment)
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()

            last = number == schedule.steps - 1
            if last or number % training.log_every == 0:
                log.step(number, moment, {"lr": lr, "grad_norm": norm, **losses}, model, here_now)
            with log.metrics.apart():
                if evaluation is not None and evaluation.is_due(number + 1, last):
                    found = evaluation.run(run.bare)
                    log.found(number, found)
                    run.keeper.keep_if_best(run.bare, found, number)
                if run.keeper.is_due(number + 1, number == stop - 1):
                    run.keeper.save(run.bare, optimizer, run.every, number + 1)
        log.metrics.close()
        return Fitted(run.bare.eval(), RunFolder(out).checkpoints()[-1], losses)


@dataclass(frozen=True)
class _Run:
    """What a run has before its first step."""

    place: Place
    schedule: Schedule
    bare: nn.Module
    every: dict[str, nn.Parameter]  # that some phase may train
    optimizer: torch.optim.Optimizer
    step: int  # the first to train
    loader: Loader
    keeper: Keeper
    log: "_Log"

    def begin(self, moment: Moment) -> nn.Module:
        """Freeze what the phase freezes, and wrap the system for the devices."""
        frozen = frozen_names(tuple(self.every), moment.phase.freeze)
        for name, parameter in self.every.items():
            parameter.requires_grad_(name not in frozen)
        return wrap(self.bare, self.place)


def _set_up(
    recipe: Recipe, out: Path, resume: bool, watch: Watch, place: Place, build: Build
) -> _Run:
    """Everything that is built, opened and read before the first step."""
    training, folder = recipe.training, RunFolder(out)
    schedule = Schedule(training.phases)
    _begin(folder, recipe, resume, place)
    torch.manual_seed(derive_seed(training.loader.seed, "init"))
    place.meet()
    bare = build(recipe, out).to(place.device)
    system: System = bare  # type: ignore[assignment]
    check_objectives(recipe, system, schedule)
    draws = Draws(schedule, partial(roles_of, system))
    sources = open_sources(recipe, system, draws.roles)
    saved = folder.restore(bare) if resume else None
    if saved is None and recipe.start is not None:
        load_start(bare, checkpoint.find(recipe.start))
    step = 0 if saved is None else saved.step
    if place.is_first:
        folder.truncate_metrics(step)
    begin_system(system, sources, place)
    keeper = Keeper(folder, recipe, bare, sources, place)
    bare.train()
    if training.compile:
        compile_layers(bare)
    shard(bare, place, training.parallel)
    every = trainable(bare)
    for phase in schedule.phases:  # said before the first of them, not when a later one begins
        if len(frozen_names(tuple(every), phase.freeze)) == len(every):
            raise SettingsError(f"freeze {list(phase.freeze)} leaves nothing to train; freeze less")
    optimizer = build_optimizer(every, training.optimizer)
    if saved is not None:
        refuse_other_rows(saved, {role: [c.card for c in own.corpora]
                                  for role, own in sources.items()})  # fmt: skip
        folder.restore_optimizer(optimizer, every)
        for difference in differences(saved, here(step, place.world, training.parallel)):
            watch({"warning": f"the last bits may differ: {difference}"})
    loader = Loader(sources, training.loader, place.rank, place.world, system.prepare, draws.at)
    log = _Log(recipe, folder, bare, loader, place, watch, step)
    return _Run(place, schedule, bare, every, optimizer, step, loader, keeper, log)


class _Log:
    """Logged lines: what was trained, what the system says of itself, and warnings."""

    def __init__(
        self,
        recipe: Recipe,
        folder: RunFolder,
        bare: nn.Module,
        loader: Loader,
        place: Place,
        watch: Watch,
        step: int,
    ) -> None:
        board = tensorboard(folder.path, step) if recipe.training.tensorboard else None
        self.metrics = Metrics(folder.metrics, place, loader.spent, board)
        self._alarms = Alarms(recipe.training.alarms)
        self._bare, self._place, self._watch = bare, place, watch
        self._next = step

    def step(
        self,
        number: int,
        moment: Moment,
        trained: Mapping[str, float],
        model: nn.Module,
        micros: Sequence[Parts],
    ) -> None:
        """A step's line, and warnings that follow from it."""
        window = self.metrics.window(number + 1 - self._next)
        self._next = number + 1
        observed: dict[str, float] = getattr(self._bare, "observe", dict)()
        remarks: dict[str, str] = getattr(self._bare, "remarks", dict)()
        figures = window.figures() | device_memory(self._place)
        self._tell({"step": number, **trained, **observed, **figures})

        def at_chance(name: str, pairs: int) -> float:
            return loss_at_chance(model, micros[0], name, pairs, self._place.device)

        names = pair_names(self._bare, tuple(trained))
        counts = total_counts(micros, names, self._place)
        for warning in [
            *self._alarms.of_window(window),
            *self._alarms.of_observed(observed),
            *self._alarms.of_remarks(remarks),
            *self._alarms.of_losses(moment.step, trained, counts, at_chance),
            *self._alarms.of_guesses(moment.step, trained, getattr(self._bare, "guesses", {})),
        ]:
            self._tell({"step": number, "warning": f"at step {number} {warning}"})

    def found(self, number: int, found: Found | None) -> None:
        """A score's line."""
        if found is not None:
            self._tell({"step": number, "evaluation": found.line()})

    def _tell(self, line: dict[str, Any]) -> None:
        self.metrics.write(line)
        self._watch(line)


def _evaluation(
    recipe: Recipe,
    out: Path,
    evaluate: Evaluate | None,
    build: Build,
    run: "_Run",
    watch: Watch,
) -> Evaluation | None:
    if recipe.evaluation is None:
        return None
    if evaluate is None:
        task = recipe.evaluation.task
        watch({"warning": f"the recipe asks for {task}, and nothing that measures was given"})
        return None

    with undisturbed(run.bare, run.place):
        evaluate.check(run.bare)

    def rebuild() -> nn.Module:
        return build(recipe, out).to(run.place.device)

    return Evaluation(recipe.evaluation, evaluate, RunFolder(out).best, run.place, rebuild)


def learning_rate(settings: OptimizerSettings, moment: Moment) -> float:
    """The rate at a moment: the phase's peak, or the optimizer's, times warm-up and decay."""
    peak = settings.lr if moment.phase.lr is None else moment.phase.lr
    return peak * settings.factor(moment.since_reset, moment.until_reset)


def clip(parameters: Mapping[str, nn.Parameter], limit: float | None) -> float:
    """Shrink all gradients together to a norm of at most `limit`; the norm they had."""
    with_gradient = [p for p in parameters.values() if p.grad is not None]
    norm = nn.utils.clip_grad_norm_(with_gradient, math.inf if limit is None else limit)
    return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)


def _begin(folder: RunFolder, recipe: Recipe, resume: bool, place: Place) -> None:
    if resume:
        folder.check_settings(recipe)
    elif folder.checkpoints():
        raise SettingsError(
            f"{folder.path} holds a run; continue it with --resume, or name another folder"
        )
    elif folder.best.exists():
        raise SettingsError(
            f"{folder.best} is the best of a run without a checkpoint to continue from; move it "
            "away, or name another folder"
        )
    if place.is_first:
        folder.path.mkdir(parents=True, exist_ok=True)
        if not resume:
            folder.forget()
        checkpoint.write_file(folder.path / checkpoint.CONFIG, recipe.to_json())


def _check_finite(losses: Mapping[str, float], norm: float, step: int) -> None:
    bad = [
        name for name, value in {**losses, "grad_norm": norm}.items() if not math.isfinite(value)
    ]
    if bad:
        told = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
        raise TriviumError(
            f"at step {step} {' and '.join(bad)} is not a number "
            f"({told}, gradient norm {norm:.3g}); lower the learning rate or "
            "training.optimizer.clip in a new run, which may begin with this one's last checkpoint "
            "(start)"
        )
