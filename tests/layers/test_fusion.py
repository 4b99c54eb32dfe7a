"""The fusion head: what plain loops in float64 give, whatever stands behind a row."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trivium.data.batch import Ragged
from trivium.errors import TriviumError
from trivium.layers.fusion import FusionHead

WIDTH = 5
lengths = st.lists(st.integers(2, 6), min_size=1, max_size=3)


def built(fusion, text=True, audio=True, seed=0):
    torch.manual_seed(seed)
    return FusionHead(WIDTH, fusion, text, audio).double()


def states(counts, seed, extra=0):
    """Noise, and other noise behind the rows."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(counts), max(counts) + extra, WIDTH)
    data = torch.randn(shape, generator=generator, dtype=torch.float64)
    return Ragged(data, torch.tensor(counts))


def linear(layer, row):
    bias = [0.0] * layer.out_features if layer.bias is None else layer.bias.tolist()
    return [
        math.fsum(w * x for w, x in zip(weights, row, strict=True)) + b
        for weights, b in zip(layer.weight.tolist(), bias, strict=True)
    ]


def slow_tanh(layer, rows):
    return [[math.tanh(x) for x in linear(layer, row)] for row in rows]


def slow_text(pooling, rows):
    made = slow_tanh(pooling.projection, rows)
    return made[0], [max(column) for column in zip(*made[1:], strict=True)]


def slow_audio(pooling, rows):
    made = slow_tanh(pooling.projection, rows)
    scores = [math.exp(linear(pooling.attention, row)[0]) for row in made]
    weights = [score / math.fsum(scores) for score in scores]
    chosen = [
        math.fsum(w * x for w, x in zip(weights, column, strict=True))
        for column in zip(*made, strict=True)
    ]
    return chosen, [max(column) for column in zip(*made, strict=True)]


@given(lengths, st.integers(0, 99), st.sampled_from(["orthogonal", "concatenation"]))
def test_two_streams_are_joined_as_plain_loops_join_them(counts, seed, fusion):
    head = built(fusion, seed=seed)
    text, audio = states(counts, seed), states([n + 1 for n in counts], seed + 1, extra=2)
    joined = head(text, audio)
    for row in range(len(counts)):
        s, s_max = slow_text(head.text, text.rows()[row].tolist())
        a, a_max = slow_audio(head.audio, audio.rows()[row].tolist())
        for found, wanted in zip(
            (joined.text.chosen, joined.text.largest, joined.audio.chosen, joined.audio.largest),
            (s, s_max, a, a_max), strict=True,
        ):  # fmt: skip
            assert found[row].tolist() == pytest.approx(wanted, abs=1e-9)
        added = [[x + y for x, y in zip(*pair, strict=True)] for pair in ((s, a), (s_max, a_max))]
        h = added[0] + added[1] if fusion == "orthogonal" else s + a
        (wanted,) = slow_tanh(head.projection, [h])
        assert joined.vectors[row].tolist() == pytest.approx(wanted, abs=1e-9)


@given(lengths, st.integers(0, 99), st.booleans())
def test_one_stream_is_what_is_chosen_and_what_is_largest(counts, seed, audio):
    head = built("none", text=not audio, audio=audio, seed=seed)
    given_states = states(counts, seed, extra=1)
    joined = head(None if audio else given_states, given_states if audio else None)
    slow, pooling = (slow_audio, head.audio) if audio else (slow_text, head.text)
    for row, own in enumerate(given_states.rows()):
        chosen, largest = slow(pooling, own.tolist())
        (wanted,) = slow_tanh(head.projection, [chosen + largest])
        assert joined.vectors[row].tolist() == pytest.approx(wanted, abs=1e-9)
    assert (joined.text is None, joined.audio is None) == (audio, not audio)


def test_it_looks_at_one_stream_though_both_are_given():
    head, both = built("none", text=False), states([3, 4], 0)
    assert torch.equal(head(both, both).vectors, head(None, both).vectors)


@pytest.mark.parametrize(
    ("fusion", "text", "audio", "told"),
    [("none", True, True, "text and audio"), ("orthogonal", True, False, "text"),
     ("concatenation", False, True, "audio"), ("none", False, False, "no stream")],
)  # fmt: skip
def test_streams_that_do_not_fit_the_fusion_are_refused(fusion, text, audio, told):
    with pytest.raises(TriviumError, match=f"the fusion '{fusion}' was given {told};"):
        FusionHead(WIDTH, fusion, text, audio)


def test_a_head_that_is_given_nothing_says_so():
    with pytest.raises(TriviumError, match="'none' was given neither text nor audio"):
        built("none", text=False)(states([2], 0), None)
