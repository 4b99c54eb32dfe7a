"""What every request passes before it is looked at: who asks, how much comes, and how fast."""

import asyncio
import hmac
import logging
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivium.serve.refusal import Refusal, answer
from trivium.serve.settings import ServeSettings

LOG = logging.getLogger("trivium.serve")
OPEN = ("/", "/health", "/docs", "/openapi.json")  # and the page's files: nothing of anybody's
NOTHING_OUTSIDE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob: data:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": NOTHING_OUTSIDE, "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip
# What is read and thrown away after a refusal: a client that still sends would not hear the answer.
LINGER_SECONDS, LINGER_BYTES = 1.0, 64 * 2**20


class Allowance:
    """Bytes that all requests in progress hold together."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0


class Held:
    """What one request holds of an allowance, until it is answered."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self.bytes = 0

    def add(self, count: int) -> None:
        """Hold more, or refuse the request."""
        allowance = self._allowance
        if allowance.used + count > allowance.most:
            raise Refusal(
                429, f"{count:,} bytes more do not fit beside what the server works on; try again "
                "in a second", retry=1,
            )  # fmt: skip
        self.bytes += count
        allowance.used += count

    def release(self) -> None:
        """Hold nothing more."""
        self._allowance.used -= self.bytes
        self.bytes = 0


@dataclass
class Exchange:
    """One request and its response, as bytes."""

    gate: "Gate"
    headers: Headers
    receive: Receive
    send: Send
    held: Held
    request_id: str
    status: int = 0
    got: int = 0
    whole: bool = False  # whether all of the request came
    deadline: float = 0.0

    async def read(self) -> Message:
        """The next part of the request's body, within its limits."""
        try:
            async with asyncio.timeout_at(None if self.whole else self.deadline):
                message = await self.receive()
        except TimeoutError as error:
            seconds = self.gate.settings.upload_seconds
            raise Refusal(
                408, f"{self.got:,} bytes came in {seconds:g} s, and the request goes on"
            ) from error
        if message["type"] == "http.request":
            self.whole = not message.get("more_body", False)
            self.got += len(message.get("body", b""))
            if self.got > self.most:
                raise self._too_large(self.got)
            if self.got > self.held.bytes:  # a length was not told
                self.held.add(self.got - self.held.bytes)
        return message

    async def write(self, message: Message) -> None:
        """A part of the response, with the headers that all have."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.request_id
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if not self.whole:  # the rest of the request would be taken for the next
                headers["Connection"] = "close"
        elif not (self.whole or message.get("more_body", False) or "expect" in self.headers):
            await self.send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self.send(message)

    @property
    def most(self) -> int:
        """Bytes that the request may have."""
        settings = self.gate.settings
        with_files = self.headers.get("content-type", "").startswith("multipart/")
        return settings.max_bytes if with_files else settings.max_text_bytes

    def check(self, path: str) -> None:
        """Refuse what its headers tell to be wrong, before any of it is read."""
        settings = self.gate.settings
        host = _host(self.headers.get("host", ""))
        if host not in settings.called and "*" not in settings.called:
            raise Refusal(
                400,
                f"the server is not called {host!r}; its setting `hosts` can say so",
                "wrong_host",
            )
        if self.headers.get("sec-fetch-site") == "cross-site" and not _is_open(path):
            site = self.headers.get("origin", "another site")
            raise Refusal(403, f"a page of {site} may not use this server", "wrong_site")
        if settings.api_key is not None and not _is_open(path):
            word, _, key = self.headers.get("authorization", "").partition(" ")
            right = hmac.compare_digest(key.strip().encode(), settings.api_key.encode())
            if word.lower() != "bearer" or not right:
                wrong = "is not this server's" if key else "is missing"
                raise Refusal(401, f"the API key {wrong}; send Authorization: Bearer KEY")
        if self.headers.get("content-encoding", "identity") != "identity":
            encoding = self.headers["content-encoding"]
            raise Refusal(415, f"the request is encoded as {encoding!r}; send it as it is")
        length = self.headers.get("content-length", "0")
        self.whole = length == "0" and "transfer-encoding" not in self.headers
        if not length.isdigit() or int(length) > self.most:
            raise self._too_large(length)
        self.held.add(int(length))

    def _too_large(self, length: int | str) -> Refusal:
        return Refusal(413, f"the request has {length} bytes; at most {self.most:,} are read")

    async def _linger(self) -> None:
        dropped = 0
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while dropped < LINGER_BYTES:
                    message = await self.receive()
                    dropped += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return
        except TimeoutError:
            return


class Gate:
    """ASGI middleware: an id, the key, the limits of size and time, and a line in the log."""

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self.app = app
        self.settings = settings
        self.allowance = Allowance(settings.max_held_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, clock = time.monotonic(), asyncio.get_running_loop().time()
        exchange = Exchange(
            self, Headers(scope=scope), receive, send, Held(self.allowance),
            f"req_{secrets.token_hex(8)}", deadline=clock + self.settings.upload_seconds,
        )  # fmt: skip
        state: dict[str, Any] = scope.setdefault("state", {})
        state |= {"request_id": exchange.request_id, "held": exchange.held}
        error: Exception | None = None
        try:
            exchange.check(scope["path"])
            async with asyncio.timeout(self.settings.request_seconds):
                await self.app(scope, exchange.read, exchange.write)
        except TimeoutError:
            seconds = self.settings.request_seconds
            error = Refusal(503, f"the answer takes more than {seconds:g} s", "too_slow", retry=1)
        except ClientDisconnect:
            exchange.status = 499
        except Exception as met:  # noqa: BLE001 (whatever it is, the client is told)
            error = met
        finally:
            exchange.held.release()
        if error is not None:
            if not isinstance(error, Refusal):
                LOG.error("%s failed", exchange.request_id, exc_info=error)
            if not exchange.status:
                await answer(error, exchange.request_id)(scope, exchange.read, exchange.write)
        LOG.info(
            "%s %s %s %d, %d bytes in %.3f s", exchange.request_id, scope["method"],
            scope["path"].encode("unicode_escape").decode(), exchange.status, exchange.got,
            time.monotonic() - start,
        )  # fmt: skip


def _host(header: str) -> str | None:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None


def _is_open(path: str) -> bool:
    return path in OPEN or path.startswith("/page/")
