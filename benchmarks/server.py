"""A server under load: 64 clients that send sounds of mixed lengths, texts and pictures.

    python benchmarks/server.py --seconds 60

Each client sends its next request when the last is answered, over one connection. The same load is
put on a server that batches and on one that does not, one after the other; any answer but 200 and
429 ends the run. Clients run beside the server and take some of its cores.
"""

import argparse
import asyncio
import io
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from trivium.data.audio import encode_flac
from trivium.runtime import cores, machine, version_of

BOUNDARY = "part-of-a-benchmark"


def requests(model: str, seed: int = 0) -> list[bytes]:
    """Whole HTTP requests: of ten, eight sounds of 0.5 to 10 s, a text, a picture."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(200):
        if number % 10 < 8:
            seconds = float(np.clip(rng.lognormal(1.0, 0.6), 0.5, 10))
            noise = 0.1 * rng.standard_normal(int(16_000 * seconds))
            field, data = "speech", encode_flac(noise.astype(np.float32))
        elif number % 10 == 8:
            field, data = "text", b"a red star above two fish"
        else:
            target = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (224, 224, 3), np.uint8)).save(target, "PNG")
            field, data = "image", target.getvalue()
        made.append(request({field: data, "model": model.encode(), "encoding_format": b"base64"}))
    return made


def request(fields: dict[str, bytes]) -> bytes:
    """A form as it goes over the line."""
    body = b""
    for name, data in fields.items():
        file = '; filename="it"' if name in ("speech", "image") else ""
        body += (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        )
        body += data + b"\r\n"
    body += f"--{BOUNDARY}--\r\n".encode()
    head = (f"POST /embed HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n")  # fmt: skip
    return head.encode() + body


async def client(port: int, made: list[bytes], seed: int, end: float,
                 seen: list[tuple[int, float]]) -> None:  # fmt: skip
    """Send one request after another until the time is over."""
    rng = np.random.default_rng(seed)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < end:
        start = time.perf_counter()
        writer.write(made[int(rng.integers(len(made)))])
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = await reader.readexactly(length)
        status = int(head.split()[1])
        if status not in (200, 429):
            raise SystemExit(f"answer {status}: {body[:500]!r}")
        seen.append((status, time.perf_counter() - start))
        if status == 429:
            await asyncio.sleep(1)
    writer.close()


def resident_bytes(pid: int) -> int:
    """What a process and its children hold now."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pages = (int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in [pid, *children])
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


async def load(options: argparse.Namespace, port: int, pid: int) -> None:
    """Put the load on a server that is ready, and print what came of it."""
    made, seen, memory = requests(options.model), [], []
    start = time.perf_counter()
    end = start + options.seconds
    clients = [client(port, made, seed, end, seen) for seed in range(options.clients)]
    working = asyncio.gather(*clients)
    while not working.done():
        memory.append(resident_bytes(pid))
        await asyncio.wait([working], timeout=options.seconds / 8)
    await working
    taken = time.perf_counter() - start
    times = sorted(seconds for status, seconds in seen if status == 200)
    middle, high, highest = (1e3 * np.percentile(times, (50, 95, 99))).tolist()
    told = Counter(status for status, _ in seen)
    held = ", ".join(f"{value / 2**20:,.0f}" for value in memory)
    print(f"  {len(times) / taken:,.1f} requests a second, p50 {middle:,.0f} ms, p95 {high:,.0f}, "
          f"p99 {highest:,.0f}; answers {dict(told)}; MiB over time: {held}")  # fmt: skip


def serve(options: argparse.Namespace, batch: int) -> None:
    """Start a server, wait until it is ready, load it, end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["serve", "--model", options.model, "--port", str(port), "--set", f"batch={batch}"]
    command = [sys.executable, "-m", "trivium", *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        while not ready(port):
            if server.poll() is not None:
                raise SystemExit(f"the server ended with {server.returncode}: {' '.join(command)}")
            time.sleep(0.2)
        try:
            asyncio.run(load(options, port, server.pid))
        finally:
            server.terminate()


def ready(port: int) -> bool:
    """Whether a server answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


def main() -> None:
    """Batching on, then off."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="world-speechclip")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    told = {"cores": cores(), "threads": os.environ.get("OMP_NUM_THREADS", "all")}
    print(machine() | told, f"torch {version_of('torch')}, {options.clients} clients")
    for words, batch in (("batches of up to 64", 64), ("one by one", 1)):
        print(f"{words}; load {os.getloadavg()[0]:.1f}", flush=True)
        serve(options, batch)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
