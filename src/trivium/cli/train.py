"""`trivium train`, `trivium evaluate`, `trivium recipes`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from trivium.cli import console


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
) -> None:
    """Train a system as a recipe says; a killed run continues with --resume, bit for bit.

    On several devices: torchrun --nproc-per-node N -m trivium train ...; the losses are the same.
    """
    from trivium.recipes import recipe as named
    from trivium.training.loop import fit
    from trivium.training.place import place_of_process

    chosen = named(recipe, corpus or []).override(settings or [])
    steps = sum(phase.steps for phase in chosen.training.phases)
    with (
        place_of_process() as place,
        console.Progress(f"train {recipe}", "steps", steps) as progress,
    ):

        def watch(line: dict[str, Any]) -> None:
            if "warning" in line:
                console.warn(line["warning"])
            else:
                progress.advance(line["step"] + 1 - progress.done)

        fitted = fit(chosen, out, resume=resume, watch=watch, place=place)
    if not place.is_first:
        return
    losses = ", ".join(f"{name} {value:.4g}" for name, value in fitted.losses.items())
    console.say(
        f"{fitted.checkpoint}: {losses}" if losses else f"{fitted.checkpoint}: nothing to do"
    )


def evaluate(
    model: Annotated[Path, typer.Argument(help="A run, or a checkpoint folder.")],
    corpus: Annotated[Path, typer.Argument(help="The corpus folder.")],
    split: Annotated[str, typer.Option(help="The split to measure on.")] = "test",
    out: Annotated[
        Path | None, typer.Option(help="Where JSON and plot go; MODEL if absent.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON.")] = False,
) -> None:
    """Retrieval between speech, text and pictures, both ways, beside chance."""
    from trivium.data.corpus import Corpus
    from trivium.models.loaded import Model
    from trivium.tasks.retrieval import RetrievalSettings, run
    from trivium.tasks.score import Signature
    from trivium.tasks.vectors import embed_corpus

    loaded, opened = Model.load(model), Corpus.open(corpus)
    with console.Progress("embed", "items") as progress:
        sets = embed_corpus(loaded, opened, split, advance=progress.advance)
    signature = Signature(
        task="retrieval", corpus=opened.card.fingerprint, split=split, model=loaded.checksum
    )
    found = run(
        sets,
        RetrievalSettings(primary="speech-picture" if "speech" in loaded.kinds else "text-picture"),
        signature,
    )
    found.write(out or model)
    if as_json:
        console.say(found.to_json().rstrip())
        return
    console.table(*found.table(), title="percent; what chance gives in brackets")
    console.say(str(found.overall.signature))
    console.say(f"wrote {(out or model) / 'retrieval.json'} and retrieval.png")
