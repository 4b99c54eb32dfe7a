"""The root of the command line, and how it ends."""

import sys
from typing import Annotated

import typer

from trivium.cli import bench, corpus, demo, doctor, world
from trivium.errors import TriviumError
from trivium.version import VERSION

INTERRUPTED = 130

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
    """Speech, text and pictures in one space: make a corpus, look at it, feed a model from it."""


app.command()(demo.demo)
app.command()(world.world)
app.add_typer(corpus.app, name="corpus")
app.add_typer(bench.app, name="bench")
app.command()(doctor.doctor)


def main() -> None:
    """Run a command: exit code 0, or 2 with one sentence on stderr, or 130 after Ctrl-C."""
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        code = app(arguments, prog_name="trivium", standalone_mode=False) or 0
        if code == INTERRUPTED:  # what typer makes of Ctrl-C
            _complain("interrupted; what was finished is kept, and the same command continues")
        sys.exit(code)
    except typer.TyperException as error:
        _complain(f"{error.format_message().rstrip('.')}; see trivium --help")
        sys.exit(2)
    except BrokenPipeError:
        # Whoever reads our output (head, less) has had enough: nothing is wrong.
        sys.stderr.close()
        sys.exit(0)
    except TriviumError as error:
        if debug:
            raise
        _complain(str(error))
        sys.exit(2)
    except Exception as error:
        if debug:
            raise
        _complain(f"{type(error).__name__}: {error} (a bug; `trivium --debug ...` shows where)")
        sys.exit(2)


def _complain(sentence: str) -> None:
    typer.secho(f"trivium: {sentence}", err=True, fg="red")
