"""What a server serves, where, and what it takes from whom."""

from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field

from trivium.config import Settings

PREFIX = "TRIVIUM_SERVE_"
MIB = 2**20
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class ServeSettings(Settings):
    """What `trivium serve` is told; each field is an environment variable too."""

    libraries: tuple[Path, ...] = ()
    """Folders of libraries."""
    models: tuple[str, ...] = ()
    """Models beside those of the libraries."""
    device: str | None = None
    """Where models compute; absent, on a GPU if there is one."""
    host: str = "127.0.0.1"
    """Address to listen at; 0.0.0.0 is every address of the machine."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 8_000
    """Port to listen at."""
    api_key: Annotated[str, Field(min_length=8)] | None = Field(None, repr=False)
    """What a client must know; absent, nothing."""
    hosts: tuple[str, ...] = ()
    """Names clients may call the server by, * for any; absent, that of `host`, any if it is all."""

    max_bytes: Count = 25 * MIB
    """Of a request with files."""
    max_text_bytes: Count = 1 * MIB
    """Of any other request."""
    max_parts: Count = 64
    """Of a form, and of these as files."""
    max_texts: Count = 2_048
    """Texts embedded by one request."""
    max_seconds: Seconds = 120
    """Of a sound."""
    max_rate_hz: Count = 192_000
    """Samples a second of a sound."""
    max_channels: Annotated[int, Field(ge=1, le=2)] = 2
    """Of a sound."""
    max_pixels: Count = 16_000_000
    """Of a picture."""
    max_ratio: Annotated[float, Field(ge=1)] = 20
    """Of the longer side of a picture to the shorter, which models make equally long."""
    max_found: Count = 1_000
    """Items found by one search."""
    max_held_bytes: Count = 512 * MIB
    """Of all requests in progress together, encoded and decoded; beyond it 429."""

    upload_seconds: Seconds = 30
    """Until the whole of a request must have come; then 408."""
    decode_seconds: Seconds = 10
    """Until a sound or a picture must be decoded; then 422."""
    request_seconds: Seconds = 60
    """Until a request must be answered; then 503. A stop waits as long."""
    decoders: Count = 2
    """Processes that decode."""
    decoder_bytes: Count = 512 * MIB
    """That a process may take to decode one file."""
    queue: Count = 128
    """Requests that wait for a model; beyond it 429."""
    batch: Count = 64
    """Things that a model is given at once; 1 turns batching off."""
    padding: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of sounds computed together that may be padding; on a GPU more of it is worth it."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], given: Mapping[str, object]) -> Self:
        """Settings of the variables TRIVIUM_SERVE_..., and before them what is `given`.

        Lists are separated by commas; an empty variable is an absent one.
        """
        values: dict[str, object] = {}
        for variable, text in environment.items():
            if variable.startswith(PREFIX) and text:
                name = variable.removeprefix(PREFIX).lower()
                parts = [part.strip() for part in text.split(",")]
                values[name] = parts if name in LISTS else text
        return cls.parse(values | dict(given), f"{PREFIX}... and the options")

    @property
    def open_to_others(self) -> bool:
        """Whether other machines may reach the server."""
        return self.host not in LOOPBACK

    @property
    def called(self) -> tuple[str, ...]:
        """Names that clients may call the server by."""
        if self.hosts:
            return tuple(name.lower() for name in self.hosts)
        with suppress(ValueError):  # a name is no address
            if ip_address(self.host).is_unspecified:
                return ("*",)
        return (self.host.lower(),) if self.open_to_others else LOOPBACK


LOOPBACK = ("127.0.0.1", "localhost", "::1")
LISTS = ("libraries", "models", "hosts")
