"""Lines: lists side by side, written one by one; sums that order cannot change."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.errors import TriviumError
from trivium.tasks.score import Score, Signature
from trivium.tasks.words.lines import Written, pair, resampled_sums


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
