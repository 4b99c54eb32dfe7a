"""Classification: equal to slow twins and scikit-learn, beside chance and the commonest class."""

import io
import json
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
from trivium.tasks import rows as rows_module
from trivium.tasks.classification import Classification, ClassificationSettings, measure, run
from trivium.tasks.score import Signature

SIGNATURE = Signature(task="classification.emotion", corpus="f" * 64, split="test", model="m" * 40)
QUICK = ClassificationSettings(resamples=50)
NAMES = {"a": "angry", "h": "happy", "n": "neutral", "s": "sad", "m": "maybe"}
LABELS = "nsnhnsasnnnhhnnnsnnshhnaannsnnnhahnhnashhsnsnnannsnnannhsnsn"
ANSWERS = "nsnhnsamhnahssmnshnnnhnaannnhnnhaansshmhssmssnamnnshannhhmsh"

rows = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=2, max_size=40
).filter(lambda pairs: len({label for label, _ in pairs}) > 1)


def emotions() -> tuple[list[str], list[str]]:
    return [NAMES[one] for one in ANSWERS], [NAMES[one] for one in LABELS]


def slow(answers: list[str], labels: list[str]) -> dict[str, float]:
    """By counting rows, a class at a time."""
    pairs = list(zip(answers, labels, strict=True))
    values, recalls, scores = {}, [], []
    for name in sorted(set(labels)):
        hits = sum(answer == label == name for answer, label in pairs)
        recall = hits / labels.count(name)
        precision = hits / answers.count(name) if name in answers else 0.0
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
        recalls.append(recall)
        scores.append(f1)
        values |= {f"recall.{name}": recall, f"precision.{name}": precision, f"F1.{name}": f1}
    values["accuracy"] = sum(answer == label for answer, label in pairs) / len(pairs)
    values["unweighted accuracy"] = sum(recalls) / len(recalls)
    values["macro F1"] = sum(scores) / len(scores)
    return {name: 100 * value for name, value in values.items()}


@given(rows)
def test_every_number_is_the_slow_twins(pairs: list[tuple[str, str]]) -> None:
    labels, answers = (list(side) for side in zip(*pairs, strict=True))
    found = run(answers, labels, ClassificationSettings(resamples=0), SIGNATURE)
    assert found.score.values == pytest.approx(slow(answers, labels))
    commonest = max(sorted(set(labels)), key=labels.count)
    assert found.majority == pytest.approx(slow([commonest] * len(labels), labels))
    assert sum(map(sum, found.confusion)) == len(pairs)


def test_the_numbers_are_scikit_learns() -> None:
    # accuracy_score, balanced_accuracy_score and f1_score, recall_score, precision_score with
    # labels=classes, of scikit-learn 1.9.1.
    score = run(*emotions(), QUICK, SIGNATURE).score
    assert score.values["accuracy"] == pytest.approx(56.66666666666667)
    assert score.values["unweighted accuracy"] == pytest.approx(60.8982683982684)
    assert score.values["macro F1"] == pytest.approx(60.5)
    told = {
        "recall": [85.71428571428571, 54.54545454545454, 53.33333333333333, 50],
        "precision": [75, 46.15384615384615, 80, 46.15384615384615],
        "F1": [80, 50, 64, 48],
    }
    for kind, values in told.items():
        own = [score.values[f"{kind}.{name}"] for name in ("angry", "happy", "neutral", "sad")]
        assert own == pytest.approx(values)


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(pairs: list[tuple[str, str]], random: object) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)
    found = [
        run([answer for _, answer in own], [label for label, _ in own], QUICK, SIGNATURE)
        for own in (pairs, shuffled)
    ]
    assert found[0] == found[1]


def test_chance_is_what_guessing_gets() -> None:
    answers, labels = emotions()
    many = labels * 500
    draw = np.random.default_rng(0)
    guesses = draw.choice(sorted(NAMES.values()), len(many)).tolist()
    expected = run(answers, labels, QUICK, SIGNATURE).score.chance
    guessed = run(guesses, many, ClassificationSettings(resamples=0), SIGNATURE).score.values
    assert guessed == pytest.approx(expected, abs=1.5)
    assert expected["accuracy"] == expected["unweighted accuracy"] == pytest.approx(20)


def test_choices_that_nobody_made_lower_chance() -> None:
    settings = QUICK.override(['choices=["bored", "angry", "calm", "shy", "sly"]'])
    found = run(*emotions(), settings, SIGNATURE)
    assert found.score.chance["accuracy"] == pytest.approx(100 / 9)
    assert found.answers == ("angry", "happy", "neutral", "sad", "bored", "calm", "maybe", "shy",
                             "sly")  # fmt: skip
    assert found.score.values == run(*emotions(), QUICK, SIGNATURE).score.values
    assert found.score.signature.gallery == "60 rows of 4 classes, 9 answers"


def test_every_number_has_chance_majority_and_an_interval() -> None:
    found = run(*emotions(), QUICK, SIGNATURE)
    names = found.score.values.keys()
    assert names == found.score.chance.keys() == found.majority.keys()
    assert names == found.score.intervals.keys()
    for name, (low, high) in found.score.intervals.items():
        assert low <= found.score.values[name] <= high
    assert found == run(*emotions(), QUICK, SIGNATURE)
    other = run(*emotions(), QUICK.override(["seed=1"]), SIGNATURE)
    assert other.score.intervals != found.score.intervals


def test_the_interval_of_accuracy_is_the_binomials() -> None:
    draw = np.random.default_rng(0)
    labels = draw.choice(["a", "b", "c"], 600)
    answers = np.where(draw.random(600) < 0.7, labels, "a")
    score = run(answers.tolist(), labels.tolist(), ClassificationSettings(), SIGNATURE).score
    share = score.values["accuracy"] / 100
    low, high = score.intervals["accuracy"]
    assert high - low == pytest.approx(392 * np.sqrt(share * (1 - share) / 600), rel=0.15)


def test_a_model_that_always_says_the_same_is_told_so() -> None:
    _, labels = emotions()
    constant = run(["neutral"] * 60, labels, QUICK, SIGNATURE)
    assert constant.score.values == pytest.approx(constant.majority)
    assert constant.remarks[0].startswith("accuracy 50.00 (")
    assert "is not surely above the 50.00 of always saying 'neutral'" in constant.remarks[0]


def test_what_lies_within_its_interval_of_the_majority_is_not_believed() -> None:
    labels = ["a"] * 12 + ["b"] * 8
    found = run(["a"] * 13 + ["b"] * 7, labels, QUICK, SIGNATURE)
    assert found.score.values["accuracy"] == 95
    assert not found.remarks
    nearly = run(["a"] * 10 + ["b"] * 7 + ["a"] * 3, labels, QUICK, SIGNATURE)
    assert nearly.score.values["accuracy"] == 75 > nearly.majority["accuracy"] == 60
    assert "75.00" in nearly.remarks[0]
    by_class = QUICK.override(["primary=unweighted accuracy"])
    constant = run(["a"] * 20, labels, by_class, SIGNATURE)
    assert "the 50.00 of always saying 'a'" in constant.remarks[0]


def test_macro_f1_is_held_against_guessing_where_that_gets_more() -> None:
    settings = QUICK.override(["primary=macro F1"])
    constant = run(["neutral"] * 60, emotions()[1], settings, SIGNATURE)
    assert constant.score.chance["macro F1"] > constant.majority["macro F1"]
    assert constant.remarks[0].endswith("of guessing: the model may have learned nothing")


def test_a_model_that_has_learned_is_not_accused() -> None:
    answers, labels = emotions()
    assert run(labels, labels, QUICK, SIGNATURE).remarks == ()
    by_recall = run(answers, labels, QUICK.override(["primary=unweighted accuracy"]), SIGNATURE)
    assert by_recall.remarks == ("6 rows were called 'maybe', which no row is",)


def test_without_resamples_the_number_itself_is_compared() -> None:
    settings = ClassificationSettings(resamples=0)
    found = run(["neutral"] * 60, emotions()[1], settings, SIGNATURE)
    assert not found.score.intervals
    assert "50.00 (50.00 to 50.00) is not surely above" in found.remarks[0]


def test_equal_answers_are_perfect() -> None:
    labels = emotions()[1]
    found = run(labels, labels, QUICK, SIGNATURE)
    assert set(found.score.values.values()) == {100.0}
    assert found.score.primary_value == 100


def test_resamples_without_a_rare_class_are_no_errors_in_it() -> None:
    labels = ["often"] * 30 + ["rarely"]
    score = run(labels, labels, ClassificationSettings(), SIGNATURE).score
    assert set(score.intervals.values()) == {(100.0, 100.0)}


def test_the_table_puts_chance_and_majority_beside_each_number() -> None:
    headers, lines = run(*emotions(), QUICK, SIGNATURE).table()
    assert headers == ["value", "score", "95 %", "chance", "majority"]
    assert lines[0][:2] == ["accuracy", "56.67"]
    assert lines[0][3:] == ["20.00", "50.00"]
    assert [line[0] for line in lines[:4]] == [
        "accuracy", "unweighted accuracy", "macro F1", "recall.angry",
    ]  # fmt: skip


def test_the_plot_has_a_line_for_each_class_and_a_number_in_each_cell() -> None:
    found = run(*emotions(), QUICK, SIGNATURE)
    axes = found.plot().axes[0]
    cells = axes.images[0].get_array()
    assert cells.shape == (4, 5)
    assert cells.sum(axis=1).tolist() == pytest.approx([100] * 4)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(found.classes)
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written[0, 0] == "86"
    assert len(written) == 20


def test_many_classes_are_drawn_without_numbers() -> None:
    names = [f"class {number:03}" for number in range(60)]
    figure = run(names * 2, names * 2, ClassificationSettings(resamples=0), SIGNATURE).plot()
    assert not figure.axes[0].texts
    with Image.open(io.BytesIO(png(figure))) as image:
        assert max(image.size) < 2400


def test_a_result_is_written_whole_and_comes_back(tmp_path: Path) -> None:
    found = run(*emotions(), QUICK, SIGNATURE)
    found.write(tmp_path / "new")
    assert Classification.load(tmp_path / "new" / "classification.json") == found
    with Image.open(tmp_path / "new" / "classification.png") as image:
        image.load()
        assert image.format == "PNG"


@pytest.mark.parametrize(
    ("answers", "labels", "told"),
    [
        (["a"], ["a", "b"], "1 answers and 2 labels"),
        ([], [], "0 answers and 0 labels"),
        (["a", "b"], ["a", ""], "row 2 has the label '' and the answer 'b'"),
        (["a", "b"], ["a", None], "row 2 has the label None"),
        ([3, "b"], ["a", "b"], "row 1 has the label 'a' and the answer 3"),
        (["a", "b"], ["a", "a"], "all 2 rows are 'a'"),
    ],
)
def test_answers_that_cannot_be_scored_are_refused(
    answers: list[str], labels: list[str], told: str
) -> None:
    with pytest.raises(TriviumError, match=told):
        run(answers, labels, QUICK, SIGNATURE)


@pytest.mark.parametrize("wrong", ["primary=F1", "resamples=-1", "classes=[]"])
def test_settings_that_mean_nothing_are_refused(wrong: str) -> None:
    with pytest.raises(SettingsError):
        QUICK.override([wrong])


class Teller:
    """Calls a row what its text begins with, and remembers what it was given."""

    name, checksum, label_column = "teller", "t" * 40, "label"
    labels = ("ask", "beg", "tell", "sing")

    def __init__(self, *reads: str) -> None:
        self.reads, self.pairs = reads, False
        self.given: list[tuple[list[np.ndarray] | None, list[str] | None]] = []

    def classify(
        self, sounds: list[np.ndarray] | None, texts: list[str] | None
    ) -> tuple[tuple[str, ...], np.ndarray]:
        self.given.append((sounds, texts))
        if texts is None:
            return self.labels, np.eye(4)[[len(sound) % 4 for sound in sounds]]
        return self.labels, np.array(
            [[float(text.startswith(label)) for label in self.labels] for text in texts]
        )


@pytest.fixture
def labelled(by_hand: Corpus) -> Corpus:
    """Twelve labelled utterances after twenty without, and four labelled pairs of sentences."""
    with CorpusWriter(by_hand.path, by_hand.card) as writer:
        for number in range(30, 42):
            label = ("ask", "tell", "shout")[number % 3]
            row = {"label": label, "text": f"{'ask' if number < 33 else label} me"}
            row["language"] = "hi" if number > 38 else "en"
            writer.add("utterances", utterance(number, **row))
        for number in range(4):
            row = {"id": f"x{number}", "split": "train", "text": f"{('ask', 'tell')[number % 2]} a",
                   "label": ("ask", "tell")[number % 2], "language": "en",
                   "extra": json.dumps({"second": f"{number} b"})}  # fmt: skip
            writer.add("sentences", row)
    return Corpus.open(by_hand.path)


def test_a_corpus_is_asked_in_blocks_that_change_nothing(
    labelled: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    whole = measure(Teller("speech", "text"), labelled, "train", QUICK, advance=done.append)
    assert sum(done) == 8
    assert whole.score.values["accuracy"] == 87.5
    assert whole.score.chance["accuracy"] == 25  # of four labels, though two are there
    assert whole.score.task == whole.score.signature.task == "classification.label"
    assert whole.score.signature.corpus == labelled.card.fingerprint
    assert whole.score.signature.gallery == "8 rows of 2 classes, 4 answers"
    assert whole.remarks[0] == (
        "4 of 12 rows have a label that teller does not know and are left out: 'shout'"
    )
    monkeypatch.setattr(rows_module, "BLOCK_ROWS", 3)
    assert measure(Teller("speech", "text"), labelled, "train", QUICK) == whole


@pytest.mark.parametrize(
    ("reads", "kinds"), [(("speech",), (True, False)), (("text",), (False, True)),
                         (("speech", "text"), (True, True))],
)  # fmt: skip
def test_a_model_is_given_what_it_reads(
    labelled: Corpus, reads: tuple[str, ...], kinds: tuple[bool, bool]
) -> None:
    teller = Teller(*reads)
    measure(teller, labelled, "train", QUICK)
    assert all(tuple(part is not None for part in given) == kinds for given in teller.given)


def test_sentences_come_in_pairs(labelled: Corpus) -> None:
    teller = Teller("text")
    teller.pairs = True
    found = measure(teller, labelled, "train", QUICK.override(["table=sentences"]))
    assert teller.given == [(None, ["ask a\t0 b", "tell a\t1 b", "ask a\t2 b", "tell a\t3 b"])]
    assert found.score.primary_value == 100


def test_sentences_are_taken_where_no_utterance_is_labelled(labelled: Corpus) -> None:
    unlabelled = QUICK.override(["where=id like 'x%'"])
    found = measure(Teller("text"), labelled, "train", unlabelled)
    assert found.score.signature.gallery.startswith("4 rows")
    with pytest.raises(TriviumError, match="none of 0 utterances"):
        measure(Teller("speech"), labelled, "train", unlabelled)


def test_a_filter_is_signed(labelled: Corpus) -> None:
    first = measure(Teller("speech"), labelled, "train", QUICK.override(["where=id < 'u0036'"]))
    assert first.score.signature.split == "train where id < 'u0036'"
    assert first.score.signature.gallery == "4 rows of 2 classes, 4 answers"


def test_only_the_languages_that_are_asked_for_are_labelled(labelled: Corpus) -> None:
    found = measure(Teller("text"), labelled, "train", QUICK, languages=["hi"])
    assert found.score.signature.gallery.startswith("2 rows of 2 classes")


def test_rows_that_no_label_of_the_model_fits_are_refused(labelled: Corpus) -> None:
    class Other(Teller):
        labels = ("angry", "happy")

    told = (
        r"teller knows the labels 'angry', 'happy', and the 12 rows of the split 'train' of "
        r".* have 'ask', 'shout', 'tell' as label"
    )
    with pytest.raises(TriviumError, match=told):
        measure(Other("speech"), labelled, "train", QUICK)


def test_a_model_that_gives_no_numbers_is_named(labelled: Corpus) -> None:
    class Broken(Teller):
        def classify(self, sounds: object, _: object) -> object:
            return self.labels, np.full((len(sounds), 4), np.nan)

    with pytest.raises(TriviumError, match=r"gave NaN or infinity for 8 of 8 rows, .* 'u0030'"):
        measure(Broken("speech"), labelled, "train", QUICK)
