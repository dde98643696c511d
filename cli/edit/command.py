"""`baret edit`: the command."""

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from cli.edit import batch
from cli.edit.backend import Backend
from cli.edit.manifest import Manifest
from cli.edit.options import (
    Again,
    ArtifactsFolder,
    AsJson,
    Compare,
    Detail,
    Device,
    Format,
    Jobs,
    Model,
    Out,
    Parameter,
    Photos,
    Preset,
    Quality,
    Quiet,
    Seed,
    Server,
    Strength,
    Text,
    WrongOptions,
    gather_params,
    parse_format,
    parse_strength,
)
from cli.edit.photos import STDIN, Photo, find_photos
from cli.edit.results import Destination, choose_format, destinations, folder_of
from cli.errors import MEANINGS, ModelUnusable
from core.settings import Settings

EXIT_CODES = "\n".join(
    ["Exit codes:", *(f"{code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())]
)


def edit(  # noqa: PLR0913, PLR0917 - each option is an argument
    photos: Photos,
    text: Text,
    out: Out = None,
    server: Server = None,
    model: Model = None,
    device: Device = None,
    strength: Strength = None,
    preset: Preset = None,
    seed: Seed = None,
    detail: Detail = None,
    param: Parameter = None,
    form: Format = None,
    quality: Quality = None,
    compare: Compare = False,
    artifacts: ArtifactsFolder = None,
    as_json: AsJson = False,
    again: Again = False,
    jobs: Jobs = None,
    quiet: Quiet = False,
) -> None:
    """Edit photos so that each shows what TEXT says; the rest of the photo stays.

    Prints the paths of the edited photos. A folder of results gets a manifest.jsonl, so that a
    second run edits only what is missing.

    \b
    Examples:
      baret edit dog.jpg "a dog sitting on a beach" -o after.png
      baret edit dog.jpg "a dog sitting" --strength 0.4,0.7,1 --compare
      baret edit holiday/ "a beach at sunset" -o sunset/ --server http://gpu:8000
      cat dog.jpg | baret edit - "a dog sitting" > after.png
    """
    options = {
        "strength": parse_strength(strength),
        "preset": preset,
        "seed": seed,
        "detail": detail,
        "quality": quality,
        "artifacts": True if artifacts else None,
        "output_format": choose_format(out, parse_format(form)),
    }
    params = gather_params(options, param or ())
    found, where, manifest = find_work(photos, out, params)
    if any(one.out is None for one in where):
        check_stdout(params.get("strength"), compare=compare, as_json=as_json)
    job = batch.Batch(
        photos=found,
        destinations=where,
        prompt=text,
        params=params,
        manifest=manifest,
        again=again,
        compare=compare,
        artifacts=artifacts,
        as_json=as_json,
        quiet=quiet,
    )
    backend = choose_backend(server, model=model, device=device, jobs=jobs)
    raise typer.Exit(batch.run(job, backend))


def find_work(
    given: Sequence[str], out: str | None, params: Mapping[str, Any]
) -> tuple[list[Photo], list[Destination], Manifest | None]:
    """Return the photos, where the results of each go, and the manifest of a folder of results.

    Raises:
        BadPhoto: an argument leads to no photo.
        WrongOutput: the results cannot go where the options say.
        WrongOptions: standard input is given among other photos.
    """
    photos, several = find_photos(given)
    if several and any(photo.name == STDIN for photo in photos):
        raise WrongOptions("- is standard input, and can only be edited alone.")
    where = destinations(photos, out, form=params["output_format"], several=several)
    return photos, where, Manifest(folder_of(out)) if several else None


def check_stdout(strength: float | list[float] | None, *, compare: bool, as_json: bool) -> None:
    """Check that what goes to standard output is one image and nothing else."""
    if isinstance(strength, list):
        raise WrongOptions("Standard output takes one image: give one strength, or a file with -o.")
    if compare:
        raise WrongOptions("--compare needs the name of a file: give -o.")
    if as_json:
        raise WrongOptions("--json and the image would both go to standard output: give -o.")


def choose_backend(
    server: str | None, *, model: str | None, device: str | None, jobs: int | None
) -> Backend:
    """Return a server, or the model of this machine.

    Raises:
        ModelUnusable: this installation has no torch.
    """
    if server:
        if device:
            raise WrongOptions("--device is for edits made here, not on a server.")
        # Only now: most commands need no HTTP client.
        from cli.edit.over_http import ServerBackend  # noqa: PLC0415

        return ServerBackend(server, model=model, at_once=jobs)
    if jobs:
        raise WrongOptions("--jobs is for a server: here, photos are edited one by one.")
    given = {"model": model, "device": device}
    settings = Settings(**{name: value for name, value in given.items() if value})  # type: ignore[arg-type]
    try:
        # Only now: torch takes seconds to import.
        from cli.edit.in_process import LocalBackend  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ModelUnusable(
            f"This installation cannot edit by itself, because {error.name} is missing. Install "
            "baret[worker], or edit on a server with --server."
        ) from error
    return LocalBackend(settings)
