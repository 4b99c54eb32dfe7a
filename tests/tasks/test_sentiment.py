"""Sentiment: equal to slow twins by every definition of the field, beside chance and a constant."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import utterance
from trivium.data.corpus import Corpus, CorpusWriter
from trivium.errors import SettingsError, TriviumError
from trivium.report import png
from trivium.tasks.score import Signature
from trivium.tasks.sentiment import Sentiment, SentimentSettings, measure, run, sevenths

SIGNATURE = Signature(task="sentiment", corpus="f" * 64, split="test", model="m" * 40)
QUICK = SentimentSettings(resamples=50)
BARE = SentimentSettings(resamples=0)
SDK = BARE.override(["rounding=sdk"])
GIVEN = [0.4, -0.2, 2.5, 3.7, -1.6, 0.5, 0.0, -2.2]
TRUE = [0.5, -0.4, 3.0, 2.5, 0.0, 1.5, -1.0, -2.6666667]

POINTS = st.sampled_from([-3.0, -2.5, -1.5, -0.4, 0.0, 0.5, 1.0, 2.5, 3.0])
rows = st.lists(st.tuples(st.floats(-4, 4), POINTS), min_size=2, max_size=30).filter(
    lambda pairs: len({true for _, true in pairs}) > 1
)


def half_to_even(score: float) -> int:
    score = min(3.0, max(-3.0, score))
    below = math.floor(score)
    if score - below == 0.5:
        return below if below % 2 == 0 else below + 1
    return below if score - below < 0.5 else below + 1


def from_zero(score: float) -> int:
    size = 0 if score == 0 else 1 if abs(score) <= 1 else 2 if abs(score) <= 2 else 3
    return size if score > 0 else -size


def weighted_f1(pairs: list[tuple[bool, bool]]) -> float:
    """The mean of the F1 of two classes, weighted by their rows."""
    total = 0.0
    for side in (True, False):
        hits = sum(one == side == other for one, other in pairs)
        there = sum(true == side for _, true in pairs)
        answered = sum(one == side for one, _ in pairs)
        precision = hits / answered if answered else 0.0
        recall = hits / there if there else 0.0
        if hits:
            total += there * 2 * precision * recall / (precision + recall)
    return 100 * total / len(pairs)


def slow(pairs: list[tuple[float, float]], seven: object) -> dict[str, float]:
    has0 = [(one >= 0, true >= 0) for one, true in pairs]
    non0 = [(one > 0, true > 0) for one, true in pairs if true != 0]
    ones, trues = zip(*pairs, strict=True)
    mean = sum(ones) / len(ones), sum(trues) / len(trues)
    moments = [
        sum((pair[i] - mean[i]) * (pair[j] - mean[j]) for pair in pairs)
        for i, j in ((0, 0), (1, 1), (0, 1))
    ]
    flat = moments[0] * moments[1] < 1e-14 * len(pairs) ** 2
    return {
        "Acc-2 Has0": 100 * sum(one == true for one, true in has0) / len(has0),
        "F1 Has0": weighted_f1(has0),
        "Acc-2 Non0": 100 * sum(one == true for one, true in non0) / len(non0),
        "F1 Non0": weighted_f1(non0),
        "Acc-7": 100 * sum(seven(one) == seven(true) for one, true in pairs) / len(pairs),
        "MAE": sum(abs(one - true) for one, true in pairs) / len(pairs),
        "Pearson": 0.0 if flat else moments[2] / math.sqrt(moments[0] * moments[1]),
    }


@given(rows)
def test_every_number_is_the_slow_twins(pairs: list[tuple[float, float]]) -> None:
    given_, true = zip(*pairs, strict=True)
    for settings, seven in ((BARE, half_to_even), (SDK, from_zero)):
        found = run(given_, true, settings, SIGNATURE)
        assert found.score.values == pytest.approx(slow(pairs, seven), abs=1e-6)
        center = sum(true) / len(true)
        mean = slow([(center, one) for one in true], seven)
        assert found.constant["MAE"] == pytest.approx(mean["MAE"])
        for name in ("Acc-2 Has0", "F1 Has0", "Acc-2 Non0", "F1 Non0"):
            constants = [slow([(one, each) for each in true], seven) for one in (-1.0, 1.0)]
            best = max(constants, key=lambda values: values[name])
            assert found.constant[name] == pytest.approx(best[name])
        best = max(sum(seven(one) == kind for one in true) for kind in range(-3, 4))
        assert found.constant["Acc-7"] == pytest.approx(100 * best / len(true))


def test_both_conventions_and_both_roundings_by_hand() -> None:
    """Rows: +/+, -/-, +/+, +/+, -/0, +/+, 0/-, -/-."""
    values = run(GIVEN, TRUE, BARE, SIGNATURE).score.values
    assert values["Acc-2 Has0"] == 75  # 0 is not negative: rows 5 and 7 are wrong
    assert values["Acc-2 Non0"] == pytest.approx(100)  # row 5 is left out, row 7 is not positive
    assert values["Acc-7"] == pytest.approx(100 * 2 / 8)  # rows 1 and 2: 0 and 0, -0 and -0
    assert run(GIVEN, TRUE, SDK, SIGNATURE).score.values["Acc-7"] == pytest.approx(62.5)


def test_the_two_roundings_are_those_that_papers_describe() -> None:
    scores = np.array([-3.4, -2.5, -1.5, -0.5, -0.1, 0, 0.1, 0.5, 1, 1.5, 2.5, 3.4])
    assert sevenths(scores, "field").tolist() == [-3, -2, -2, 0, 0, 0, 0, 0, 1, 2, 2, 3]
    assert sevenths(scores, "sdk").tolist() == [-3, -3, -2, -1, -1, 0, 1, 1, 1, 2, 3, 3]


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(
    pairs: list[tuple[float, float]], random: object
) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)
    one, other = (run(*zip(*own, strict=True), QUICK, SIGNATURE).score for own in (pairs, shuffled))
    assert one == other


def test_chance_is_what_a_coin_gets() -> None:
    draw = np.random.default_rng(0)
    true = draw.choice([-2.0, -1.0, 0.0, 1.0, 3.0], 40_000, p=[0.3, 0.1, 0.1, 0.2, 0.3])
    coin = draw.choice([-1.0, 1.0], len(true))
    die = draw.integers(-3, 4, len(true)).astype(float)
    found = run(coin, true, BARE, SIGNATURE).score
    for name in ("Acc-2 Has0", "F1 Has0", "Acc-2 Non0", "F1 Non0"):
        assert found.values[name] == pytest.approx(found.chance[name], abs=1)
    rolled = run(die, true, BARE, SIGNATURE).score
    assert rolled.values["Acc-7"] == pytest.approx(rolled.chance["Acc-7"], abs=1)
    assert rolled.values["Pearson"] == pytest.approx(rolled.chance["Pearson"], abs=0.02)
    assert "MAE" not in found.chance


def test_intervals_hold_the_numbers_and_are_those_of_a_seed() -> None:
    draw = np.random.default_rng(1)
    true = draw.integers(-3, 4, 400).astype(float)
    given_ = true + draw.normal(size=400)
    found = run(given_, true, SentimentSettings(), SIGNATURE)
    assert found.score.intervals.keys() == found.score.values.keys() == found.constant.keys()
    for name, (low, high) in found.score.intervals.items():
        assert low < found.score.values[name] < high
    error = np.abs(given_ - true)
    low, high = found.score.intervals["MAE"]
    assert high - low == pytest.approx(3.92 * error.std() / 20, rel=0.15)
    assert found == run(given_, true, SentimentSettings(), SIGNATURE)
    assert found.remarks == ()
    assert found.score.lower_is_better
    by_sign = run(given_, true, BARE.override(["primary=Acc-2 Non0"]), SIGNATURE)
    assert not by_sign.score.lower_is_better


def test_a_model_that_always_says_the_same_is_told_so() -> None:
    found = run([0.25] * 8, TRUE, QUICK, SIGNATURE)
    assert found.score.values["Pearson"] == 0
    assert "is not surely better than the 1.45" in found.remarks[0]
    assert found.remarks[1] == "the model gave 0.25 for all 8 rows"
    signs = run([0.25] * 8, TRUE, QUICK.override(["primary=Acc-2 Has0"]), SIGNATURE)
    assert "Acc-2 Has0 62.50" in signs.remarks[0]


def test_what_was_rounded_is_signed_and_the_table_has_all() -> None:
    found = run(GIVEN, TRUE, SDK, SIGNATURE)
    assert found.score.signature.text == "Acc-7 by rounding sdk"
    assert found.score.signature.gallery == "8 rows, 7 of them not 0"
    headers, lines = found.table()
    assert headers == ["value", "score", "95 %", "chance", "constant"]
    assert lines[0] == ["Acc-2 Has0", "75.00", "", "50.00", "62.50"]
    assert [line[0] for line in lines[-2:]] == ["MAE", "Pearson"]


def test_a_result_is_written_and_comes_back(tmp_path: Path) -> None:
    found = run(GIVEN, TRUE, QUICK, SIGNATURE)
    found.write(tmp_path / "new")
    back = Sentiment.load(tmp_path / "new" / "sentiment.json")
    assert back == found.model_copy(update={"given": (), "true": ()})
    with Image.open(io.BytesIO(png(found.plot()))) as image:
        assert image.format == "PNG"
    assert (tmp_path / "new" / "sentiment.png").exists()


@pytest.mark.parametrize(
    ("given_", "true", "told"),
    [
        ([1.0], [1.0, 2.0], "1 scores given and 2 true ones"),
        ([], [], "0 scores given"),
        ([1.0, math.nan], [1.0, 2.0], "1 of 2 given scores are no finite numbers, the first nan"),
        ([1.0, 1.0], [1.0, math.inf], "1 of 2 true scores are no finite numbers"),
        ([1.0, 1.0], [1.0, -55.0], "a true score is -55; sentiment is from -3 to 3"),
        ([1.0, 2.0], [0.0, 0.0], "all 2 true scores are 0"),
    ],
)  # fmt: skip
def test_scores_that_cannot_be_scored_are_refused(
    given_: list[float], true: list[float], told: str
) -> None:
    with pytest.raises(TriviumError, match=told):
        run(given_, true, QUICK, SIGNATURE)


@pytest.mark.parametrize("wrong", ["rounding=up", "primary=Acc-2", "resamples=-1"])
def test_settings_that_mean_nothing_are_refused(wrong: str) -> None:
    with pytest.raises(SettingsError):
        QUICK.override([wrong])


class Feeler:
    """Scores a text by its last word."""

    name, checksum, reads, pairs = "feeler", "e" * 40, ("text",), False

    def score(self, sounds: None, texts: list[str]) -> np.ndarray:
        assert sounds is None
        return np.array([float(text.split()[-1]) for text in texts], np.float32)


def test_the_scored_rows_of_a_corpus_are_measured(by_hand: Corpus) -> None:
    with CorpusWriter(by_hand.path, by_hand.card) as writer:
        for number, score in enumerate((-3.0, 0.0, 0.0, 1.5, 2.0), 30):
            writer.add("utterances", utterance(number, text=f"it is {score}", score=score))
        writer.add("utterances", utterance(40, text=None, score=1.0))
    corpus, done = Corpus.open(by_hand.path), []
    found = measure(Feeler(), corpus, "train", QUICK, advance=done.append)
    assert (sum(done), found.score.values["MAE"]) == (5, 0)
    assert found.score.signature.corpus == corpus.card.fingerprint
    assert found.remarks == ("1 of 6 utterances have no score or text and are left out: 'u0040'",)
    few = measure(Feeler(), corpus, "train", QUICK.override(["where=score > 0"]))
    assert few.score.signature.split == "train where score > 0"
    assert few.score.signature.gallery == "2 rows, 2 of them not 0"
