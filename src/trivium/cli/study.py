"""`trivium study ...`: a paper's claims put to the test, and one report."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli import console

app = typer.Typer(help="Put a paper's claims to the test; one report.", no_args_is_help=True)


@app.callback()
def study() -> None:
    """Put a paper's claims to the test; one report."""


@app.command()
def english_only(
    out: Annotated[Path, typer.Option(help="The folder of the study: runs, scores, report.")],
    size: Annotated[str, typer.Option(help="test (minutes on two cores) or world (a GPU).")],
    corpus: Annotated[
        Path | None,
        typer.Option(help="Spoken captions in en, hi, ja; a made world in OUT if absent."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each cell.")] = 3,
    only: Annotated[
        str | None, typer.Option(help="Cells to train, as 'multi.*.seed0'; all if absent.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Another value, as steps=500.")
    ] = None,
) -> None:
    """What English-only towers do to other languages: M-SpeechCLIP's six directions.

    Nothing is trained twice: the same command continues where it was killed.
    """
    from trivium.errors import SettingsError, did_you_mean
    from trivium.studies.english_only.report import RESULTS
    from trivium.studies.english_only.sizes import SIZES
    from trivium.studies.english_only.study import english_only as put_together
    from trivium.studies.english_only.study import own_corpus
    from trivium.studies.english_only.tables import summary
    from trivium.studies.study import Progress, run, steps_left
    from trivium.training.place import place_of_process

    known = {str(name): name for name in SIZES}
    if size not in known:
        raise SettingsError(f"the study has no size {size!r}; {did_you_mean(size, known)}")
    chosen = SIZES[known[size]].override([f"seeds={seeds}", *(settings or [])])
    if corpus is None:
        with console.Progress("make a world", "utterances") as making:
            corpus = own_corpus(known[size], out, making.advance)
    found = put_together(chosen, corpus, out)
    total = steps_left(found, only)
    with (
        place_of_process() as place,
        console.Progress("study english-only", "steps", total) as training,
    ):
        told = Progress(training.advance, console.say, console.warn)
        results = run(found, only, told, place)
    claims = found.claims(results)
    page = found.report(results, claims)
    console.table(*summary(claims, chosen.scope), title=chosen.caution)
    missing = f", {len(results.missing)} cells missing" if results.missing else ""
    console.say(f"{len(results.measured)} cells{missing}; wrote {page}, report.md and {RESULTS}")
