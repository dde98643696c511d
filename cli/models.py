"""`baret model`: whether a worker can use a model's file, and forgetting one that is not used."""

import importlib.util
import subprocess
import sys
from typing import Annotated

import typer

from cli.help import FlowingHelp
from core.model_settings import each_model
from core.settings import Settings
from core.store.connection import connect
from core.store.edits import EditStore

app = typer.Typer(help="Check a model's file, or forget a model.", no_args_is_help=True)


@app.command(cls=FlowingHelp)
def check(
    path: Annotated[
        str, typer.Argument(help="A file, folder or Hub id; default: BARET_MODEL or BARET_MODELS.")
    ] = "",
) -> None:
    """Say what a model's file is, how that shows, and whether a worker can use it.

    Loads no weights. Respects BARET_PREDICTION, BARET_SAMPLING, BARET_VAE, BARET_LORA,
    BARET_EMBEDDINGS and BARET_LONG_PROMPTS, and with BARET_MODELS each model's own. Exits with 1
    if a worker would refuse a model.

    \b
    Examples:
      baret model check /models/photo.safetensors
      baret model check stable-diffusion-v1-5/stable-diffusion-v1-5
    """
    if importlib.util.find_spec("torch") is None:
        raise RuntimeError(
            "`baret model` needs the worker's packages: pip install 'baret[worker]'."
        )
    settings = Settings()
    checked = (settings.model_copy(update={"model": path}),) if path else each_model(settings)
    raise typer.Exit(max(_check_one(one) for one in checked))


def _check_one(settings: Settings) -> int:
    """Print what a model is, and return the exit status."""
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
            *("--", settings.model_path),
        ],
        check=False,
    )
    return ended.returncode


@app.command(cls=FlowingHelp)
def forget(
    model: Annotated[str, typer.Argument(help="Its id, as `baret models` lists it.")],
) -> None:
    """Forget a model that no worker will serve again, so that no edit waits for it.

    Uses the Redis in the settings. Exits with 1 if a worker serves the model or edits wait for it.
    """
    reasons = {
        "unknown": f"No worker has ever served a model {model}.",
        "served": f"A worker serves or loads {model}. Stop it first.",
        "waited for": f"Edits wait for {model}. Cancel them, or let a worker run them.",
    }
    outcome = EditStore(connect(Settings().broker_url)).forget(model)
    if outcome in reasons:
        typer.echo(reasons[outcome], err=True)
        raise typer.Exit(1)
    typer.echo(f"Forgot {model}.", err=True)
