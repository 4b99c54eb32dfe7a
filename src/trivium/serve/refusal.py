"""How a request is refused: one shape of error for everything, that of OpenAI's clients."""

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request

from trivium.errors import MediaError, TriviumError

# The kind of an error by its status, and a code where nothing closer is known.
TYPES = {401: "authentication_error", 429: "rate_limit_error"}
CODES = {
    400: "bad_request", 401: "invalid_api_key", 403: "forbidden", 404: "not_found",
    405: "method_not_allowed", 408: "too_slow", 413: "too_large", 415: "unsupported_media",
    422: "unprocessable", 429: "busy", 500: "internal", 503: "unavailable",
}  # fmt: skip


# A value as an error shows it: however long it is, the sentence is short.
SHOWN = reprlib.Repr()
SHOWN.maxstring = SHOWN.maxother = 80


class Refusal(HTTPException):
    """A request that is not answered, in one sentence for the client."""

    def __init__(self, status: int, message: str, code: str = "", retry: int | None = None) -> None:
        headers = None if retry is None else {"Retry-After": str(retry)}
        super().__init__(status, message, headers)
        self.code = code


class Fault(BaseModel):
    """What was wrong."""

    message: str
    type: str
    code: str
    request_id: str


class Faulty(BaseModel):
    """The body of every answer that is an error."""

    error: Fault


def answer(error: Exception, request_id: str) -> JSONResponse:
    """The response to a request that went wrong."""
    status, message, code, headers = _told(error)
    kind = TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    fault = Fault(message=message, type=kind, code=code or CODES.get(status, "error"),
                  request_id=request_id)  # fmt: skip
    return JSONResponse(Faulty(error=fault).model_dump(), status, headers)


async def handle(request: Request, error: Exception) -> JSONResponse:
    """The same, as FastAPI asks for it."""
    if isinstance(error, HTTPException) and not isinstance(error, Refusal):
        path = request.url.path
        told = {404: f"there is nothing at {path!r}; /docs tells what there is",
                405: f"{request.method} is not what {path!r} takes; see /docs"}  # fmt: skip
        error.detail = told.get(error.status_code, error.detail)
    return answer(error, request.state.request_id)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a page of the protocol says of errors."""
    return {status: {"model": Faulty, "description": CODES[status]} for status in statuses}


def _told(error: Exception) -> tuple[int, str, str, Mapping[str, str] | None]:
    """Status, sentence, code and headers."""
    if isinstance(error, Refusal):
        return error.status_code, error.detail, error.code, error.headers
    if isinstance(error, RequestValidationError):
        return 422, "; ".join(map(_sentence, error.errors()[:3])), "invalid_value", None
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail), "", error.headers
    if isinstance(error, MediaError):
        return 422, str(error), "cannot_decode", None
    if isinstance(error, TriviumError):
        return 400, str(error), "", None
    return 500, f"{type(error).__name__}: a bug of the server; its log says more", "", None


def _sentence(fault: Mapping[str, Any]) -> str:
    place: Sequence[Any] = [part for part in fault["loc"] if part != "body"]
    where = SHOWN.repr(".".join(map(str, place)) or "body")[1:-1]
    if fault["type"] == "extra_forbidden":
        return f"there is no {where!r} here; /docs names what there is"
    if fault["type"] == "missing":
        return f"{where!r} is missing"
    return f"{where} = {SHOWN.repr(fault['input'])}: {fault['msg'].removeprefix('Value error, ')}"
