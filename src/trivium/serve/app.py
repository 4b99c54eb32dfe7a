"""The server as an ASGI application: `create_app(settings)`; importing this starts nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser

from trivium.errors import TriviumError
from trivium.serve import protocols, searching
from trivium.serve.gate import Gate
from trivium.serve.refusal import handle
from trivium.serve.served import Collection, Load, load_model
from trivium.serve.settings import ServeSettings
from trivium.version import VERSION

PAGE = Path(__file__).parent / "page"
NEEDS = ("/v1", "/search", "/items", "/libraries", "/embed")  # what is loaded first


def create_app(settings: ServeSettings, load: Load = load_model) -> FastAPI:
    """The application; models and libraries are loaded when it is started."""
    collection = Collection(settings, load)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(collection.start())
        yield
        await loading
        await collection.stop()

    # What a client sends is never on a disk, however long: there it could outlive us.
    MultiPartParser.spool_max_size = settings.max_bytes + 1
    app = FastAPI(
        title="trivium", version=VERSION, docs_url=None, redoc_url=None, lifespan=lifespan,
        description="Speech, text and pictures in one space: models and libraries over HTTP.",
        form_limits={"max_files": settings.max_parts, "max_fields": settings.max_parts,
                     "max_part_size": settings.max_text_bytes},
    )  # fmt: skip
    app.state.collection = collection
    for kind in (HTTPException, RequestValidationError, TriviumError):
        app.add_exception_handler(kind, handle)
    app.add_middleware(Early)
    app.add_middleware(Gate, settings=settings)
    app.include_router(protocols.router)
    app.include_router(searching.router)
    _add_pages(app, collection)
    return app


class Early:
    """ASGI middleware: who comes before all is loaded is told so before anything is read."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] == "http" and scope["path"].startswith(NEEDS):
            scope["app"].state.collection.check()
        await self.app(scope, receive, send)


def _add_pages(app: FastAPI, collection: Collection) -> None:
    """What a person looks at, and what a machine asks to know whether all is well."""

    @app.get("/health")
    async def health() -> Response:
        """Whether requests are answered, and what waits."""
        state = "failed" if collection.failed else "ready" if collection.ready else "loading"
        waiting = {name: engine.waiting for name, engine in collection.engines.items()}
        told = {"status": state, "version": VERSION, "waiting": waiting,
                "libraries": list(collection.libraries)}  # fmt: skip
        return JSONResponse(told, 200 if collection.ready else 503)

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        """The protocol as a page that needs nothing else."""
        return HTMLResponse(reference(request.app.openapi()))

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        """The page."""
        return FileResponse(PAGE / "index.html")

    app.mount("/page", StaticFiles(directory=PAGE), "page")


def reference(schema: dict[str, Any]) -> str:
    """The paths of an OpenAPI schema as one page."""
    head = "<!doctype html><html lang=en><meta charset=utf-8><title>trivium</title><h1>trivium</h1>"
    parts = [head, "<p>For programs: <a href=/openapi.json>/openapi.json</a>."]
    for path, methods in schema["paths"].items():
        for method, told in methods.items():
            parts.append(f"<h2>{method.upper()} {escape(path)}</h2>")
            parts += [f"<p>{_code(text)}" for text in told["description"].split("\n\n")]
            rows = [*_parameters(told), *_fields(told, schema["components"]["schemas"])]
            if rows:
                cells = ("".join(f"<td>{escape(cell)}" for cell in row) for row in rows)
                parts.append(f"<table>{''.join(f'<tr>{row}' for row in cells)}</table>")
            parts.append(f"<p>Answers: {escape(', '.join(told['responses']))}")
    return "\n".join(parts)


def _code(text: str) -> str:
    """A paragraph with what stands between backticks as code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if place % 2 else p for place, p in enumerate(pieces))


def _parameters(told: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["name"], f"in the {one['in']}") for one in told.get("parameters", [])]


def _fields(told: dict[str, Any], schemas: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and meaning of what a body holds."""
    content = told.get("requestBody", {}).get("content", {})
    found = []
    for body in content.values():
        named = body["schema"].get("$ref", "").rpartition("/")[2]
        schema = schemas.get(named, {})
        for name, field in schema.get("properties", {}).items():
            needed = "needed" if name in schema.get("required", ()) else ""
            fallback = f"default {field['default']!r}" if field.get("default") else ""
            choice = "one of " + ", ".join(map(str, field["enum"])) if "enum" in field else ""
            words = (needed, field.get("description", ""), choice, fallback)
            found.append((name, "; ".join(word for word in words if word)))
    return found
