"""BAM, balanced attention: one branch attends with another branch's attention map.

b rows · i heads · q queries · k keys · e head width · n tokens.

softmax(Q_r K_rᵀ) V_e *is* "the edit branch with the reconstruction's map". So injecting a map is
a re-indexing of rows before scaled dot product attention: queries and keys of the source row,
values of one's own. No map is ever stored, the fused kernels stay, and every layer is balanced.
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

PICTURE_QUERIES = 256  # maps shown to people come from the layers nearest to 16×16


@dataclass(frozen=True)
class Injection:
    """For each row of a batch, the row whose queries and keys it attends with."""

    self_from: tuple[int, ...]  # [b]; a row's own index leaves it alone
    cross_from: tuple[int, ...]  # [b]

    def on(self, device: torch.device) -> Tensor:
        """Both as int64 [2, b] on a device."""
        return torch.tensor([self.self_from, self.cross_from], device=device)


@dataclass
class AttentionRecorder:
    """Collects one row's cross-attention, averaged over calls, layers and heads, by map size."""

    sums: dict[int, Tensor] = field(default_factory=dict)  # queries → [q, n]
    counts: dict[int, int] = field(default_factory=dict)

    def add(self, query: Tensor, key: Tensor, scale: float) -> None:
        """Take the map of one layer: query [i, q, e], key [i, n, e]."""
        logits = query.float() @ key.float().transpose(-1, -2) * scale
        average = logits.softmax(-1).mean(0)  # [q, n]
        size = average.shape[0]
        self.sums[size] = self.sums.get(size, torch.zeros_like(average)) + average
        self.counts[size] = self.counts.get(size, 0) + 1

    def maps(self) -> Tensor:
        """[q, n] float32 of the layers whose size is nearest to 16×16."""
        size = min(self.sums, key=lambda s: abs(s - PICTURE_QUERIES))
        return self.sums[size] / self.counts[size]


@dataclass(frozen=True)
class Recording:
    """A row of a call that is recorded."""

    row: int
    recorder: AttentionRecorder


class BalancedAttention:
    """A diffusers attention processor that re-indexes rows before attending."""

    def __init__(self, source: Tensor | None, recordings: Sequence[Recording]):
        """Attend each row with the queries and keys of its `source` row; None changes nothing.

        Args:
            source: [b] int64, on the device: a list would be copied there anew by every layer.
            recordings: whose maps are told.
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
        """Attend: hidden_states [b, q, i·e], encoder_hidden_states [b, n, d] → [b, q, i·e]."""
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
    unet: Any,
    layers: Mapping[str, bool],
    injection: Tensor | None,
    recordings: Sequence[Recording] = (),
) -> Iterator[None]:
    """Inside, the UNet attends as `injection` says and tells the recorders; after, as before.

    With neither, nothing is touched.

    Args:
        unet: diffusers' UNet2DConditionModel.
        layers: of `attention_layers`.
        injection: of `Injection.on`, [2, b].
        recordings: the rows whose cross-attention is told.
    """
    if injection is None and not recordings:
        yield
        return
    self_from, cross_from = (None, None) if injection is None else injection
    saved = dict(unet.attn_processors)
    try:
        # set_attn_processor empties the dict that it is given: each call gets one of its own.
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
