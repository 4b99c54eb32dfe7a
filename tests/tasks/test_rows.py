"""Rows of a split in blocks, in order, counted and named; what a model is given of them."""

from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import utterance
from trivium.data.corpus import Corpus, CorpusWriter
from trivium.errors import TriviumError
from trivium.tasks import rows as rows_module
from trivium.tasks.rows import (
    answers,
    in_blocks,
    key_of,
    known_rows,
    remark,
    rows_of,
    text_of,
    where_of,
)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30), st.integers(1, 8))
def test_blocks_are_of_one_kind_and_change_nothing(kinds: list[str], size: int) -> None:
    rows = [{"id": str(place), "kind": kind} for place, kind in enumerate(kinds)]
    blocks, done = [], []

    def make(block: Sequence[dict[str, str]]) -> list[str]:
        blocks.append(block)
        return [f"{row['kind']}{row['id']}" for row in block]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_module, "BLOCK_ROWS", size)
        made = in_blocks(rows, lambda row: row["kind"], make, done.append)
    assert made == [f"{kind}{place}" for place, kind in enumerate(kinds)]
    assert all(len({row["kind"] for row in block}) == 1 for block in blocks)
    assert max(map(len, blocks)) <= size
    assert sum(done) == len(kinds)


def test_a_model_that_answers_too_little_is_told_so() -> None:
    with pytest.raises(TriviumError, match="gave 1 answers for 2 rows, the first of them 'a'"):
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


def test_a_remark_names_the_first_rows_and_nothing_says_nothing() -> None:
    assert remark([], 9, "are empty") == []
    assert remark(["d", "b", "c", "a"], 1234, "are empty") == [
        "4 of 1,234 are empty: 'a', 'b', 'c', ..."
    ]


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        (None, "it\trains".replace("\t", " ")),
        ('{"second": "it is\\twet"}', "it rains\tit is wet"),
        ('{"second": ""}', "it rains"),
        ("scene:2-large-red-star", "it rains"),
        ('["second"]', "it rains"),
    ],
)
def test_a_second_sentence_stands_behind_a_tab(extra: str | None, text: str) -> None:
    assert text_of({"text": "it\trains", "extra": extra}) == text


def test_what_extra_says_is_text() -> None:
    row = {"extra": '{"session": 3, "sex": "F", "none": null}'}
    assert [key_of(row, key) for key in ("session", "sex", "none", "other")] == [
        "3", "F", None, None,
    ]  # fmt: skip


def test_filters_hold_together_and_quotes_are_doubled() -> None:
    where = where_of("o'clock", None, "a = 1 or b = 2", "c = 3")
    assert where == "split = 'o''clock' and (a = 1 or b = 2) and (c = 3)"
    assert where_of("*", None, "c = 3") == "(c = 3)"


def test_a_star_stands_for_all_splits(by_hand: Corpus) -> None:
    with CorpusWriter(by_hand.path, by_hand.card) as writer:
        for number, split in ((30, "test"), (31, None)):
            writer.add("utterances", utterance(number, split=split))
    rows, _ = rows_of(Corpus.open(by_hand.path), "utterances", "*", ["text"])
    assert len(rows) == 22


def test_utterances_without_sound_are_left_out_and_counted(by_hand: Corpus) -> None:
    with CorpusWriter(by_hand.path, by_hand.card) as writer:
        silent = {"audio": None, "seconds": None, "picture": "p-red"}
        for number, changes in enumerate((silent, silent | {"text": None}, {"text": None}), 30):
            writer.add("utterances", utterance(number, **changes))
        writer.add("utterances", utterance(33, **silent, split="dev"))
    corpus = Corpus.open(by_hand.path)
    rows, left_out = rows_of(corpus, "utterances", "train", ["text"])
    assert len(rows) == 20
    assert left_out == [
        "2 of 23 utterances have no sound and are left out: 'u0030', 'u0031'",
        "1 of 23 utterances have no text and are left out: 'u0032'",
    ]
    rows, left_out = rows_of(corpus, "utterances", "train", ["text"], heard=False)
    assert len(rows) == 21
    assert left_out == ["2 of 23 utterances have no text and are left out: 'u0031', 'u0032'"]
    assert len(rows_of(corpus, "sentences", "train", ["text"])[0]) == 3
    with pytest.raises(TriviumError, match=r"none of 1 utterances .* has text and sound; name"):
        rows_of(corpus, "utterances", "dev", ["text"])


@pytest.mark.parametrize(
    ("reads", "count"), [(("speech",), 20), (("speech", "text"), 20), (("text",), 21)]
)
def test_only_who_hears_needs_a_sound(by_hand: Corpus, reads: tuple[str, ...], count: int) -> None:
    with CorpusWriter(by_hand.path, by_hand.card) as writer:
        writer.add("utterances", utterance(30, audio=None, seconds=None, picture="p-red"))
    corpus = Corpus.open(by_hand.path)
    model = SimpleNamespace(name="m", checksum="", reads=reads, pairs=False)
    rows, left_out = known_rows(model, corpus, None, "train", "speaker", (), None)
    assert len(rows) == count
    assert len(left_out) == (count == 20)
    given = answers(reads, corpus, rows, lambda sounds, texts: sounds or texts, lambda _: None)
    assert len(given) == count


@pytest.mark.parametrize("pairs", [False, True])
def test_a_second_sentence_is_read_by_those_who_learned_from_two(
    by_hand: Corpus, pairs: bool
) -> None:
    with CorpusWriter(by_hand.path, by_hand.card) as writer:
        said = {"id": "p", "split": "dev", "text": "it rains", "label": "yes"}
        writer.add("sentences", said | {"extra": '{"second": "it is wet"}'})
    corpus = Corpus.open(by_hand.path)
    model = SimpleNamespace(name="m", checksum="", reads=("text",), pairs=pairs)
    rows, _ = known_rows(model, corpus, "sentences", "dev", "label", (), None)
    given = answers(("text",), corpus, rows, lambda _, texts: texts, lambda _: None)
    assert given == ["it rains\tit is wet" if pairs else "it rains"]
