"""Sounds and pictures of clients, decoded in processes of bounded memory and time."""

import asyncio
import json
import os
import sys
from contextlib import suppress
from typing import Any, Literal

import numpy as np
from fastapi import UploadFile

from trivium.data.audio import SAMPLE_RATE_HZ, Samples
from trivium.data.image import Pixels
from trivium.serve.gate import Held
from trivium.serve.refusal import Refusal
from trivium.serve.settings import MIB, ServeSettings

MODULE = "trivium.serve.decoding"
# What is quieter than the loudest hundredth of a second by so much (30 dB) is silence.
SILENCE, HUNDREDTH = 1e-3, SAMPLE_RATE_HZ // 100
LIMITS = ("max_bytes", "max_seconds", "max_rate_hz", "max_channels", "max_pixels", "max_ratio")


async def taken(file: UploadFile) -> bytes:
    """The bytes of a file that was sent, which is let go: one copy is in memory, not two."""
    data = await file.read()
    await file.close()
    return data


def seconds_of(samples: Samples) -> float:
    """How long 16 kHz samples last."""
    return len(samples) / SAMPLE_RATE_HZ


def trimmed(samples: Samples) -> Samples:
    """Samples (S,) without the silence before and after, but for 0.04 s of it."""
    starts = np.arange(0, len(samples), HUNDREDTH)
    power = np.add.reduceat(np.square(samples, dtype=np.float64), starts)
    loud = np.flatnonzero(power >= SILENCE * power.max())
    return samples[max(0, loud[0] - 4) * HUNDREDTH : (loud[-1] + 5) * HUNDREDTH]


class Decoders:
    """Processes that decode, each one file at a time; one that hangs or dies is replaced."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._free: asyncio.LifoQueue[asyncio.subprocess.Process | None] = asyncio.LifoQueue()
        for _ in range(settings.decoders):
            self._free.put_nowait(None)  # started when first needed

    async def sound(self, data: bytes, held: Held) -> Samples:
        """16 kHz mono samples."""
        made: Samples = await self._decoded("sound", data, held)
        return made

    async def picture(self, data: bytes, held: Held) -> Pixels:
        """RGB pixels."""
        made: Pixels = await self._decoded("picture", data, held)
        return made

    async def start(self) -> None:
        """Start all processes, so that no client waits for it."""
        there = [await self._free.get() for _ in range(self._settings.decoders)]
        for process in there:
            self._free.put_nowait(process or await self._process())

    async def stop(self) -> None:
        """End the processes."""
        for _ in range(self._settings.decoders):
            await _end(await self._free.get())

    async def _decoded(self, kind: Literal["sound", "picture"], data: bytes, held: Held) -> Any:
        process = await self._free.get()
        whole = False
        try:
            process = process or await self._process()
            async with asyncio.timeout(self._settings.decode_seconds):
                told = await _asked(process, kind, data)
                body = await _from(process).readexactly(told["bytes"])
            whole = True
        except TimeoutError as error:
            seconds = self._settings.decode_seconds
            raise Refusal(
                422, f"the {kind} of {len(data):,} bytes takes more than {seconds:g} s to decode",
                "cannot_decode",
            ) from error  # fmt: skip
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            most = self._settings.decoder_bytes // MIB
            raise Refusal(
                422, f"the {kind} of {len(data):,} bytes cannot be decoded within {most:,} MiB",
                "cannot_decode",
            ) from error  # fmt: skip
        finally:
            if not whole:
                await asyncio.shield(_end(process))
            self._free.put_nowait(process if whole else None)
        held.add(len(body))
        if "error" in told:
            raise Refusal(told["status"], told["error"], "cannot_decode")
        return np.frombuffer(body, told["type"]).reshape(told["shape"])

    async def _process(self) -> asyncio.subprocess.Process:
        settings = self._settings
        limits = {name: getattr(settings, name) for name in LIMITS}
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", MODULE, str(settings.decoder_bytes), json.dumps(limits),
            stdin=pipe, stdout=pipe, env=os.environ | threads, start_new_session=True,
        )  # fmt: skip


async def _asked(process: asyncio.subprocess.Process, kind: str, data: bytes) -> dict[str, Any]:
    """What a process says of a file, before the bytes that it made of it."""
    if process.stdin is None:
        raise ConnectionError(f"process {process.pid} has no stdin")
    process.stdin.write(json.dumps({"kind": kind, "bytes": len(data)}).encode() + b"\n")
    process.stdin.write(data)
    await process.stdin.drain()
    told: dict[str, Any] = json.loads(await _from(process).readuntil(b"\n"))
    return told


def _from(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise ConnectionError(f"process {process.pid} has no stdout")
    return process.stdout


async def _end(process: asyncio.subprocess.Process | None) -> None:
    if process is not None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
