"""Item files, items of phone times, and which frames are theirs."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tasks.abx.slow import Item, slow_frames
from trivium.errors import TriviumError
from trivium.tasks.abx.frames import locate, read_features, slices, unit_frames
from trivium.tasks.abx.items import Items, phone_items, picoseconds, read_items

HEADER = "#file onset offset #phone prev-phone next-phone speaker\n"
LINE = "f1 0.2925 0.4725 IH L NG 6295\n"


def test_a_file_of_items_is_read(tmp_path):
    path = tmp_path / "two.item"
    path.write_text(HEADER + LINE + "f2 1e-1 .3 ɡ a b s\n", encoding="utf-8")
    items = read_items(path)
    assert items.file.tolist() == ["f1", "f2"]
    assert items.onset.tolist() == [292_500_000_000, 10**11]
    assert items.offset.tolist() == [472_500_000_000, 3 * 10**11]
    assert items.phone.tolist() == ["IH", "ɡ"]
    assert (items.previous[0], items.following[0], items.speaker[0]) == ("L", "NG", "6295")
    assert items.words(0) == "IH in f1 from 0.2925 to 0.4725 s"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"line 1: is ''; expected '#file onset"),
        (LINE, r"line 1: is 'f1 0.2925 .*'; expected '#file onset"),
        (HEADER, r"has 0 items"),
        (HEADER + LINE + "f1 0.1 0.2 a b c\n", r"line 3: has 6 columns; expected 7"),
        (HEADER + "f1 0.1 x a b c s\n", r"line 2: 'x' is no time"),
        (HEADER + "f1 nan 0.2 a b c s\n", r"line 2: 'nan' is no time"),
        (HEADER + "f1 -0.1 0.2 a b c s\n", r"line 2: '-0.1' is no time"),
        (HEADER + "f1 0.1 1e9 a b c s\n", r"line 2: '1e9' is no time"),
        (HEADER + LINE + "\n", r"line 3: has 0 columns"),
        (HEADER + "f1 0.2 0.2 a b c s\n", r"line 2: ends at 0.2 and begins at 0.2"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, sentence):
    path = tmp_path / "bad.item"
    path.write_text(text)
    with pytest.raises(TriviumError, match=sentence):
        read_items(path)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(TriviumError, match=r"none.item cannot be read: no such file"):
        read_items(tmp_path / "none.item")
    (tmp_path / "bytes.item").write_bytes(b"\xff\xfe")
    with pytest.raises(TriviumError, match=r"bytes.item cannot be read: it is not utf-8"):
        read_items(tmp_path / "bytes.item")


def test_a_phone_needs_two_neighbours_without_a_pause():
    phones = [("a", 0, 2), ("b", 2, 5), ("c", 5, 6), ("d", 7, 8), ("e", 8, 9), ("f", 9, 11)]
    assert phone_items("u", "s", phones, "phone") == [
        ("u", 2, 5, "b", "a", "c", "s"),
        ("u", 8, 9, "e", "d", "f", "s"),
    ]
    triphones = phone_items("u", "s", phones, "triphone")
    assert [row[1:3] for row in triphones] == [(0, 6), (7, 11)]
    assert not phone_items("u", "s", phones[:2], "phone")


times = st.integers(0, 8_000).map(lambda number: f"{number / 10_000:.4f}")
rates = st.sampled_from([Fraction(50), Fraction(100), Fraction(25, 2), Fraction(44_100, 1024)])


@given(st.lists(st.tuples(times, times), min_size=1, max_size=5), st.booleans(), rates)
def test_frames_are_those_whose_time_lies_in_the_item(spans, librilight, rate_hz):
    rows = [Item("f", *sorted(span, key=float), "a", "b", "c", "s") for span in spans]
    items = Items.of_rows([(r[0], picoseconds(r[1]), picoseconds(r[2]), *r[3:]) for r in rows])
    first, count = slices(items, rate_hz, "librilight" if librilight else "whole")
    for row, start, length in zip(rows, first.tolist(), count.tolist(), strict=True):
        expected = slow_frames(row, rate_hz, 200, librilight)
        assert list(range(start, start + max(0, length))) == expected


def test_a_border_in_the_middle_of_a_frame_is_exact():
    # In floats 0.29 * 50 - 0.5 is a little less than 14, and 0.57 * 100 - 0.5 less than 56.5.
    items = Items.of_rows([("f", picoseconds("0.09"), picoseconds("0.29"), *"abcs")])
    first, count = slices(items, Fraction(50), "whole")
    assert (first.tolist(), count.tolist()) == ([4], [11])  # frames at 0.09, ..., 0.29
    assert picoseconds("0.29000000000000004") == picoseconds("0.29")


def three() -> Items:
    rows = [("g", 0, 10**11), ("f", 5 * 10**10, 3 * 10**11), ("f", 12 * 10**9, 15 * 10**9)]
    return Items.of_rows([(*row, "a", "b", "c", "s") for row in rows])


def test_items_are_found_among_the_frames_of_all_files():
    items = three()
    kept, first, count = locate(
        items, {"f": 15, "g": 9}, slices(items, Fraction(50), "whole"), "skip"
    )
    assert kept.file.tolist() == ["g", "f"]
    assert first.tolist() == [15, 2]
    assert count.tolist() == [5, 13]


def test_items_without_frames_are_counted_and_named():
    items = three()
    sliced = slices(items, Fraction(50), "whole")
    sentence = (
        r"of 3 items 1 reach behind the last frame of their file and 1 are too short to have one: "
        r"a in f from 0.05 to 0.3 s; a in f from 0.012 to 0.015 s; pad .* outside='skip'"
    )
    with pytest.raises(TriviumError, match=sentence):
        locate(items, {"f": 14, "g": 9}, sliced, "error")
    kept, _, _ = locate(items, {"f": 14, "g": 9}, sliced, "skip")
    assert kept.file.tolist() == ["g"]
    with pytest.raises(TriviumError, match=r"of 3 items 2 reach behind"):
        locate(items, {"h": 99, "f": 3}, sliced, "skip")  # nothing is left


def test_zero_frames_are_far_from_all_but_themselves():
    frames = unit_frames(torch.tensor([[3.0, 4.0], [0.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]))
    cosines = (frames @ frames.T).clamp(-1, 1)
    expected = [[1, -1, -0.6, -1], [-1, 1, -1, 1], [-0.6, -1, 1, -1], [-1, 1, -1, 1]]
    assert cosines.numpy() == pytest.approx(np.array(expected), abs=1e-6)


def test_frames_that_are_no_numbers_are_named():
    with pytest.raises(TriviumError, match=r"frame 1 has the length nan; expected numbers"):
        unit_frames(torch.tensor([[1.0, 0.0], [torch.nan, 0.0]]))


def test_features_are_read_from_files(tmp_path):
    np.save(tmp_path / "b.npy", np.array([[0, 2.0]]))
    np.save(tmp_path / "a.npy", np.array([[3.0, 4.0], [1.0, 0.0]], np.float32))
    counts, frames = read_features(tmp_path, ["b", "a"])
    assert counts == {"b": 1, "a": 2}
    assert frames.tolist() == [[0, 1], [pytest.approx(0.6), pytest.approx(0.8)], [1, 0]]
    np.save(tmp_path / "c.npy", np.ones((2, 3)))
    with pytest.raises(TriviumError, match=r"c.npy has the shape \(2, 3\); expected \(frames, 2\)"):
        read_features(tmp_path, ["a", "c"])
    np.save(tmp_path / "d.npy", np.array([{}]), allow_pickle=True)
    for name in ("d", "e"):
        with pytest.raises(TriviumError, match=rf"{name}.npy cannot be read as an array"):
            read_features(tmp_path, [name])
