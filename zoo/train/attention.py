"""Attention as two matrix products, for training: on a CPU the fused form's backward is slow."""

from typing import Any

import torch
from torch import Tensor

from baret.unet.attention import output, project


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
        query, key, value = project(attn, hidden_states, encoder_hidden_states)
        scores = torch.matmul(query * attn.scale, key.transpose(2, 3))  # [b, h, q, k]
        mixed = torch.matmul(scores.softmax(-1).to(value.dtype), value)  # [b, h, q, d]
        return output(attn, mixed)
