"""What is found: all that matches, the nearest first, ties by id; and what is refused."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.library.test_sources import fill
from tests.library.toys import Toy, ids, vector
from trivium.errors import CorpusError, TriviumError
from trivium.library.library import Library


def test_a_search_of_two_things_or_none_or_for_none_is_refused(library):
    library.model.embed = None  # is not asked
    for wish, sentence in [
        ({}, "a search with nothing; give one of text"),
        ({"text": "a", "speech": "b"}, "a search with text and speech"),
        ({"text": "a", "k": 0}, "k is 0; ask for 1 or more"),
        ({"text": "a", "of": "image"}, "'image' is no kind of item; known are picture, speech"),
    ]:
        with pytest.raises(TriviumError, match=sentence):
            library.search(**wish)
    with pytest.raises(TriviumError, match=r"shape \(1, 3\); expected \(Q, 8\)"):
        library.nearest(np.ones((1, 3), np.float32))
    with pytest.raises(TriviumError, match="the vector of the query holds NaN"):
        library.nearest(np.full((1, 8), np.nan, np.float32))


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("speed > 3", r"there is no column 'speed' .*; did you mean 'speaker'"),
        ("language = hi", r"there is no column 'hi' \(texts stand in single quotes\)"),
        ("age", "does not return a boolean"),
        ("cast(text as int) > 3", "Cannot cast string"),
        ("age >", "Expected: an expression"),
    ],
)
def test_a_wrong_filter_is_one_sentence(tagged, where, sentence):
    with pytest.raises(CorpusError, match=f"the filter .* cannot be used on items: .*{sentence}"):
        tagged.search(text="x", where=where)


FILTERS = {
    "language = 'hi'": lambda row: row["language"] == "hi",
    "age < 4": lambda row: row["age"] < 4,
    "Mood = 'sad' and age > 12": lambda row: row["mood"] == "sad" and row["age"] > 12,
    "mood in ('calm', 'glad')": lambda row: row["mood"] in ("calm", "glad"),
    "score >= 14.5": lambda row: row["score"] >= 14.5,
    "text like 'row 1%'": lambda row: row["text"].startswith("row 1"),
    "age > 99": lambda row: False,
    "speaker is null": lambda row: True,
}


@pytest.mark.parametrize("where", FILTERS)
@pytest.mark.parametrize("k", [1, 4, 100])
def test_a_filtered_search_finds_k_of_what_matches(tagged, where, k):
    rows = tagged.items.told(range(len(tagged)))
    query = vector("query").astype(np.float64)
    scores = {row["id"]: float(vector(row["text"]).astype(np.float16) @ query)
              for row in rows if FILTERS[where](row)}  # fmt: skip
    expected = sorted(scores, key=lambda id_: -scores[id_])[:k]
    assert ids(tagged.search(text="query", k=k, where=where)) == expected


@settings(max_examples=15)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=25), st.integers(1, 30))
def test_ties_go_by_id_whatever_the_order_of_coming(tmp_path_factory, numbers, k):
    folder = tmp_path_factory.mktemp("ties")
    made = Library.create(folder / "l", "toy", Toy())
    names = [f"{hash((place, number)) % 997:03}-{place}" for place, number in enumerate(numbers)]
    for name, number in zip(names[:2], numbers[:2], strict=True):
        fill(folder / "t", {f"{name}.txt": f"text {number}"})
        made.index(folder / "t")  # in several commits
    fill(folder / "t", {f"{n}.txt": f"text {v}" for n, v in zip(names, numbers, strict=True)})
    made.index(folder / "t")
    scores = {n: float(vector(f"text {v}").astype(np.float16) @ vector("q").astype(np.float64))
              for n, v in zip(names, numbers, strict=True)}  # fmt: skip
    expected = sorted(names, key=lambda name: (-round(scores[name], 9), f"t/{name}.txt"))[:k]
    assert ids(made.search(text="q", k=k)) == [f"t/{name}.txt" for name in expected]


def test_many_threads_search_alike(library):
    wanted = [f"text {number}" for number in range(40)]
    fresh = Library.open(library.path, Toy())

    def search(text):
        return ids(fresh.search(text=text, where="seconds is null"))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(search, wanted))
    assert [best for best, *_ in found] == [f"texts/{number:02}.txt" for number in range(40)]


def test_neighbours_leave_out_the_item_itself(library, texts):
    fill(texts, {"copy.txt": "text 9"})
    library.index(texts)
    found = library.near("texts/09.txt", k=3)
    assert found[0].id == "texts/copy.txt"
    assert len(found) == 3
    assert "texts/09.txt" not in ids(found)
    assert len(library.near("texts/09.txt", k=100)) == 40
    assert len(library.near("texts/09.txt", k=100, where="text != 'text 9'")) == 39
