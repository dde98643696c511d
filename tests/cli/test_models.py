"""`baret model check` as an operator runs it."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core.schema import Model
from core.store.edits import EditStore
from tests.support.prefork import ForkedProcess
from tests.support.waiting import PATIENCE


@dataclass(frozen=True)
class Done:
    """A command's end."""

    status: int
    output: str


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., Done]:
    def run(*arguments: str, **settings: str) -> Done:
        (output := tmp_path / "output.log").touch()
        given = ("model", "check", *arguments)
        process = ForkedProcess("cli", output, os.environ | settings, *given)
        return Done(process.wait(PATIENCE), output.read_text())

    return run


Check = Callable[..., Done]


def test_the_worker_s_own_model_is_checked_with_its_settings(check: Check) -> None:
    done = check(BARET_MODEL="zoo", BARET_SAMPLING="distilled")
    assert done.status == 0, done.output
    assert "a diffusers folder of Stable Diffusion 1.x" in done.output
    assert "8 steps, guidance 1, by the setting BARET_SAMPLING" in done.output


def test_every_model_of_a_worker_is_checked_with_its_own_settings(check: Check) -> None:
    done = check(BARET_MODELS="a=zoo,b=zoo", BARET_SAMPLING__B="distilled")
    assert done.status == 0, done.output
    assert done.output.count("can be used") == 2
    assert done.output.count("by the setting BARET_SAMPLING") == 1


def test_a_model_that_a_worker_would_refuse_ends_with_1(check: Check, tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    save_file({"lora_unet_x.lora_down.weight": torch.zeros(1)}, path)
    done = check(str(path))
    assert done.status == 1
    assert "lora.safetensors is a LoRA" in done.output


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
