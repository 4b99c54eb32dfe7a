"""Pooling: the same vector whatever stands behind or beside an utterance."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trivium.data.batch import Ragged
from trivium.errors import SettingsError
from trivium.layers.pooling import ConvolutionPooling, PoolingSettings, convolve_rows

SIZES = PoolingSettings(stem=6, widths=(6, 8), blocks=2, kernel=5, heads=2, feedforward=16)


def ragged(lengths, width, extra=0, seed=0):
    """Noise, and other noise behind every row."""
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(len(lengths), max(lengths) + extra, width, generator=generator)
    return Ragged(data, torch.tensor(lengths))


@settings(max_examples=20)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(0, 9))
@torch.no_grad()
def test_a_row_gives_the_same_in_every_batch(lengths, extra):
    torch.manual_seed(1)
    pooling = ConvolutionPooling(4, SIZES).eval()
    frames, tokens = ragged(lengths, 4, extra), torch.randn(len(lengths), 4)
    together = pooling(frames, tokens)
    assert together.shape == (len(lengths), 8)
    for row, length in enumerate(lengths):
        alone = Ragged(frames.data[row : row + 1, :length], torch.tensor([length]))
        found = pooling(alone, tokens[row : row + 1])
        torch.testing.assert_close(found, together[row : row + 1], atol=1e-5, rtol=0)


@given(st.integers(1, 20), st.sampled_from([1, 3, 9]), st.integers(1, 3), st.integers(0, 4))
def test_convolutions_are_their_slow_twin(length, kernel, stride, extra):
    torch.manual_seed(length)
    convolution = nn.Conv1d(2, 3, kernel, stride, kernel // 2).double()
    frames = Ragged(torch.randn(1, length + extra, 2).double(), torch.tensor([length]))
    found = convolve_rows(convolution, frames)
    wanted = []
    for middle in range(0, length, stride):
        total = convolution.bias
        for place in range(kernel):
            at = middle + place - kernel // 2
            if 0 <= at < length:
                total = total + convolution.weight[:, :, place] @ frames.data[0, at]
        wanted.append(total)
    assert found.lengths.tolist() == [len(wanted)]
    torch.testing.assert_close(found.data[0, : len(wanted)], torch.stack(wanted))


def test_a_token_as_wide_as_the_pooling_goes_in_as_it_is():
    pooling = ConvolutionPooling(8, SIZES)
    assert not list(pooling.project_token.parameters())
    frames, token = ragged([9, 4], 8), torch.randn(2, 8, requires_grad=True)
    pooling(frames, token).sum().backward()
    assert token.grad is not None


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"kernel": 4}, "kernel 4 has no frame in its middle"),
        ({"widths": [8, 10], "heads": 4}, "width 10 is no multiple of 4 heads"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, told):
    with pytest.raises(SettingsError, match=told):
        PoolingSettings.parse(values)
