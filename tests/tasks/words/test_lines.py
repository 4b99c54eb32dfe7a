"""Lines: rows of a split in blocks, in order, counted and named; sums that order cannot change."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import utterance
from trivium.data.corpus import Corpus, CorpusWriter
from trivium.errors import TriviumError
from trivium.tasks.score import Score, Signature
from trivium.tasks.words import lines
from trivium.tasks.words.lines import (
    Written,
    in_blocks,
    pair,
    remark,
    resampled_sums,
    rows_of,
)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30), st.integers(1, 8))
def test_blocks_are_of_one_kind_and_change_nothing(kinds: list[str], size: int) -> None:
    rows = [{"id": str(place), "kind": kind} for place, kind in enumerate(kinds)]
    blocks, done = [], []

    def make(block: Sequence[dict[str, str]]) -> list[str]:
        blocks.append(block)
        return [f"{row['kind']}{row['id']}" for row in block]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK_ROWS", size)
        made = in_blocks(rows, lambda row: row["kind"], make, done.append)
    assert made == [f"{kind}{place}" for place, kind in enumerate(kinds)]
    assert all(len({row["kind"] for row in block}) == 1 for block in blocks)
    assert max(map(len, blocks)) <= size
    assert sum(done) == len(kinds)


def test_a_model_that_writes_too_little_is_told_so() -> None:
    with pytest.raises(TriviumError, match="wrote 1 texts for 2 rows, the first of them 'a'"):
        in_blocks([{"id": "a"}, {"id": "b"}], lambda _: 0, lambda _: ["one"], lambda _: None)


def test_rows_that_lack_something_are_counted_and_named(by_hand: Corpus) -> None:
    with CorpusWriter(by_hand.path, by_hand.card) as writer:
        for number, changes in enumerate(({"text": None}, {"text": " "}, {"language": "hi"}), 30):
            writer.add("utterances", utterance(number, **changes))
    corpus = Corpus.open(by_hand.path)
    rows, left_out = rows_of(corpus, "utterances", "train", ["text"])
    assert len(rows) == 21
    assert left_out == [
        "2 of 23 utterances have no text and are left out: 'u0030', 'u0031'",
    ]
    hindi, nothing = rows_of(corpus, "utterances", "train", ["text"], ["hi"])
    assert [row["id"] for row in hindi] == ["u0032"]
    assert nothing == []


@pytest.mark.parametrize(
    ("split", "languages", "told"),
    [
        ("test", (), "none of 0 utterances of the split 'test'"),
        ("o'clock", (), 'split "o\'clock"'),
        ("train", ("sw", "ja"), "in sw, ja has text; name another split"),
    ],
)
def test_a_split_with_nothing_to_write_is_named(
    by_hand: Corpus, split: str, languages: tuple[str, ...], told: str
) -> None:
    with pytest.raises(TriviumError, match=told):
        rows_of(by_hand, "utterances", split, ["text"], languages)


@given(st.integers(0, 2**31), st.integers(1, 30))
def test_resampled_sums_are_a_slow_twins_and_forget_the_order(seed: int, rows: int) -> None:
    draw = np.random.default_rng(seed)
    counts = draw.integers(0, 5, (rows, 2))
    found = resampled_sums(counts, seed, 20)
    assert np.array_equal(found, resampled_sums(draw.permutation(counts), seed, 20))
    ordered = sorted(counts.tolist(), key=lambda row: row[::-1])
    again = np.random.default_rng(seed)
    for sums in found.tolist():
        chosen = again.integers(rows, size=rows).tolist()
        assert sums == [sum(ordered[place][column] for place in chosen) for column in (0, 1)]


def test_a_remark_names_the_first_rows_and_nothing_says_nothing() -> None:
    assert remark([], 9, "are empty") == []
    assert remark(["d", "b", "c", "a"], 1234, "are empty") == [
        "4 of 1,234 are empty: 'a', 'b', 'c', ..."
    ]


def test_lines_are_written_one_by_one(tmp_path: Path) -> None:
    made = pair(["ああ"], ["いい\n"], ["ja"], ["u1"])
    signature = Signature(task="t", corpus="", split="")
    score = Score(task="t", values={"x": 1.0}, primary="x", signature=signature)
    Written(score=score, lines=made).write(tmp_path / "new")
    [line] = (tmp_path / "new" / "written.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line) == made[0].model_dump()
    assert "ああ" in line
    assert "ああ" not in (tmp_path / "new" / "written.json").read_text("utf-8")


@pytest.mark.parametrize(
    ("hypotheses", "references", "languages", "ids", "told"),
    [
        (["a"], ["a", "b"], ["en", "en"], [], "1 hypotheses, 2 references, 2 languages and 2 ids"),
        (["a"], ["a"], [], [], "1 hypotheses, 1 references, 0 languages and 1 ids"),
        (["a"], ["a"], ["en"], ["1", "2"], "1 languages and 2 ids"),
        ([], [], [], [], "0 hypotheses"),
        (["a", None], ["a", "b"], ["en", "en"], [], "the hypothesis of '2' is None"),
        (["a"], [7], ["en"], ["u1"], "the reference of 'u1' is 7; expected a text"),
    ],
)
def test_lists_that_do_not_fit_are_refused(
    hypotheses: list[str],
    references: list[str],
    languages: list[str],
    ids: list[str],
    told: str,
) -> None:
    with pytest.raises(TriviumError, match=told):
        pair(hypotheses, references, languages, ids)
