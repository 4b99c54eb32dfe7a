"""Scores: whole in JSON, signed, and compared only where they mean the same."""

from pathlib import Path

import pytest

from trivium.errors import SettingsError
from trivium.tasks.score import HEADERS, Score, Signature, comparable, side_by_side
from trivium.version import VERSION

SIGNATURE = Signature(
    task="retrieval", corpus="abcdef" * 10, split="test", gallery="10 pictures", model="9" * 40
)


def score(recall: float = 80.0, **changes: object) -> Score:
    return Score(
        task=str(changes.get("task", "retrieval")),
        values={"recall@1": recall / 2, "recall@10": recall, "median rank": 1234.5},
        primary="recall@10",
        chance={"recall@10": 2.0},
        intervals={"recall@10": (78.25, 82.0)},
        signature=SIGNATURE.model_copy(update=changes),
    )


def test_a_score_comes_back_from_json_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "score.json").write_text(score().to_json())
    assert Score.load(tmp_path / "score.json") == score()


def test_a_signature_is_one_line_without_what_is_empty() -> None:
    assert str(SIGNATURE) == (
        "task:retrieval|corpus:abcdefabcdef|split:test|gallery:10 pictures"
        f"|model:999999999999|version:{VERSION}"
    )
    assert "|text:13a|" in str(SIGNATURE.model_copy(update={"text": "13a"}))


def test_both_models_of_a_cascade_are_told() -> None:
    signed = SIGNATURE.model_copy(update={"model": "cascade aaaaaaaaaaaa+bbbbbbbbbbbb"})
    assert "|model:cascade aaaaaaaaaaaa+bbbbbbbbbbbb|" in str(signed)


def test_a_score_prints_its_number_chance_and_signature() -> None:
    assert str(score()) == f"recall@10 80.00 (chance 2.00) {SIGNATURE}"


def test_rows_have_chance_and_interval_where_there_are_any() -> None:
    assert score().rows() == [
        ["recall@1", "40.00", "", ""],
        ["recall@10", "80.00", "78.25 to 82.00", "2.00"],
        ["median rank", "1,234.50", "", ""],
    ]
    assert all(len(row) == len(HEADERS) for row in score().rows())


@pytest.mark.parametrize("field", sorted(Signature.model_fields))
def test_only_the_model_may_differ(field: str) -> None:
    verdict = comparable(score(), score(**{field: "another"}))
    assert bool(verdict) == (field == "model")
    assert ("'another'" in str(verdict)) == (field != "model")
    if field != "model":
        assert str(verdict).startswith(field)


def test_equal_scores_are_comparable_and_say_so() -> None:
    assert comparable(score(10), score(90))
    assert "nothing differs" in str(comparable(score(), score()))


def test_the_whole_fingerprint_is_compared_and_not_its_first_letters() -> None:
    assert not comparable(score(corpus="abcdefabcdef0"), score(corpus="abcdefabcdef1"))


def test_a_table_says_which_lines_do_not_belong() -> None:
    rows, notes = side_by_side([score(), score(70, model="m2"), score(60, split="dev")])
    assert [row[0] for row in rows] == ["999999999999", "m2", "999999999999 [1]"]
    assert rows[1][1:] == ["35.00", "70.00", "1,234.50"]
    assert notes == ["[1] not comparable: split is 'test' and 'dev'"]


def test_better_is_higher_unless_it_is_lower() -> None:
    assert score(81).better_than(score(80))
    assert not score(80).better_than(score(80))
    errors = score(80).model_copy(update={"lower_is_better": True})
    assert not errors.better_than(score(70))
    assert errors.better_than(score(90))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"primary": "recall@2"}, "recall@2"),
        ({"chance": {"WER": 1.0}}, "WER"),
        ({"intervals": {"BLEU": (0.0, 1.0)}}, "BLEU"),
        ({"task": "translation"}, "translation"),
        ({"values": {"recall@10": float("nan")}}, "recall@10"),
        ({"vaules": {}}, "did you mean 'values'"),
    ],
)
def test_names_that_do_not_agree_are_refused(changes: dict[str, object], told: str) -> None:
    values = score().model_dump() | changes
    with pytest.raises(SettingsError, match=told):
        Score.parse(values)
