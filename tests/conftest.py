"""What many tests share: a small corpus by hand, and one tiny world made once for the whole run."""

import os
import socket
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from trivium.data.audio import encode_flac
from trivium.data.corpus import Card, Corpus, CorpusWriter

# No deadline: two busy cores say nothing about the code. Fewer examples than usual, many tests.
settings.register_profile("trivium", deadline=None, max_examples=50, print_blob=True)
settings.load_profile("trivium")

COLUMNS_OF_CARD = {"name": "by-hand", "licence": "CC0-1.0", "source": "Made by a test."}


def tone(seconds: float, hertz: float = 440.0, rate_hz: int = 16_000) -> np.ndarray:
    """A quiet sine."""
    time_axis = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.3 * np.sin(2 * np.pi * hertz * time_axis)).astype(np.float32)


def png(colour: str = "red", side: int = 8) -> bytes:
    """A small square."""
    import io

    target = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(target, "PNG")
    return target.getvalue()


def utterance(number: int, **columns: object) -> dict[str, object]:
    """A row with sound; `columns` replace or add to it."""
    seconds = 0.2 + 0.05 * (number % 7)
    text = f"this is number {number}"
    row = {"id": f"u{number:04}", "split": "train", "audio": encode_flac(tone(seconds)),
           "seconds": seconds, "text": text, "characters": len(text), "language": "en",
           "speaker": f"s{number % 3}"}  # fmt: skip
    return row | columns


@pytest.fixture
def by_hand(tmp_path: Path) -> Corpus:
    """Twenty utterances, two pictures, three sentences."""
    folder = tmp_path / "by-hand"
    with CorpusWriter(folder, Card(**COLUMNS_OF_CARD)) as writer:
        for name, colour in (("p-red", "red"), ("p-blue", "blue")):
            writer.add("pictures", {"id": name, "split": "train", "image": png(colour)})
        for number in range(20):
            picture = ("p-red", "p-blue", None)[number % 3]
            writer.add("utterances", utterance(number, picture=picture))
        for number, text in enumerate(("a sentence", "another", "one more")):
            row = {"id": f"t{number}", "split": "train", "text": text, "language": "en"}
            writer.add("sentences", row)
    return Corpus.open(folder)


@pytest.fixture(scope="session")
def world_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny world in two languages, made once though several processes run the tests."""
    from trivium.data.world.build import WorldSettings, make_world

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder, claim = shared / "world", shared / "world.claimed"
    try:
        claim.mkdir()
    except FileExistsError:
        _wait_for(shared / "world.done")
    else:
        make_world(folder, WorldSettings(languages=("en", "ja")))
        (shared / "world.done").touch()
    return folder


@pytest.fixture
def world(world_folder: Path) -> Corpus:
    """The tiny world, open. Do not write to it."""
    return Corpus.open(world_folder)


def free_port() -> str:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _wait_for(path: Path, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end:
            raise TimeoutError(f"{path} did not appear within {seconds:g} s")
        time.sleep(0.05)
