"""`trivium train`, `trivium recipes`, `trivium export`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from trivium.cli.terminal import console
from trivium.cli.terminal.live import Live


def recipes(
    towers: Annotated[
        bool, typer.Option("--towers", help="The published networks that they can begin with.")
    ] = False,
) -> None:
    """List the recipes: whole runs by name."""
    from trivium.recipes import RECIPES

    if towers:
        from trivium.recipes.backbones import table

        headers, lines = table()
        # Where the weights are is told by docs/backbones.md; networks are known by their names.
        console.table([headers[0], *headers[2:]], [[line[0], *line[2:]] for line in lines])
        return
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
    from trivium.recipes.backbones import restrictions
    from trivium.tasks.during import fit
    from trivium.training.place import place_of_process

    chosen = named(recipe, corpus or []).override(settings or [])
    if random_weights:
        chosen = without_weights(chosen)
    for sentence in restrictions(chosen):
        console.warn(sentence)
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


def export(
    model: Annotated[str, typer.Argument(help="A run, a checkpoint folder, or a model's name.")],
    out: Annotated[Path, typer.Argument(help="The folder to write.")],
    half: Annotated[
        bool, typer.Option("--half", help="Half precision: half the size, read back as float32.")
    ] = False,
) -> None:
    """Write a whole model, published towers with it: a folder that needs nothing else."""
    from trivium.errors import SettingsError
    from trivium.models.loaded import Model

    if out.exists():
        raise SettingsError(f"{out} is there already; name a new folder")
    loaded = Model.load(model)
    loaded.export(out, half)
    size = sum(file.stat().st_size for file in out.iterdir())
    console.say(f"{out}: {loaded.name}, {size / 1e6:.1f} MB")
