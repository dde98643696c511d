"""Tiny metrics and datasets, all made here without a download."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    ViTConfig,
    ViTModel,
)

from baret.model.loading import BUNDLED
from bench.photos.lpips import backbone

torch.set_num_threads(1)

SAMPLES = Path(__file__).parents[3] / "zoo" / "samples"


def seed_weights(module: torch.nn.Module, scale: float) -> torch.nn.Module:
    """Set weights that are the same on any machine: normal, in the order of their names."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, weight in sorted(module.named_parameters()):
            weight.copy_(scale * torch.randn(weight.shape, generator=generator))
    return module


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    tokenizer = CLIPTokenizer.from_pretrained(BUNDLED / "zoo" / "tokenizer")
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    small = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "projection_dim": 16,
    }
    config = CLIPConfig(
        text_config={**small, **ends, "vocab_size": len(tokenizer), "max_position_embeddings": 12},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def dino_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dino")
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        patch_size=16,
        image_size=224,
        layer_norm_eps=1e-6,
    )
    seed_weights(ViTModel(config, add_pooling_layer=False), 0.3).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def lpips_weights(tmp_path_factory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("lpips")

    def make(net: str) -> Path:
        path = folder / f"{net}.safetensors"
        if not path.exists():
            state = seed_weights(backbone(net).features, 0.05).state_dict()
            named = {f"features.{name}": tensor for name, tensor in state.items()}
            save_file({**named, "classifier.1.bias": torch.zeros(1)}, path)
        return path

    return make


@pytest.fixture(scope="session")
def samples() -> list[dict[str, str]]:
    return json.loads((SAMPLES / "index.json").read_text())[:3]


@pytest.fixture
def tedbench(tmp_path, samples) -> Path:
    """Three edits of two images, one of them wide, as in imagic-editing's tedbench/."""
    folder = tmp_path / "tedbench"
    (folder / "originals").mkdir(parents=True)
    first, second = (Image.open(SAMPLES / sample["file"]) for sample in samples[:2])
    first.convert("RGBA").resize((256, 256)).save(folder / "originals" / "cat_1.png")
    second.convert("RGB").resize((300, 200)).save(folder / "originals" / "bird.jpeg")
    entries = [
        {"img_name": "cat_1.png", "target_text": samples[0]["prompt"]},
        {"img_name": "cat_1.png", "target_text": "A photo of a jumping cat."},
        {"img_name": "bird.jpeg", "target_text": samples[1]["prompt"]},
    ]
    (folder / "input_list.json").write_text(json.dumps(entries, indent=2))
    return folder


@pytest.fixture
def pie_bench(tmp_path, samples) -> Path:
    """Three images of two kinds, as in PnPInversion's data/."""
    folder = tmp_path / "data"
    entries = {}
    for i, sample in enumerate(samples):
        kind = "5" if sample["kind"] == "posture" else "6"
        path = f"{kind}_change_x_40/1_artificial/1_animal/{kind}1100000000{i}.jpg"
        image = folder / "annotation_images" / path
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.open(SAMPLES / sample["file"]).convert("RGB").resize((512, 512)).save(image)
        subject = sample["prompt"].split()[-1]
        entries[image.stem] = {
            "image_path": path,
            "original_prompt": sample["caption"],
            "editing_prompt": sample["prompt"].replace(subject, f"[{subject}]"),
            "editing_instruction": "",
            "editing_type_id": kind,
            "blended_word": "",
            "mask": [number for row in range(128, 384) for number in (row * 512 + 128, 256)],
        }
    (folder / "mapping_file.json").write_text(json.dumps(entries))
    return folder
