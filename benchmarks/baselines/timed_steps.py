"""Training steps that are timed and counted: what the plain loops beside this file share.

A loop gives a model that returns its loss, and what draws a batch of it.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.utils import flop_counter

RATE_HZ = 16_000
Draw = Callable[[], tuple[tuple[Tensor, ...], int]]  # a batch, and its samples of real sound


class Clock:
    """Times on the device: nothing is waited for until the end."""

    def __init__(self, device: str) -> None:
        self.gpu = device.startswith("cuda")
        self.laps: list[tuple[str, Any]] = []
        self.lap("start")

    def lap(self, stage: str) -> None:
        """The time since the last lap was this stage's."""
        mark: Any = time.perf_counter()
        if self.gpu:
            mark = torch.cuda.Event(enable_timing=True)
            mark.record()
        self.laps.append((stage, mark))

    def stages(self) -> dict[str, float]:
        """Seconds of each stage."""
        found = dict.fromkeys(("loader", "forward", "backward", "step"), 0.0)
        for (_, before), (stage, after) in zip(self.laps, self.laps[1:], strict=False):
            if self.gpu:
                after.synchronize()
                found[stage] += before.elapsed_time(after) / 1e3
            else:
                found[stage] += after - before
        return found


@contextmanager
def counted() -> Iterator[list[float]]:
    """Count products; torch does not count the attention of processors by itself."""
    aten = torch.ops.aten
    attention = {
        aten._scaled_dot_product_flash_attention_for_cpu: (
            lambda q, k, v, *_, **__: flop_counter.sdpa_flop_count(q, k, v)
        ),
        aten._scaled_dot_product_flash_attention_for_cpu_backward: (
            lambda made, q, k, v, *_, **__: flop_counter.sdpa_backward_flop_count(made, q, k, v)
        ),
    }
    found: list[float] = []
    with flop_counter.FlopCounterMode(display=False, custom_mapping=attention) as counter:
        yield found
    found.append(float(counter.get_total_flops()))


def resident_peak() -> int:
    """The most memory this process has held, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says is at first that of the process which started this
        words = status.read_text().split()
        return int(words[words.index("VmHWM:") + 1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure(spec: dict[str, Any], model: nn.Module, draw: Draw) -> dict[str, Any]:
    """Time the steps of a specification, after two others; a step has `micros` batches."""
    device, gpu = spec["device"], spec["device"].startswith("cuda")
    micros = spec.get("micros", 1)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    samples = 0

    def step(clock: Clock) -> int:
        heard = 0
        optimizer.zero_grad(set_to_none=True)
        for _ in range(micros):
            batch, real = draw()
            heard += real
            clock.lap("loader")
            with torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=spec["bf16"]):
                loss = model(*batch)
            clock.lap("forward")
            (loss / micros).backward()
            clock.lap("backward")
        optimizer.step()
        clock.lap("step")
        return heard

    step(Clock(device))
    with counted() as flops:
        step(Clock(device))
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    clock = Clock(device)
    for _ in range(spec["steps"]):
        samples += step(clock)
    stages = clock.stages()
    rows = spec["batch"] * micros * spec["steps"]
    return {
        "steps": spec["steps"],
        "rows": rows,
        "seconds": samples / RATE_HZ,
        "padded_seconds": rows * round(spec["longest"] * RATE_HZ) / RATE_HZ,
        "flops": flops[0] * spec["steps"],
        "memory_bytes": torch.cuda.max_memory_allocated() if gpu else resident_peak(),
        "stages": stages,
    }


def run(
    what: str,
    usual: Callable[[int, float, int], dict[str, Any]],
    prepare: Callable[[dict[str, Any]], tuple[nn.Module, Draw]],
    batch: int,
) -> None:
    """The command of a plain loop: measure, and print a line or one JSON object."""
    parser = argparse.ArgumentParser(description=what.splitlines()[0])
    parser.add_argument("--spec", type=Path, help="JSON as `trivium bench step` writes it")
    parser.add_argument("--batch", type=int, default=batch, help="rows of a step")
    parser.add_argument("--seconds", type=float, default=6.4, help="length of each")
    parser.add_argument("--steps", type=int, default=10, help="steps to time")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    spec = usual(given.batch, given.seconds, given.steps)
    if given.spec:
        spec = json.loads(given.spec.read_text())
    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    found = measure(spec, *prepare(spec))
    if given.json:
        print(json.dumps(found))
        return
    wall = sum(found["stages"].values())
    shares = ", ".join(f"{name} {100 * s / wall:.0f} %" for name, s in found["stages"].items())
    print(
        f"{found['seconds'] / wall:,.1f} s of sound a second, {found['flops'] / wall / 1e12:.3g} "
        f"TFLOP/s, {found['memory_bytes'] / 2**30:.1f} GiB; {shares}"
    )
