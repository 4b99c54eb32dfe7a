"""`trivium train`, `trivium evaluate`, `trivium recipes`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from trivium.cli import console
from trivium.cli.live import Live


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
    split: Annotated[str, typer.Option(help="The split to measure on.")] = "test",
    out: Annotated[
        Path | None,
        typer.Option(help="Where JSON and plot go; absent, the run, or for a name `scores/NAME`."),
    ] = None,
    languages: Annotated[
        str, typer.Option(help="Languages of the speech to embed, as en,hi; absent, all.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON.")] = False,
) -> None:
    """Retrieval between speech, text and pictures, both ways, beside chance."""
    from trivium.data.corpus import Corpus
    from trivium.models.loaded import Model
    from trivium.tasks.retrieval import measure

    loaded, opened = Model.load(model), Corpus.open(corpus)
    heard = [code.strip() for code in languages.split(",") if code.strip()]
    with console.Progress("embed", "items") as progress:
        found = measure(loaded, opened, split, speech_languages=heard, advance=progress.advance)
    folder = out or (Path(model) if Path(model).exists() else Path("scores") / model)
    found.write(folder)
    if as_json:
        console.say(found.to_json().rstrip())
        return
    console.table(*found.table(), title="percent; what chance gives in brackets")
    console.say(str(found.overall.signature))
    console.say(f"wrote {folder / 'retrieval.json'} and retrieval.png")
