"""Numbers seed by seed, and what is missing."""

import pytest

from tests.studies import made_scores
from trivium.errors import TriviumError
from trivium.studies.results import Results, Series


def read(measured):
    return measured.score("retrieval/speech.hi-picture").values["recall@10"]


def test_a_series_is_a_number_of_each_seed_and_names_what_is_missing():
    results = made_scores.results(without=["hi.tuned.large.seed1"])
    found = results.series(read, language="hi", training="tuned", towers="large")
    assert sorted(found.values) == [0, 2]
    assert found.missing == ("hi.tuned.large.seed1",)
    assert results.missing == ("hi.tuned.large.seed1",)


def test_two_cells_of_a_seed_are_no_series():
    with pytest.raises(TriviumError, match=r"seed 0: hi\.frozen.large\.seed0 and another"):
        made_scores.results().series(read, language="hi", training="frozen")


def test_a_task_that_was_not_run_is_named():
    one = made_scores.results().one(language="hi")
    with pytest.raises(TriviumError, match=r"not measured by 'retrieval/speech\.ja-picture'"):
        one.score("retrieval/speech.ja-picture")


def test_arithmetic_keeps_the_seeds_that_all_have():
    a, b = Series({0: 1.0, 1: 2.0, 2: 3.0}, ("x",)), Series({1: 5.0, 2: 5.0}, ("x", "y"))
    assert (b - a).values == {1: 3.0, 2: 2.0}
    assert (b - a).missing == ("x", "y")
    assert Series.mean([a, b]).values == {1: 3.5, 2: 4.0}
    assert Series({}).interval is None
    with pytest.raises(TriviumError, match="0 series"):
        Series.mean([])


def test_results_survive_json(tmp_path):
    made = made_scores.results(seeds=1)
    (tmp_path / "results.json").write_text(made.to_json())
    assert Results.load(tmp_path / "results.json") == made
