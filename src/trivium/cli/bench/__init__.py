"""`trivium bench ...`: how fast the parts are on this machine."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivium.cli.bench import search
from trivium.cli.terminal import console

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trivium.data.loader import Loader
    from trivium.data.source import Source, SourceSettings
    from trivium.training.loop import Recipe

app = typer.Typer(help="Measure how fast the parts are on this machine.", no_args_is_help=True)

Clock = Callable[[], float]
Delivered = tuple[float, float]  # seconds of sound, and the same padded

LANGUAGES = ("en", "hi", "ja")  # of what is made where no corpus is given
WORDS = ("a", "red", "star", "above", "two", "blue", "fish", "beside")


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


app.command()(search.search)


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
def step(
    recipe: Annotated[
        str, typer.Argument(help="A name of `trivium recipes`, or a .json of a run.")
    ],
    corpus: Annotated[
        list[Path] | None,
        typer.Option(help="A corpus to train on; repeat it. Absent: noise is made."),
    ] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Build all towers without weights.")
    ] = False,
    steps: Annotated[int, typer.Option(help="Steps to time, after two others.", min=1)] = 10,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another value, as training.precision=fp32."),
    ] = None,
    caption_seconds: Annotated[
        float, typer.Option(help="Mean length of the sounds that are made.", min=0.1, max=60)
    ] = 10.0,
    alone: Annotated[bool, typer.Option("--alone", help="Without the plain loop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Seconds of sound trained a second, products against the device's peak, memory, and shares.

    Beside it the plain loop of benchmarks/baselines, where the repository is at hand. Overrides
    come before --random-weights: other sizes of a tower need random_weights=true beside them.
    """
    import json
    from tempfile import TemporaryDirectory

    import torch

    from trivium.cli.bench.timing import measure_ours, measure_plain
    from trivium.recipes import RECIPES, without_weights
    from trivium.recipes import recipe as named
    from trivium.runtime import machine, peak_flops

    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    with TemporaryDirectory(prefix="trivium-bench-") as scratch:
        made = Path(scratch) / "corpus"
        chosen = named(recipe, corpus or [made]).override(settings or [])
        if random_weights:
            chosen = without_weights(chosen)
        if not corpus and recipe in RECIPES:
            make_corpus(made, chosen, caption_seconds)
        probe = measure_ours(chosen, Path(scratch) / "run", steps, device)
        plain, why = None, "not wanted (--alone)"
        if not alone:
            plain, why = measure_plain(chosen, probe, Path(scratch))
    bf16 = chosen.training.precision == "bf16"
    peak, peak_from = peak_flops(device, bf16)
    ours, theirs = probe.found().figures(peak), plain.figures(peak) if plain else None
    if as_json:
        told = {"recipe": recipe, "device": device, "machine": machine(), "steps": steps,
                "threads": torch.get_num_threads(), "precision": chosen.training.precision,
                "corpus": [str(path) for path in corpus or []], "peak TFLOP/s": peak / 1e12,
                "peak from": peak_from, "trivium": ours, "plain": theirs,
                "why no plain": "" if plain else why}  # fmt: skip
        console.say(json.dumps(told))
        return
    console.table(
        ["", "trivium", *(["plain"] if theirs else [])],
        [[name, *(_shown(each[name]) for each in (ours, theirs) if each)] for name in ours],
        title=recipe,
    )
    console.say(f"steps timed: {steps} on {device} in {chosen.training.precision}")
    console.say(f"peak: {peak / 1e12:,.3g} TFLOP/s, {peak_from}")
    if plain is None:
        console.say(f"no plain loop: {why}")


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


def _shown(value: float) -> str:
    """A figure with as many decimals as say something."""
    return f"{value:,.3f}" if value < 10 else f"{value:,.1f}"


def make_corpus(folder: Path, recipe: "Recipe", caption_seconds: float) -> None:
    """Noise of the lengths of speech, each with a text, a translation and a picture of its own.

    The texts are written sentences too. Three languages come in turn, and two steps of each of
    them are made, so that a recipe of one language finds enough.
    """
    import numpy as np

    from trivium.data.audio import SAMPLE_RATE_HZ, encode_flac
    from trivium.data.corpus import Card, CorpusWriter

    a_step = sum(rows_of(source, caption_seconds) for source in recipe.sources.values())
    rows = 6 * max(4, a_step * recipe.training.loader.micros_per_step)
    generator = np.random.default_rng(0)
    lengths = caption_seconds * np.clip(generator.gamma(6, 1 / 6, rows), 0.3, 2)
    splits = sorted({source.split or "train" for source in recipe.sources.values()})
    with (
        CorpusWriter(folder, Card(name="noise")) as writer,
        console.Progress("make", "seconds of sound", float(lengths.sum())) as progress,
    ):
        for number, seconds in enumerate(lengths.tolist()):
            own = {"id": f"n{number:06}", "split": splits[number % len(splits)]}
            noise = generator.standard_normal(round(seconds * SAMPLE_RATE_HZ), np.float32)
            text = " ".join(generator.choice(WORDS, 8))
            said = {
                "text": text,
                "characters": len(text),
                "language": LANGUAGES[number % 3],
                "translation": text,
                "translation_language": LANGUAGES[0],
            }
            writer.add("sentences", {**own, **said})
            writer.add("pictures", {**own, "image": _picture(generator)})
            writer.add("utterances", {**own, **said, "seconds": seconds, "picture": own["id"],
                                      "speaker": f"s{number % 9}",
                                      "audio": encode_flac(noise * np.float32(3e-4))})  # fmt: skip
            progress.advance(seconds)


def rows_of(source: "SourceSettings", caption_seconds: float) -> int:
    """Rows that the budget of a micro holds, about."""
    each = {"seconds": caption_seconds, "characters": 40, "items": 1}[source.unit]
    return int(source.budget / each)


def _picture(generator: "np.random.Generator") -> bytes:
    """A blurred JPEG of the size of a photograph on a web page."""
    import io

    from PIL import Image

    colours = generator.integers(0, 256, (6, 8, 3)).astype("uint8")
    target = io.BytesIO()
    Image.fromarray(colours).resize((400, 300), Image.Resampling.BICUBIC).save(target, "JPEG")
    return target.getvalue()


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
