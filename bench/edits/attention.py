"""The changes that peers make to the UNet's attention: rows attend with parts of other rows.

b rows · i heads · q queries · n tokens · e head width.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from baret.unet.attention import attention_layers, output, project

PARTS = ("down_blocks", "mid_block", "up_blocks")  # in the order of computation


@dataclass(frozen=True)
class Layer:
    """One attention layer of the UNet."""

    name: str  # of its processor
    cross: bool
    depth: float  # 0–1, share of the layers of its kind that lie before it


def layers(unet: torch.nn.Module) -> list[Layer]:
    """Return all self-attention, then all cross-attention layers, each in order of computation.

    Raises:
        AttentionLayoutError: the UNet has other attention than plain transformer blocks.
    """
    cross_by_name = attention_layers(unet)
    ordered = sorted(cross_by_name, key=lambda name: PARTS.index(name.split(".")[0]))
    found = []
    for cross in (False, True):
        names = [name for name in ordered if cross_by_name[name] == cross]
        found += [Layer(name, cross, i / len(names)) for i, name in enumerate(names)]
    return found


class AttentionProcessor(ABC):
    """A diffusers attention processor; subclasses define `attend`."""

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
        return output(attn, self.attend(query, key, value, attn.scale))

    @abstractmethod
    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Return what the heads give, [b, i, q, e], of query, key and value [b, i, ·, e]."""


@dataclass(frozen=True)
class RowInjection(AttentionProcessor):
    """Each row attends with other rows' queries, keys or values."""

    query: list[int] | None = None  # [b] source row of each row; None changes nothing
    key: list[int] | None = None
    value: list[int] | None = None

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Re-index the rows, then attend."""
        query = query if self.query is None else query[self.query]
        key = key if self.key is None else key[self.key]
        value = value if self.value is None else value[self.value]
        return scaled_dot_product_attention(query, key, value, scale=scale)


@dataclass(frozen=True)
class WordMapInjection(AttentionProcessor):
    """Target rows take the cross-attention maps of source rows, word by word.

    Prompt-to-prompt (arXiv 2208.01626, section 3): M' = α (M_source A) + (1 − α) M_target.
    """

    source: list[int]  # [r] rows whose maps are taken
    target: list[int]  # [r] rows that take them
    alignment: Tensor  # A, [r, n, n]: column j is where the target's token j looks in the source
    share: Tensor  # α, [r, 1, 1, n]: 1 takes the source's column, 0 keeps the target's own
    inject: bool  # whether maps are taken in this step
    map_sums: dict[int, Tensor] = field(default_factory=dict)  # output: q → sum of maps [b, q, n]

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Compute the maps, inject and record them, then attend."""
        maps = (query @ key.transpose(-1, -2) * scale).softmax(-1)  # [b, i, q, n]
        if self.inject:
            injected = maps[self.source] @ self.alignment[:, None].to(maps.dtype)
            share = self.share.to(maps.dtype)
            maps = maps.index_copy(
                0,
                torch.tensor(self.target, device=maps.device),
                share * injected + (1 - share) * maps[self.target],
            )
        size = maps.shape[2]
        self.map_sums[size] = self.map_sums.get(size, 0) + maps.float().mean(1)
        return maps @ value


@contextmanager
def replaced_processors(
    unet: Any, choose: Callable[[Layer], AttentionProcessor | None]
) -> Iterator[None]:
    """Use the chosen processors inside the block; None leaves a layer alone.

    Raises:
        AttentionLayoutError: the UNet has other attention than plain transformer blocks.
    """
    chosen = {layer.name: choose(layer) for layer in layers(unet)}
    with restored_processors(unet) as saved:
        unet.set_attn_processor(
            {name: saved[name] if new is None else new for name, new in chosen.items()}
        )
        yield


@contextmanager
def restored_processors(unet: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the attention processors and restore them after the block, whatever it sets."""
    saved = dict(unet.attn_processors)
    try:
        yield saved
    finally:
        # set_attn_processor empties the dict that it is given.
        unet.set_attn_processor(dict(saved))
