"""`trivium bench search`: its vectors, the figures of a way, and the command."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from trivium.cli.bench import app
from trivium.cli.bench import search as bench
from trivium.errors import SettingsError
from trivium.library import nearest


def test_made_vectors_have_neighbours_and_uniform_ones_have_none():
    vectors, queries = bench.made(20_000, 64, 1), bench.made(100, 64, 2)
    np.testing.assert_array_equal(vectors, bench.made(20_000, 64, 1))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    scores = queries @ vectors.T
    assert np.sort(scores, axis=1)[:, -10:].mean() > 0.6
    assert abs(scores.mean()) < 0.05


def test_a_way_is_measured_at_the_first_number_that_finds_enough():
    true = np.arange(5_120).reshape(512, 10)
    asked = []

    def search(queries, number):
        asked.append((len(queries), number))
        found = true[: len(queries)].copy()
        found[:, number:] = -1
        return found

    told = bench.figures(lambda: (search, 3_000_000), np.ones((512, 4)), true, [1, 3, 10, 30])
    assert asked[:3] == [(512, 1), (512, 3), (512, 10)]
    assert {number for _, number in asked[3:]} == {10}
    assert {size for size, _ in asked[3:]} == {1, 512}
    assert (told["looked at"], told["recall@10"], told["memory, MB"]) == (10, 1.0, 3)
    assert told["at once, a second"] > 0


def test_the_command_measures_each_way():
    done = CliRunner().invoke(app, ["search", "--items", "2000", "--width", "8", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    ways = [line[""] for line in told["items"]["2000"]]
    assert ways == ["trivium, all compared", "trivium, index", "faiss, all compared",
                    "faiss, lists", "faiss, graph"]  # fmt: skip
    assert all(line["recall@10"] >= 0.95 for line in told["items"]["2000"])
    assert {"cores", "load before", "load after", "threads", "vectors"} <= told.keys()


def test_without_faiss_what_needs_none_is_measured(monkeypatch):
    monkeypatch.setattr(nearest, "has_faiss", lambda: False)
    done = CliRunner().invoke(app, ["search", "--items", "1000", "--width", "8"])
    assert "trivium, all compared" in done.stdout
    assert "trivium, index" not in done.stdout
    assert "faiss is not installed" in done.stderr


@pytest.mark.parametrize("items", ["many", "10", "1000,", "1e6"])
def test_numbers_of_vectors_are_checked(items):
    done = CliRunner().invoke(app, ["search", "--items", items])
    assert isinstance(done.exception, SettingsError)
    assert str(done.exception).startswith(f"--items {items!r}; give numbers from 1000 on")
