"""Retrieval: both directions, every pair of languages, fixed galleries, table and heat map."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from PIL import Image

from tests.reference import slow_average_precision, slow_median_rank, slow_ranks, slow_recall
from trivium.errors import SettingsError, TriviumError
from trivium.report import png
from trivium.tasks.retrieval import (
    Retrieval,
    RetrievalSettings,
    compare,
    heat_map,
    run,
)
from trivium.tasks.score import Signature
from trivium.tasks.vectors import VectorSet

SIGNATURE = Signature(task="retrieval", corpus="f" * 64, split="test", model="m" * 40)
QUICK = RetrievalSettings(resamples=20)


def sets_of(
    pictures: int = 30, each: int = 2, noise: float = 0.5, seed: int = 0
) -> list[VectorSet]:
    """Speech in three languages, English texts and pictures, all near their picture."""
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((pictures, 8))
    ids = np.repeat(np.arange(pictures), each)

    def near(own: np.ndarray) -> np.ndarray:
        return centres[own] + noise * draw.standard_normal((len(own), 8))

    spoken = [VectorSet("speech", near(ids), ids, language) for language in ("en", "hi", "ja")]
    texts = VectorSet("text", near(ids), ids, "en")
    return [*spoken, texts, VectorSet("picture", centres, np.arange(pictures))]


@given(st.integers(0, 2**31), st.sampled_from(["cosine", "dot"]))
@example_settings(max_examples=15)
def test_a_comparison_is_its_slow_twin(seed: int, similarity: str) -> None:
    draw = np.random.default_rng(seed)
    ids = draw.integers(6, size=12)
    speech = VectorSet("speech", draw.standard_normal((12, 4)), ids, "sw")
    picture = VectorSet("picture", draw.standard_normal((9, 4)), np.arange(9))
    settings = RetrievalSettings(resamples=0, similarity=similarity, recall_at=(1, 3))
    score = run([speech, picture], settings, SIGNATURE).compared[0].score

    a, b = speech.vectors, picture.vectors
    if similarity == "cosine":
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    said = np.isin(np.arange(9), ids)  # pictures that nobody speaks of do not ask
    directions = {
        "to_picture": slow_ranks((a @ b.T).tolist(), ids.tolist(), list(range(9))),
        "to_speech.sw": slow_ranks((b @ a.T)[said].tolist(), np.flatnonzero(said), ids.tolist()),
    }
    for name, ranks in directions.items():
        for k in (1, 3):
            assert score.values[f"{name}/recall@{k}"] == pytest.approx(100 * slow_recall(ranks, k))
        assert score.values[f"{name}/median rank"] == slow_median_rank(ranks)
        precision = np.mean([slow_average_precision(own) for own in ranks])
        assert score.values[f"{name}/mAP"] == pytest.approx(100 * precision)
    mean = np.mean([score.values[f"{name}/recall@3"] for name in directions])
    assert score.primary == "recall@3"
    assert score.primary_value == pytest.approx(mean)


def test_everything_meets_what_it_should_and_nothing_else() -> None:
    result = run(sets_of(), QUICK, SIGNATURE)
    met = {(pair.a, pair.b) for pair in result.compared}
    assert met == {
        ("speech.en", "picture"), ("speech.hi", "picture"), ("speech.ja", "picture"),
        ("speech.en", "text.en"), ("speech.hi", "text.en"), ("speech.ja", "text.en"),
        ("text.en", "picture"),
        ("speech.en", "speech.hi"), ("speech.en", "speech.ja"), ("speech.hi", "speech.ja"),
    }  # fmt: skip
    assert len(result.compared) == len(met)
    only = run(sets_of(), QUICK.override(['comparisons=["speech-picture"]']), SIGNATURE)
    assert {pair.b for pair in only.compared} == {"picture"}


def test_every_number_has_its_chance_and_every_recall_its_interval() -> None:
    score = run(sets_of(), QUICK, SIGNATURE).compared[0].score
    assert score.chance.keys() == score.values.keys()
    assert score.intervals.keys() == {name for name in score.values if "recall@" in name}
    for name, (low, high) in score.intervals.items():
        assert low <= score.values[name] <= high
    assert score.chance["to_picture/recall@1"] == pytest.approx(100 / 30)
    assert score.chance["to_speech.en/recall@1"] == pytest.approx(100 * 2 / 60)
    assert score.chance["to_picture/median rank"] == 15.5


def test_the_overall_score_is_the_mean_of_the_primary_comparisons() -> None:
    result = run(sets_of(noise=1.0), QUICK, SIGNATURE)
    shown = [pair.score for pair in result.compared if pair.b == "picture" and pair.a != "text.en"]
    assert len(shown) == 3
    expected = np.mean([score.primary_value for score in shown])
    assert result.overall.primary_value == pytest.approx(expected)
    assert result.overall.values["retrieval/speech.hi-picture/recall@10"] == shown[1].primary_value
    assert result.overall.chance.keys() == result.overall.values.keys()


@pytest.mark.parametrize("pairs", [None, 10])
def test_a_constant_model_never_beats_chance(pairs: int | None) -> None:
    constant = [
        VectorSet(each.kind, np.full((len(each.ids), 8), 0.3), each.ids, each.language)
        for each in sets_of()
    ]
    result = run(constant, RetrievalSettings(resamples=5, gallery_pairs=pairs), SIGNATURE)
    for pair in result.compared:
        for name, value in pair.score.values.items():
            if name.endswith("rank"):
                assert value >= pair.score.chance[name]
            else:
                assert value <= pair.score.chance[name] + 1e-9
        assert pair.score.values["to_picture/recall@1" if pair.b == "picture" else "recall@1"] == 0


def test_blocks_change_nothing() -> None:
    results = [
        run(sets_of(), QUICK.override([f"block_scores={block}"]), SIGNATURE)
        for block in (17, 1 << 20)
    ]
    assert results[0] == results[1]


def test_fixed_galleries_hold_exactly_their_pairs_in_order() -> None:
    draw = np.random.default_rng(1)
    order = draw.permutation(25)
    speech_ids = np.concatenate([order, order])  # a second caption of each, which is not used
    vectors = draw.standard_normal((50, 4)).astype(np.float32)
    speech = VectorSet("speech", vectors, speech_ids, "en")
    pictures = draw.standard_normal((25, 4)).astype(np.float32)
    picture = VectorSet("picture", pictures, np.arange(25))
    settings = RetrievalSettings(resamples=3, gallery_pairs=10, recall_at=(1, 3), similarity="dot")
    score = compare(speech, picture, settings, SIGNATURE)

    ranks = []
    for start in (0, 10):  # five pairs are left over
        own = order[start : start + 10]
        scores = vectors[start : start + 10] @ pictures[own].T
        ranks += slow_ranks(scores.tolist(), own.tolist(), own.tolist())
    assert score.values["to_picture/recall@3"] == pytest.approx(100 * slow_recall(ranks, 3))
    assert score.values["to_picture/median rank"] == slow_median_rank(ranks)
    assert score.chance["to_picture/recall@1"] == pytest.approx(10)
    words = "2 x 10 pairs of speech.en and picture, 5 left over by dot"
    assert score.signature.gallery == words


def test_galleries_that_cannot_be_cut_are_refused() -> None:
    with pytest.raises(TriviumError, match=r"30 pairs.*exactly 1,000"):
        run(sets_of(), RetrievalSettings(gallery_pairs=1000), SIGNATURE)


def test_the_gallery_is_in_the_signature() -> None:
    one = run(sets_of(), QUICK, SIGNATURE).compared[0].score.signature
    assert one.gallery == "60 speech.en, 30 picture by cosine"
    assert (one.task, one.corpus) == ("retrieval/speech.en-picture", "f" * 64)


def test_the_length_of_vectors_means_nothing_to_cosines_and_much_to_products() -> None:
    sets = sets_of(noise=1.0)
    stretched = [
        VectorSet(x.kind, x.vectors * (1 + np.arange(len(x.ids)))[:, None], x.ids, x.language)
        for x in sets
    ]
    assert run(sets, QUICK, SIGNATURE).overall == run(stretched, QUICK, SIGNATURE).overall
    dot = QUICK.override(["similarity=dot"])
    assert run(sets, dot, SIGNATURE).overall != run(stretched, dot, SIGNATURE).overall


def test_the_table_has_a_row_for_each_direction_with_chance_in_brackets() -> None:
    result = run(sets_of(noise=0.0), QUICK, SIGNATURE)
    headers, rows = result.table()
    assert headers == ["query", "finds", "recall@1", "recall@5", "recall@10", "median rank", "mAP"]
    assert len(rows) == 2 * len(result.compared)
    assert rows[0][:3] == ["speech.en", "picture", "100.0 (3.33)"]
    assert rows[1][:2] == ["picture", "speech.en"]
    assert rows[0][5] == "1.0 (15.50)"


def test_the_matrix_has_each_direction_in_its_place() -> None:
    result = run(sets_of(noise=1.5), QUICK, SIGNATURE)
    names, matrix = result.recall_matrix(5)
    assert names == ["speech.en", "speech.hi", "speech.ja", "text.en", "picture"]
    pair = next(p for p in result.compared if (p.a, p.b) == ("speech.hi", "text.en"))
    assert matrix[1, 3] == pair.score.values["to_text.en/recall@5"]
    assert matrix[3, 1] == pair.score.values["to_speech.hi/recall@5"]
    assert np.array_equal(np.isnan(matrix), np.eye(5, dtype=bool))
    with pytest.raises(TriviumError, match="recall@3"):
        result.recall_matrix(3)


def test_the_heat_map_has_a_cell_and_a_number_for_each_comparison() -> None:
    matrix = np.array([[np.nan, 100.0, 40.0], [3.25, np.nan, 0.0], [50.0, 7.0, np.nan]])
    figure = heat_map(["en", "hi", "ja"], matrix, "recall")
    axes = figure.axes[0]
    cells = axes.images[0].get_array()
    assert cells.shape == (3, 3)
    assert cells.mask.tolist() == np.isnan(matrix).tolist()
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(1, 0): "100.0", (2, 0): "40.0", (0, 1): "3.2", (2, 1): "0.0",
                       (0, 2): "50.0", (1, 2): "7.0"}  # fmt: skip
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["en", "hi", "ja"]
    data = png(figure)
    assert data.startswith(b"\x89PNG")
    # Where nothing was compared the paper shows: cells are found in the picture itself.
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    height = pixels.shape[0]
    colours = []
    for row in range(3):
        for column in range(3):
            x, y = axes.transData.transform((column - 0.35, row - 0.35))
            colours.append(tuple(pixels[height - 1 - round(y), round(x)].tolist()))
    assert [colour == (255, 255, 255) for colour in colours] == np.isnan(matrix).ravel().tolist()
    assert len(set(colours)) == 7


def test_a_result_is_written_whole_and_comes_back(tmp_path: Path) -> None:
    result = run(sets_of(), QUICK, SIGNATURE)
    result.write(tmp_path / "new")
    assert Retrieval.load(tmp_path / "new" / "retrieval.json") == result
    with Image.open(tmp_path / "new" / "retrieval.png") as image:
        image.load()
        assert image.format == "PNG"
    assert json.loads(result.to_json())["overall"]["primary"] == "recall@10"


def test_drawing_leaves_no_state_of_pyplot() -> None:
    code = """
import sys, numpy as np
from trivium.tasks import retrieval
assert "matplotlib" not in sys.modules
retrieval.png(retrieval.heat_map(["a"], np.array([[1.0]]), "one"))
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def replaced(sets: list[VectorSet], place: int, **changes: object) -> list[VectorSet]:
    old = sets[place]
    values = {"kind": old.kind, "vectors": old.vectors, "ids": old.ids, "language": old.language}
    return [*sets[:place], VectorSet(**(values | changes)), *sets[place + 1 :]]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"place": 1, "language": "en"}, "2 sets 'speech.en'"),
        ({"place": 3, "vectors": np.ones((60, 9))}, "(60, 9)"),
        ({"place": 4, "ids": np.arange(30) // 2}, "30 vectors of 15 pictures"),
        ({"place": 4, "ids": np.arange(30) + 99}, "speech.en and picture have no id in common"),
        ({"place": 0, "vectors": np.full((60, 8), np.nan)}, "NaN"),
        ({"place": 0, "vectors": np.full((60, 8), np.inf)}, "NaN"),
    ],
)
def test_sets_that_cannot_be_searched_are_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(TriviumError, match=re.escape(told)):
        run(replaced(sets_of(), **changes), QUICK, SIGNATURE)


def test_a_primary_comparison_that_cannot_be_made_is_named() -> None:
    speech = sets_of()[:3]
    with pytest.raises(TriviumError, match=r"'speech-picture'.*speech.en, speech.hi, speech.ja"):
        run(speech, QUICK, SIGNATURE)
    result = run(speech, QUICK.override(["primary=speech-speech"]), SIGNATURE)
    assert len(result.compared) == 3


@pytest.mark.parametrize("wrong", ["recall_at=[]", "recall_at=[0]", "primary=text-text"])
def test_settings_that_mean_nothing_are_refused(wrong: str) -> None:
    with pytest.raises(SettingsError):
        QUICK.override([wrong])
