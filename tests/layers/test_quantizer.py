"""The Gumbel quantiser: equal to plain loops in float64, value and gradients."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trivium.errors import SettingsError
from trivium.layers.quantizer import GumbelQuantizer, QuantizerSettings


def quantizer(seed=0, groups=2, entries=5, width=6, **others):
    torch.manual_seed(seed)
    settings = QuantizerSettings(groups=groups, entries=entries, width=width, dropout=0, **others)
    return GumbelQuantizer(4, settings).double()


def noise_of(seed, shape):
    """What the quantiser draws after this seed."""
    torch.manual_seed(seed)
    return -torch.empty(shape, dtype=torch.float64).exponential_().log()


def slow(made, vectors, temperature, noise):
    """Entries, codes, shares by loops; the gradient goes the straight-through way."""
    groups, entries = made.entries.shape[:2]
    out, codes, shares = [], [], []
    for place, vector in enumerate(vectors):
        logits = (made.choice.weight @ vector + made.choice.bias).view(groups, entries)
        row, code = [], 0
        for group in range(groups):
            scores = logits[group]
            total = sum(math.exp(score) for score in scores.tolist())
            plain = [math.exp(score) / total for score in scores.tolist()]
            if noise is not None:
                scores = (scores + noise[place, group]) / temperature
            best = max(range(entries), key=scores.tolist().__getitem__)
            soft = scores.exp() / scores.exp().sum()
            # The value is the entry, whose own gradient is whole; what chose it gets that of soft.
            mixed = soft @ made.entries[group].detach() if noise is not None else 0
            mixed = mixed - mixed.detach() if noise is not None else 0
            row.append(made.entries[group, best] + mixed)
            code += best * entries**group
            shares.append(
                plain if noise is not None else [float(e == best) for e in range(entries)]
            )
        out.append(torch.cat(row))
        codes.append(code)
    return torch.stack(out), codes, torch.tensor(shares).view(len(vectors), groups, entries)


@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 3), st.booleans(),
       st.floats(0.3, 3))  # fmt: skip
def test_it_is_its_slow_twin(seed, count, groups, training, temperature):
    made = quantizer(seed, groups, width=2 * groups).train(training)
    vectors = torch.randn(count, 4, dtype=torch.float64, requires_grad=True)
    noise = noise_of(seed + 1, (count, groups, 5)) if training else None
    torch.manual_seed(seed + 1)
    found = made(vectors, torch.tensor([temperature], dtype=torch.float64))
    wanted, codes, shares = slow(made, vectors, temperature, noise)
    torch.testing.assert_close(found.vectors, wanted)
    assert found.codes.tolist() == codes
    torch.testing.assert_close(found.shares, shares.double(), atol=1e-6, rtol=0)
    leaves = [made.entries, *([vectors, made.choice.weight] if training else [])]
    towards = torch.randn_like(wanted)
    ours = torch.autograd.grad((found.vectors * towards).sum(), leaves)
    theirs = torch.autograd.grad((wanted * towards).sum(), leaves)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_equal_codes_are_equal_vectors_to_the_last_bit():
    made = quantizer(entries=3).float().train()
    found = made(torch.randn(200, 4), torch.tensor([0.7]))
    for code in found.codes.unique():
        same = found.vectors[found.codes == code]
        assert torch.equal(same, same[:1].expand_as(same))
    different = found.vectors.unique(dim=0)
    assert len(different) == len(found.codes.unique())


def test_noise_chooses_as_often_as_the_shares_say():
    made = quantizer(groups=1).float().train()
    vector = torch.randn(4) * 0.3
    found = made(vector.expand(20_000, 4), torch.tensor([2.0]))
    often = torch.bincount(found.codes, minlength=5) / 20_000
    torch.testing.assert_close(often, found.shares[0, 0].detach(), atol=0.015, rtol=0)


def test_evaluation_draws_nothing():
    made = quantizer().eval()
    vectors = torch.randn(3, 7, 4, dtype=torch.float64)
    one, other = (made(vectors, torch.tensor([t])) for t in (2.0, 0.1))
    assert torch.equal(one.vectors, other.vectors)
    assert one.vectors.shape == (3, 7, 6)
    assert one.shares.shape == (3, 7, 2, 5)
    torch.testing.assert_close(one.shares.sum(-1), torch.ones(3, 7, 2, dtype=torch.float64))


def test_the_temperature_falls_as_published():
    settings = QuantizerSettings()
    assert settings.temperature_at(0) == 2.0
    assert settings.temperature_at(1) == 2.0 * 0.999995
    assert settings.temperature_at(277_258) > 0.5
    assert settings.temperature_at(277_260) == 0.5
    assert settings.temperature_at(10**9) == 0.5


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"width": 7}, "width 7 is no multiple of the 2 codebooks"),
        ({"temperature": [0.5, 2.0]}, "temperature goes from 0.5 to 2; it must fall"),
        ({"temperature": [1.0, 0.0]}, "temperature goes from 1 to 0; it must fall"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, told):
    with pytest.raises(SettingsError, match=told):
        QuantizerSettings.parse(values)


def test_the_likeliest_entries_are_found_without_noise_and_send_nothing_back():
    made = quantizer().train()
    vectors = torch.randn(3, 4, 4, dtype=torch.float64, requires_grad=True)
    found = made.likeliest(vectors)
    assert not found.requires_grad
    weight, bias = made.choice.weight.detach(), made.choice.bias.detach()
    for place in np.ndindex(3, 4):
        scores = [float(weight[n] @ vectors.detach()[place] + bias[n]) for n in range(10)]
        for group in range(2):
            own = scores[5 * group : 5 * group + 5]
            assert found[(*place, group)] == own.index(max(own))
    codes = found[..., 0] + 5 * found[..., 1]
    assert torch.equal(codes, made.eval()(vectors, torch.ones(1)).codes)
