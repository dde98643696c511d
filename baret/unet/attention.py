"""BAM, balanced attention: one branch attends with another branch's attention map.

b rows · i heads · q queries · k keys · e head width · n tokens.

softmax(Q_r K_rᵀ) V_e *is* "the edit branch with the reconstruction's map". So a map is injected by
re-indexing rows before scaled dot product attention: a row takes its queries and keys from its
source row and keeps its own values. No map is ever stored, the fused kernels stay, and every layer
is balanced.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from baret.errors import AttentionLayoutError

HEATMAP_QUERIES = 256  # heatmaps come from the layers nearest to 16×16


@dataclass(frozen=True)
class Injection:
    """For each row of a batch, its source row: the one whose queries and keys it attends with."""

    self_from: tuple[int, ...]  # [b], in self-attention; a row's own index leaves it unchanged
    cross_from: tuple[int, ...]  # [b], in cross-attention

    def to_tensor(self, device: torch.device) -> Tensor:
        """Return both as int64 [2, b] on a device."""
        return torch.tensor([self.self_from, self.cross_from], device=device)


@dataclass
class AttentionRecorder:
    """Collects one row's cross-attention, averaged over calls, layers and heads, by map size."""

    sums: dict[int, Tensor] = field(default_factory=dict)  # queries → [q, n]
    counts: dict[int, int] = field(default_factory=dict)

    def add(self, query: Tensor, key: Tensor, scale: float) -> None:
        """Add the map of one layer: query [i, q, e], key [i, n, e]."""
        logits = query.float() @ key.float().transpose(-1, -2) * scale
        average = logits.softmax(-1).mean(0)  # [q, n]
        size = average.shape[0]
        self.sums[size] = self.sums.get(size, torch.zeros_like(average)) + average
        self.counts[size] = self.counts.get(size, 0) + 1

    def maps(self) -> Tensor:
        """Return the average map of the layers nearest to 16×16, [q, n] float32."""
        size = min(self.sums, key=lambda s: abs(s - HEATMAP_QUERIES))
        return self.sums[size] / self.counts[size]


@dataclass(frozen=True)
class Recording:
    """A row of a call whose cross-attention is recorded."""

    row: int
    recorder: AttentionRecorder


class BalancedAttention:
    """A diffusers attention processor that re-indexes rows before attending."""

    def __init__(self, source: Tensor | None, recordings: Sequence[Recording]):
        """Attend each row with the queries and keys of its source row.

        Args:
            source: [b] int64 on the device, since every layer would copy a list there again. None
                changes nothing.
            recordings: rows whose maps are recorded.
        """
        self._source = source
        self._recordings = recordings

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Map hidden_states [b, q, i·e] and encoder_hidden_states [b, n, d] to [b, q, i·e]."""
        query, key, value = project(attn, hidden_states, encoder_hidden_states)
        if self._source is not None:
            query, key = query[self._source], key[self._source]
        for recording in self._recordings:
            row = recording.row
            recording.recorder.add(query[row], key[row], attn.scale)
        mixed = scaled_dot_product_attention(query, key, value, scale=attn.scale)
        return output(attn, mixed)


def project(
    attn: Any, hidden_states: Tensor, context: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values, [b, i, ·, e]."""
    context = hidden_states if context is None else context

    def heads(x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], attn.heads, -1).transpose(1, 2)  # [b, i, ·, e]

    return heads(attn.to_q(hidden_states)), heads(attn.to_k(context)), heads(attn.to_v(context))


def output(attn: Any, mixed: Tensor) -> Tensor:
    """Return the layer's output [b, q, i·e] from the mixed values of its heads [b, i, q, e]."""
    projected: Tensor = attn.to_out[1](attn.to_out[0](mixed.transpose(1, 2).flatten(2)))
    return projected


def attention_layers(unet: torch.nn.Module) -> dict[str, bool]:
    """Return the attention layers by processor name, and whether each is cross-attention.

    Raises:
        AttentionLayoutError: the UNet has attention outside its transformer blocks, or attention
            that does more than BAM computes.
    """
    layers = {}
    for name, module in unet.named_modules():
        if isinstance(module, BasicTransformerBlock):
            for attribute, cross in (("attn1", False), ("attn2", True)):
                attn = getattr(module, attribute)
                if attn is None or not _is_plain(attn):
                    raise AttentionLayoutError(
                        f"{name}.{attribute} is not a plain attention layer."
                    )
                layers[f"{name}.{attribute}.processor"] = cross
    processors = set(unet.attn_processors)  # type: ignore[arg-type]
    if not layers or processors != set(layers):
        raise AttentionLayoutError(
            f"The UNet has {len(processors)} attention processors, "
            f"{len(layers)} of them in transformer blocks; BAM needs all of them there."
        )
    return layers


def _is_plain(attn: Any) -> bool:
    extras = (attn.group_norm, attn.spatial_norm, attn.norm_cross, attn.norm_q, attn.norm_k)
    return not any(extras) and not attn.residual_connection and attn.rescale_output_factor == 1


@contextmanager
def balanced_attention(
    unet: Any,
    layers: Mapping[str, bool],
    injection: Tensor | None,
    recordings: Sequence[Recording] = (),
) -> Iterator[None]:
    """Make the UNet attend as `injection` says inside the block, and record maps.

    Afterwards the UNet is as it was. Without injection and recordings it is not touched.

    Args:
        unet: diffusers' UNet2DConditionModel.
        layers: from `attention_layers`.
        injection: from `Injection.to_tensor`, [2, b].
        recordings: rows whose cross-attention is recorded.
    """
    if injection is None and not recordings:
        yield
        return
    self_from, cross_from = (None, None) if injection is None else injection
    saved = dict(unet.attn_processors)
    try:
        # set_attn_processor empties the dict it is given, so each call builds a new one.
        unet.set_attn_processor(
            {
                name: BalancedAttention(cross_from, recordings)
                if cross
                else BalancedAttention(self_from, ())
                for name, cross in layers.items()
            }
        )
        yield
    finally:
        unet.set_attn_processor(saved)
