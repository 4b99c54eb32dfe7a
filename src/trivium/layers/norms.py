"""Normalisation over the entries a row really has, whatever stands behind them."""

import torch
from torch import Tensor


def padding_of(lengths: Tensor, longest: int) -> Tensor:
    """True behind the end of a row."""
    return torch.arange(longest, device=lengths.device) >= lengths[:, None]  # (B, longest)


def standardise(
    values: Tensor, lengths: Tensor, epsilon: float = 1e-7, *, unbiased: bool = False
) -> Tensor:
    """Each row, (longest, ...), at mean 0 and variance 1 over its own entries; zeros behind.

    In float32, or in float64 where the values are.
    """
    values = values.to(torch.promote_types(values.dtype, torch.float32))
    later = (None,) * (values.ndim - 2)
    padding = padding_of(lengths, values.shape[1])[(..., *later)]
    count = lengths.clamp(min=1)[(..., None, *later)]
    total = values.masked_fill(padding, 0).sum(1, keepdim=True)
    centred = (values - total / count).masked_fill(padding, 0)
    freedom = (count - 1).clamp(min=1) if unbiased else count
    variance = centred.square().sum(1, keepdim=True) / freedom
    return centred * torch.rsqrt(variance + epsilon)


def masked_channel_norm(
    frames: Tensor, lengths: Tensor, weight: Tensor, bias: Tensor, epsilon: float
) -> Tensor:
    """Group normalisation with a group per channel, its statistics taken over real frames only.

    `frames` is (B, C, T). Without padding it is `torch.nn.functional.group_norm` with C groups.
    Statistics are at least float32, yet no float32 copy of the frames is made.
    """
    wide = torch.promote_types(frames.dtype, torch.float32)
    padding = padding_of(lengths, frames.shape[-1])[:, None]
    count = lengths.clamp(min=1)[:, None, None]
    with torch.no_grad():  # the result does not depend on this shift, only its precision does
        share = ((~padding).to(wide) / count).to(frames.dtype)
        shift = frames @ share.transpose(1, 2)  # (B, C, 1)
    values = (frames - shift).masked_fill_(padding, 0)
    mean = values.sum(-1, keepdim=True, dtype=wide) / count
    # The norm is the one reduction that squares and adds up in another type without a copy.
    norm = torch.linalg.vector_norm(values, dim=-1, keepdim=True, dtype=wide)
    variance = (norm.square() / count - mean.square()).clamp(min=0)
    scale = torch.rsqrt(variance + epsilon) * weight.to(wide)[:, None]
    offset = bias.to(wide)[:, None] - mean * scale
    return torch.addcmul(offset.to(values.dtype), values, scale.to(values.dtype))
