"""BAM, balanced attention: one branch attends with another branch's attention map.

b rows · i heads · q queries · k keys · e head width · n tokens.

softmax(Q_r K_rᵀ) V_e *is* "the edit branch with the reconstruction's map". So injecting a map is
a re-indexing of rows before scaled dot product attention: queries and keys of the source row,
values of one's own. No map is ever stored, the fused kernels stay, and every layer is balanced.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from baret.errors import AttentionLayoutError

PICTURE_QUERIES = 256  # maps shown to people come from the layers nearest to 16×16


@dataclass(frozen=True)
class Injection:
    """For each row of a batch, the row whose queries and keys it attends with."""

    self_from: tuple[int, ...]  # [b]; a row's own index leaves it alone
    cross_from: tuple[int, ...]  # [b]


@dataclass
class AttentionRecorder:
    """Collects one row's cross-attention, averaged over calls, layers and heads, by map size."""

    row: int
    sums: dict[int, Tensor] = field(default_factory=dict)  # queries → [q, n]
    counts: dict[int, int] = field(default_factory=dict)

    def add(self, query: Tensor, key: Tensor, scale: float) -> None:
        """Take the map of one layer: query [b, i, q, e], key [b, i, n, e]."""
        q, k = query[self.row].float(), key[self.row].float()
        average = (q @ k.transpose(-1, -2) * scale).softmax(-1).mean(0)  # [q, n]
        size = average.shape[0]
        self.sums[size] = self.sums.get(size, torch.zeros_like(average)) + average
        self.counts[size] = self.counts.get(size, 0) + 1

    def maps(self) -> Tensor:
        """[q, n] float32 of the layers whose size is nearest to 16×16."""
        size = min(self.sums, key=lambda s: abs(s - PICTURE_QUERIES))
        return self.sums[size] / self.counts[size]


class BalancedAttention:
    """A diffusers attention processor that re-indexes rows before attending."""

    def __init__(self, source: tuple[int, ...] | None, recorder: AttentionRecorder | None):
        """Attend each row with the queries and keys of its `source` row; None changes nothing."""
        self._source = source
        self._recorder = recorder

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Attend: hidden_states [b, q, i·e], encoder_hidden_states [b, n, d] → [b, q, i·e]."""
        query, key, value = project(attn, hidden_states, encoder_hidden_states)
        if self._source is not None:
            source = list(self._source)
            query, key = query[source], key[source]
        if self._recorder is not None:
            self._recorder.add(query, key, attn.scale)
        mixed = scaled_dot_product_attention(query, key, value, scale=attn.scale)
        return output(attn, mixed)


def project(
    attn: Any, hidden_states: Tensor, context: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, [b, i, ·, e]."""
    context = hidden_states if context is None else context

    def heads(x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], attn.heads, -1).transpose(1, 2)  # [b, i, ·, e]

    return heads(attn.to_q(hidden_states)), heads(attn.to_k(context)), heads(attn.to_v(context))


def output(attn: Any, mixed: Tensor) -> Tensor:
    """The layer's output [b, q, i·e] of what its heads give [b, i, q, e]."""
    projected: Tensor = attn.to_out[1](attn.to_out[0](mixed.transpose(1, 2).flatten(2)))
    return projected


def attention_layers(unet: torch.nn.Module) -> dict[str, bool]:
    """Processor names of the UNet's transformer blocks → whether the layer is cross-attention.

    Raises:
        AttentionLayoutError: the UNet has other attention, or attention that BAM does not compute.
    """
    found = {}
    for name, module in unet.named_modules():
        if isinstance(module, BasicTransformerBlock):
            for layer, cross in (("attn1", False), ("attn2", True)):
                attn = getattr(module, layer)
                if attn is None or not _is_plain(attn):
                    raise AttentionLayoutError(f"{name}.{layer} is no plain attention layer.")
                found[f"{name}.{layer}.processor"] = cross
    processors = set(unet.attn_processors)  # type: ignore[arg-type]
    if not found or processors != set(found):
        raise AttentionLayoutError(
            f"The UNet has {len(processors)} attention processors, "
            f"{len(found)} of them in transformer blocks; BAM needs all of them there."
        )
    return found


def _is_plain(attn: Any) -> bool:
    extras = (attn.group_norm, attn.spatial_norm, attn.norm_cross, attn.norm_q, attn.norm_k)
    return not any(extras) and not attn.residual_connection and attn.rescale_output_factor == 1


@contextmanager
def balanced_attention(
    unet: Any, injection: Injection | None, recorder: AttentionRecorder | None = None
) -> Iterator[None]:
    """Inside, the UNet attends as `injection` says and tells `recorder`; after, as before.

    With neither, nothing is touched.

    Raises:
        AttentionLayoutError: the layers matched are not those expected.
    """
    if injection is None and recorder is None:
        yield
        return
    layers = attention_layers(unet)
    self_from, cross_from = (
        (injection.self_from, injection.cross_from) if injection else (None, None)
    )
    saved = dict(unet.attn_processors)
    try:
        # set_attn_processor empties the dict that it is given: each call gets one of its own.
        unet.set_attn_processor(
            {
                name: BalancedAttention(cross_from, recorder)
                if cross
                else BalancedAttention(self_from, None)
                for name, cross in layers.items()
            }
        )
        yield
    finally:
        unet.set_attn_processor(saved)
