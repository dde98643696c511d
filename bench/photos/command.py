"""`python -m bench.photos --dataset tedbench|pie-bench PATH --model NAME_OR_FOLDER`.

Edits every photo of a published dataset with every method and scores the edits with the published
metrics. Writes into the folder of `--out` the page of all datasets measured so far (photos.md), the
figures (photos-DATASET.json) and a contact sheet (photos-DATASET.png). Edits are kept in the folder
of `--work`: a run that was stopped resumes there, and other metrics are computed without editing
again.

Needs the extra `photos`, a dataset (see bench/photos/datasets.py for the sources), the model's
weights and the metrics' weights: CLIP and DINO as hub ids or folders, the backbone of LPIPS as
torchvision's file. Weights that are not given are downloaded.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from PIL import Image

from baret import BaretError, Editor, InversionOptions
from bench.common.arguments import positive
from bench.common.device import device_name
from bench.photos import report, sheet
from bench.photos.datasets import DATASETS, Task, spread
from bench.photos.errors import PhotosError
from bench.photos.judge import Judge, JudgeOptions
from bench.photos.lpips import NETS
from bench.photos.methods import METHODS, Method
from bench.photos.run import Bench, run

# PnPInversion's evaluation uses squeeze. TEDBench names no net, and LPIPS's authors recommend alex
# for comparisons (github.com/richzhang/PerceptualSimilarity).
LPIPS_OF = {"tedbench": "alex", "pie-bench": "squeeze"}


def main(given: Sequence[str] | None = None) -> None:
    """Run the command; an expected failure ends it with a one-line message."""
    arguments = _parser().parse_args(given)
    command = shlex.join(
        ["python", "-m", "bench.photos", *(sys.argv[1:] if given is None else given)]
    )
    try:
        measure(arguments, command)
    except (PhotosError, BaretError) as error:
        raise SystemExit(f"bench.photos: {error}") from error


def measure(arguments: argparse.Namespace, command: str) -> None:
    """Edit and score the tasks, and write the report.

    Raises:
        PhotosError: the dataset or the weights of a metric cannot be used.
        BaretError: the model cannot be loaded, or a photo cannot be edited.
    """
    dataset = DATASETS[arguments.dataset](arguments.path)
    tasks = spread(dataset, arguments.limit)
    methods = [METHODS[name](arguments.steps) for name in arguments.methods]
    options = JudgeOptions(
        clip=arguments.clip,
        dino=arguments.dino,
        lpips=arguments.lpips or LPIPS_OF[arguments.dataset],
        lpips_weights=arguments.lpips_weights,
    )
    editor = Editor.from_pretrained(arguments.model, device=arguments.device, dtype=arguments.dtype)
    judge = Judge(options, editor.model.device)
    bench = Bench(editor, judge, options, arguments.work / arguments.dataset)
    records = run(bench, tasks, methods, lambda line: print(line, flush=True))
    conditions = report.Conditions(
        dataset=arguments.dataset,
        command=command,
        model=arguments.model,
        identity=editor.model.identity,
        machine=device_name(editor.model.device),
        dtype=str(editor.model.dtype).removeprefix("torch."),
        steps=arguments.steps,
        edits=len(tasks),
        edits_of=len(dataset),
        judges={"CLIP": options.clip, "DINO": options.dino, "LPIPS": options.lpips},
        methods={method.name: method.about for method in methods},
        versions={name: version(name) for name in ("torch", "diffusers", "transformers")},
    )
    report.write(arguments.out, conditions, records)
    _draw(bench, tasks, methods).save(arguments.out / f"photos-{arguments.dataset}.png")
    print(f"Written: {arguments.out / 'photos.md'}")


def _draw(bench: Bench, tasks: Sequence[Task], methods: Sequence[Method]) -> Image.Image:
    paths = [[bench.image_path(task, method) for method in methods] for task in tasks]
    return sheet.draw(tasks, [method.name for method in methods], paths)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.photos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", metavar="PATH", type=Path, help="the dataset's folder")
    parser.add_argument("--dataset", required=True, choices=sorted(DATASETS))
    parser.add_argument("--model", required=True, help="bundled name, folder, file or hub id")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument(
        "--dtype", default="auto", choices=("auto", "float32", "float16", "bfloat16")
    )
    parser.add_argument(
        "--steps",
        type=positive,
        default=InversionOptions().num_inference_steps,
        help="DDIM steps of every method",
    )
    parser.add_argument("--limit", type=positive, help="maximum number of edits, evenly spaced")
    parser.add_argument("--methods", nargs="+", choices=sorted(METHODS), default=["baret", "ddim"])
    parser.add_argument("--clip", default=JudgeOptions.clip, help="hub id or folder of a CLIPModel")
    parser.add_argument("--dino", default=JudgeOptions.dino, help="hub id or folder of a ViTModel")
    parser.add_argument("--lpips", choices=NETS, help="default: alex, for PIE-Bench squeeze")
    parser.add_argument(
        "--lpips-weights", type=Path, help="torchvision's file of that net's weights"
    )
    parser.add_argument("--work", type=Path, default=Path("data/photos"), help="finished edits")
    parser.add_argument(
        "--out", type=Path, default=Path("docs/benchmarks"), help="folder of the report"
    )
    return parser
