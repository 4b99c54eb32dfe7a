"""`trivium serve`: models and libraries over HTTP."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivium.cli.terminal import console

if TYPE_CHECKING:
    from trivium.serve.settings import ServeSettings

NEEDED = ("fastapi", "uvicorn", "python_multipart", "av")


def serve(
    libraries: Annotated[
        list[Path] | None, typer.Argument(metavar="LIBRARY...", help="Folders of libraries.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model beside those of the libraries; may be given several times."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen at; absent, this machine alone.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen at; absent, 8000.")] = None,
    api_key: Annotated[
        str | None,
        typer.Option(help="What a client must know; better said by TRIVIUM_SERVE_API_KEY."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Where to compute, as cuda; absent, on a GPU if there is.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, as max_seconds=300.")
    ] = None,
) -> None:
    """Answer over HTTP: OpenAI's protocols for audio and embeddings, search, and a page.

    Every setting is also an environment variable, TRIVIUM_SERVE_ before its name. Ctrl-C answers
    the requests in progress and ends.
    """
    import logging
    import os

    from trivium.errors import TriviumError
    from trivium.serve.settings import ServeSettings

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise TriviumError(
            f'{" and ".join(missing)} not installed; pip install "trivium[serve]" adds it'
        )
    given = {"libraries": libraries, "models": model, "host": host, "port": port,
             "api_key": api_key, "device": device}  # fmt: skip
    told = {name: value for name, value in given.items() if value not in (None, [])}
    settings = ServeSettings.from_environment(os.environ, told).override(overrides or ())
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    if settings.open_to_others and settings.api_key is None:
        console.warn(f"everybody who reaches {settings.host} may use this server; set an API key")
    _run(settings)


def _run(settings: "ServeSettings") -> None:
    """Serve until told to stop."""
    from contextlib import suppress

    import uvicorn

    from trivium.errors import TriviumError
    from trivium.serve.app import create_app

    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(
        app, settings.host, settings.port, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=round(settings.request_seconds) + 1,
    ))  # fmt: skip
    collection = app.state.collection
    collection.on_failure = lambda: setattr(server, "should_exit", True)
    at = f"[{settings.host}]" if ":" in settings.host else settings.host
    console.say(f"http://{at}:{settings.port}/ (the protocol: /docs); Ctrl-C ends it")
    try:
        with suppress(KeyboardInterrupt):  # uvicorn has ended all by then
            server.run()
    except SystemExit as error:
        where = f"{settings.host}:{settings.port}"
        raise TriviumError(f"{where} cannot be listened at; the line above says why") from error
    if collection.failed is not None:
        raise TriviumError(collection.failed)
