"""Malicious models: the bundled one, changed in its folder as a hostile publisher might."""

import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

UNET = "unet/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"
INDEX = "model_index.json"
MODULE = "my_module"
PROBE = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"

Spoil = Callable[[Path, Path], Path | None]  # folder, marker → what to load, if not the folder


class Marks:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path):
        self._marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch '{self._marker}'",)


def _code(marker: Path) -> str:
    return f"open({str(marker)!r}, 'w').close()\nclass Evil:\n    pass\n"


def configured(path: str, **values: object) -> Spoil:
    """Set values in a JSON file, and put code that they might name into every folder."""

    def spoil(folder: Path, marker: Path) -> None:
        config = folder / path
        config.write_text(json.dumps(json.loads(config.read_text()) | values))
        for part in (folder, *filter(Path.is_dir, folder.iterdir())):
            (part / f"{MODULE}.py").write_text(_code(marker))

    return spoil


def written(path: str, data: bytes) -> Spoil:
    """Write a file's bytes; if the folder has no file of that name, that file is the model."""

    def spoil(folder: Path, marker: Path) -> Path | None:
        known = (folder / path).exists()
        (folder / path).write_bytes(data)
        return None if known else folder / path

    return spoil


def pickled(path: str, *, instead_of: str = "") -> Spoil:
    """Write a pickle as a file; rename `instead_of`, so that a .safetensors is still there."""

    def spoil(folder: Path, marker: Path) -> Path | None:
        if instead_of:
            (folder / instead_of).rename((folder / instead_of).with_stem("other"))
        (folder / path).write_bytes(pickle.dumps(Marks(marker)))
        return None if "/" in path else folder / path

    return spoil


def sharded(weights: str) -> Spoil:
    """Write a list of weight files that names a pickle, as torch.save writes it."""

    def spoil(folder: Path, marker: Path) -> None:
        names = list(load_file(folder / weights))
        (folder / weights).rename((folder / weights).with_stem("other"))
        torch.save(Marks(marker), (folder / weights).with_name("evil.bin"))
        listed = {"metadata": {}, "weight_map": dict.fromkeys(names, "evil.bin")}
        (folder / f"{weights}.index.json").write_text(json.dumps(listed))

    return spoil


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Spoil:
    """Change the UNet's weights."""

    def spoil(folder: Path, marker: Path) -> None:
        found = load_file(folder / UNET)
        change(found)
        save_file(found, folder / UNET)

    return spoil


def header(body: bytes = bytes(24), **told: tuple[list[int], list[int]]) -> bytes:
    """Return a safetensors file; each name is a tensor with its shape and offsets."""
    entries = {
        name.replace("_PROBE_", PROBE): {"dtype": "F32", "shape": shape, "data_offsets": offsets}
        for name, (shape, offsets) in told.items()
    }
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + body


CONFIG = "text_encoder/config.json"
DEEP = b"[" * 100_000 + b"]" * 100_000
CUSTOM = [MODULE, "Evil"]
ADAPTER = b'{"peft_type": "LORA", "base_model_name_or_path": "evil/model"}'
AUTO_MAP = {"AutoModel": f"{MODULE}.Evil", "AutoTokenizer": [f"{MODULE}.Evil", f"{MODULE}.Evil"]}

REFUSED: dict[str, dict[str, Spoil]] = {
    "models with pickles": {
        "a pickle named safetensors": pickled(UNET),
        "a pickle beside another safetensors": pickled(
            "unet/diffusion_pytorch_model.bin", instead_of=UNET
        ),
        "a text encoder's pickle": pickled("text_encoder/pytorch_model.bin", instead_of=TEXT),
        "a list that names a pickle": sharded(UNET),
        "a text encoder's list that names a pickle": sharded(TEXT),
        "a single file": pickled("model.ckpt"),
        "a single file named safetensors": pickled("model.safetensors"),
        "a single file without a name": pickled("model"),
    },
    "models with code of their own": {
        "a UNet": configured(INDEX, unet=CUSTOM),
        "a tokenizer": configured(INDEX, tokenizer=CUSTOM),
        "a pipeline": configured(INDEX, _class_name=CUSTOM),
        "a part nobody knows": configured(INDEX, evil=CUSTOM),
        "a class of Python's": configured(INDEX, scheduler=["subprocess", "Popen"]),
        "a module of Python's": configured(INDEX, scheduler=["antigravity", "x"]),
        "parts that are none": configured(INDEX, unet="unet"),
        "a function of a known library": configured(INDEX, scheduler=["transformers", "pipeline"]),
        "a module of a known library": configured(INDEX, scheduler=["diffusers", "logging"]),
        "a class of a known library": configured(INDEX, tokenizer=["transformers", "Trainer"]),
        "attention from a hub": configured(CONFIG, attn_implementation="evil/kernel"),
        "attention from a hub, by part": configured(CONFIG, attn_implementation={"": "evil/k"}),
        "attention from a hub, for a UNet": configured(
            "unet/config.json", attn_implementation="evil/kernel:evil"
        ),
    },
    "models with damaged weights": {
        "no bytes": written(UNET, b""),
        "an endless header": written(UNET, struct.pack("<Q", 2**63) + b"{}"),
        "a shape below zero": written(UNET, header(a=([-4], [0, 16]))),
        "a hole": written(UNET, header(a=([4], [8, 24]))),
        "an unknown type": written(UNET, header(a=([4], [0, 16])).replace(b"F32", b"F3_")),
        "a nested header": written(UNET, struct.pack("<Q", len(DEEP)) + DEEP),
        "tensors that overlap": written(UNET, header(a=([4], [0, 16]), b=([4], [8, 24]))),
        "a tensor beyond the end": written(UNET, header(a=([4], [0, 2**60]))),
        "a shape without its bytes": written(UNET, header(a=([2**40, 2**40], [0, 16]))),
        "no numbers": tensors(lambda t: t["conv_in.bias"].fill_(float("nan"))),
        "other shapes": tensors(lambda t: t.update({"conv_in.bias": torch.zeros(7)})),
        "a tensor too few": tensors(lambda t: t.pop("conv_in.bias")),
        "one tensor in a single file": written(
            "x.safetensors", header(bytes(3072), _PROBE_=([1, 768], [0, 3072]))
        ),
        "an endless single file": written("y.safetensors", struct.pack("<Q", 2**63)),
    },
    "models with absurd configurations": {
        "a nested index": written(INDEX, DEEP),
        "no JSON": written(INDEX, b"\xff\xfe"),
        "a list for an index": written(INDEX, b"[]"),
        "a nested tokenizer": written("tokenizer/tokenizer.json", DEEP),
        "a nested UNet": written("unet/config.json", DEEP),
        "endless steps": configured("scheduler/scheduler_config.json", num_train_timesteps=10**13),
        "a wide UNet": configured("unet/config.json", block_out_channels=[10**6] * 4),
        "many words": configured("text_encoder/config.json", vocab_size=10**13),
        "an unknown function": configured("unet/config.json", act_fn="os.system"),
    },
}

# The libraries ignore these: the model loads with its own classes, and no foreign code runs.
PASSED_OVER: dict[str, Spoil] = {
    "a pickle beside its safetensors": pickled("unet/diffusion_pytorch_model.bin"),
    "a part's former home": configured("unet/config.json", _name_or_path="https://evil.example/x"),
    "an adapter beside it": written("text_encoder/adapter_config.json", ADAPTER),
    "a tokenizer's auto_map": configured("tokenizer/tokenizer_config.json", auto_map=AUTO_MAP),
    "a tokenizer's class": configured("tokenizer/tokenizer_config.json", tokenizer_class="Evil"),
    "a text encoder's auto_map": configured("text_encoder/config.json", auto_map=AUTO_MAP),
    "a UNet's auto_map": configured("unet/config.json", auto_map=AUTO_MAP, _class_name="Evil"),
    "a scheduler's auto_map": configured(
        "scheduler/scheduler_config.json", auto_map=AUTO_MAP, _class_name="Evil"
    ),
}
