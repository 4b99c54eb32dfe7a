"""Masking and its losses: drawn as published, equal to plain loops in float64."""

import doctest
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trivium.data.batch import Ragged
from trivium.errors import TriviumError
from trivium.objectives import masked
from trivium.objectives.masked import (
    MaskSettings,
    chance_contrastive,
    contrastive_loss,
    covered_frames,
    diversity_loss,
    draw_masks,
    draw_negatives,
    draw_spans,
    feature_penalty,
    gather_frames,
)

seeds = st.integers(0, 2**31)
maskings = st.builds(
    MaskSettings,
    share=st.floats(0.01, 1),
    span=st.integers(1, 12),
    min_spans=st.integers(1, 3),
    negatives=st.integers(1, 9),
)


@given(st.integers(1, 400), maskings, seeds)
def test_spans_lie_within_the_utterance(frames, masking, seed):
    drawn = draw_spans(frames, masking, np.random.default_rng(seed))
    assert len(drawn) >= 1
    assert drawn[0] >= 0
    assert drawn[-1] < frames
    assert (np.diff(drawn) > 0).all()
    span = masking.span if frames >= masking.span else max(1, frames // 2)
    runs = np.split(drawn, np.flatnonzero(np.diff(drawn) > 1) + 1)
    assert min(map(len, runs)) >= span  # spans are whole; neighbours may have joined
    again = draw_spans(frames, masking, np.random.default_rng(seed))
    assert (drawn == again).all()


def test_spans_cover_the_published_share():
    masking, generator = MaskSettings(), np.random.default_rng(0)
    shares = [len(draw_spans(500, masking, generator)) / 500 for _ in range(400)]
    # "49 % of all time steps with a mean span of 14.7", section 4.2 of the paper, for 15 s.
    assert np.mean(shares) == pytest.approx(0.49, abs=0.01)
    runs = []
    for _ in range(200):
        drawn = draw_spans(750, masking, generator)
        runs += map(len, np.split(drawn, np.flatnonzero(np.diff(drawn) > 1) + 1))
    assert np.mean(runs) == pytest.approx(14.7, abs=0.6)


def test_spans_are_drawn_as_transformers_draws_them():
    from transformers.models.wav2vec2 import modeling_wav2vec2 as theirs

    np.random.seed(0)  # what transformers draws from
    masking, generator = MaskSettings(), np.random.default_rng(0)
    for frames in (20, 57, 200):
        own = np.zeros(frames)
        for _ in range(600):
            own[draw_spans(frames, masking, generator)] += 1 / 600
        wanted = sum(
            theirs._compute_mask_indices((1, frames), 0.65, 10, min_masks=2)[0]
            for _ in range(600)
        ) / 600  # fmt: skip
        assert own.mean() == pytest.approx(wanted.mean(), abs=0.01)
        assert np.abs(own - wanted).max() < 0.12


def test_an_utterance_without_frames_is_refused():
    with pytest.raises(TriviumError, match="an utterance of 0 frames has none to mask"):
        draw_spans(0, MaskSettings(), np.random.default_rng(0))


@given(st.integers(1, 30), maskings, seeds)
def test_negatives_are_others(count, masking, seed):
    drawn = draw_negatives(count, masking, np.random.default_rng(seed))
    assert drawn.shape == (count, masking.negatives)
    assert drawn.min() >= 0
    assert drawn.max() < count
    if count > 1:
        assert (drawn != np.arange(count)[:, None]).all()


def test_negatives_are_all_others_equally_often():
    drawn = draw_negatives(5, MaskSettings(negatives=20_000), np.random.default_rng(0))
    for frame in range(5):
        often = np.bincount(drawn[frame], minlength=5) / 20_000
        assert often[frame] == 0
        assert often[np.arange(5) != frame] == pytest.approx(0.25, abs=0.02)


@given(st.lists(st.integers(1, 90), min_size=1, max_size=4), maskings, seeds)
def test_a_row_s_masks_do_not_depend_on_its_neighbours(frames, masking, seed):
    def generator(row, purpose):
        return np.random.default_rng([seed, row, len(purpose)])

    drawn, negatives = draw_masks(frames, masking, generator)
    assert drawn.data.shape == negatives.data.shape[:2]
    assert drawn.lengths.tolist() == negatives.lengths.tolist()
    for row, count in enumerate(frames):
        alone, _ = draw_masks([count], masking, lambda _, purpose, row=row: generator(row, purpose))
        assert torch.equal(drawn.rows()[row], alone.data[0])


def frames_of(seed, counts, width=4, kinds=3, negatives=6):
    """Predictions, targets, codes and negatives of utterances; noise stands behind the rows."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(counts), max(counts))
    a, b = torch.randn(2, *shape, width, generator=generator, dtype=torch.float64)
    codes = torch.randint(kinds, shape, generator=generator)
    drawing = np.random.default_rng(seed)
    drawn = [draw_negatives(n, MaskSettings(negatives=negatives), drawing) for n in counts]
    return a.requires_grad_(), b.requires_grad_(), codes, Ragged.from_rows(drawn)


def slow_contrastive(a, b, codes, negatives, temperature):
    total = torch.zeros((), dtype=torch.float64)
    for row, count in enumerate(negatives.lengths.tolist()):
        for i in range(count):
            cosine = [torch.cosine_similarity(a[row, i], b[row, j], 0) for j in range(count)]
            own = (cosine[i] / temperature).exp()
            sum_ = own
            for j in negatives.data[row, i].tolist():
                if codes[row, j] != codes[row, i]:
                    sum_ = sum_ + (cosine[j] / temperature).exp()
            total = total - (own / sum_).log()
    return total


counts_of_rows = st.lists(st.integers(1, 7), min_size=1, max_size=3)


@settings(max_examples=30)
@given(seeds, counts_of_rows, st.sampled_from([0.1, 1.0]), st.sampled_from([1, 60, 1 << 20]))
def test_the_contrastive_loss_is_its_slow_twin(seed, counts, temperature, block):
    a, b, codes, negatives = frames_of(seed, counts)
    slow = slow_contrastive(a, b, codes, negatives, temperature)
    fast = contrastive_loss(a, b, codes, negatives, temperature, block_similarities=block)
    torch.testing.assert_close(fast, slow)
    if not slow.requires_grad:
        return
    ours = torch.autograd.grad(fast, (a, b))
    theirs = torch.autograd.grad(slow, (a, b), materialize_grads=True)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-7)


def test_what_stands_behind_the_rows_does_not_matter():
    a, b, codes, negatives = frames_of(0, [6, 3])
    loss = contrastive_loss(a, b, codes, negatives)
    grads = torch.autograd.grad(loss, (a, b))
    with torch.no_grad():
        other_a, other_b, other_codes = a.clone(), b.clone(), codes.clone()
        other_a[1, 3:], other_b[1, 3:], other_codes[1, 3:] = 7, -7, codes[1, 0]
    assert contrastive_loss(other_a, other_b, other_codes, negatives) == loss
    assert not any(grad[1, 3:].any() for grad in grads)


def test_one_code_for_all_has_nothing_to_lose_and_alike_predictions_stand_at_chance():
    a, b, codes, negatives = frames_of(1, [30, 20], kinds=1000, negatives=100)
    assert contrastive_loss(a, b, torch.zeros_like(codes), negatives).item() == 0
    distinct = torch.arange(codes.numel()).view_as(codes)
    chance = chance_contrastive(distinct, negatives).item()
    assert chance == pytest.approx(50 * math.log(101), rel=1e-6)
    alike = contrastive_loss(torch.ones_like(a), torch.ones_like(b), distinct, negatives)
    assert alike.item() == pytest.approx(chance, rel=1e-6)


def test_half_precision_is_compared_in_single():
    a, b, codes, negatives = frames_of(2, [20, 15], width=64, kinds=50)
    a, b = a.detach().bfloat16(), b.detach().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = contrastive_loss(a, b, codes, negatives)
    exact = contrastive_loss(a.double(), b.double(), codes, negatives)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(exact.item(), rel=1e-5)


class Largest(TorchDispatchMode):
    """Sees every tensor that an operation makes, in backward too."""

    numbers = 0

    def __torch_dispatch__(self, call, types, args=(), kwargs=None):
        made = call(*args, **(kwargs or {}))
        tensors = [each for each in tree_leaves(made) if isinstance(each, torch.Tensor)]
        self.numbers = max([self.numbers, *(tensor.numel() for tensor in tensors)])
        return made


def test_only_a_block_of_similarities_exists_at_once():
    a, b, codes, negatives = frames_of(3, [40] * 8, negatives=2)
    with Largest() as seen:
        contrastive_loss(a, b, codes, negatives, block_similarities=2 * 1600).backward()
    assert seen.numbers == 2 * 1600


@given(seeds, counts_of_rows, st.integers(1, 3), st.integers(2, 6))
def test_the_diversity_loss_is_its_slow_twin(seed, counts, groups, entries):
    generator = torch.Generator().manual_seed(seed)
    shape = (len(counts), max(counts), groups, entries)
    shares = torch.randn(shape, generator=generator, dtype=torch.float64).softmax(-1)
    rows = Ragged(torch.zeros(shape[:2]), torch.tensor(counts))
    perplexity = 0.0
    for group in range(groups):
        entropy = 0.0
        for entry in range(entries):
            every = [float(shares[row, i, group, entry])
                     for row, count in enumerate(counts) for i in range(count)]  # fmt: skip
            mean = math.fsum(every) / sum(counts)
            entropy -= mean * math.log(mean)
        perplexity += math.exp(entropy)
    whole = groups * entries
    found = diversity_loss(shares, rows).item()
    assert found == pytest.approx(sum(counts) * (whole - perplexity) / whole, abs=1e-9)


def test_codes_that_collapsed_lose_nearly_everything():
    shares = torch.zeros(1, 10, 2, 320)
    shares[..., 3] = 1
    found = diversity_loss(shares, Ragged(torch.zeros(1, 10), torch.tensor([10])))
    assert found.item() == pytest.approx(10 * 638 / 640)


@given(seeds, counts_of_rows)
def test_the_penalty_is_its_slow_twin(seed, counts):
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(len(counts), max(counts), 3, generator=generator, dtype=torch.float64)
    squares = [float(data[row, i, c]) ** 2 / 3 for row, count in enumerate(counts)
               for i in range(count) for c in range(3)]  # fmt: skip
    found = feature_penalty(Ragged(data, torch.tensor(counts))).item()
    assert found == pytest.approx(math.fsum(squares))


@given(seeds, st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=5, unique=True),
                       min_size=1, max_size=3))  # fmt: skip
def test_places_are_gathered_and_covered(seed, rows):
    places = Ragged.from_rows([np.array(sorted(row)) for row in rows])
    states = torch.randn(len(rows), 9, 2, generator=torch.Generator().manual_seed(seed))
    found, covered = gather_frames(states, places), covered_frames(places, 9)
    for number, row in enumerate(rows):
        for place, frame in enumerate(sorted(row)):
            assert torch.equal(found[number, place], states[number, frame])
        assert covered[number].nonzero().flatten().tolist() == sorted(row)


def test_shapes_that_do_not_fit_are_refused():
    a, b, codes, negatives = frames_of(4, [5, 3])
    for wrong in ((a[:1], b, codes), (a, b[:, :2], codes), (a, b, codes[:, :2]), (a[0], b, codes)):
        with pytest.raises(TriviumError, match=r"have the shapes .*expected \(B, N, D\)"):
            contrastive_loss(*wrong, negatives)


def test_the_examples_in_the_pages_run():
    tried = doctest.testmod(masked)
    assert tried.attempted >= 8
    assert not tried.failed
