"""`baret model`: what a model's file or folder is, and whether a worker can use it."""

import importlib.util
import subprocess
import sys
from typing import Annotated

import typer

from core.settings import Settings

app = typer.Typer(help="Look at models.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Keep the group's name: Typer drops it if there is only one command."""


@app.command()
def check(
    path: Annotated[str, typer.Argument(help="file, folder or hub id; default: BARET_MODEL")] = "",
) -> None:
    """Say what a model is, what was found by what, and whether it can be used; load no weights.

    The settings BARET_PREDICTION, BARET_SAMPLING, BARET_VAE, BARET_LORA, BARET_EMBEDDINGS and
    BARET_LONG_PROMPTS count. Exits with 1 if a worker would refuse the model.
    """
    if importlib.util.find_spec("torch") is None:
        raise RuntimeError(
            "`baret model` needs the worker's packages: pip install 'baret[worker]'."
        )
    settings = Settings()
    # A process of its own, because nothing in this one imports torch.
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "baret.model"),
            *("--prediction", settings.prediction),
            *("--sampling", settings.sampling),
            *("--vae", settings.vae),
            *("--lora", settings.lora),
            *("--embeddings", settings.embeddings),
            *("--long-prompts", settings.long_prompts),
            *("--", path or settings.model),
        ],
        check=False,
    )
    raise typer.Exit(ended.returncode)
