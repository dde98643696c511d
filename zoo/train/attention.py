"""Attention as two matrix products, for training: on a CPU the fused form's backward is slow."""

from typing import Any

import torch
from torch import Tensor


class MatmulAttention:
    """diffusers' attention processor for layers without masks or norms of their own."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """softmax(q kᵀ/√d) v.

        Args:
            attn: the layer.
            hidden_states: [b, q, c].
            encoder_hidden_states: [b, k, c'] for cross-attention, else None.
            attention_mask, temb: what diffusers passes; None in the layers meant here.
        """
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = attn.to_q(hidden_states).unflatten(2, (attn.heads, -1)).transpose(1, 2)
        key = attn.to_k(context).unflatten(2, (attn.heads, -1)).transpose(1, 2)
        value = attn.to_v(context).unflatten(2, (attn.heads, -1)).transpose(1, 2)
        scores = torch.matmul(query * attn.scale, key.transpose(2, 3))  # [b, h, q, k]
        mixed = torch.matmul(scores.softmax(-1).to(value.dtype), value)  # [b, h, q, d]
        output: Tensor = attn.to_out[0](mixed.transpose(1, 2).flatten(2))
        return output
