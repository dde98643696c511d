"""Where the results of a photo go, and writing them: whole, or not at all."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.edit.photos import Photo
from cli.errors import CliError, ExitCode

STDOUT = "-"
FORMATS = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg"}
_SUFFIX_OF = {"png": ".png", "webp": ".webp", "jpeg": ".jpg"}
DEFAULT_FOLDER = Path("edited")


class WrongOutput(CliError):
    """The results cannot go where the options say."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True)
class Destination:
    """Where the results of one photo go."""

    out: Path | None  # of the only output; None: standard output

    def paths(self, strengths: Sequence[float]) -> list[Path]:
        """Return the output's path for each strength; with several, each has its own name."""
        if self.out is None:
            return []
        if len(strengths) == 1:
            return [self.out]
        return [self.beside(f"{one:g}") for one in strengths]

    def beside(self, name: str) -> Path:
        """Return the path of another image of the same photo."""
        out = self.out or Path("stdin.png")
        return out.with_name(f"{out.stem}-{name}{out.suffix}")


def choose_format(out: str | None, chosen: str | None) -> str:
    """Return the format of the outputs: as chosen, else by the name of the file, else PNG.

    Raises:
        WrongOutput: the name has a suffix of another format.
    """
    suffix = "" if out in (None, STDOUT) or _is_folder(out) else Path(out).suffix.lower()
    by_name = FORMATS.get(suffix)
    if suffix and by_name is None:
        raise WrongOutput(f"Outputs are PNG, WebP or JPEG: end {out} in .png, .webp or .jpg.")
    if chosen and by_name and chosen != by_name:
        raise WrongOutput(f"--format {chosen} contradicts the name {out}.")
    return chosen or by_name or "png"


def _is_folder(out: str | None) -> bool:
    return out is not None and (out.endswith(("/", os.sep)) or Path(out).is_dir())


def destinations(
    photos: Sequence[Photo], out: str | None, *, form: str, several: bool
) -> list[Destination]:
    """Return where the results of each photo go.

    Args:
        photos: in their order.
        out: as given: a file, a folder, `-`, or None.
        form: of the outputs.
        several: whether a folder or a pattern was given, even if it has one photo alone.

    Raises:
        WrongOutput: several photos would go to one file, or a result would replace its photo.
    """
    suffix = _SUFFIX_OF[form]
    if several:
        if out == STDOUT:
            raise WrongOutput("Standard output takes one image: give a folder with -o.")
        folder = folder_of(out)
        found = [Destination(folder / photo.below.with_suffix(suffix)) for photo in photos]
    else:
        found = [_single(photos[0], out, suffix)]
    _check(photos, found)
    return found


def folder_of(out: str | None) -> Path:
    """Return the folder for the results of several photos.

    Raises:
        WrongOutput: it is a file.
    """
    folder = DEFAULT_FOLDER if out is None else Path(out)
    if folder.is_file() or (out and not _is_folder(out) and folder.suffix.lower() in FORMATS):
        raise WrongOutput(f"There are several photos, and {out} is one file: give a folder.")
    return folder


def _single(photo: Photo, out: str | None, suffix: str) -> Destination:
    if out == STDOUT or (out is None and photo.path is None):
        return Destination(None)
    if out is None:
        return Destination(Path(f"{photo.below.stem}-edited{suffix}"))
    if _is_folder(out):
        return Destination(Path(out) / photo.below.with_suffix(suffix))
    path = Path(out)
    return Destination(path if path.suffix else path.with_suffix(suffix))


def _check(photos: Sequence[Photo], found: Sequence[Destination]) -> None:
    taken: dict[Path, str] = {}
    sources = {photo.path.resolve() for photo in photos if photo.path}
    for photo, destination in zip(photos, found, strict=True):
        out = destination.out
        if out is None:
            continue
        if out.resolve() in sources:
            raise WrongOutput(f"The result would replace the photo {out}: choose another -o.")
        if other := taken.get(out):
            raise WrongOutput(
                f"{other} and {photo.name} would both become {out}: edit them in separate runs."
            )
        taken[out] = photo.name


def write(path: Path, data: bytes) -> None:
    """Write a file whole, or not at all.

    Raises:
        WrongOutput: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
            mask = os.umask(0)
            os.umask(mask)
            Path(name).chmod(0o666 & ~mask)  # mkstemp's files are private
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise WrongOutput(f"Cannot write {path}: {error.strerror}.") from error
