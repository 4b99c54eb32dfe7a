"""Translation: sacrebleu's numbers with its signatures, the right tokenizer, honest averages."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from tests.conftest import utterance
from trivium.data.corpus import Corpus, CorpusWriter
from trivium.errors import SettingsError, TriviumError
from trivium.tasks import rows as rows_module
from trivium.tasks.score import Signature, comparable
from trivium.tasks.words.translation import (
    COVOST2,
    Translation,
    TranslationSettings,
    measure,
    run,
)

SIGNATURE = Signature(task="translation", corpus="f" * 64, split="test", model="m" * 40)
QUICK = TranslationSettings(resamples=20)
BARE = TranslationSettings(resamples=0)
WORDS = st.sampled_from(["the", "red", "star", "is", "big", "two"])
rows = st.lists(
    st.tuples(
        st.lists(WORDS, min_size=4, max_size=9).map(" ".join),
        st.lists(WORDS, max_size=9).map(" ".join),
        st.sampled_from([("fr", "en"), ("ta", "en"), ("en", "de")]),
    ),
    min_size=1,
    max_size=12,
)


def slow_bleu(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> float:
    """BLEU by its definition, with the smoothing that halves once more for each empty order."""
    logs, halves = 0.0, 1.0
    if not any(set(reference) & set(hypothesis) for reference, hypothesis in pairs):
        return 0.0
    for order in range(1, 5):
        right = total = 0
        for reference, hypothesis in pairs:
            there, written = (
                Counter(tuple(side[i : i + order]) for i in range(len(side) - order + 1))
                for side in (reference, hypothesis)
            )
            right += sum(min(count, there[gram]) for gram, count in written.items())
            total += sum(written.values())
        if not total:
            return 0.0
        if not right:
            halves *= 2
        logs += math.log(right / total if right else 1 / (halves * total)) / 4
    asked = sum(len(reference) for reference, _ in pairs)
    given_ = sum(len(hypothesis) for _, hypothesis in pairs)
    return 100 * math.exp(logs + min(0.0, 1 - asked / given_))


@given(rows)
def test_every_number_is_the_slow_twins(made: list[tuple[str, str, tuple[str, str]]]) -> None:
    references, hypotheses, directions = map(list, zip(*made, strict=True))
    values = run(hypotheses, references, directions, BARE, SIGNATURE).score.values
    expected = {}
    for direction in sorted(set(directions)):
        own = [(r, h) for r, h, d in made if d == direction]
        name = "-".join(direction)
        expected[f"BLEU.{name}"] = slow_bleu([(r.split(), h.split()) for r, h in own])
        sides = [h for _, h in own], [[r for r, _ in own]]
        expected[f"chrF.{name}"] = sacrebleu.corpus_chrf(*sides).score
        assert expected[f"BLEU.{name}"] == pytest.approx(sacrebleu.corpus_bleu(*sides).score)
    for metric in ("BLEU", "chrF"):
        own = [value for name, value in expected.items() if name.startswith(f"{metric}.")]
        expected[metric] = sum(own) / len(own)
        for group, source in (("high", "fr"), ("low", "ta")):
            if (source, "en") in directions:
                expected[f"{metric}.{group}"] = expected[f"{metric}.{source}-en"]
    assert values == pytest.approx(expected)


@given(rows, st.randoms(use_true_random=False))
@example_settings(max_examples=20)
def test_the_order_of_rows_changes_nothing(
    made: list[tuple[str, str, tuple[str, str]]], random: object
) -> None:
    named = [(*row, f"u{number}") for number, row in enumerate(made)]
    shuffled = list(named)
    random.shuffle(shuffled)
    found = []
    for own in (named, shuffled):
        references, hypotheses, directions, ids = map(list, zip(*own, strict=True))
        found.append(run(hypotheses, references, directions, QUICK, SIGNATURE, ids))
    assert found[0].model_copy(update={"lines": ()}) == found[1].model_copy(update={"lines": ()})


@pytest.mark.parametrize("target", ["en", "zh-CN", "ja", "ko", "hi"])
def test_equal_texts_are_perfect(target: str) -> None:
    text = {"zh-CN": "两颗大的红色星星。", "ja": "赤い星が二つある。", "ko": "빨간 별 두 개가 있다",
            "hi": "दो बड़े लाल तारे हैं।"}.get(target, "Two large red stars.")  # fmt: skip
    score = run([text] * 3, [text] * 3, [("sw", target)] * 3, QUICK, SIGNATURE).score
    assert score.values == pytest.approx(dict.fromkeys(score.values, 100.0))
    assert score.intervals["BLEU"] == pytest.approx((100, 100))


@pytest.mark.parametrize(
    ("target", "reference", "hypothesis", "name"),
    [
        ("zh-CN", "两颗大的红色星星。", "两颗小的红色星星。", "zh"),
        ("zh-TW", "兩顆大的紅色星星。", "兩顆小的紅色星星。", "zh"),
        ("ja_XX", "赤い星が二つある。", "赤い星が三つある。", "char"),
        ("ko", "빨간 별 두 개가 있다", "빨간 별 세 개가 있다", "char"),
        ("de", "Zwei rote Sterne, groß.", "Drei rote Sterne, groß.", "13a"),
    ],
)
def test_each_target_has_its_tokenizer_and_says_so(
    target: str, reference: str, hypothesis: str, name: str
) -> None:
    found = run([hypothesis], [reference], [("en", target)], QUICK, SIGNATURE)
    [direction] = found.directions
    expected = sacrebleu.corpus_bleu([hypothesis], [[reference]], tokenize=name)
    assert direction.bleu == expected.score > 20
    version = sacrebleu.__version__
    assert direction.bleu_signature == (
        f"nrefs:1|case:mixed|eff:no|tok:{name}|smooth:exp|version:{version}"
    )
    assert direction.chrf_signature == (
        f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{version}"
    )
    assert found.score.signature.text == (
        f"BLEU {direction.bleu_signature}; chrF2 {direction.chrf_signature}"
    )


def test_directions_of_one_name_are_kept_apart() -> None:
    pair = ["the red star is big", "the red star is blue"]
    found = run(pair, pair[:1] * 2, [("zh", "TW-en"), ("zh-TW", "en")], BARE, SIGNATURE)
    assert [each.lines for each in found.directions] == [1, 1]


def test_references_are_raw() -> None:
    [exact, other] = [
        run([text], ["Two large, RED stars."], [("de", "en")], BARE, SIGNATURE).score.values
        for text in ("Two large, RED stars.", "two large red stars")
    ]
    assert exact["BLEU"] == pytest.approx(100)
    assert other["BLEU"] < 50


def test_several_tokenizers_are_told_with_their_targets() -> None:
    pair = ["Two red stars here", "赤い星が二つある"]
    directions = [("de", "en"), ("de", "ja")]
    text = run(pair, pair, directions, BARE, SIGNATURE).score.signature.text
    assert "BLEU into en nrefs:1|case:mixed|eff:no|tok:13a" in text
    assert "BLEU into ja nrefs:1|case:mixed|eff:no|tok:char" in text
    chosen = BARE.override(['tokenizers={"ja-JP": "zh"}'])
    other = run(pair, pair, directions, chosen, SIGNATURE).score
    assert "BLEU into ja nrefs:1|case:mixed|eff:no|tok:zh" in other.signature.text
    assert not comparable(run(pair, pair, directions, BARE, SIGNATURE).score, other)


def test_a_tokenizer_that_is_not_installed_is_named() -> None:
    settings = BARE.override(['tokenizers={"ja": "ja-mecab"}'])
    try:
        import MeCab  # noqa: F401
    except ImportError:
        with pytest.raises(SettingsError, match=r"'ja-mecab' of 'ja'.*sacrebleu\[ja\]"):
            run(["赤い星"], ["赤い星"], [("en", "ja")], settings, SIGNATURE)


def test_a_wrong_code_does_not_fall_back_to_spaces() -> None:
    with pytest.raises(TriviumError, match="'jp' is Hiragana"):
        run(["赤い星"], ["赤い星がある"], [("en", "jp")], BARE, SIGNATURE)


def test_groups_are_those_of_covost_and_average_what_goes_into_english() -> None:
    sources = [source for group in COVOST2.values() for source in group]
    assert len(sources) == len(set(sources)) == 21
    directions = [(f"{source}-XX", "en") for source in sources] + [("en", "de"), ("fr", "de")]
    references = ["the red star is big and far away"] * len(directions)
    words = references[0].split()
    hypotheses = [" ".join(words[: 4 + number % 4]) for number in range(len(directions))]
    found = run(hypotheses, references, directions, BARE, SIGNATURE)
    values = found.score.values
    for name, members in COVOST2.items():
        own = [values[f"BLEU.{source}-XX-en"] for source in members]
        assert values[f"BLEU.{name}"] == pytest.approx(sum(own) / len(own))
    assert values["BLEU"] == pytest.approx(np.mean([each.bleu for each in found.directions]))
    assert len(found.directions) == 23
    assert not found.remarks


def test_a_group_that_lacks_languages_is_named() -> None:
    pair = ["the red star is big"] * 2
    found = run(pair, pair, [("fr", "en"), ("de", "en")], BARE, SIGNATURE)
    assert found.remarks == ("high is the mean of 2 of its 4 languages: de, fr",)
    own = BARE.override(['groups={"near": ["de", "nl"]}'])
    named = run(pair, pair, [("fr", "en"), ("de", "en")], own, SIGNATURE)
    assert {"BLEU.near", "chrF.near"} < named.score.values.keys()
    assert named.remarks == ("near is the mean of 1 of its 2 languages: de",)


def test_intervals_hold_the_score_and_are_the_same_for_a_seed() -> None:
    draw = np.random.default_rng(0)
    words = ["the", "a", "red", "blue", "star", "fish", "is", "big", "two", "three"]
    references = [" ".join(draw.choice(words, 9)) for _ in range(80)]
    hypotheses = [text.replace("red", "blue").replace("two", "three") for text in references]
    directions = [("fr", "en"), ("de", "en")] * 40
    score = run(hypotheses, references, directions, QUICK, SIGNATURE).score
    assert score.intervals.keys() == {"BLEU", "BLEU.fr-en", "BLEU.de-en", "BLEU.high"}
    for name, (low, high) in score.intervals.items():
        assert low < score.values[name] < high
    assert score == run(hypotheses, references, directions, QUICK, SIGNATURE).score
    single, mean = score.intervals["BLEU.fr-en"], score.intervals["BLEU"]
    assert mean[1] - mean[0] < single[1] - single[0]


def test_directions_are_drawn_apart() -> None:
    """Were they drawn alike, their mean would seem as unsure as one of them."""
    references = ["the red star is big", "two fish are far away"] * 40
    hypotheses = ["the red star is big", "two fish are big"] * 40
    directions = [("fr", "en")] * 40 + [("de", "en")] * 40
    intervals = run(hypotheses, references, directions, TranslationSettings(), SIGNATURE)
    width = {name: high - low for name, (low, high) in intervals.score.intervals.items()}
    assert width["BLEU"] == pytest.approx(width["BLEU.fr-en"] / 2**0.5, rel=0.1)


def test_resampled_scores_are_smoothed_like_the_score() -> None:
    pair = ["the red star is blue"] * 5, ["the red star was big"] * 5  # no four words in a row
    score = run(*pair, [("de", "en")] * 5, QUICK, SIGNATURE).score
    assert score.values["BLEU"] > 10
    assert score.intervals["BLEU"] == pytest.approx((score.values["BLEU"],) * 2)


def test_what_is_empty_is_counted_and_named() -> None:
    found = run(["a b c d", " "], ["", "a b c d"], [("de", "en")] * 2, BARE, SIGNATURE)
    assert found.remarks[:2] == (
        "1 of 2 references of de-en are empty: '1'",
        "1 of 2 hypotheses of de-en are empty: '2'",
    )
    nothing = run([""] * 2, ["a b c d"] * 2, [("de", "en")] * 2, QUICK, SIGNATURE)
    assert nothing.score.values["BLEU"] == 0
    assert nothing.directions[0].length_ratio == 0


def test_the_table_has_a_row_for_each_direction_and_mean() -> None:
    pair = ["the red star is big"] * 2
    headers, lines_ = run(pair, pair, [("fr", "en"), ("en", "de")], QUICK, SIGNATURE).table()
    assert headers == ["direction", "lines", "BLEU", "95 %", "chrF"]
    assert [line[:3] for line in lines_] == [
        ["en-de", "1", "100.00"], ["fr-en", "1", "100.00"], ["mean", "", "100.00"],
        ["high", "", "100.00"],
    ]  # fmt: skip


def test_a_result_is_written_whole_and_comes_back(tmp_path: Path) -> None:
    found = run(["a b"], ["a c"], [("fr", "en")], QUICK, SIGNATURE, ["u1"])
    found.write(tmp_path / "new")
    back = Translation.load(tmp_path / "new" / "translation.json")
    assert back == found.model_copy(update={"lines": ()})
    [line] = (tmp_path / "new" / "translation.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line) == {
        "id": "u1", "language": "fr-en", "reference": "a c", "hypothesis": "a b",
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong", ['tokenizers={"ja": "spm"}', 'groups={"high": "fr"}', "resamples=-1"]
)
def test_settings_that_mean_nothing_are_refused(wrong: str) -> None:
    with pytest.raises(SettingsError):
        QUICK.override([wrong])


class Interpreter:
    """Writes down what it was given, and from and into which language."""

    checksum = "i" * 40

    def translate_speech(self, sounds: Sequence[np.ndarray], language: str, to: str) -> list[str]:
        return [f"{language} to {to} {len(sound)}" for sound in sounds]

    def translate_text(self, texts: Sequence[str], language: str, to: str) -> list[str]:
        return [f"{language} to {to} {text}" for text in texts]


@pytest.fixture
def parallel(by_hand: Corpus) -> Corpus:
    """Nine utterances and three sentences with translations, and many without."""
    with CorpusWriter(by_hand.path, by_hand.card) as writer:
        for number in range(30, 39):
            languages = {"language": "hi", "translation_language": ("en", "de")[number % 2]}
            text = None if number == 38 else f"line {number}"
            row = {"text": text, "translation": f"translation {number}"}
            writer.add("utterances", utterance(number, **row, **languages))
        for number in range(3):
            row = {"id": f"p{number}", "split": "train", "text": f"sentence {number}",
                   "language": "en", "translation": f"Satz {number}",
                   "translation_language": "de"}  # fmt: skip
            writer.add("sentences", row)
    return Corpus.open(by_hand.path)


@pytest.mark.parametrize(
    ("source", "count", "first"),
    [
        ("speech", 9, f"hi to en {round(16_000 * 0.3)}"),
        ("text", 8, "hi to en line 30"),
        ("sentences", 3, "en to de sentence 0"),
    ],
)
def test_a_corpus_is_translated_in_blocks_that_change_nothing(
    parallel: Corpus, monkeypatch: pytest.MonkeyPatch, source: str, count: int, first: str
) -> None:
    done: list[int] = []
    whole = measure(Interpreter(), parallel, "train", source, QUICK, advance=done.append)
    assert sum(done) == len(whole.lines) == count
    assert whole.lines[0].hypothesis == first
    assert whole.score.task == whole.score.signature.task == f"translation.{source}"
    assert whole.score.signature.corpus == parallel.card.fingerprint
    assert "left out" in whole.remarks[0]
    monkeypatch.setattr(rows_module, "BLOCK_ROWS", 2)
    assert measure(Interpreter(), parallel, "train", source, QUICK) == whole


def test_only_the_languages_that_are_asked_for_are_translated(parallel: Corpus) -> None:
    with pytest.raises(TriviumError, match="in sw has language and translation and"):
        measure(Interpreter(), parallel, "train", "speech", QUICK, languages=["sw"])
    found = measure(Interpreter(), parallel, "train", "speech", QUICK, languages=["hi"])
    assert {each.source for each in found.directions} == {"hi"}
