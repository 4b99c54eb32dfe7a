"""Libraries that several tests use."""

import json

import pytest

from tests.library.test_sources import corpus, fill
from tests.library.toys import Toy
from trivium.library.library import Library


@pytest.fixture
def texts(tmp_path):
    """Forty short texts in a folder."""
    return fill(tmp_path / "texts", {f"{n:02}.txt": f"text {n}" for n in range(40)})


@pytest.fixture
def library(tmp_path, texts):
    """A library of them."""
    made = Library.create(tmp_path / "library", "toy", Toy())
    made.index(texts)
    return made


@pytest.fixture
def tagged(tmp_path):
    """A library of a corpus whose rows have columns of their own."""
    rows = [("sentences", {"id": f"s{n}", "text": f"row {n}", "language": ["en", "hi"][n % 2],
                           "split": "train", "score": n / 2,
                           "extra": json.dumps({"mood": ["calm", "glad", "sad"][n % 3],
                                                "age": n})})
            for n in range(30)]  # fmt: skip
    corpus(tmp_path / "rows", rows)
    made = Library.create(tmp_path / "tagged", "toy", Toy())
    made.index(tmp_path / "rows")
    return made
