"""CTC against the sum over every path, written out."""

from itertools import groupby, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.data.batch import Ragged
from trivium.errors import TriviumError
from trivium.objectives.sequence import BLANK, ctc_loss, greedy, prefix_beam, squeeze


def collapsed(path):
    return [number for number, _ in groupby(path) if number != BLANK]


def slow(scores, target):
    """Minus the logarithm of the probability of all paths that become the target."""
    shares = scores.double().softmax(-1)
    total = 0.0
    for path in product(range(scores.shape[1]), repeat=len(scores)):
        if collapsed(path) == target:
            total += float(np.prod([shares[t, number] for t, number in enumerate(path)]))
    return -np.log(total) if total else 0.0


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    data=st.data(),
)
def test_the_loss_is_the_sum_over_paths_and_padding_changes_nothing(seed, lengths, data):
    torch.manual_seed(seed)
    targets = [data.draw(st.lists(st.integers(1, 2), max_size=length)) for length in lengths]
    scores = torch.randn(len(lengths), max(lengths) + 2, 3)
    frames = Ragged(scores, torch.tensor(lengths))
    width = max(1, *map(len, targets)) + 1
    padded = torch.full((len(targets), width), 1)
    for row, target in enumerate(targets):
        padded[row, : len(target)] = torch.tensor(target, dtype=torch.int64)
    found = ctc_loss(frames, Ragged(padded, torch.tensor([len(target) for target in targets])))
    rows = enumerate(zip(lengths, targets, strict=True))
    expected = sum(slow(scores[row, :length], target) for row, (length, target) in rows)
    assert found.item() == pytest.approx(expected, abs=1e-4)


def test_a_text_that_cannot_fit_has_no_gradient():
    scores = torch.randn(1, 2, 3, requires_grad=True)
    loss = ctc_loss(Ragged(scores, torch.tensor([2])),
                    Ragged(torch.tensor([[1, 1]]), torch.tensor([2])))  # fmt: skip
    loss.backward()
    assert loss.item() == 0
    assert not scores.grad.any()


def test_repeats_go_before_blanks():
    best = torch.tensor([[1, 1, 0, 1, 2, 2, 0, 9]])
    frames = Ragged(torch.nn.functional.one_hot(best, 10).float(), torch.tensor([7]))
    assert greedy(frames) == [[1, 1, 2]]


def test_characters_outside_of_the_alphabet_are_left_out():
    assert squeeze("It's 3!", " abcdefghijklmnopqrstuvwxyz'").tolist() == [10, 21, 28, 20, 1]
    assert squeeze("तारा", "abc").tolist() == []


def likeliest(scores):
    """How likely each labelling of a row is, over all paths."""
    shares = scores.double().softmax(-1)
    found = {}
    for path in product(range(scores.shape[1]), repeat=len(scores)):
        share = float(np.prod([shares[t, number] for t, number in enumerate(path)]))
        name = tuple(collapsed(path))
        found[name] = found.get(name, 0.0) + share
    return found


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    numbers=st.integers(2, 4),
)
def test_a_wide_beam_finds_the_best_of_all_paths(seed, lengths, numbers):
    torch.manual_seed(seed)
    scores = 2 * torch.randn(len(lengths), max(lengths) + 1, numbers)
    found = prefix_beam(Ragged(scores, torch.tensor(lengths)), beam=1000)
    for row, length in enumerate(lengths):
        shares = likeliest(scores[row, :length])
        assert shares[tuple(found[row])] == pytest.approx(max(shares.values()), rel=1e-9)


def test_a_beam_sees_what_the_likeliest_path_does_not():
    # All blanks is the likeliest path (0.36), and yet most paths say 1.
    scores = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    frames = Ragged(scores, torch.tensor([2]))
    assert greedy(frames) == [[]]
    assert prefix_beam(frames, 4) == [[1]]
    assert prefix_beam(frames, 1) == [[]]


def test_a_narrow_beam_gives_what_is_certain():
    best = torch.tensor([[1, 1, 0, 1, 2, 2, 0, 9]])
    certain = 20 * torch.nn.functional.one_hot(best, 10).float()
    assert prefix_beam(Ragged(certain, torch.tensor([7])), 3) == [[1, 1, 2]]
    with pytest.raises(TriviumError, match="a beam of 0 beginnings keeps none"):
        prefix_beam(Ragged(certain, torch.tensor([7])), 0)
