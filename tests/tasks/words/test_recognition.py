"""Recognition: errors as slow twins count them, in every language, with what was empty named."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from tests.conftest import utterance
from trivium.data.corpus import Corpus, CorpusWriter
from trivium.data.text import NORMALISERS
from trivium.errors import SettingsError, TriviumError
from trivium.tasks import rows as rows_module
from trivium.tasks.score import Signature, comparable
from trivium.tasks.words.recognition import Recognition, RecognitionSettings, measure, run

SIGNATURE = Signature(task="recognition", corpus="f" * 64, split="test", model="m" * 40)
QUICK = RecognitionSettings(resamples=20)
BARE = RecognitionSettings(resamples=0, normaliser="raw")

texts = st.lists(st.sampled_from(["a", "bb", "c", "dd"]), max_size=6).map(" ".join)
rows = st.lists(
    st.tuples(texts, texts, st.sampled_from(["en", "hi", "zh"])), min_size=1, max_size=12
).filter(lambda made: all(any(r for r, _, c in made if c == own) for _, _, own in made))


def slow_edits(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """The fewest changes, by the whole table of prefixes."""
    table = [list(range(len(hypothesis) + 1))]
    for above, wanted in enumerate(reference):
        row = [above + 1]
        for place, written in enumerate(hypothesis):
            changed = table[-1][place] + (wanted != written)
            row.append(min(changed, table[-1][place + 1] + 1, row[-1] + 1))
        table.append(row)
    return table[-1][-1]


def slow_rate(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> float:
    edits = sum(slow_edits(reference, hypothesis) for reference, hypothesis in pairs)
    return 100 * edits / sum(len(reference) for reference, _ in pairs)


@given(rows)
def test_every_rate_is_the_slow_twins(made: list[tuple[str, str, str]]) -> None:
    references, hypotheses, codes = map(list, zip(*made, strict=True))
    values = run(hypotheses, references, codes, BARE, SIGNATURE).score.values

    def cut(text: str, code: str) -> str:
        return text.replace(" ", "") if code == "zh" else text

    characters = {
        own: [(cut(r, c), cut(h, c)) for r, h, c in made if c == own] for own in set(codes)
    }
    words = {own: [(r.split(), h.split()) for r, h, c in made if c == own]
             for own in set(codes) - {"zh"}}  # fmt: skip
    expected = {}
    for name, groups in (("CER", characters), ("WER", words)):
        for code, pairs in groups.items():
            expected[f"{name}.{code}"] = slow_rate(pairs)
        if groups:
            expected[name] = slow_rate([pair for pairs in groups.values() for pair in pairs])
        if len(groups) > 1:
            own = [expected[f"{name}.{code}"] for code in groups]
            expected[f"{name}.mean"] = sum(own) / len(own)
    assert values == pytest.approx(expected)


@given(rows, st.randoms(use_true_random=False))
@example_settings(max_examples=20)
def test_the_order_of_rows_changes_nothing(
    made: list[tuple[str, str, str]], random: object
) -> None:
    named = [(*row, f"u{number}") for number, row in enumerate(made)]
    shuffled = list(named)
    random.shuffle(shuffled)
    found = []
    for own in (named, shuffled):
        references, hypotheses, codes, ids = map(list, zip(*own, strict=True))
        found.append(run(hypotheses, references, codes, QUICK, SIGNATURE, ids))
    assert found[0].model_copy(update={"lines": ()}) == found[1].model_copy(update={"lines": ()})


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5), st.sampled_from(["en", "ja"]))
def test_equal_texts_have_no_errors(own: list[str], code: str) -> None:
    own = ["a", *(text for text in own if text.isascii())]
    score = run(own, own, [code] * len(own), QUICK, SIGNATURE).score
    assert set(score.values.values()) == {0.0}
    assert set(score.intervals.values()) == {(0.0, 0.0)}


def test_the_rates_are_jiwers() -> None:
    references = ["The red star, it's big.", "", "two  fish"]
    hypotheses = ["the red stars its big", "uh", "two fish swim"]
    values = run(hypotheses, references, ["en"] * 3, BARE, SIGNATURE).score.values
    plain = [" ".join(text.split()) for text in references]
    assert values["WER"] == pytest.approx(100 * jiwer.wer(plain, hypotheses))
    assert values["CER"] == pytest.approx(100 * jiwer.cer(plain, hypotheses))


def test_errors_are_told_apart() -> None:
    [heard] = run(["a x c", "d e f"], ["a b c d", "d e"], ["en"] * 2, BARE, SIGNATURE).languages
    words = heard.words
    assert (words.substituted, words.deleted, words.inserted, words.length) == (1, 1, 1, 6)
    assert words.rate == 50
    assert heard.characters.length == 7 + 3


def test_languages_without_spaces_are_scored_by_characters_alone() -> None:
    found = run(
        ["赤い 星 です", "a red stir"], ["赤い星だ。", "A red star!"], ["ja-JP", "en"], QUICK,
        SIGNATURE,
    )  # fmt: skip
    values = found.score.values
    assert values["CER.ja-JP"] == 50  # だ becomes で and す comes, of four
    assert "WER.ja-JP" not in values
    assert values["WER"] == values["WER.en"] == pytest.approx(100 / 3)
    assert values["CER.en"] == 10  # the spaces count
    assert values["CER"] == pytest.approx(100 * 3 / 14)
    assert values["CER.mean"] == 30
    assert found.score.primary == "CER"
    told = "words, spaces are characters but of ja-JP, jiwer "
    assert found.score.signature.text.startswith(told)
    assert run(["a"], ["a"], ["en"], QUICK, SIGNATURE).score.primary == "WER"


def test_normalisers_are_those_of_training_and_keep_the_vowels_of_hindi() -> None:
    for name in get_args(RecognitionSettings.model_fields["normaliser"].annotation):
        assert name in NORMALISERS
    hindi, wrong = "दो बड़ी मछलियाँ हैं।", "दो बड़ा मछलियाँ हैं"
    rate = {
        name: run([wrong], [hindi], ["hi"], QUICK.override([f"normaliser={name}"]), SIGNATURE)
        for name in ("words", "whisper_basic", "raw")
    }
    assert rate["words"].score.values["WER"] == 25
    assert rate["raw"].score.values["WER"] == 50
    assert rate["whisper_basic"].score.values["WER"] < 25  # the vowel is no longer there
    verdict = comparable(rate["words"].score, rate["raw"].score)
    assert "text is 'words, spaces are characters" in str(verdict)


def test_what_is_empty_is_counted_and_named() -> None:
    found = run(
        ["a b", "", "c", "..."], ["", "a b", "c", "d"], ["en"] * 4, QUICK, SIGNATURE,
        ["u1", "u2", "u3", "u4"],
    )  # fmt: skip
    [heard] = found.languages
    assert (heard.empty_references, heard.empty_hypotheses) == (1, 2)
    inserted = "and what was written of them counts as inserted"
    assert found.remarks == (
        f"1 of 4 references of 'en' are empty, {inserted}: 'u1'",
        "2 of 4 hypotheses of 'en' are empty: 'u2', 'u4'",
    )
    assert found.score.values["WER"] == pytest.approx(100 * (2 + 2 + 0 + 1) / 4)


def test_who_writes_nothing_stands_at_chance() -> None:
    score = run([""] * 3, ["a b", "c", ""], ["en", "hi", "en"], QUICK, SIGNATURE).score
    assert score.values == score.chance
    assert score.lower_is_better


def test_intervals_hold_the_rate_and_are_the_same_for_a_seed() -> None:
    draw = np.random.default_rng(0)
    references = [" ".join(draw.choice(list("abcd"), 8)) for _ in range(60)]
    hypotheses = [text.replace("a", "x") for text in references]
    codes = ["en", "hi", "sw"] * 20
    score = run(hypotheses, references, codes, QUICK, SIGNATURE).score
    assert score.intervals.keys() == score.values.keys()
    for name, (low, high) in score.intervals.items():
        assert low < score.values[name] < high
    assert score == run(hypotheses, references, codes, QUICK, SIGNATURE).score
    wide = score.intervals["WER.en"]
    narrow = score.intervals["WER"]
    assert narrow[1] - narrow[0] < wide[1] - wide[0]
    no_draws = run(hypotheses, references, codes, BARE, SIGNATURE).score
    assert not no_draws.intervals


def test_languages_are_drawn_apart() -> None:
    """Were they drawn alike, their mean would seem as unsure as one of them."""
    hypotheses, references = ["a", "a x"] * 40, ["a", "a b"] * 40
    codes = ["en"] * 40 + ["hi"] * 40
    score = run(hypotheses, references, codes, RecognitionSettings(), SIGNATURE).score
    width = {name: high - low for name, (low, high) in score.intervals.items()}
    assert width["WER.mean"] == pytest.approx(width["WER.en"] / 2**0.5, rel=0.1)


def test_the_table_has_a_row_for_each_language() -> None:
    found = run(["a b", "赤"], ["a c", "赤い"], ["en", "ja"], QUICK, SIGNATURE)
    headers, lines_ = found.table()
    assert headers[:3] == ["language", "utterances", "WER"]
    assert lines_[0] == [
        "en", "1", "50.00", "50.00 to 50.00", "33.33", "33.33 to 33.33", "50.0", "0.0", "0.0", "0",
    ]  # fmt: skip
    assert lines_[1][:5] == ["ja", "1", "", "", "50.00"]
    assert lines_[1][6:] == ["0.0", "50.0", "0.0", "0"]


def test_a_result_is_written_whole_and_comes_back(tmp_path: Path) -> None:
    found = run(["a b", "c"], ["a c", "c"], ["en", "hi"], QUICK, SIGNATURE, ["u1", "u2"])
    found.write(tmp_path / "new")
    back = Recognition.load(tmp_path / "new" / "recognition.json")
    assert back == found.model_copy(update={"lines": ()})
    written = (tmp_path / "new" / "recognition.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in written] == [
        {"id": "u1", "language": "en", "reference": "a c", "hypothesis": "a b"},
        {"id": "u2", "language": "hi", "reference": "c", "hypothesis": "c"},
    ]


def test_a_language_without_any_reference_is_refused() -> None:
    with pytest.raises(TriviumError, match=r"'hi' has anything in it, .* of 2 being '!' of 'u2'"):
        run(["a", "b", "c"], ["a", "!", ""], ["en", "hi", "hi"], QUICK, SIGNATURE,
            ["u1", "u2", "u3"])  # fmt: skip


def test_a_wrong_code_of_a_language_without_spaces_is_refused() -> None:
    with pytest.raises(TriviumError, match="'jp' is Hiragana"):
        run(["赤い星"], ["赤い星がある"], ["jp"], QUICK, SIGNATURE)


@pytest.mark.parametrize("wrong", ["normaliser=characters", "normaliser=wrods", "resamples=-1"])
def test_settings_that_mean_nothing_are_refused(wrong: str) -> None:
    with pytest.raises(SettingsError):
        QUICK.override([wrong])


class Writer:
    """Writes down how long a sound is, and in which language it was told it was."""

    checksum = "w" * 40

    def __init__(self) -> None:
        self.most = 0

    def transcribe_speech(self, sounds: Sequence[np.ndarray], language: str) -> list[str]:
        self.most = max(self.most, len(sounds))
        return [f"{language} {len(sound)}" for sound in sounds]


@pytest.fixture
def spoken(by_hand: Corpus) -> Corpus:
    """Twenty utterances in English, four in Hindi, one in a language that nobody names."""
    with CorpusWriter(by_hand.path, by_hand.card) as writer:
        for number in range(30, 34):
            writer.add("utterances", utterance(number, language="hi"))
        writer.add("utterances", utterance(34, language=None))
        writer.add("utterances", utterance(35, text=None))
    return Corpus.open(by_hand.path)


def test_a_corpus_is_heard_in_blocks_that_change_nothing(
    spoken: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    whole = measure(Writer(), spoken, "train", QUICK, advance=counts.append)
    assert sum(counts) == 25
    by_id = {line.id: line for line in whole.lines}
    assert by_id["u0031"].hypothesis == f"hi {round(16_000 * 0.35)}"
    assert by_id["u0031"].reference == "this is number 31"
    assert by_id["u0034"].language == "und"
    assert by_id["u0034"].hypothesis.startswith(" ")
    monkeypatch.setattr(rows_module, "BLOCK_ROWS", 3)
    writer = Writer()
    assert measure(writer, spoken, "train", QUICK) == whole
    assert writer.most == 3


def test_what_was_measured_is_signed(spoken: Corpus) -> None:
    found = measure(Writer(), spoken, "train", QUICK)
    signature = found.score.signature
    assert (signature.task, signature.split) == ("recognition", "train")
    assert signature.corpus == spoken.card.fingerprint
    assert signature.model == "w" * 40
    assert signature.gallery == "25 utterances of en, hi, und"
    assert found.remarks == ("1 of 26 utterances have no text and are left out: 'u0035'",)


def test_only_the_languages_that_are_asked_for_are_heard(spoken: Corpus) -> None:
    found = measure(Writer(), spoken, "train", QUICK, languages=["hi"])
    assert [heard.language for heard in found.languages] == ["hi"]
    assert found.score.signature.gallery == "4 utterances of hi"
