"""Statistics over real entries: the plain formula, whatever stands behind them."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from trivium.layers.norms import masked_channel_norm, padding_of, standardise

LENGTHS = st.lists(st.integers(2, 40), min_size=1, max_size=4)


def frames(lengths: list[int], behind: float, offset: float = 0.0) -> torch.Tensor:
    """Random (B, 3, longest + 5) with something behind every row."""
    generator = torch.Generator().manual_seed(sum(lengths))
    values = torch.randn(len(lengths), 3, max(lengths) + 5, generator=generator) + offset
    return values.masked_fill(padding_of(torch.tensor(lengths), values.shape[-1])[:, None], behind)


@given(LENGTHS, st.sampled_from([0.0, 7.0, -1e4]), st.sampled_from([0.0, 10.0]))
def test_channel_norm_is_group_norm_of_each_row_alone(lengths, behind, offset):
    values = frames(lengths, behind, offset)
    weight, bias = torch.tensor([1.0, 2.0, -0.5]), torch.tensor([0.0, 1.0, 3.0])
    found = masked_channel_norm(values, torch.tensor(lengths), weight, bias, 1e-5)
    for row, length in enumerate(lengths):
        own = values[row : row + 1, :, :length].double()
        alone = F.group_norm(own, 3, weight.double(), bias.double(), 1e-5).float()
        torch.testing.assert_close(found[row : row + 1, :, :length], alone, atol=2e-5, rtol=1e-5)


def test_channel_norm_has_the_gradient_of_group_norm():
    values = frames([30], 0.0)[..., :30].double().requires_grad_()
    weight = torch.ones(3, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    towards = torch.randn(1, 3, 30, dtype=torch.float64)
    wanted = torch.autograd.grad(
        (F.group_norm(values, 3, weight, bias) * towards).sum(), (values, weight, bias)
    )
    found = masked_channel_norm(values, torch.tensor([30]), weight, bias, 1e-5)
    for ours, theirs in zip(
        torch.autograd.grad((found * towards).sum(), (values, weight, bias)), wanted, strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_silence_gives_no_nan_and_no_nan_gradient():
    values = torch.zeros(2, 3, 8, requires_grad=True)
    found = masked_channel_norm(values, torch.tensor([8, 0]), torch.ones(3), torch.zeros(3), 1e-5)
    found.square().sum().backward()
    assert torch.equal(found, torch.zeros_like(found))
    assert values.grad.isfinite().all()


@given(LENGTHS, st.sampled_from([0.0, 1e4]), st.booleans())
def test_rows_are_standardised_over_their_own_entries(lengths, behind, unbiased):
    values = frames(lengths, behind, offset=3.0).transpose(1, 2)  # (B, longest, 3)
    found = standardise(values, torch.tensor(lengths), unbiased=unbiased)
    for row, length in enumerate(lengths):
        own = values[row, :length].double().numpy()
        spread = np.sqrt(own.var(0, ddof=int(unbiased)) + 1e-7)
        np.testing.assert_allclose(found[row, :length], (own - own.mean(0)) / spread, atol=1e-4)
        assert not found[row, length:].any()


def test_standardise_is_float32_for_half_precision_waves():
    waves = torch.randn(1, 1000).bfloat16()
    found = standardise(waves, torch.tensor([1000]))
    assert found.dtype == torch.float32
    assert abs(float(found.mean())) < 1e-5
