"""Save a Stable Diffusion model in the layout of the original single files.

The names match the published files of Stable Diffusion 1.x (the UNet of CompVis/latent-diffusion,
its autoencoder, CLIP's text model under `cond_stage_model.transformer`) and of Stable Diffusion XL
(Stability-AI/generative-models, two text encoders under `conditioner.embedders`).
"""

import re
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import save_file

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "time_embedding.cond_proj": "time_embed.cond_proj",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}


def unet_name(name: str, bare_levels: tuple[int, ...] = (0,)) -> str:
    """Return the original name of a UNet weight of diffusers.

    Args:
        name: in diffusers.
        bare_levels: of the decoder, without attention: there an upsampler follows the convolution.
    """
    for ours, theirs in _UNET_ENDS.items():
        if name.startswith(ours + "."):
            return theirs + name.removeprefix(ours)
    block, rest = re.match(r"(\w+_blocks?(?:\.\d+)?\.\w+\.\d+)\.(.*)", name).groups()
    side, i, kind, j = re.match(r"(down|up|mid)_blocks?(?:\.(\d+))?\.(\w+)\.(\d+)", block).groups()
    i, j = int(i or 0), int(j)
    if kind == "resnets":
        module, tail = rest.split(".", 1)
        rest = f"{_RESNET[module]}.{tail}"
        module_path = {
            "down": f"input_blocks.{3 * i + j + 1}.0",
            "up": f"output_blocks.{3 * i + j}.0",
            "mid": f"middle_block.{2 * j}",
        }[side]
    elif kind == "attentions":
        module_path = {
            "down": f"input_blocks.{3 * i + j + 1}.1",
            "up": f"output_blocks.{3 * i + j}.1",
            "mid": "middle_block.1",
        }[side]
    elif kind == "downsamplers":
        module_path, rest = f"input_blocks.{3 * (i + 1)}.0", rest.replace("conv", "op")
    else:
        module_path = f"output_blocks.{3 * i + 2}.{1 if i in bare_levels else 2}"
    return f"{module_path}.{rest}"


def vae_name(name: str) -> str:
    """Return the original name of a VAE weight of diffusers."""
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    if "mid_block.attentions.0." in name:
        name = name.replace("mid_block.attentions.0.", "mid.attn_1.")
        for ours, theirs in _VAE_ATTENTION.items():
            name = name.replace(f"attn_1.{ours}.", f"attn_1.{theirs}.")
    name = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(
        r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{3 - int(m[1])}.block.{m[2]}", name
    )
    return re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample", name)


def save_original(
    pipeline: StableDiffusionPipeline | StableDiffusionXLPipeline, path: Path
) -> None:
    """Write a pipeline's weights to one file in the original layout."""
    save_file(original_weights(pipeline), path)


def original_weights(
    pipeline: StableDiffusionPipeline | StableDiffusionXLPipeline,
) -> dict[str, torch.Tensor]:
    """Return a pipeline's weights by their names in the original layout."""
    weights: dict[str, torch.Tensor] = {}
    ups = pipeline.unet.config.up_block_types
    bare = tuple(level for level, kind in enumerate(ups) if not kind.startswith("Cross"))
    for name, tensor in pipeline.unet.state_dict().items():
        weights[f"model.diffusion_model.{unet_name(name, bare)}"] = tensor
    for name, tensor in pipeline.vae.state_dict().items():
        theirs = vae_name(name)
        convolution = re.search(r"attn_1\.(q|k|v|proj_out)\.weight", theirs)  # 1×1 in the original
        weights[f"first_stage_model.{theirs}"] = tensor[..., None, None] if convolution else tensor
    text = {n.removeprefix("text_model."): t for n, t in pipeline.text_encoder.state_dict().items()}
    if hasattr(pipeline, "text_encoder_2"):
        second = pipeline.text_encoder_2.state_dict()
        projection = second.pop("text_projection.weight").T
        open_clip = _open_clip_weights(
            {name.removeprefix("text_model."): tensor for name, tensor in second.items()}
        ) | {"text_projection": projection}
        first, other = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."
        weights |= {f"{first}text_model.{name}": tensor for name, tensor in text.items()}
        weights |= {other + name: tensor for name, tensor in open_clip.items()}
    elif pipeline.text_encoder.config.hidden_act == "quick_gelu":
        weights |= {f"cond_stage_model.transformer.text_model.{n}": t for n, t in text.items()}
    else:
        weights |= {f"cond_stage_model.model.{n}": t for n, t in _open_clip_weights(text).items()}
    return {name: tensor.contiguous() for name, tensor in weights.items()}


_OPEN_CLIP = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm": "ln_final",
    "encoder.layers": "transformer.resblocks",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def _open_clip_weights(text: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a text encoder's weights by OpenCLIP's names, queries, keys and values in one."""
    weights: dict[str, torch.Tensor] = {}
    for name, tensor in text.items():
        if ".self_attn.q_proj" in name:
            qkv = [text[name.replace("q_proj", f"{one}_proj")] for one in "qkv"]
            joined = name.replace("self_attn.q_proj.", "attn.in_proj_")
            weights[_open_clip_name(joined)] = torch.cat(qkv)
        elif ".self_attn.k_proj" not in name and ".self_attn.v_proj" not in name:
            weights[_open_clip_name(name)] = tensor
    width = text["final_layer_norm.weight"].shape[0]
    return weights | {"text_projection": torch.eye(width), "logit_scale": torch.tensor(4.6)}


def _open_clip_name(name: str) -> str:
    for ours, theirs in _OPEN_CLIP.items():
        name = name.replace(ours, theirs)
    return name
