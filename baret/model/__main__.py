"""`python -m baret.model PATH`: what a model is, without loading it. Exits with 1 if unusable."""

import argparse
import sys
from typing import get_args

from baret.errors import ModelError
from baret.model.description import LoadOptions
from baret.model.loading import inspect_model
from baret.options import LongPromptSetting, PredictionSetting, SamplingSetting


def main(arguments: list[str] | None = None) -> int:
    """Print the report of a model and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m baret.model", description=__doc__)
    parser.add_argument("path", help="bundled name, diffusers folder, .safetensors file or hub id")
    parser.add_argument("--prediction", default="auto", choices=get_args(PredictionSetting))
    parser.add_argument("--sampling", default="auto", choices=get_args(SamplingSetting))
    parser.add_argument("--vae", default="", help="file or folder of a VAE to use instead")
    parser.add_argument("--lora", default="", help="files to fuse, such as a.safetensors:0.8,b…")
    parser.add_argument("--embeddings", default="", help="files of words, such as a.pt,word=b.pt")
    parser.add_argument("--long-prompts", default="truncate", choices=get_args(LongPromptSetting))
    given = parser.parse_args(arguments)
    options = LoadOptions(
        prediction=given.prediction,
        sampling=given.sampling,
        vae=given.vae,
        lora=given.lora,
        embeddings=given.embeddings,
        long_prompts=given.long_prompts,
    )
    try:
        description = inspect_model(given.path, options)
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(description.report() + "\n")
    return 1 if description.problem else 0


if __name__ == "__main__":
    sys.exit(main())
