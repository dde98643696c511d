"""A tiny safety checker of the real class, which refuses everything or nothing."""

from pathlib import Path

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import CLIPConfig, CLIPImageProcessorPil

TINY = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "image_size": 16,
    "patch_size": 8,
}


def add_checker(folder: Path, *, refuses: bool) -> None:
    """Add a safety checker to a model's folder.

    It refuses an image if its cosine with a concept exceeds the concept's weight. A cosine lies
    between −1 and 1, so a weight of −2 refuses everything and one of 2 nothing.
    """
    torch.manual_seed(0)
    config = CLIPConfig(vision_config=TINY, projection_dim=8)
    checker = StableDiffusionSafetyChecker(config)
    checker.concept_embeds_weights.data.fill_(-2 if refuses else 2)
    checker.special_care_embeds_weights.data.fill_(2)
    checker.save_pretrained(folder / "safety_checker")
    extractor = CLIPImageProcessorPil(
        size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}
    )
    extractor.save_pretrained(folder / "feature_extractor")
