"""Attention of WavLM and w2v-BERT through torch's fused kernel.

Transformers writes out WavLM's attention, and looks up a vector for every pair of w2v-BERT's
frames. These take the place of the `forward` of its modules and use their parameters.
"""

from types import MethodType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def use_gated_attention(layers: Any) -> None:
    """WavLM: a bias by distance, from the first layer, gated by each frame."""
    for layer in layers:
        layer.attention.forward = MethodType(_gated_attention, layer.attention)


def use_distance_attention(layers: Any) -> None:
    """w2v-BERT: a learned vector for each distance, met by each query."""
    for layer in layers:
        layer.self_attn.forward = MethodType(_distance_attention, layer.self_attn)


def distances(longest: int, left: int, right: int, device: torch.device) -> Tensor:
    """(T, T) numbers of the distances from -left to right, from each frame to each."""
    places = torch.arange(longest, device=device)
    return (places - places[:, None]).clamp(-left, right) + left


def _gated_attention(
    self: Any,
    hidden_states: Tensor,
    attention_mask: Tensor,
    position_bias: Tensor,
    **_: Any,
) -> tuple[Tensor, None, Tensor]:
    heads = _heads(hidden_states, self.num_heads)  # (B, H, T, d)
    gates = self.gru_rel_pos_linear(heads).unflatten(-1, (2, 4)).sum(-1).sigmoid()
    inner, outer = gates.split(1, -1)  # (B, H, T, 1)
    gate = inner * (outer * self.gru_rel_pos_const - 1) + 2
    query, key, value = (
        _heads(projection(hidden_states), self.num_heads)
        for projection in (self.q_proj, self.k_proj, self.v_proj)
    )
    blocked = torch.zeros_like(attention_mask, dtype=gate.dtype).masked_fill(
        ~attention_mask, float("-inf")
    )
    bias = torch.addcmul(blocked, gate, position_bias).to(query.dtype)  # (B, H, T, T)
    dropout = self.dropout if self.training else 0.0
    found = F.scaled_dot_product_attention(query, key, value, bias, dropout)
    return self.out_proj(_joined(found)), None, position_bias


def _distance_attention(
    self: Any,
    hidden_states: Tensor,
    attention_mask: Tensor,
    relative_position_embeddings: Tensor,  # what `distances` gives
    **_: Any,
) -> tuple[Tensor, None]:
    query, key, value = (
        _heads(projection(hidden_states), self.num_heads)
        for projection in (self.linear_q, self.linear_k, self.linear_v)
    )
    # A query meets each distance once, not each pair of frames: T x 73 products, not T x T.
    met = query @ self.distance_embedding.weight.to(query.dtype).T * self.scaling
    index = relative_position_embeddings.expand(*met.shape[:-1], -1)
    bias = met.gather(-1, index).masked_fill(~attention_mask, float("-inf"))
    dropout = self.dropout.p if self.training else 0.0
    found = F.scaled_dot_product_attention(query, key, value, bias, dropout)
    return self.linear_out(_joined(found)), None


def _heads(states: Tensor, num_heads: int) -> Tensor:
    return states.view(*states.shape[:-1], num_heads, -1).transpose(1, 2)


def _joined(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(2)
