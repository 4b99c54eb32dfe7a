"""Conformer layers: equal to loops in float64, the same in every batch, and they look both ways."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trivium.data.batch import Ragged
from trivium.errors import SettingsError
from trivium.layers.conformer import (
    ConformerLayer,
    ConformerSettings,
    Subsampling,
    masked_group_norm,
)

lengths_of_rows = st.lists(st.integers(1, 9), min_size=1, max_size=3)
SMALL = ConformerSettings(layers=1, width=8, feedforward=12, heads=2, kernel=3, groups=4,
                          dropout=0.0, bins=10, channels=3)  # fmt: skip


def built(seed=0, **changes):
    torch.manual_seed(seed)
    layer = ConformerLayer(SMALL.model_copy(update=changes)).double()
    for parameter in layer.parameters():  # norms too are no identities
        parameter.data += 0.1 * torch.randn_like(parameter)
    return layer


def rows_of(lengths, seed, width=8, extra=0):
    """Rows with loud noise behind them."""
    torch.manual_seed(seed)
    rows = torch.randn(len(lengths), max(lengths) + extra, width, dtype=torch.float64)
    rows = Ragged(rows, torch.tensor(lengths))
    rows.data[~rows.mask()] *= 1000
    return rows


# Slow twins, of one row.


def slow_norm(vector, norm, eps=1e-5):
    mean = sum(vector.tolist()) / len(vector)
    variance = sum((value - mean) ** 2 for value in vector.tolist()) / len(vector)
    return (vector - mean) / math.sqrt(variance + eps) * norm.weight + norm.bias


def slow_feed_forward(frame, part):
    inner = part.widen.weight @ slow_norm(frame, part.norm) + part.widen.bias
    return part.narrow.weight @ (inner * inner.sigmoid()) + part.narrow.bias


def slow_attention(row, part, heads=2):
    width = row.shape[1]
    made = [part.project.weight @ slow_norm(frame, part.norm) + part.project.bias for frame in row]
    out = torch.zeros_like(row)
    each = width // heads
    for head in range(heads):
        own = slice(head * each, (head + 1) * each)
        for here, asking in enumerate(made):
            weights = [math.exp(float(asking[:width][own] @ other[width : 2 * width][own])
                                / math.sqrt(each)) for other in made]  # fmt: skip
            for weight, other in zip(weights, made, strict=True):
                out[here, own] += weight / sum(weights) * other[2 * width :][own]
    return torch.stack([part.out.weight @ frame + part.out.bias for frame in out])


def slow_convolution(row, part, groups, kernel=3):
    width = row.shape[1]
    gated = []
    for frame in row:
        both = part.widen.weight @ slow_norm(frame, part.norm) + part.widen.bias
        gated.append(both[:width] * both[width:].sigmoid())
    spread = torch.zeros_like(row)
    for here in range(len(row)):
        for tap in range(kernel):
            there = here + tap - kernel // 2
            if 0 <= there < len(row):
                spread[here] += part.depthwise.weight[:, 0, tap] * gated[there]
        spread[here] += part.depthwise.bias
    if groups:
        normed = torch.zeros_like(row)
        for group in range(groups):
            own = slice(group * width // groups, (group + 1) * width // groups)
            values = spread[:, own].flatten().tolist()
            mean = math.fsum(values) / len(values)
            variance = math.fsum((value - mean) ** 2 for value in values) / len(values)
            normed[:, own] = (spread[:, own] - mean) / math.sqrt(variance + 1e-5)
        normed = normed * part.inner_norm.weight + part.inner_norm.bias
    else:
        normed = torch.stack([slow_norm(frame, part.inner_norm) for frame in spread])
    return (normed * normed.sigmoid()) @ part.narrow.weight.T + part.narrow.bias


@torch.no_grad()
def slow_layer(row, layer, groups):
    row = row + torch.stack([slow_feed_forward(frame, layer.before) for frame in row]) / 2
    row = row + slow_attention(row, layer.attention)
    row = row + slow_convolution(row, layer.convolution, groups)
    row = row + torch.stack([slow_feed_forward(frame, layer.after) for frame in row]) / 2
    return torch.stack([slow_norm(frame, layer.norm) for frame in row])


@settings(max_examples=15)
@given(lengths_of_rows, st.integers(0, 3), st.sampled_from([0, 1, 4]), st.integers(0, 1000))
def test_a_layer_is_its_slow_twin_row_by_row_whatever_stands_behind(lengths, extra, groups, seed):
    layer, rows = built(seed, groups=groups), rows_of(lengths, seed, extra=extra)
    with torch.no_grad():
        found = layer(rows.data, rows.mask())
    for row, own in zip(Ragged(found, rows.lengths).rows(), rows.rows(), strict=True):
        torch.testing.assert_close(row, slow_layer(own, layer, groups))


@given(lengths_of_rows, st.integers(0, 3), st.sampled_from([1, 2, 4]), st.integers(0, 1000))
def test_the_norm_is_torch_s_own_on_each_row_alone(lengths, extra, groups, seed):
    rows = rows_of(lengths, seed, extra=extra)
    norm = nn.GroupNorm(groups, 8).double()
    norm.weight.data.normal_()
    norm.bias.data.normal_()
    found = Ragged(masked_group_norm(rows.data, rows.mask(), norm), rows.lengths)
    for row, own in zip(found.rows(), rows.rows(), strict=True):
        torch.testing.assert_close(row, norm(own.T[None])[0].T)


def test_statistics_of_half_precision_are_single():
    rows = rows_of([50], 0).data * 0.01 + 30
    norm = nn.GroupNorm(2, 8)
    mask = torch.ones(1, 50, dtype=torch.bool)
    found = masked_group_norm(rows.bfloat16(), mask, norm)
    exact = norm.double()(rows.bfloat16().double().transpose(1, 2)).transpose(1, 2)
    assert found.dtype == torch.bfloat16
    assert (found.double() - exact).abs().max() < 0.02


def test_a_layer_looks_both_ways():
    layer, rows = built(groups=0), rows_of([9], 0).data
    mask = torch.ones(1, 9, dtype=torch.bool)
    rows.requires_grad_()
    for place in (0, 8):
        (gradient,) = torch.autograd.grad(layer(rows, mask)[0, place].sum(), rows)
        assert (gradient[0].abs().sum(1) > 0).all()


def test_dropout_is_for_training_only():
    layer, rows = built(dropout=0.5), rows_of([6], 0)
    layer.eval()
    assert torch.equal(layer(rows.data, rows.mask()), layer(rows.data, rows.mask()))
    layer.train()
    assert not torch.equal(layer(rows.data, rows.mask()), layer(rows.data, rows.mask()))


@given(st.lists(st.integers(1, 21), min_size=1, max_size=3), st.integers(0, 5))
def test_subsampling_makes_a_quarter_and_is_the_same_in_every_batch(lengths, extra):
    torch.manual_seed(1)
    subsampling = Subsampling(SMALL).double()
    rows = rows_of(lengths, 2, width=10, extra=extra)
    found = subsampling(rows)
    assert found.lengths.tolist() == [math.ceil(length / 4) for length in lengths]
    assert found.data.shape[2] == subsampling.width == 9
    for row, own in zip(found.rows(), rows.rows(), strict=True):
        alone = subsampling(Ragged(own[None], torch.tensor([len(own)])))
        torch.testing.assert_close(row, alone.data[0])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"kernel": 4}, "kernel 4 has no frame in its middle"),
        ({"width": 30, "heads": 4}, "width 30 is no multiple of 4 heads"),
        ({"width": 40, "groups": 16}, "width 40 is no multiple of 16 groups"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, told):
    with pytest.raises(SettingsError, match=told):
        ConformerSettings.parse(values)
