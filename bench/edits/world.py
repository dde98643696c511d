"""`python -m bench.edits.world --photos FOLDER …`: find which photos a small model cannot redraw.

A picture goes through the VAE, and its PSNR is measured. Nearly all pictures of the small world
keep more than photographs do. The limit that 1 % of the world's pictures fall below is written
into the model's folder, where `baret.model.world` reads it.

Photographs that need no download lie in two packages:

    pip download --no-deps scikit-image scikit-learn    and unpack the wheels
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from baret import images
from baret.errors import ImageError
from baret.images import Pixels
from baret.model.loading import BUNDLED
from baret.model.stable_diffusion import StableDiffusion
from baret.model.world import FILE, World
from zoo.render import render
from zoo.split import validation_scene

FALSE_ALARMS = 0.01  # share of the world's own pictures


def main(arguments: list[str] | None = None) -> None:
    """Measure the world's pictures and the photographs, and write the limit."""
    given = _parser().parse_args(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    folder = BUNDLED / given.model if (BUNDLED / given.model).is_dir() else Path(given.model)
    model = StableDiffusion.from_pretrained(str(folder), dtype="float32")
    own = np.array(list(_measure(model, _world_pictures(given.pictures, model.native_size))))
    limit = float(np.floor(np.quantile(own, FALSE_ALARMS) * 10) / 10)
    files = _image_files(given.photos)
    photographs = np.array(list(_measure(model, _photographs(files, model))))
    data = {
        "min_psnr": limit,
        "pictures": len(own),
        "false_alarms": round(float((own < limit).mean()), 4),
        "photographs": len(photographs),
        "caught": round(float((photographs < limit).mean()), 4),
        "highest_photograph": round(float(photographs.max()), 1),
    }
    if (stated := World.read(folder)).trained_on_parts is not None:
        data["trained_on_parts"] = stated.trained_on_parts
    (folder / FILE).write_text(json.dumps(data, indent=2) + "\n", "utf-8")
    print(json.dumps(data, indent=2))


def _measure(model: StableDiffusion, pictures: Iterable[Pixels]) -> Iterator[float]:
    for pixels in tqdm(pictures, unit="picture"):
        yield images.psnr(model.decode(model.encode(pixels)), pixels)


def _world_pictures(count: int, size: int) -> Iterator[Pixels]:
    return (render(validation_scene(index), size) for index in range(count))


def _photographs(files: Iterable[Path], model: StableDiffusion) -> Iterator[Pixels]:
    """Yield each photograph and its four quarters, at the model's working size."""
    for file in files:
        try:
            photo = images.to_rgb(Image.open(file))
            for box in _boxes(*photo.size):
                part = photo.crop(box)
                area = model.native_size**2
                size = images.working_size(*part.size, area=area, multiple=model.multiple)
                yield images.to_pixels(part, size)
        except (ImageError, UnidentifiedImageError):
            continue  # not a photo that the service would take


def _boxes(width: int, height: int) -> list[tuple[int, int, int, int]]:
    x, y = width // 2, height // 2
    quarters = [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]
    return [(0, 0, width, height), *quarters]


def _image_files(folders: list[Path]) -> list[Path]:
    found = [file for folder in folders for file in sorted(folder.rglob("*"))]
    return [file for file in found if file.suffix.lower() in (".png", ".jpg", ".jpeg")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.edits.world", description=__doc__)
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders")
    parser.add_argument("--model", default="zoo", help="bundled name or folder")
    parser.add_argument("--pictures", type=int, default=2000, help="of the small world")
    parser.add_argument("--threads", type=int, help="CPU threads")
    return parser


if __name__ == "__main__":
    main()
