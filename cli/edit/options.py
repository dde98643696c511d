"""The options of `baret edit`, and what they mean."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer


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
Detail = Annotated[
    str | None,
    typer.Option(help="off, auto or full: draw the changed part of a large photo more finely."),
]
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


def gather_params(options: Mapping[str, Any], given: Iterable[str]) -> dict[str, Any]:
    """Return the parameters of the API.

    Args:
        options: by name, those that have an option of their own; None is left out.
        given: `NAME=VALUE`, the others.

    Raises:
        WrongOptions: one is given twice.
    """
    params = {name: value for name, value in options.items() if value is not None}
    for name, value in map(_parse_param, given):
        if name in params:
            raise WrongOptions(f"{name} is given twice, or has an option of its own.")
        params[name] = value
    return params


def _parse_param(text: str) -> tuple[str, Any]:
    """Return the name and the value of `NAME=VALUE`; the value is JSON or plain text."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise WrongOptions(f"--param takes NAME=VALUE, not {text}.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def parse_format(form: str | None) -> str | None:
    """Return the format as the API names it."""
    if form in (None, "png", "webp", "jpeg"):
        return form
    if form == "jpg":
        return "jpeg"
    raise WrongOptions(f"--format is png, webp or jpeg, not {form}.")
