"""`trivium export`: a model as a folder that needs nothing else."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.terminal import console


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
