"""`baret model check` as an operator runs it."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from core.schema import Model
from core.store.edits import EditStore


def check(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", "model", "check", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | settings,
    )


def test_the_worker_s_own_model_is_checked_with_its_settings() -> None:
    done = check(BARET_MODEL="zoo", BARET_SAMPLING="distilled")
    assert done.returncode == 0, done.stderr
    assert "a diffusers folder of Stable Diffusion 1.x" in done.stdout
    assert "8 steps, guidance 1, by the setting BARET_SAMPLING" in done.stdout


def test_every_model_of_a_worker_is_checked_with_its_own_settings() -> None:
    done = check(BARET_MODELS="a=zoo,b=zoo", BARET_SAMPLING__B="distilled")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("can be used") == 2
    assert done.stdout.count("by the setting BARET_SAMPLING") == 1


def test_a_model_that_a_worker_would_refuse_ends_with_1(tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    save_file({"lora_unet_x.lora_down.weight": torch.zeros(1)}, path)
    done = check(str(path))
    assert done.returncode == 1
    assert "lora.safetensors is a LoRA" in done.stdout


def test_a_model_that_sleeps_is_forgotten_by_its_id(
    redis_url: str, store: EditStore, model: Model
) -> None:
    def forget() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli", "model", "forget", "zoo"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"REDIS_URL": redis_url},
        )

    store.announce("worker-1", model)
    done = forget()
    assert (done.returncode, "Stop it first" in done.stderr) == (1, True)
    store.withdraw("worker-1", model)
    assert forget().returncode == 0
    assert store.models() == {}
