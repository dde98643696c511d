"""The bundled model with a tiny plan, and a smaller model with Stable Diffusion 1's layout."""

import json
import shutil

import pytest

from baret.model.layout import CONFIGS
from bench.speed.machine import Machine
from bench.speed.plan import Plan, Subject

PLAN = Plan(steps=4, inner_steps=2, repeats=1, at_once=(1, 2))
SMALLER = {
    "unet": {
        "block_out_channels": [32] * 4,
        "norm_num_groups": 16,
        "sample_size": 16,
        "cross_attention_dim": 32,
    },
    "vae": {"block_out_channels": [32] * 4, "norm_num_groups": 16},
    "text_encoder": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
    },
}


@pytest.fixture(scope="session")
def subject(model):
    machine = Machine(name="this one", torch_version="", threads=1, load=0.0, ceiling=1.0)
    return Subject.of(model, machine, PLAN)


@pytest.fixture(scope="session")
def small_configs(tmp_path_factory):
    """Stable Diffusion 1's configurations with few channels, at 128×128 pixels."""
    folder = tmp_path_factory.mktemp("configs") / "small"
    shutil.copytree(CONFIGS / "sd1", folder)
    for part, changes in SMALLER.items():
        path = folder / part / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder
