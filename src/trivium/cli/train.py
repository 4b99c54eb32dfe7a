"""`trivium train`, `trivium evaluate`, `trivium recipes`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from trivium.cli.terminal import console
from trivium.cli.terminal.live import Live


def recipes() -> None:
    """List the recipes: whole runs by name."""
    from trivium.recipes import RECIPES

    rows = [(name, (make.__doc__ or "").strip().splitlines()[0]) for name, make in RECIPES.items()]
    console.table(("recipe", "what it trains"), rows)


def train(
    recipe: Annotated[
        str, typer.Argument(help="A name of `trivium recipes`, or a .json of a run.")
    ],
    out: Annotated[Path, typer.Option(help="The folder of the run.")],
    corpus: Annotated[
        list[Path] | None, typer.Option(help="A corpus to train on; repeat it.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another value, as training.optimizer.lr=1e-3."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in the folder.")
    ] = False,
    max_steps: Annotated[
        int | None,
        typer.Option(help="Stop, with a checkpoint, when so many steps are done.", min=1),
    ] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Read no published weights: build the sizes.")
    ] = False,
) -> None:
    """Train a system as a recipe says; a killed run continues with --resume, bit for bit.

    On several devices: torchrun --nproc-per-node N -m trivium train ...; the losses are the same.
    """
    from trivium.recipes import recipe as named
    from trivium.recipes import without_weights
    from trivium.tasks.during import fit
    from trivium.training.place import place_of_process

    chosen = named(recipe, corpus or []).override(settings or [])
    if random_weights:
        chosen = without_weights(chosen)
    steps = sum(phase.steps for phase in chosen.training.phases)
    with (
        place_of_process() as place,
        Live(f"train {recipe}", min(steps, max_steps or steps)) as live,
    ):
        watch = live.tell if place.is_first else _ignore
        fitted = fit(chosen, out, resume=resume, watch=watch, place=place, max_steps=max_steps)
    if not place.is_first:
        return
    losses = ", ".join(f"{name} {value:.4g}" for name, value in fitted.losses.items())
    console.say(
        f"{fitted.checkpoint}: {losses}" if losses else f"{fitted.checkpoint}: nothing to do"
    )


def _ignore(_: Mapping[str, Any]) -> None:
    """The first device tells for all."""


def evaluate(
    model: Annotated[str, typer.Argument(help="A run, a checkpoint folder, or a model's name.")],
    corpus: Annotated[Path, typer.Argument(help="The corpus folder.")],
    *,
    task: Annotated[
        str, typer.Option(help="What to measure: retrieval, abx or recognition.")
    ] = "retrieval",
    split: Annotated[str, typer.Option(help="The split to measure on.")] = "test",
    out: Annotated[
        Path | None,
        typer.Option(help="Where JSON and plot go; absent, the run, or for a name `scores/NAME`."),
    ] = None,
    languages: Annotated[
        str, typer.Option(help="Languages of the speech to hear, as en,hi; absent, all.")
    ] = "",
    layers: Annotated[
        str, typer.Option(help="abx: the layers, as 2,5, or all; 0 is what enters the first.")
    ] = "",
    items: Annotated[
        Path | None,
        typer.Option(help="abx: an item file; absent, the phone times of the corpus are taken."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="abx, recognition: another value, as unit=phone."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON.")] = False,
) -> None:
    """Measure a model: retrieval of speech, text and pictures, ABX of its layers, recognition."""
    from trivium.data.corpus import Corpus
    from trivium.errors import TriviumError, did_you_mean
    from trivium.models.loaded import Model

    tasks = ("retrieval", "abx", "recognition")
    if task not in tasks:
        raise TriviumError(f"--task: no task is called {task!r}; {did_you_mean(task, tasks)}")
    only = {"--layers": (layers, ["abx"]), "--items": (items, ["abx"]),
            "--set": (settings, ["abx", "recognition"])}  # fmt: skip
    for option, (given, of) in only.items():
        if given and task not in of:
            add = " or ".join(f"--task {one}" for one in of)
            raise TriviumError(f"{option} {given} means nothing to {task}; add {add}")
    heard, chosen, changes = _listed(languages), _numbers(layers), settings or []
    loaded, opened = Model.load(model), Corpus.open(corpus)
    remarks: tuple[str, ...] = ()
    found: Any
    with console.Progress("embed" if task == "retrieval" else "hear", "items") as progress:
        advance = progress.advance
        if task == "abx":
            from trivium.tasks.abx import measure as abx

            asked = abx.AbxSettings(languages=tuple(heard), items=items).override(changes)
            found = abx.measure(loaded, opened, split, asked, layers=chosen, advance=advance)
            score, title = found.score, "error in percent; chance is 50"
            if found.skipped:
                left_out = console.counted({"items": found.skipped})
                remarks = (f"left out {left_out}; {found.items:,} are measured",)
        elif task == "recognition":
            from trivium.tasks.words import recognition

            wanted = recognition.RecognitionSettings().override(changes)
            found = recognition.measure(
                loaded, opened, split, wanted, languages=heard, advance=advance
            )
            score, title, remarks = found.score, "errors in percent", found.remarks
        else:
            from trivium.tasks.retrieval import measure

            found = measure(loaded, opened, split, speech_languages=heard, advance=advance)
            score, title = found.overall, "percent; what chance gives in brackets"
    folder = out or (Path(model) if Path(model).exists() else Path("scores") / model)
    found.write(folder)
    if as_json:
        console.say(found.to_json().rstrip())
        return
    headers, rows = found.table()
    console.table(headers, rows, title=title)
    for remark in remarks:
        console.warn(remark)
    console.say(str(score.signature))
    beside = "jsonl" if task == "recognition" else "png"
    console.say(f"wrote {folder / task}.json and {task}.{beside}")


def _listed(text: str) -> list[str]:
    """What stands between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(layers: str) -> list[int]:
    """Layers by number; none for all."""
    from trivium.errors import TriviumError

    words = [] if layers == "all" else _listed(layers)
    wrong = [word for word in words if not word.isdecimal()]
    if wrong:
        raise TriviumError(f"--layers: {wrong[0]!r} is no layer; expected 2,5, or all")
    return sorted({int(word) for word in words})
