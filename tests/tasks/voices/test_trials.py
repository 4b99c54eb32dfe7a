"""Trial lists: read as they are published, and made of a split by rules that can be counted."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.errors import TriviumError
from trivium.tasks.voices.trials import Trials, as_table, make_trials, read_trials

VOXCELEB = "1 id1/x/1.wav id1/y/2.wav\n0 id1/x/1.wav id2/z/3.wav\n"


def row(number: int, speaker: str, language: str = "en", sex: str = "F") -> dict[str, str]:
    return {"id": f"u{number:03}", "speaker": speaker, "language": language,
            "extra": f'{{"sex": "{sex}"}}'}  # fmt: skip


ROWS = [row(number, f"s{number % 7}", ("en", "hi")[number % 2], "FM"[number % 7 % 2])
        for number in range(84)]  # fmt: skip
BY_ID = {one["id"]: one for one in ROWS}


def told(trials: Trials) -> list[tuple[str, str, bool]]:
    return list(zip(trials.enrol, trials.test, trials.same.tolist(), strict=True))


def test_a_published_list_is_read(tmp_path: Path) -> None:
    path = tmp_path / "veri_test.txt"
    path.write_text(VOXCELEB + "\n")
    assert told(read_trials(path)) == [
        ("id1/x/1.wav", "id1/y/2.wav", True), ("id1/x/1.wav", "id2/z/3.wav", False),
    ]  # fmt: skip
    assert read_trials(path).names == ["id1/x/1.wav", "id1/y/2.wav", "id2/z/3.wav"]


def test_our_own_list_is_read_back(tmp_path: Path) -> None:
    made, _ = make_trials(ROWS, 40)
    path = tmp_path / "trials.csv"
    speakers = [(BY_ID[a]["speaker"], BY_ID[b]["speaker"]) for a, b, _ in told(made)]
    for known in (speakers, None):
        path.write_text(as_table(made, [0.5] * len(made), known))
        assert told(read_trials(path)) == told(made)
    assert read_trials(path).digest == made.digest


def test_columns_may_stand_in_any_order_and_be_quoted(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('\ufeffNote,Same,test,enrol\n"a, b",TRUE,"u,2",u1\nx,0,u3,u1\n')
    assert told(read_trials(path)) == [("u1", "u,2", True), ("u1", "u3", False)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no trials"),
        ("1 a\n", "line 1: '1 a' has 2 words; expected `label enrol test`"),
        ("1 a b\n\n2 a b\n", "line 3: '2' does not say whether it is one speaker"),
        ("enrol,test\na,b\n", "no column 'same'; its header is enrol, test"),
        ("enrol,test,same\n", "no trials under its header"),
        ("enrol,test,same\na,b\n", "line 2: 'a,b' has 2 fields; the header has 3"),
        ("enrol,test,same\na,b,1\na,b,maybe\n", "line 3: 'maybe' does not say"),
        ("enrol,test,same\nä,b,1\n".encode("latin-1"), "not UTF-8 at byte 17"),
    ],
)
def test_a_list_that_cannot_be_read_is_named(
    tmp_path: Path, text: str | bytes, sentence: str
) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TriviumError, match=sentence):
        read_trials(path)


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from(["en", "hi"])), max_size=30),
       st.integers(2, 80), st.booleans(), st.integers(0, 9))  # fmt: skip
def test_made_trials_keep_the_rules(
    drawn: list[tuple[str, str]], count: int, matched: bool, seed: int
) -> None:
    rows = [row(number, speaker, language) for number, (speaker, language) in enumerate(drawn)]
    match = ("language",) if matched else ()
    try:
        made, remarks = make_trials(rows, count, match, seed)
    except TriviumError as error:
        assert "no trial can be made" in str(error)
        return
    by_id = {one["id"]: one for one in rows}
    for enrol, test, same in told(made):
        assert enrol != test
        assert (by_id[enrol]["speaker"] == by_id[test]["speaker"]) == same
        assert not matched or by_id[enrol]["language"] == by_id[test]["language"]
    assert 2 * made.same.sum() == len(made) <= count
    assert len({frozenset(pair[:2]) for pair in told(made)}) == len(made)
    assert (len(made) == count // 2 * 2) != any("were asked for" in one for one in remarks)
    again, _ = make_trials(rows[::-1], count, match, seed)
    assert told(again) == told(made)


def test_speakers_are_enrolled_equally_often() -> None:
    made, remarks = make_trials(ROWS, 140)
    assert remarks == []
    for same in (True, False):
        enrolled = Counter(BY_ID[enrol]["speaker"] for enrol, _, one in told(made) if one == same)
        assert set(enrolled.values()) == {10}
    other, _ = make_trials(ROWS, 140, seed=1)
    assert told(other) != told(made)
    assert other.digest != made.digest


def test_who_has_little_gives_what_there_is() -> None:
    rows = [*ROWS, row(900, "few"), row(901, "few"), row(902, "once")]
    made, remarks = make_trials(rows, 160)
    assert len(made) == 160
    names = {"u900": "few", "u901": "few", "u902": "once"}
    enrolled = Counter(names.get(enrol) for enrol, _, same in told(made) if same)
    assert (enrolled["few"], enrolled["once"]) == (1, 0)
    [told_] = remarks
    assert told_.startswith("1 of 9 speakers are never enrolled, for want of two utterances or")
    assert told_.endswith(": 'once'")


def test_what_must_match_is_a_column_or_a_key_of_extra() -> None:
    made, _ = make_trials(ROWS, 100, ("language", "sex"))
    assert len(made) == 100
    for enrol, test, _ in told(made):
        for name in ("language", "extra"):
            assert BY_ID[enrol][name] == BY_ID[test][name]
    rows = [*ROWS, row(900, "x") | {"extra": None}]
    _, remarks = make_trials(rows, 100, ("sex",))
    assert remarks == ["1 of 85 utterances say nothing of sex and are left out: 'u900'"]


def test_a_split_without_pairs_is_refused() -> None:
    alone = [row(number, "one") for number in range(5)]
    with pytest.raises(TriviumError, match="none of 1 speakers has two utterances, and one of ano"):
        make_trials(alone, 10)
    apart = [row(0, "a"), row(1, "a"), row(2, "b", "hi"), row(3, "b", "hi")]
    with pytest.raises(TriviumError, match="another speaker that agree in language, to compare"):
        make_trials(apart, 10, ("language",))


def test_a_list_is_known_by_what_is_in_it_whatever_its_order() -> None:
    one = Trials(("a", "b"), ("c", "d"), np.array([True, False]))
    other = Trials(("b", "a"), ("d", "c"), np.array([False, True]))
    assert one.digest == other.digest
    assert Trials(("b", "a"), ("d", "c"), np.array([True, False])).digest != one.digest
