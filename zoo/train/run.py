"""Runs the stages in order and skips those whose results are already in the run's folder."""

import logging
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import torch

from zoo.train import denoiser, export, figures, judge, latents, pictures, tokenizer, vae
from zoo.train.files import read_json, write_json
from zoo.train.loop import progress
from zoo.train.options import TrainOptions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """A part of the run: a check whether it is done, and its work, which may return figures."""

    done: Callable[[], bool]
    work: Callable[[], dict[str, Any] | None]


def run(options: TrainOptions, stop: Event) -> None:
    """Run the unfinished stages of `options.stages`, or only export the current model.

    Raises:
        Stopped: `stop` was set; the same options resume the run.
    """
    if options.export_only is not None:
        export.write(options, options.export_only)
        return
    threads, device = options.threads or os.cpu_count() or 1, _device(options)
    torch.set_num_threads(threads)
    options.out.mkdir(parents=True, exist_ok=True)
    _note_origin(options, device, threads)
    for name, stage in stages(options, device, threads, stop).items():
        if name not in options.stages:
            continue
        if stage.done():
            log.info("%s: done", name)
            continue
        log.info("%s: begins", name)
        started, found = time.monotonic(), None
        try:
            found = stage.work()
        finally:
            _note_stage(options, name, time.monotonic() - started, found)


def stages(
    options: TrainOptions, device: torch.device, threads: int, stop: Event
) -> dict[str, Stage]:
    """Return all stages, in order."""
    return {
        "pictures": Stage(lambda: pictures.drawn(options), lambda: pictures.draw(options, threads)),
        "judge": Stage(
            lambda: judge.path(options).is_file(), lambda: judge.train(options, device, stop)
        ),
        "vae": Stage(lambda: vae.path(options).is_dir(), lambda: vae.train(options, device, stop)),
        "latents": Stage(
            lambda: latents.path(options).is_file(), lambda: latents.encode_all(options, device)
        ),
        "tokenizer": Stage(
            lambda: tokenizer.path(options).is_dir(), lambda: tokenizer.write(options)
        ),
        "denoiser": Stage(
            lambda: _denoised(options),
            lambda: denoiser.train(options, device, stop, figures.small_sheets(options, device)),
        ),
        "figures": Stage(
            lambda: _measured_steps(options) == _steps(options),
            lambda: figures.make(options, device),
        ),
        "export": Stage(lambda: False, lambda: export.write(options, options.out / "model")),
    }


def _denoised(options: TrainOptions) -> bool:
    return denoiser.loop_options(options).done(*progress(options.out, denoiser.NAME)) == 1


def _steps(options: TrainOptions) -> int:
    return progress(options.out, denoiser.NAME)[0]


def _measured_steps(options: TrainOptions) -> Any:
    stage = read_json(export.record(options)).get("stages", {}).get("figures", {})
    return stage.get("figures", {}).get("steps")


def _device(options: TrainOptions) -> torch.device:
    if options.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(options.device)


def _note_origin(options: TrainOptions, device: torch.device, threads: int) -> None:
    """Write the code's commit and the machine to the record."""
    record = read_json(export.record(options))
    record["commit"] = _commit()
    record["machine"] = f"{_processor(device)}, {threads} threads, torch {torch.__version__}"
    write_json(export.record(options), record)


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    folder = Path(__file__).parent
    found = subprocess.run(
        [git, "describe", "--always", "--dirty", "--abbrev=40"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or "unknown"


def _processor(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    about = Path("/proc/cpuinfo")
    lines = about.read_text("utf-8").splitlines() if about.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "CPU"


def _note_stage(
    options: TrainOptions, name: str, seconds: float, found: dict[str, Any] | None
) -> None:
    """Write a stage's options, figures and total time, over all resumed runs, to the record."""
    record = read_json(export.record(options))
    stage = record.setdefault("stages", {}).setdefault(name, {"seconds": 0.0})
    stage["options"] = {k: _plain(v) for k, v in options.that_matter_to(name).items()}
    stage["seconds"] = round(stage["seconds"] + seconds, 1)
    if found is not None:
        stage["figures"] = found
    write_json(export.record(options), record)


def _plain(value: Any) -> Any:
    """Return a value for JSON, with a path reduced to its name."""
    return value.name if isinstance(value, Path) else value
