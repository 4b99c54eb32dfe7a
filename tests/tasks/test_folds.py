"""Folds: no speaker and no session on both sides, by brute force; scores of all as one."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import COLUMNS_OF_CARD, utterance
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.errors import SettingsError, TriviumError
from trivium.tasks.folds import FoldSettings, leave_one_out, refuse_leaks, summarise
from trivium.tasks.rows import rows_of
from trivium.tasks.score import Score, Signature

BY_SESSION = FoldSettings(group="session")


def corpus_of(folder: Path, rows: list[dict[str, object]]) -> Corpus:
    with CorpusWriter(folder, Card(**COLUMNS_OF_CARD)) as writer:
        for number, row in enumerate(rows):
            writer.add("utterances", utterance(number, **row))
    return Corpus.open(folder)


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Five sessions of two speakers each, six utterances a speaker, as IEMOCAP has it."""
    rows = [
        {"speaker": f"Ses{number % 5 + 1:02}{'FM'[number // 5 % 2]}", "split": None,
         "label": ("sad", "angry", "neutral")[number // 10 % 3],
         "extra": json.dumps({"session": number % 5 + 1})}
        for number in range(60)
    ]  # fmt: skip
    return corpus_of(tmp_path_factory.mktemp("folds") / "iemocap", rows)


def rows_in(corpus: Corpus, where: str) -> list[dict[str, object]]:
    return corpus.columns("utterances", ["id", "speaker", "extra", "label"], where).to_pylist()


@pytest.mark.parametrize("dev", ["group", "speakers"])
@pytest.mark.parametrize("group", ["session", "speaker"])
def test_parts_of_a_fold_share_nothing_and_have_all(sessions: Corpus, dev: str, group: str) -> None:
    where = "label != 'neutral'"
    folds = leave_one_out(sessions, FoldSettings(group=group, dev=dev, where=where))
    everything = {row["id"] for row in rows_in(sessions, where)}
    tested = []
    for fold in folds:
        parts = {part: rows_in(sessions, getattr(fold, part)) for part in ("train", "dev", "test")}
        assert {part: len(rows) for part, rows in parts.items()} == fold.rows
        assert all(parts.values())
        assert {row["id"] for rows in parts.values() for row in rows} == everything
        for one, other in (("train", "test"), ("dev", "test"), ("train", "dev")):
            for key in ["speaker", "extra"] if group == "session" else ["speaker"]:
                assert not {r[key] for r in parts[one]} & {r[key] for r in parts[other]}
        tested += [row["id"] for row in parts["test"]]
        assert len(rows_of(sessions, "utterances", "*", ["label"], where=fold.test)[0]) == len(
            parts["test"]
        )
        refuse_leaks(sessions, {part: getattr(fold, part) for part in parts}, group)
    assert sorted(tested) == sorted(everything)
    assert len(folds) == (5 if group == "session" else 10)


def test_folds_are_those_of_the_seed(sessions: Corpus) -> None:
    drawn = FoldSettings(group="session", dev="speakers")
    one = leave_one_out(sessions, drawn)
    assert one == leave_one_out(sessions, drawn)
    assert one != leave_one_out(sessions, drawn.override(["seed=1"]))
    assert [fold.rows for fold in one] == [{"train": 36, "dev": 12, "test": 12}] * 5
    more = leave_one_out(sessions, drawn.override(["dev_share=0.5"]))
    assert more[0].rows == {"train": 24, "dev": 24, "test": 12}


def test_the_next_session_is_that_which_is_chosen_on(sessions: Corpus) -> None:
    folds = leave_one_out(sessions, BY_SESSION)
    assert folds[0].test == "speaker in ('Ses01F', 'Ses01M')"
    assert folds[0].dev == "speaker in ('Ses02F', 'Ses02M')"
    assert folds[4].dev == "speaker in ('Ses01F', 'Ses01M')"
    assert folds[0].train.count("'") == 12


def test_a_speaker_of_two_sessions_is_refused_by_name(tmp_path: Path) -> None:
    said = [("anna", 1), ("bob", 2), ("cleo", 3), ("d'or", 3), ("anna", 2)]
    said += [("emil", 1)]
    rows = [{"speaker": name, "extra": json.dumps({"session": n})} for name, n in said]
    corpus = corpus_of(tmp_path / "leaky", rows)
    with pytest.raises(
        TriviumError, match=r"1 speakers .* session: 'anna' in '1', '2'; they would"
    ):
        leave_one_out(corpus, BY_SESSION)
    without = BY_SESSION.override(["where=speaker != 'anna'", "dev=speakers"])
    with pytest.raises(TriviumError, match="without '1' there are 2 of session, and 2"):
        leave_one_out(corpus, without.override(["dev_share=0.9"]))
    assert [fold.name for fold in leave_one_out(corpus, FoldSettings())] == [
        "anna", "bob", "cleo", "d'or", "emil",
    ]  # fmt: skip


def test_leaks_of_filters_are_refused_by_name(sessions: Corpus) -> None:
    first = "speaker in ('Ses01F', 'Ses02F')"
    with pytest.raises(
        TriviumError, match=r"speaker 'Ses01F' of .* leaks from train to test: 1 are"
    ):
        refuse_leaks(sessions, {"train": first, "test": "speaker like 'Ses01%'"})
    other = {"train": first, "dev": "speaker = 'Ses03M'", "test": "speaker = 'Ses01M'"}
    refuse_leaks(sessions, other)
    refuse_leaks(sessions, {"train": first, "test": "speaker = 'nobody'"})
    with pytest.raises(TriviumError, match=r"session '1' of .* leaks from train to test"):
        refuse_leaks(sessions, other, "session")
    with pytest.raises(TriviumError, match="from train to dev: 2 are in both"):
        refuse_leaks(sessions, {"train": first, "dev": first, "test": "speaker = 'Ses01M'"})


@pytest.mark.parametrize(
    ("row", "settings", "told"),
    [
        ({"speaker": None}, [], "1 of 4 utterances of .* have no speaker, the first 'u0003'"),
        ({"extra": "words"}, ["group=session"], "1 of 4 utterances of .* have no session"),
        (
            {},
            ["group=session", "where=id < 'u0002'"],
            "has 2 of session: '0', '1'; leaving one out",
        ),
        ({}, ["where=id = 'nobody'"], "no utterance of .* matches id = 'nobody'"),
    ],
)
def test_what_cannot_be_folded_is_refused(
    tmp_path: Path, row: dict[str, object], settings: list[str], told: str
) -> None:
    rows = [{"speaker": f"s{n}", "extra": json.dumps({"session": n})} for n in range(4)]
    rows[3] |= row
    corpus = corpus_of(tmp_path / "few", rows)
    with pytest.raises(TriviumError, match=told):
        leave_one_out(corpus, FoldSettings().override(settings))


@pytest.mark.parametrize("wrong", ["dev=test", "dev_share=1", "sessions=5"])
def test_settings_that_mean_nothing_are_refused(wrong: str) -> None:
    with pytest.raises(SettingsError):
        FoldSettings().override([wrong])


def score(value: float, **values: float) -> Score:
    signature = Signature(task="classification.label", corpus="c", split="all", model=f"m{value}")
    every = {"accuracy": value} | values
    return Score(task=signature.task, values=every, primary="accuracy", signature=signature,
                 chance=dict.fromkeys(every, 25.0))  # fmt: skip


runs = st.lists(st.lists(st.floats(0, 100), min_size=1, max_size=4), min_size=1, max_size=5)


@given(runs)
def test_means_and_spread_are_a_slow_twins(values: list[list[float]]) -> None:
    found = summarise(
        {str(fold): [score(value) for value in own] for fold, own in enumerate(values)}, 50
    )
    means = [sum(own) / len(own) for own in values] if len(values) > 1 else values[0]
    center = sum(means) / len(means)
    assert found.score.values["accuracy"] == pytest.approx(center)
    assert (found.folds, found.runs) == (len(values), sum(map(len, values)))
    if len(means) > 1:
        variance = sum((mean - center) ** 2 for mean in means) / (len(means) - 1)
        assert found.spread["accuracy"] == pytest.approx(variance**0.5, abs=1e-9)
        low, high = found.score.intervals["accuracy"]
        assert min(means) - 1e-9 <= low <= high <= max(means) + 1e-9
        draw = np.random.default_rng(0)
        slow = [np.mean([means[n] for n in draw.integers(len(means), size=len(means))])
                for _ in range(50)]  # fmt: skip
        assert (low, high) == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=1e-9)
    else:
        assert found.score.intervals == {}


def test_a_fold_weighs_the_same_however_many_seeds_it_has() -> None:
    found = summarise({"1": [score(0.0)], "2": [score(60.0)] * 3}, 20)
    assert found.score.values["accuracy"] == 30
    assert found.spread["accuracy"] == pytest.approx(60 / 2**0.5)


def test_what_a_fold_lacks_is_not_told_and_all_is_signed() -> None:
    found = summarise({"1": [score(50.0, **{"recall.sad": 1.0})], "2": [score(70.0)]}, 20)
    assert found.score.values == {"accuracy": 60}
    assert found.score.chance == {"accuracy": 25}
    assert found.score.signature.split == "2 folds: 1, 2"
    assert found.score.signature.model == "m50.0+m70.0"
    headers, lines = found.table()
    assert headers == ["value", "mean", "sd", "95 %", "chance"]
    assert lines == [["accuracy", "60.00", "14.14", "50.00 to 70.00", "25.00"]]


def test_scores_that_have_no_mean_are_refused() -> None:
    other = score(1.0).model_copy(
        update={"signature": Signature(task="classification.label", corpus="d", split="all")}
    )
    with pytest.raises(TriviumError, match="corpus is 'c' of one score and 'd' of another"):
        summarise({"1": [score(1.0)], "2": [other]})
    with pytest.raises(TriviumError, match=r"1 scores of 2 folds, and none of \['2'\]"):
        summarise({"1": [score(1.0)], "2": []})
    with pytest.raises(TriviumError, match="0 scores of 0 folds"):
        summarise({})
