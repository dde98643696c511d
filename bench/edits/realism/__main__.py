"""`python -m bench.edits.realism`: train the classifier of realism for a model and store it."""

import argparse
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from bench.common.device import choose_device
from bench.edits.model import BatchModel
from bench.edits.realism.classifier import BUNDLED
from bench.edits.realism.examples import BATCH, METHODS, make_examples
from bench.edits.realism.training import UPDATES, train


def main(arguments: list[str] | None = None) -> None:
    """Make the examples, train the classifier, store it and print what it reaches."""
    given = _parser().parse_args(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    model = BatchModel.from_pretrained(given.model, device=choose_device(given.device))
    rng = np.random.default_rng(given.seed)
    each = max(1, given.edits // BATCH) * BATCH
    with tqdm(total=each * len(METHODS), desc="edits", unit="edit") as bar:
        examples = make_examples(model, each, rng, bar.update)
    realism = train(examples, model.model.identity, given.seed, given.updates)
    realism.save(given.out)
    print(realism.provenance)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.edits.realism", description=__doc__)
    parser.add_argument("--model", default="zoo", help="bundled name, folder, file or hub id")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--edits", type=int, default=16, help="edits by each method")
    parser.add_argument("--updates", type=int, default=UPDATES, help="training steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--out", type=Path, default=BUNDLED, help="the weights")
    return parser


if __name__ == "__main__":
    main()
