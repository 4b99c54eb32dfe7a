"""The length adapter against convolutions written out, and the same in every batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.data.batch import Ragged
from trivium.layers.adapter import GatedConvolution, LengthAdapter


def built(width=6, new_width=4):
    torch.manual_seed(0)
    return LengthAdapter(width, new_width).double()


def slow_convolution(layer: GatedConvolution, row):
    """One row (T, D), a frame and a channel at a time."""
    weight, bias = layer.convolution.weight, layer.convolution.bias
    made = []
    for centre in range(0, len(row), 2):
        channels = bias.clone()
        for tap, place in enumerate((centre - 1, centre, centre + 1)):
            if 0 <= place < len(row):
                channels = channels + weight[:, :, tap] @ row[place]
        half = len(channels) // 2
        made.append(channels[:half] * channels[half:].sigmoid())
    return torch.stack(made)


@torch.no_grad()
@settings(max_examples=20)
@given(st.lists(st.integers(1, 11), min_size=1, max_size=4), st.integers(0, 5))
def test_rows_are_what_convolutions_written_out_make_of_each_alone(lengths, extra):
    adapter, generator = built(), torch.Generator().manual_seed(sum(lengths))
    data = torch.randn(len(lengths), max(lengths) + extra, 6, generator=generator).double()
    made = adapter(Ragged(data, torch.tensor(lengths)))  # noise stands behind the rows
    assert made.lengths.tolist() == [(length + 3) // 4 for length in lengths]
    assert made.lengths.tolist() == adapter.num_frames(torch.tensor(lengths)).tolist()
    for row, length in enumerate(lengths):
        halved = slow_convolution(adapter.first, adapter.before(data[row, :length]))
        wanted = slow_convolution(adapter.second, adapter.between(halved))
        torch.testing.assert_close(made.rows()[row], wanted)
        assert not made.data[row, len(wanted) :].any()


@torch.no_grad()
def test_half_a_feed_forward_network_counts_beside_its_input():
    half = built().before
    frames = torch.randn(3, 6).double()
    inner = (frames @ half.inner.weight.T + half.inner.bias).clamp(min=0)
    summed = frames + (inner @ half.outer.weight.T + half.outer.bias) / 2
    centred = summed - summed.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + half.norm.eps).sqrt()
    torch.testing.assert_close(half(frames), scaled)  # a new norm scales and shifts nothing


@pytest.mark.parametrize(("width", "millions"), [(1024, 29.4), (1280, 35.7)])
def test_it_has_the_size_of_the_authors(width, millions):
    with torch.device("meta"):
        adapter = LengthAdapter(width, 1024)
    assert sum(p.numel() for p in adapter.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
