"""`trivium bench`: its figures under a fake clock, and both commands as a person runs them."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.conftest import tone
from trivium.cli.bench import Measured, app, make_corpus, measure, plain_batches, start_late
from trivium.data.audio import encode_flac
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.data.image import decode_image
from trivium.data.source import Source, SourceSettings
from trivium.recipes import recipe


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "corpus"
    with CorpusWriter(path, Card(name="bench")) as writer:
        for i in range(40):
            seconds = 0.1 + 0.01 * i
            writer.add("utterances", {"id": f"u{i}", "split": "train", "seconds": seconds,
                                      "audio": encode_flac(tone(seconds))})  # fmt: skip
    return path


@given(
    st.lists(
        st.tuples(st.floats(0.1, 10), st.floats(0.1, 10), st.integers(1, 9), st.integers(1, 9)),
        min_size=1,
    )
)
def test_rates_are_sound_over_the_time_from_first_request_to_end(
    deliveries: list[tuple[float, float, int, int]],
) -> None:
    now = {"wall": 1_000, "cpu": 500}

    def work() -> Iterator[tuple[float, float]]:
        for seconds, padding, wall, cpu in deliveries:
            now["wall"] += wall
            now["cpu"] += cpu
            yield seconds, seconds + padding

    advanced: list[float] = []
    found = measure(work(), {}, advanced.append, lambda: now["wall"], lambda: now["cpu"])
    seconds, padding, wall, cpu = (sum(column) for column in zip(*deliveries, strict=True))
    assert sum(advanced) == pytest.approx(seconds)
    figures = found.figures()
    assert figures["sound a second"] == pytest.approx(seconds / wall, abs=0.5)
    assert figures["sound a core second"] == pytest.approx(seconds / cpu, abs=0.5)
    assert figures["padding %"] == pytest.approx(100 * padding / (seconds + padding), abs=0.01)


def test_shares_are_of_all_processor_time() -> None:
    measured = Measured(100, 110, 5, 8, {"take": 1, "decode": 5, "augment": 0})
    assert measured.shares() == {"take": 12.5, "decode": 62.5, "rest": 25}
    assert measured.figures() == {
        "sound a second": 20, "sound a core second": 12, "padding %": 9.09
    }  # fmt: skip


def test_the_plain_way_delivers_as_much_as_asked(folder: Path) -> None:
    source = Source(SourceSettings(corpora=(folder,), seconds=2, columns=("audio",)))
    delivered = list(plain_batches(source, seconds=30))
    assert 30 <= sum(seconds for seconds, _ in delivered) < 34
    assert all(padded >= seconds for seconds, padded in delivered)


def test_bench_loader_prints_both_ways_and_the_stages(folder: Path) -> None:
    arguments = ["loader", str(folder), "--seconds", "2", "--steps", "2", "--threads", "1"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    for word in ("loader", "plain", "padding %", "decode", "collate"):
        assert word in shown.stdout
    told = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert told["threads"] == 1
    assert told["loader"]["padding %"] < told["plain"]["padding %"]
    assert sum(told["stages %"].values()) == pytest.approx(100, abs=1)


def test_bench_plan_says_what_a_late_start_costs() -> None:
    shown = CliRunner().invoke(app, ["plan", "--rows", "5000", "--json"])
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    assert [line["rows"] for line in found] == [50_000, 281_000, 5_000]
    assert all(line["padding %"] < 3 for line in found[:2])


def test_padding_is_that_of_the_micros() -> None:
    equal = start_late(np.full(1_000, 2.0, np.float32), None, 1.0)
    assert equal["padding %"] == 0
    assert equal["micros an epoch"] == 16


@pytest.mark.parametrize("name", ["speechclip.tiny", "clip.tiny"])
def test_a_made_corpus_has_what_two_steps_of_a_recipe_need(tmp_path: Path, name: str) -> None:
    made = recipe(name, [tmp_path / "corpus"])
    budgets = {"sources": {role: s.model_copy(update={"seconds": 8.0, "items": None})
                           for role, s in made.sources.items()}}  # fmt: skip
    made = made.model_copy(update=budgets)
    make_corpus(tmp_path / "corpus", made, caption_seconds=0.5)
    [source] = made.sources.values()
    rows = Source(source.model_copy(update={"columns": ("audio", "image", "picture", "text")}))
    micros = made.training.loader.micros_per_step
    assert len(rows) == 2 * micros * 16
    assert rows.lengths.mean() == pytest.approx(0.5, rel=0.2)
    assert 0.15 <= rows.lengths.min() < rows.lengths.max() <= 1
    [piece] = rows.take(np.arange(4))
    sounds = piece.corpus.sounds(piece.table)
    assert [len(sound) / 16_000 for sound in sounds] == pytest.approx(rows.lengths[:4], abs=1e-4)
    pictures = piece.table["picture"].to_pylist()
    assert len(set(pictures)) == 4
    corpus = Corpus.open(tmp_path / "corpus")
    taken = corpus.take("pictures", corpus.picture_rows(pictures), ["image"])["image"].to_pylist()
    assert {decode_image(image).shape for image in taken} == {(300, 400, 3)}
