"""`trivium study ...`: a paper's claims put to the test, and one report."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from trivium.cli.terminal import console

if TYPE_CHECKING:
    from trivium.studies.study import Study

Size = TypeVar("Size", bound=str)

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
    from trivium.studies.english_only.sizes import SIZES
    from trivium.studies.english_only.study import english_only as put_together
    from trivium.studies.english_only.study import own_corpus

    name = _known(size, SIZES)
    chosen = SIZES[name].override([f"seeds={seeds}", *(settings or [])])
    corpus = corpus or _made(lambda advance: own_corpus(name, out, advance))
    _put_to_the_test(put_together(chosen, corpus, out), only, chosen.scope, chosen.caution)


@app.command()
def schedules(
    out: Annotated[Path, typer.Option(help="The folder of the study: runs, scores, report.")],
    size: Annotated[str, typer.Option(help="test (minutes on two cores) or world (a GPU).")],
    corpus: Annotated[
        Path | None,
        typer.Option(help="Spoken captions with phone times; a made world in OUT if absent."),
    ] = None,
    second: Annotated[
        Path | None,
        typer.Option(help="Speech with phone times, never trained on; made in OUT if absent."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Trainings of each schedule; 2 or 3 if absent.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Cells to train, as 'VGS*.seed0'; all if absent.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Another value, as interval=500.")
    ] = None,
) -> None:
    """When to train which loss of grounded: nine schedules, seven findings.

    Nothing is trained twice: the same command continues where it was killed.
    """
    from trivium.studies.schedules.corpora import own_corpus, second_corpus
    from trivium.studies.schedules.sizes import SIZES
    from trivium.studies.schedules.study import schedules as put_together

    name = _known(size, SIZES)
    changes = [*([] if seeds is None else [f"seeds={seeds}"]), *(settings or [])]
    chosen = SIZES[name].override(changes)
    if corpus is None:
        with console.Progress("make a world", "utterances") as making:
            corpus = own_corpus(name, out, making.advance)
    if second is None:
        with console.Progress("make a second corpus", "utterances") as making:
            second = second_corpus(out, making.advance)
    found = put_together(chosen, corpus, second, out)
    _put_to_the_test(found, only, chosen.scope, chosen.caution)


@app.command()
def text_helps(
    out: Annotated[Path, typer.Option(help="The folder of the study: runs, scores, report.")],
    size: Annotated[str, typer.Option(help="test (minutes on two cores) or world (a GPU).")],
    corpus: Annotated[
        Path | None,
        typer.Option(help="Speech, sentences, translations, labels; a made world if absent."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each cell.")] = 3,
    only: Annotated[
        str | None, typer.Option(help="Cells to train, as 'tlm.*.seed0'; all if absent.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Another value, as paired=0.2.")
    ] = None,
) -> None:
    """Whether text in pre-training helps speech: mSLAM's eight directions.

    Nothing is trained twice: the same command continues where it was killed.
    """
    from trivium.studies.text_helps.sizes import SIZES
    from trivium.studies.text_helps.study import own_corpus
    from trivium.studies.text_helps.study import text_helps as put_together

    name = _known(size, SIZES)
    chosen = SIZES[name].override([f"seeds={seeds}", *(settings or [])])
    corpus = corpus or _made(lambda advance: own_corpus(name, out, advance))
    _put_to_the_test(put_together(chosen, corpus, out), only, chosen.scope, chosen.caution)


@app.command()
def fusion(
    out: Annotated[Path, typer.Option(help="The folder of the study: runs, scores, report.")],
    size: Annotated[str, typer.Option(help="test (minutes on two cores) or world (a GPU).")],
    corpus: Annotated[
        Path | None,
        typer.Option(help="Feelings with text, label, score, speaker; a made world if absent."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Trainings of each pre-training and each cell.")
    ] = 3,
    only: Annotated[
        str | None, typer.Option(help="Cells to train, as 'emotion.*.seed0'; all if absent.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Another value, as seconds=20.")
    ] = None,
) -> None:
    """What pre-training, attention to the text, and the head are good for: CTAL's ablation.

    Nothing is trained twice: the same command continues where it was killed.
    """
    from trivium.studies.fusion.sizes import SIZES
    from trivium.studies.fusion.study import fusion as put_together
    from trivium.studies.fusion.study import own_corpus

    name = _known(size, SIZES)
    chosen = SIZES[name].override([f"seeds={seeds}", *(settings or [])])
    corpus = corpus or _made(lambda advance: own_corpus(name, out, advance))
    _put_to_the_test(put_together(chosen, corpus, out), only, chosen.scope, chosen.caution)


@app.command()
def composite(
    out: Annotated[Path, typer.Option(help="The folder of the study: runs, scores, report.")],
    size: Annotated[str, typer.Option(help="test (minutes on two cores) or world (a GPU).")],
    corpus: Annotated[
        Path | None,
        typer.Option(help="Speech and sentences with translations; a made world in OUT if absent."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each cell.")] = 3,
    only: Annotated[
        str | None, typer.Option(help="Cells to train, as 'all.*.seed0'; all if absent.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Another value, as steps=500.")
    ] = None,
) -> None:
    """Which loss adds what to a composite translator, with how much speech: ComSL's directions.

    Nothing is trained twice: the same command continues where it was killed.
    """
    from trivium.studies.composite.sizes import SIZES
    from trivium.studies.composite.study import composite as put_together
    from trivium.studies.composite.study import own_corpus

    name = _known(size, SIZES)
    chosen = SIZES[name].override([f"seeds={seeds}", *(settings or [])])
    corpus = corpus or _made(lambda advance: own_corpus(name, out, advance))
    _put_to_the_test(put_together(chosen, corpus, out), only, chosen.scope, chosen.caution)


def _known(size: str, sizes: Mapping[Size, object]) -> Size:
    """The name of a size that a study has."""
    from trivium.errors import SettingsError, did_you_mean

    for name in sizes:
        if name == size:
            return name
    raise SettingsError(
        f"the study has no size {size!r}; {did_you_mean(size, [str(name) for name in sizes])}"
    )


def _made(make: Callable[[Callable[[int], None]], Path]) -> Path:
    """The world that a study without a corpus makes for itself."""
    with console.Progress("make a world", "utterances") as making:
        return make(making.advance)


def _put_to_the_test(found: "Study", only: str | None, scope: str, caution: str) -> None:
    """Train and measure what is not there, write the report, and tell the verdicts."""
    from trivium.studies.answers import RESULTS, summary
    from trivium.studies.study import Progress, run, steps_left
    from trivium.training.place import place_of_process

    total = steps_left(found, only)
    with (
        place_of_process() as place,
        console.Progress(f"study {found.name}", "steps", total) as training,
    ):
        told = Progress(training.advance, console.say, console.warn)
        results = run(found, only, told, place)
    claims = found.claims(results)
    page = found.report(results, claims)
    console.table(*summary(claims, scope), title=caution)
    missing = f", {len(results.missing)} cells missing" if results.missing else ""
    console.say(f"{len(results.measured)} cells{missing}; wrote {page}, report.md and {RESULTS}")
