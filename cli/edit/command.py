"""`baret edit`: the options, and what they mean together."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.edit import batch
from cli.edit.backend import Backend
from cli.edit.manifest import Manifest
from cli.edit.photos import STDIN, find_photos
from cli.edit.results import choose_format, destinations, folder_of
from cli.errors import MEANINGS, ModelUnusable
from core.settings import Settings

EXIT_CODES = "\n\n".join(
    ["Exit codes:", *(f"{code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())]
)


class WrongOptions(typer.BadParameter):
    """Options that cannot be understood, or not together."""


Photos = Annotated[
    list[str],
    typer.Argument(
        metavar="PHOTO…", help="Files, folders, patterns; - is standard input.", show_default=False
    ),
]
Text = Annotated[
    str,
    typer.Argument(
        metavar="TEXT",
        help="What the edited photo should show: 'a dog sitting', not 'make the dog sit'.",
        show_default=False,
    ),
]
Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        "-o",
        metavar="PATH",
        help="A file, a folder, or - for standard output. Without it: PHOTO-edited.png, or the "
        "folder edited/ for several photos.",
    ),
]
Server = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="BARET_SERVER",
        help="Edit on this server instead of here. Its key is read from BARET_API_KEY.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Here: a bundled name, folder, file or Hub id (BARET_MODEL). On a server: one of its "
        "models.",
    ),
]
Device = Annotated[str | None, typer.Option(help="Here: cpu, cuda, cuda:1 … (BARET_DEVICE).")]
Strength = Annotated[
    str | None,
    typer.Option(
        metavar="S[,S…]",
        help="0 keeps the photo, 1 follows the text; one output for each of several.",
    ),
]
Preset = Annotated[str | None, typer.Option(help="A preset of the model: see `baret models`.")]
Seed = Annotated[int | None, typer.Option(help="Another seed gives another edit.")]
Parameter = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        metavar="NAME=VALUE",
        help="Any other parameter of the API, such as num_inference_steps=30.",
    ),
]
Format = Annotated[
    str | None, typer.Option("--format", help="png, webp or jpeg; by default as PATH says.")
]
Quality = Annotated[int | None, typer.Option(help="1 to 100, of WebP and JPEG.")]
Compare = Annotated[
    bool, typer.Option("--compare", help="Also write a before/after strip, PATH-compare.png.")
]
ArtifactsFolder = Annotated[
    Path | None,
    typer.Option(
        "--artifacts",
        metavar="DIR",
        help="Also write images that show how the edit was made: what each word acted on, …",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object per photo on standard output.")
]
Again = Annotated[
    bool, typer.Option("--again", help="Also edit photos of a folder that are edited already.")
]
Jobs = Annotated[
    int | None, typer.Option(min=1, help="Edits at the same time on a server; default 4.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and no notes, only errors.")
]


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
    """Edit photos: each becomes what TEXT says, and keeps the rest.

    Prints the paths of the edited photos. A folder of results has a manifest.jsonl; a second run
    edits only what is missing.

    \b
    Examples:
      baret edit dog.jpg "a dog sitting on a beach" -o after.png
      baret edit dog.jpg "a dog sitting" --strength 0.4,0.7,1 --compare
      baret edit holiday/ "a beach at sunset" -o sunset/ --server http://gpu:8000
      cat dog.jpg | baret edit - "a dog sitting" > after.png
    """
    strengths = parse_strength(strength)
    chosen = {
        "strength": strengths,
        "preset": preset,
        "seed": seed,
        "quality": quality,
        "artifacts": True if artifacts else None,
    }
    params: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    for name, value in map(parse_param, param or ()):
        if name in params or name == "output_format":
            raise WrongOptions(f"{name} is given twice, or has an option of its own.")
        params[name] = value
    found, several = find_photos(photos)
    written = params["output_format"] = choose_format(out, _checked_format(form))
    where = destinations(found, out, form=written, several=several)
    to_stdout = any(one.out is None for one in where)
    check_stdout(strengths, to_stdout=to_stdout, compare=compare, as_json=as_json)
    if any(photo.name == STDIN for photo in found) and len(found) > 1:
        raise WrongOptions("- is standard input, and can only be edited alone.")
    job = batch.Batch(
        photos=found,
        destinations=where,
        prompt=text,
        params=params,
        manifest=Manifest(folder_of(out)) if several else None,
        again=again,
        compare=compare,
        artifacts=artifacts,
        as_json=as_json,
        quiet=quiet,
    )
    backend = choose_backend(server, model=model, device=device, jobs=jobs)
    raise typer.Exit(batch.run(job, backend))


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


def parse_strength(text: str | None) -> float | list[float] | None:
    """Return one number, or several that are separated by commas."""
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise WrongOptions(f"--strength takes numbers such as 0.4,0.7,1, not {text}.") from None
    if len(set(values)) < len(values):
        raise WrongOptions("--strength has the same number twice.")
    return values[0] if len(values) == 1 else values


def parse_param(text: str) -> tuple[str, Any]:
    """Return the name and the value of `NAME=VALUE`; the value is JSON or plain text."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise WrongOptions(f"--param takes NAME=VALUE, not {text}.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def check_stdout(
    strength: float | list[float] | None, *, to_stdout: bool, compare: bool, as_json: bool
) -> None:
    """Check that what goes to standard output is one image and nothing else."""
    if not to_stdout:
        return
    if isinstance(strength, list):
        raise WrongOptions("Standard output takes one image: give one strength, or a file with -o.")
    if compare:
        raise WrongOptions("--compare needs the name of a file: give -o.")
    if as_json:
        raise WrongOptions("--json and the image would both go to standard output: give -o.")


def _checked_format(form: str | None) -> str | None:
    if form in (None, "png", "webp", "jpeg"):
        return form
    if form == "jpg":
        return "jpeg"
    raise WrongOptions(f"--format is png, webp or jpeg, not {form}.")
