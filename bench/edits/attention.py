"""What the peers change in the UNet: whose queries, keys and values a row attends with.

b rows · i heads · q queries · n tokens · e head width.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from baret.unet.attention import attention_layers, output, project

PARTS = ("down_blocks", "mid_block", "up_blocks")  # in the order that the signal takes


@dataclass(frozen=True)
class Layer:
    """One attention layer of the UNet."""

    name: str  # of its processor
    cross: bool
    depth: float  # 0–1, share of the layers of its kind that lie before it


def layers(unet: torch.nn.Module) -> list[Layer]:
    """All attention layers in the order of computation.

    Raises:
        AttentionLayoutError: the UNet has other attention than plain transformer blocks.
    """
    found = attention_layers(unet)
    ordered = sorted(found, key=lambda name: PARTS.index(name.split(".")[0]))
    listed = []
    for cross in (False, True):
        names = [name for name in ordered if found[name] == cross]
        listed += [Layer(name, cross, i / len(names)) for i, name in enumerate(names)]
    return listed


@dataclass(frozen=True)
class Rows:
    """An attention processor: each row attends with other rows' queries, keys and values."""

    query: list[int] | None = None  # [b], None leaves all alone
    key: list[int] | None = None
    value: list[int] | None = None

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
        query = query if self.query is None else query[self.query]
        key = key if self.key is None else key[self.key]
        value = value if self.value is None else value[self.value]
        return output(attn, scaled_dot_product_attention(query, key, value, scale=attn.scale))


@dataclass(frozen=True)
class Words:
    """An attention processor: target rows take the source rows' map, word by word.

    Prompt-to-prompt (arXiv 2208.01626, section 3): M' = α (M_source A) + (1 − α) M_target.
    """

    source: list[int]  # [r] rows whose maps are taken
    target: list[int]  # [r] rows that take them
    alignment: Tensor  # A, [r, n, n]: column j is where the target's token j looks in the source
    share: Tensor  # α, [r, 1, 1, n]: 1 takes the source's column, 0 keeps the own one
    inject: bool  # whether maps are taken in this step
    seen: dict[int, Tensor] = field(default_factory=dict)  # q → sum of maps [b, q, n], filled in

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
        maps = (query @ key.transpose(-1, -2) * attn.scale).softmax(-1)  # [b, i, q, n]
        if self.inject:
            taken = maps[self.source] @ self.alignment[:, None].to(maps.dtype)
            share = self.share.to(maps.dtype)
            maps = maps.index_copy(
                0,
                torch.tensor(self.target, device=maps.device),
                share * taken + (1 - share) * maps[self.target],
            )
        size = maps.shape[2]
        self.seen[size] = self.seen.get(size, 0) + maps.float().mean(1)
        return output(attn, maps @ value)


Processor = Callable[..., Tensor]  # (attn, hidden states, text, …) → hidden states


@contextmanager
def processors(unet: Any, choose: Callable[[Layer], Processor | None]) -> Iterator[None]:
    """Inside, layers attend as chosen; None leaves a layer alone. After, as before.

    Raises:
        AttentionLayoutError: the UNet has other attention than plain transformer blocks.
    """
    chosen = {layer.name: choose(layer) for layer in layers(unet)}
    with restored(unet) as saved:
        unet.set_attn_processor(
            {name: saved[name] if new is None else new for name, new in chosen.items()}
        )
        yield


@contextmanager
def restored(unet: Any) -> Iterator[Mapping[str, Any]]:
    """Gives the attention processors; whatever is set inside, after it they are these again."""
    saved = dict(unet.attn_processors)
    try:
        yield saved
    finally:
        # set_attn_processor empties the dict that it is given.
        unet.set_attn_processor(dict(saved))
