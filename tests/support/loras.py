"""LoRA files for tiny models, in every layout that public tools write."""

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

Weights = dict[str, torch.Tensor]

# One layer of each kind, by part: attention, feed-forward, projection, convolution, time, text.
LAYERS = (
    "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
    "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k",
    "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0",
    "unet.up_blocks.1.attentions.0.transformer_blocks.0.ff.net.0.proj",
    "unet.up_blocks.1.attentions.1.proj_in",
    "unet.down_blocks.1.resnets.0.conv1",
    "unet.down_blocks.1.resnets.0.time_emb_proj",
    "text_encoder.encoder.layers.0.self_attn.q_proj",
    "text_encoder.encoder.layers.0.mlp.fc1",
)
ATTENTION = tuple(name for name in LAYERS if ".attn" in name or "self_attn" in name)
RANK = 3


def layer_of(pipeline: StableDiffusionPipeline, name: str) -> torch.nn.Module:
    """Return a layer by part and name."""
    part, _, path = name.partition(".")
    return getattr(pipeline, part).get_submodule(path)


def products(
    pipeline: StableDiffusionPipeline, layers: tuple[str, ...] = LAYERS, *, seed: int = 0
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return random (down, up) for layers of a pipeline, as convolutions where they are."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name in layers:
        shape = layer_of(pipeline, name).weight.shape
        ones = (1,) * (len(shape) - 2)
        down = torch.randn(RANK, *shape[1:], generator=generator) / 10
        found[name] = down, torch.randn(shape[0], RANK, *ones, generator=generator) / 10
    return found


def kohya(pairs: dict[str, tuple[torch.Tensor, torch.Tensor]], *, alpha: float | None) -> Weights:
    """Name weights as kohya's tools do, with α of each layer."""
    weights = {}
    for name, (down, up) in pairs.items():
        part, _, path = name.partition(".")
        flat = path.replace(".", "_")
        base = f"lora_unet_{flat}" if part == "unet" else f"lora_te_text_model_{flat}"
        weights |= {f"{base}.lora_down.weight": down, f"{base}.lora_up.weight": up}
        if alpha is not None:
            weights[f"{base}.alpha"] = torch.tensor(alpha)
    return weights


def diffusers(pairs: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> Weights:
    """Name weights as diffusers does today."""
    weights = {}
    for name, (down, up) in pairs.items():
        base = name.replace("text_encoder.", "text_encoder.text_model.")
        weights |= {f"{base}.lora_A.weight": down, f"{base}.lora_B.weight": up}
    return weights


def earlier_diffusers(pairs: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> Weights:
    """Name weights of attention layers as diffusers did in 2023."""
    weights = {}
    for name, (down, up) in pairs.items():
        path, _, layer = name.replace("to_out.0", "to_out").rpartition(".")
        path = path.replace("text_encoder.", "text_encoder.text_model.")
        if name.startswith("unet."):
            base = f"{path}.processor.{layer}_lora"
        else:
            base = f"{path}.{layer}.lora_linear_layer"
        weights |= {f"{base}.down.weight": down, f"{base}.up.weight": up}
    return weights


def save_lora(weights: Weights, path: Path, **metadata: str) -> str:
    """Write a file, as float32 unless the weights are otherwise, and return its path."""
    save_file({n: t.contiguous() for n, t in weights.items()}, path, metadata or None)
    return str(path)
