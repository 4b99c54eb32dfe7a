"""A model that answers with what it was asked, and servers of it: in a thread, or in a process."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np
import uvicorn

from tests.conftest import free_port
from trivium.errors import TriviumError
from trivium.serve.app import create_app
from trivium.serve.settings import ServeSettings

ROOT = Path(__file__).parents[2]
WIDTH = 8


def direction(thing):
    """The unit vector of a text, samples or pixels."""
    data = thing.encode() if isinstance(thing, str) else np.ascontiguousarray(thing).tobytes()
    seed = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
    made = np.random.default_rng(seed).standard_normal(WIDTH).astype(np.float32)
    return made / np.linalg.norm(made)


class Toy:
    """Speech is so many samples, a text its direction; it may be told to wait or to refuse."""

    def __init__(self, kinds=("speech", "text", "picture"), able=("transcribe", "translate_speech"),
                 checksum="toy"):  # fmt: skip
        self.name, self.readme, self.checksum = "toy", "# Toy\n\nKnows nothing.", checksum
        self.kinds, self.able = kinds, able
        self.asked = []  # the length of each thing, batch by batch
        self.gate = threading.Event()  # nothing is computed while it is not set
        self.gate.set()

    def can(self, ability):
        return ability in self.able

    def embed(self, *, speech=None, text=None, image=None, language=None):
        (things,) = [given for given in (speech, text, image) if given is not None]
        made = self._made(direction, things if isinstance(things, list) else [things])
        return np.stack(made) if isinstance(things, list) else made[0]

    def embed_speech(self, sounds, language):
        return np.stack(self._made(direction, sounds))

    def embed_text(self, texts, language):
        return np.stack(self._made(direction, texts))

    def embed_picture(self, pictures):
        return np.stack(self._made(direction, pictures))

    def transcribe_speech(self, sounds, language=""):
        return self._made(lambda sound: f"{len(sound)} samples {language}".strip(), sounds)

    def translate_speech(self, sounds, language, to):
        return self._made(lambda sound: f"{len(sound)} {language} to {to}", sounds)

    def _made(self, make, things):
        self.gate.wait(30)
        self.asked.append([len(thing) for thing in things])
        for thing in things:
            if isinstance(thing, str) and thing.startswith("refuse"):
                raise TriviumError(f"{thing!r} is refused")
            if isinstance(thing, str) and thing.startswith("break"):
                raise ZeroDivisionError(thing)
        return [make(thing) for thing in things]


@contextmanager
def running(load=None, wait=True, **settings):
    """A server in a thread, as it runs for real: its address, and its collection."""
    port = int(free_port())
    told = ServeSettings(port=port, **({"models": ("toy",)} | settings))
    app = create_app(told, load or (lambda name, device: Toy()))
    server = uvicorn.Server(uvicorn.Config(
        app, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=20
    ))  # fmt: skip
    thread = threading.Thread(target=server.run)
    thread.start()
    collection = app.state.collection
    collection.server, collection.thread = server, thread
    try:
        until(lambda: server.started and (collection.ready or collection.failed or not wait))
        yield f"http://127.0.0.1:{port}", collection
    finally:
        for engine in collection.engines.values():
            getattr(engine.model, "gate", threading.Event()).set()
        server.should_exit = True
        thread.join(30)


def send(url, timeout=60, **more):
    """POST, with more patience than usual: cores may be busy with other tests."""
    return httpx2.post(url, timeout=timeout, **more)


def fetch(url, timeout=60, **more):
    """GET, with as much."""
    return httpx2.get(url, timeout=timeout, **more)


def until(true, seconds=120.0):
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"{true} is not true after {seconds:g} s")
        time.sleep(0.005)


@contextmanager
def process(**settings):
    """A server in a process of its own: its address and process id."""
    port = int(free_port())
    told = json.dumps({"port": port, "models": ["toy"]} | settings)
    command = "import sys; from tests.serve.toys import main; main(sys.argv[1])"
    server = subprocess.Popen(
        [sys.executable, "-c", command, told], cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.terminate()
        server.wait(30)


def main(told):
    """Serve toys until told to stop."""
    settings = ServeSettings.parse(json.loads(told))
    app = create_app(settings, lambda name, device: Toy())
    uvicorn.run(app, port=settings.port, log_config=None, access_log=False)


def resident_bytes(pid):
    """The most memory a process and its children have held, summed."""
    pids = [pid, *(int(child) for child in
                   Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]  # fmt: skip
    return sum(_peak(one) for one in pids)


def _peak(pid):
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
