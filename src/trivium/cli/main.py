"""The root of the command line, and how it ends."""

import os
from typing import Annotated

import typer

from trivium.cli import bench, corpus, demo, doctor, evaluate, library, serve, study, train, write
from trivium.errors import TriviumError
from trivium.version import VERSION

app = typer.Typer(
    name="trivium",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"trivium {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Speech, text and pictures in one space: make a corpus, train on it, measure."""


app.command()(demo.demo)
app.command()(corpus.world)
app.add_typer(corpus.app, name="corpus")
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(train.recipes)
app.command()(train.export)
app.add_typer(library.app, name="library")
app.command()(library.search)
app.command()(library.embed)
app.command()(write.transcribe)
app.command()(write.translate)
app.command()(write.pseudo_label)
app.command()(serve.serve)
app.add_typer(study.app, name="study")
app.add_typer(bench.app, name="bench")
app.command()(doctor.doctor)


def run(arguments: list[str]) -> int:
    """Run a command and give its exit code; mistakes are told in one sentence."""
    words = [word for word in arguments if word != "--debug"]
    debug = len(words) < len(arguments)
    try:
        return int(app(words, prog_name="trivium", standalone_mode=False) or 0)
    except typer.TyperException as error:
        if not error.format_message():  # a group without a command: show what there is
            app([*words, "--help"], prog_name="trivium", standalone_mode=False)
            return 2
        _complain(f"{error.format_message().rstrip('.')}; see trivium --help")
    except TriviumError as error:
        if debug:
            raise
        _complain(str(error))
    except OSError as error:
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        _complain(f"{where}{(error.strerror or str(error)).lower()}")
    except Exception as error:
        if debug:
            raise
        _complain(f"{type(error).__name__}: {error} (a bug; `trivium --debug ...` shows where)")
    return 2


def _complain(sentence: str) -> None:
    colour = None if os.environ.get("NO_COLOR") else "red"
    typer.secho(f"trivium: {' '.join(sentence.split())}", err=True, fg=colour)
