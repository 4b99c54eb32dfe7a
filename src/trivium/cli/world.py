"""`trivium world`: make the corpus that needs no download."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli import console


def world(
    out: Annotated[Path, typer.Argument(help="The corpus folder to make or continue.")],
    size: Annotated[
        str, typer.Option(help="tiny, small (about 5 h) or base (about 50 h).")
    ] = "tiny",
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 0,
    languages: Annotated[str, typer.Option(help="Which of them.")] = "en,hi,ja,es,de,sw",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; all cores if absent.")
    ] = None,
) -> None:
    """Make a corpus: scenes, sentences in six languages, voices. The same seed, the same bytes."""
    from trivium.data.world.build import WorldSettings, make_world, tasks

    codes = tuple(dict.fromkeys(code.strip() for code in languages.split(",") if code.strip()))
    values = {"size": size, "seed": seed, "languages": codes}
    settings = WorldSettings.parse(values, "trivium world")
    spoken = (task for task in tasks(settings) if task.make == "utterances")
    total = sum(task.stop - task.start for task in spoken)
    with console.Progress(f"world {size}", "utterances", total) as progress:
        card = make_world(out, settings, workers, progress.advance)
    console.say(f"{out}: {console.counted(card.counts)}; fingerprint {card.fingerprint[:16]}")
