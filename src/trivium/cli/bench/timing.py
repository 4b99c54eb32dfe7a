"""What `trivium bench step` measures: training steps of a recipe, and the plain loop beside them.

The steps are those of `trivium train`: `fit` runs, watched from outside by hooks on the system and
on the optimizer, and is left when enough has been seen.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.optim import optimizer
from torch.utils import flop_counter

from trivium.cli.terminal import console
from trivium.data.audio import SAMPLE_RATE_HZ
from trivium.data.batch import Batch, Ragged
from trivium.errors import SettingsError
from trivium.models.towers import NETWORKS
from trivium.models.towers.networks import Kind
from trivium.runtime import peak_memory_bytes
from trivium.training.loop import Recipe, build_system, fit
from trivium.training.place import Place

STAGES = ("loader", "forward", "backward", "step")
WARMING = 2  # steps before the timed ones; products are counted in the last of them
# Where the repository is at hand:
BASELINES_FOLDER = Path(__file__).parents[4] / "benchmarks" / "baselines"
PLAIN_FAMILIES = ("hubert", "wav2vec2", "clip")
LONGEST_PLAIN_SECONDS = 15.0  # the authors of M-SpeechCLIP cut and fill up to this
WHISPER_FRAMES_HZ = 50  # its window has as many positions as frames


@dataclass(frozen=True)
class Steps:
    """What some training steps did, and what that took."""

    steps: int
    rows: int
    seconds: float  # of sound
    padded_seconds: float
    flops: float
    memory_bytes: int  # the most that was held
    stages: Mapping[str, float]  # wall seconds of each, which together are the whole time

    def figures(self, peak_flops: float) -> dict[str, float]:
        """Rates and shares, by the names that are printed."""
        wall = sum(self.stages.values())
        padding = 1 - self.seconds / self.padded_seconds if self.padded_seconds else 0.0
        shares = {f"{name} %": round(100 * self.stages[name] / wall, 1) for name in STAGES}
        return {
            "sound a second": round(self.seconds / wall, 2),
            "with padding, a second": round(self.padded_seconds / wall, 2),
            "padding %": round(100 * padding, 2),
            "rows a step": round(self.rows / self.steps, 1),
            "seconds a step": round(wall / self.steps, 4),
            "TFLOP/s": round(self.flops / wall / 1e12, 4),
            "% of peak": round(100 * self.flops / wall / peak_flops, 1),
            "memory, MB": round(self.memory_bytes / 1e6),
            **shares,
        }


class Marks:
    """A line of times: the processor's clock, or events of a GPU, for which nothing waits."""

    def __init__(
        self,
        mark: Callable[[], Any] = time.perf_counter,
        between: Callable[[Any, Any], float] = lambda start, end: end - start,
    ) -> None:
        self._mark, self._between = mark, between
        self.begin()

    @classmethod
    def of(cls, device: str) -> Self:
        """The line of a device."""
        if not device.startswith("cuda"):
            return cls()

        def mark() -> Any:
            event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            event.record()
            return event

        def between(start: Any, end: Any) -> float:
            end.synchronize()
            return float(start.elapsed_time(end)) / 1e3

        return cls(mark, between)

    def begin(self) -> None:
        """Forget all; what comes next starts now."""
        self._start, self._laps = self._mark(), list[tuple[str, Any]]()

    def lap(self, stage: str) -> None:
        """What was since the last mark belongs to a stage."""
        self._laps.append((stage, self._mark()))

    @property
    def last(self) -> str:
        """The stage that ended last, if any did."""
        return self._laps[-1][0] if self._laps else ""

    def stages(self) -> dict[str, float]:
        """Seconds of each stage."""
        found, before = dict.fromkeys(STAGES, 0.0), self._start
        for stage, mark in self._laps:
            found[stage] += self._between(before, mark)
            before = mark
        return found


class _EnoughError(Exception):
    """Leaves `fit` when all that was wanted has been measured."""


class Probe:
    """Watches `fit` through hooks of torch on the system and on the optimizer.

    `forward` is every call of the system, with those of GradCache that make no gradients;
    `backward` what lies between the calls and behind the last: losses, comparison, gradients and
    their norm; `step` the optimizer; `loader` the rest: waiting for data and moving it.
    """

    def __init__(
        self, steps: int, device: str, advance: Callable[[float], None], marks: Marks | None = None
    ) -> None:
        self.steps, self.device = steps, device
        self.marks = marks or Marks.of(device)
        self._advance = advance
        self._done, self._flops, self._units = 0, 0.0, 1.0
        self._hooks, self._counting = ExitStack(), ExitStack()
        self._forget()

    def build(self, recipe: Recipe, out: Path) -> nn.Module:
        """The recipe's system, with hooks on it and on all optimizers."""
        system = build_system(recipe, out)
        for handle in (
            system.register_forward_pre_hook(self._before_forward),
            system.register_forward_hook(self._after_forward),
            optimizer.register_optimizer_step_pre_hook(lambda *_: self.marks.lap("backward")),
            optimizer.register_optimizer_step_post_hook(self._after_step),
        ):
            self._hooks.callback(handle.remove)
        return system

    def close(self) -> None:
        """Take all hooks away."""
        self._counting.close()
        self._hooks.close()

    def found(self) -> Steps:
        """What the timed steps were."""
        flops = self._flops * self._work() / self._units
        seconds, padded = sum(self.heard()), self._padded / SAMPLE_RATE_HZ
        return Steps(
            self.steps, self._rows, seconds, padded, flops, self._memory(), self.marks.stages()
        )

    def heard(self) -> list[float]:
        """Seconds of each sound of the timed steps."""
        return [n / SAMPLE_RATE_HZ for lengths in self._lengths for n in lengths.tolist()]

    def tokens(self) -> list[int]:
        """Tokens of each text of the timed steps, of translations too."""
        return [n for lengths in self._tokens for n in lengths.tolist()]

    def _work(self) -> float:
        """What products are taken to be proportional to: padded sound, or rows without any."""
        return self._padded or self._rows

    def _forget(self) -> None:
        self._rows = self._padded = 0
        self._lengths: list[Tensor] = []  # read at the end: a GPU is not waited for
        self._tokens: list[Tensor] = []
        self.saw_pixels = False

    def _before_forward(self, *_: Any) -> None:
        self.marks.lap("backward" if self.marks.last == "forward" else "loader")

    def _after_forward(self, _: Any, arguments: tuple[Any, ...], *__: Any) -> None:
        self.marks.lap("forward")
        if not torch.is_grad_enabled():
            return  # GradCache's first pass over a micro that comes again
        batches: Mapping[str, Batch] = arguments[0]
        for batch in batches.values():
            self._rows += len(batch)
            self.saw_pixels |= "pixels" in batch.inputs
            texts = (batch.inputs.get(name) for name in ("source", "target"))
            self._tokens += [text.lengths for text in texts if isinstance(text, Ragged)]
            if batch.speech is not None:
                self._lengths.append(batch.speech.lengths)
                self._padded += batch.speech.data.numel()

    def _after_step(self, *_: Any) -> None:
        self.marks.lap("step")
        self._done += 1
        self._advance(1)
        if self._done == WARMING - 1:
            self._forget()
            self._counting.enter_context(self._count())
        elif self._done == WARMING:
            self._counting.close()
            self._units = self._work()
            self._forget()
            self._reset_memory()
            self.marks.begin()
        elif self._done == WARMING + self.steps:
            raise _EnoughError

    @contextmanager
    def _count(self) -> Iterator[None]:
        """Count the products of a step."""
        aten = torch.ops.aten
        attention = {  # that of processors, which torch does not count by itself
            aten._scaled_dot_product_flash_attention_for_cpu: _attention,
            aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
        }
        with flop_counter.FlopCounterMode(display=False, custom_mapping=attention) as counter:
            yield
        self._flops = float(counter.get_total_flops())

    def _reset_memory(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats()

    def _memory(self) -> int:
        on_gpu = self.device.startswith("cuda")
        return torch.cuda.max_memory_allocated() if on_gpu else peak_memory_bytes()


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(flop_counter.sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def _attention_backward(made: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    count = flop_counter.sdpa_backward_flop_count
    return int(count(made, query, key, value))  # type: ignore[no-untyped-call]


def measure_ours(recipe: Recipe, out: Path, steps: int, device: str) -> Probe:
    """What a probe saw of some steps of `fit`."""
    planned = sum(phase.steps for phase in recipe.training.phases)
    if planned < WARMING + steps:
        raise SettingsError(
            f"the recipe has {planned} steps, and {steps} are to be timed after {WARMING} others; "
            "ask for fewer with --steps"
        )
    rare = {"log_every": planned + 1, "save_every": planned + 1, "save_every_minutes": None}
    training = recipe.training.model_copy(update=rare)
    recipe = recipe.model_copy(update={"training": training, "evaluation": None})
    with console.Progress("train", "steps", WARMING + steps) as progress:
        probe = Probe(steps, device, progress.advance)
        try:
            fit(recipe, out, place=Place(device=device), build=probe.build)
        except _EnoughError:
            pass
        finally:
            probe.close()
    if device != "cpu":
        torch.cuda.empty_cache()  # the plain loop comes next, in a process of its own
    return probe


def plain_spec(recipe: Recipe, probe: Probe) -> dict[str, Any] | str:
    """What the plain loop is told: the same towers, head and precision, as many rows a step.

    A sentence where it cannot be told.
    """
    if recipe.system not in BASELINES:
        return f"{recipe.system} has none"
    told = BASELINES[recipe.system][1](recipe, probe)
    if isinstance(told, str):
        return told
    bf16 = recipe.training.precision == "bf16"
    return {"lengths": probe.heard(), "steps": probe.steps, "bf16": bf16, "device": probe.device,
            **told}  # fmt: skip


def _speechclip_spec(recipe: Recipe, probe: Probe) -> dict[str, Any] | str:
    settings, lengths = recipe.settings.model_dump(mode="json"), probe.heard()
    if settings["shrink"] > 1 or settings["norm_first"]:
        return f"its head shrinks nothing, and ours by {settings['shrink']}; or has norms elsewhere"
    sizes: dict[str, Any] = {}
    for kind in ("speech", "picture"):
        tower = settings[kind]
        network = NETWORKS.get(tower["network"])
        if network is None or network.family not in PLAIN_FAMILIES:
            return _unlike(tower)
        sizes[kind] = {**network.sizes[kind], **tower["sizes"]}
        sizes[f"{kind} family"] = network.family
    return {
        "settings": settings,
        "family": sizes["speech family"],
        "speech_sizes": sizes["speech"],
        "picture_sizes": sizes["picture"],
        "cached_pictures": not probe.saw_pixels,
        "longest": min(LONGEST_PLAIN_SECONDS, max(lengths)),
        "batch": max(2, round(len(lengths) / probe.steps)),
    }


def _composite_spec(recipe: Recipe, probe: Probe) -> dict[str, Any] | str:
    settings, lengths = recipe.settings.model_dump(mode="json"), probe.heard()
    sizes: dict[str, Any] = {}
    towers: tuple[tuple[Kind, str], ...] = (("speech", "whisper"), ("translator", "mbart"))
    for kind, family in towers:
        tower = settings[kind]
        if tower is None:
            return "it hears, and settings.speech is null"
        network = NETWORKS.get(tower["network"])
        if network is None or network.family != family:
            return _unlike(tower)
        sizes[f"{kind}_sizes"] = {**network.sizes[kind], **tower["sizes"]}
    window = sizes["speech_sizes"].get("max_source_positions", 1_500) / WHISPER_FRAMES_HZ
    micros = recipe.training.loader.micros_per_step
    return {
        **sizes,
        "tokens": probe.tokens(),
        "longest": window,
        "batch": max(1, round(len(lengths) / probe.steps / micros)),
        "micros": micros,
    }


def _unlike(tower: Mapping[str, Any]) -> str:
    return f"it knows no tower like {tower['network'] or tower['source']}"


# By system: the file of its plain loop, and what that is told.
BASELINES: dict[str, tuple[str, Callable[[Recipe, Probe], dict[str, Any] | str]]] = {
    "speechclip": ("speechclip_step.py", _speechclip_spec),
    "composite": ("composite_step.py", _composite_spec),
}


def measure_plain(recipe: Recipe, probe: Probe, scratch: Path) -> tuple[Steps | None, str]:
    """The plain loop of a recipe in a process of its own, or why there is none."""
    spec = plain_spec(recipe, probe)
    if isinstance(spec, str):
        return None, spec
    script = BASELINES_FOLDER / BASELINES[recipe.system][0]
    if not script.exists():
        return None, f"{script.name} is in the repository, which is not at hand"
    path = scratch / "plain.json"
    path.write_text(json.dumps(spec), encoding="utf-8")
    command = [sys.executable, str(script), "--spec", str(path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return None, f"{script.name} failed: {last}"
    return Steps(**json.loads(done.stdout)), ""
