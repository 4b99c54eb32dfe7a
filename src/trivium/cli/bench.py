"""`trivium bench ...`: how fast the parts are on this machine."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivium.cli import console

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trivium.data.loader import Loader
    from trivium.data.source import Source

app = typer.Typer(help="Measure how fast the parts are on this machine.", no_args_is_help=True)

Clock = Callable[[], float]
Delivered = tuple[float, float]  # seconds of sound, and the same padded


@dataclass(frozen=True)
class Measured:
    """What a way of loading delivered, and what that took."""

    seconds: float  # of sound
    padded_seconds: float
    wall_seconds: float
    cpu_seconds: float  # of all threads of the process
    stages: Mapping[str, float] = field(default_factory=dict)  # processor seconds of each

    def figures(self) -> dict[str, float]:
        """Seconds of sound a second of time, and a second of one core; the padded share."""
        return {
            "sound a second": round(self.seconds / self.wall_seconds),
            "sound a core second": round(self.seconds / self.cpu_seconds),
            "padding %": round(100 * (1 - self.seconds / self.padded_seconds), 2),
        }

    def shares(self) -> dict[str, float]:
        """Percent of the processor time each stage took; the rest is Python's and Lance's own."""
        known = {name: seconds for name, seconds in self.stages.items() if seconds}
        known["rest"] = max(0.0, self.cpu_seconds - sum(known.values()))
        return {name: round(100 * seconds / self.cpu_seconds, 1) for name, seconds in known.items()}


@app.callback()
def bench() -> None:
    """Measure how fast the parts are on this machine."""


@app.command()
def loader(
    corpus: Annotated[Path, typer.Argument(metavar="DIR", help="The corpus folder.")],
    seconds: Annotated[float, typer.Option(help="Budget of a micro, padding included.")] = 200.0,
    threads: Annotated[int, typer.Option(help="Threads that load; 0 is one a core.", min=0)] = 0,
    steps: Annotated[int, typer.Option(help="Steps of 8 micros to load.", min=1)] = 10,
    split: Annotated[str, typer.Option(help="The split to load.")] = "train",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Seconds of sound loaded a second and per core, padding, and where the time goes.

    Beside it the plain way: one thread, shuffled rows, batches of a fixed number of rows.
    """
    import json

    from trivium.data.loader import Loader, LoaderSettings, Spent
    from trivium.data.source import Source, SourceSettings

    values = {"corpora": [corpus], "split": split, "seconds": seconds, "columns": ["audio"]}
    settings = SourceSettings.parse(values, "trivium bench loader")
    source = Source(settings)
    ours = Loader({"speech": source}, LoaderSettings(threads=threads))
    for _ in ours.steps(0, 1):
        pass  # opens tables and starts libraries, which is not what is measured
    ours.spent = Spent()
    with console.Progress("load", "seconds of sound") as progress:
        fast = measure(micros(ours, steps), ours.spent.cpu, progress.advance)
        plain = measure(plain_batches(source, fast.seconds), {}, progress.advance)
    found = {"loader": fast.figures(), "plain": plain.figures()}
    if as_json:
        told = {"corpus": str(corpus), "budget": seconds, "threads": ours.threads}
        console.say(json.dumps(told | found | {"stages %": fast.shares()}))
        return
    console.table(
        ["seconds of", *found["loader"], "threads"],
        [
            ["loader", *found["loader"].values(), ours.threads],
            ["plain", *found["plain"].values(), 1],
        ],
        title=f"{corpus}: {len(source):,} rows, {seconds:g} s a micro",
    )
    console.table(["stage", "% of processor time"], list(fast.shares().items()))


@app.command()
def plan(
    rows: Annotated[int, typer.Option(help="Rows of the largest plan.", min=1000)] = 10_000_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Start a run at a late epoch: seconds, memory, and the padding of its micros.

    Durations are drawn: 50 hours of 1 to 8 s, 960 hours as long as LibriSpeech's, and many rows in
    ten languages mixed at temperature 5.
    """
    import json

    import numpy as np

    generator = np.random.default_rng(0)
    short = np.clip(generator.gamma(6, 0.6, 50_000), 1, 8)
    read = np.clip(generator.normal(14.6, 1.2, 281_000), 1.3, 24.5)
    some = generator.random(len(read)) < 0.38
    read[some] = generator.uniform(1.3, 14.5, int(some.sum()))
    many = np.clip(generator.standard_gamma(6, rows, np.float32), 1, 20)
    groups = generator.integers(0, 10, rows, np.int32)
    groups = np.minimum(groups, generator.integers(0, 10, rows, np.int32))
    found = [
        {"durations": "50 h", **start_late(short.astype(np.float32), None, 1.0)},
        {"durations": "960 h", **start_late(read.astype(np.float32), None, 1.0)},
        {"durations": "many, mixed", **start_late(many, groups, 5.0)},
    ]
    if as_json:
        console.say(json.dumps(found))
        return
    console.table(list(found[0]), [list(line.values()) for line in found])


def start_late(
    lengths: "NDArray[np.float32]", groups: "NDArray[np.int32] | None", temperature: float
) -> dict[str, float]:
    """What a plan and its step 1,000,000 cost, and the padding of that epoch; budget 200 s."""
    import numpy as np

    from trivium.data.plan import Plan
    from trivium.runtime import peak_memory_bytes

    before = peak_memory_bytes()
    start = time.process_time()
    plan = Plan(lengths, groups, budget=200, micros_per_step=8, seed=0, temperature=temperature)
    plan.step(1_000_000)
    seconds = time.process_time() - start
    added = peak_memory_bytes() - before
    epoch = plan.epoch(plan.epoch_of(1_000_000))
    line, starts = lengths[epoch.rows], np.sort(epoch.starts)
    room = np.maximum.reduceat(line, starts) * np.diff(starts, append=len(line))
    return {
        "rows": len(lengths),
        "micros an epoch": plan.micros_per_epoch,
        "start, s": round(seconds, 2),
        "peak memory, MB": round(added / 1e6),
        "padding %": round(100 * (1 - float(line.sum(dtype=np.float64) / room.sum())), 2),
    }


def measure(
    deliveries: Iterable[Delivered],
    stages: Mapping[str, float],
    advance: Callable[[float], None] = lambda _: None,
    wall: Clock = time.perf_counter,
    cpu: Clock = time.process_time,
) -> Measured:
    """Sum up what is delivered, and the time from the first request to the end."""
    seconds = padded = 0.0
    wall_start, cpu_start = wall(), cpu()
    for delivered, with_padding in deliveries:
        seconds, padded = seconds + delivered, padded + with_padding
        advance(delivered)
    return Measured(seconds, padded, wall() - wall_start, cpu() - cpu_start, stages)


def micros(loader: "Loader", steps: int) -> Iterator[Delivered]:
    """The micros of some steps; step 0 has been loaded before."""
    before = (0.0, 0.0)
    for _ in loader.steps(1, 1 + steps):
        now = (loader.spent.seconds, loader.spent.padded_seconds)
        yield now[0] - before[0], now[1] - before[1]
        before = now


def plain_batches(source: "Source", seconds: float) -> Iterator[Delivered]:
    """As much sound in the plain way: shuffled rows, as many a batch as fit on average."""
    import numpy as np

    from trivium.data.audio import SAMPLE_RATE_HZ
    from trivium.data.batch import Ragged

    size = max(1, int(source.settings.budget / source.lengths.mean()))
    generator = np.random.default_rng(0)
    while seconds > 0:
        order = generator.permutation(len(source))
        for start in range(0, len(order), size):
            [piece] = source.take(order[start : start + size])
            padded = Ragged.from_rows(piece.corpus.sounds(piece.table))
            delivered = int(padded.lengths.sum()) / SAMPLE_RATE_HZ
            yield delivered, padded.data.numel() / SAMPLE_RATE_HZ
            seconds -= delivered
            if seconds <= 0:
                return
