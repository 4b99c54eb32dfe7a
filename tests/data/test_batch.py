"""Ragged and Batch: what is padded can be unpadded, and moves as a whole."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trivium.data.batch import Batch, Ragged
from trivium.errors import TriviumError


@st.composite
def rows(draw: st.DrawFn) -> list[np.ndarray]:
    width = draw(st.sampled_from([(), (3,), (2, 2)]))
    lengths = draw(st.lists(st.integers(0, 9), min_size=1, max_size=6))
    kind = draw(st.sampled_from([np.float32, np.int64, np.uint8]))
    values = np.random.default_rng(sum(lengths))
    return [(1 + 5 * values.random((length, *width))).astype(kind) for length in lengths]


@given(rows(), st.integers(1, 5))
def test_padded_rows_come_back_as_they_were(given_: list[np.ndarray], round_to: int) -> None:
    ragged = Ragged.from_rows(given_, round_to)
    assert len(ragged) == len(given_)
    assert ragged.lengths.tolist() == [len(row) for row in given_]
    longest = max(map(len, given_))
    assert longest <= ragged.data.shape[1] < longest + round_to
    assert ragged.data.shape[1] % round_to == 0
    for row, back in zip(given_, ragged.rows(), strict=True):
        assert back.numpy().dtype == row.dtype
        assert np.array_equal(back.numpy(), row)


@given(rows())
def test_the_mask_is_true_where_rows_have_entries_and_data_is_zero_elsewhere(
    given_: list[np.ndarray],
) -> None:
    ragged = Ragged.from_rows(given_)
    mask = ragged.mask()
    assert mask.shape == ragged.data.shape[:2]
    assert mask.sum(1).tolist() == ragged.lengths.tolist()
    assert torch.count_nonzero(ragged.data[~mask]) == 0
    assert torch.all(ragged.data[mask] != 0)


def test_lengths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(TriviumError, match=r"lengths of shape \(3,\) .* data of shape \(2, 5\)"):
        Ragged(torch.zeros(2, 5), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(TriviumError, match="0 rows"):
        Ragged.from_rows([])


def full_batch() -> Batch:
    speech = Ragged.from_rows([np.ones(3, np.float32), np.ones(5, np.float32)])
    batch = Batch(
        ids=("a", "b"),
        rows=np.array([4, 2]),
        epoch=1,
        seed=7,
        speech=speech,
        images=(torch.zeros(2, 2, 3, dtype=torch.uint8),) * 2,
        texts=("x", None),
    )
    tokens = Ragged.from_rows([np.ones(2, np.int64), np.ones(1, np.int64)])
    return batch.with_inputs({"tokens": 3}, tokens=tokens, negatives=torch.zeros(2, 4))


def test_a_batch_moves_with_everything_in_it() -> None:
    moved = full_batch().to("meta")
    assert moved.speech.data.is_meta
    assert moved.speech.lengths.is_meta
    assert all(image.is_meta for image in moved.images)
    assert moved.inputs["tokens"].data.is_meta
    assert moved.inputs["negatives"].is_meta
    assert (moved.ids, moved.texts, moved.counts) == (("a", "b"), ("x", None), {"tokens": 3})


def test_a_batch_of_texts_alone_moves_too() -> None:
    assert Batch(ids=("a",), rows=np.array([0]), texts=("x",)).to("meta").speech is None


def test_inputs_are_added_and_the_batch_before_stays_as_it_was() -> None:
    before = full_batch()
    after = before.with_inputs({"pairs": 2}, masks=torch.ones(2))
    assert set(after.inputs) == {"tokens", "negatives", "masks"}
    assert after.counts == {"tokens": 3, "pairs": 2}
    assert set(before.inputs) == {"tokens", "negatives"}
    assert len(after) == 2


def test_randomness_of_a_row_depends_on_run_epoch_purpose_and_id_alone() -> None:
    def draw(row: int, purpose: str, **changes: object) -> float:
        values = {"ids": ("a", "b"), "rows": np.array([0, 1]), "epoch": 1, "seed": 7, **changes}
        return Batch(**values).generator(row, purpose).random()

    assert draw(0, "mask") == draw(1, "mask", ids=("z", "a"), rows=np.array([5, 9]))
    others = [draw(1, "mask"), draw(0, "drop"), draw(0, "mask", epoch=2), draw(0, "mask", seed=8)]
    assert len({draw(0, "mask"), *others}) == 5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="pinned memory needs a GPU")
def test_pinned_batches_are_pinned_throughout() -> None:
    pinned = full_batch().pin()
    assert pinned.speech.data.is_pinned()
    assert pinned.inputs["negatives"].is_pinned()
