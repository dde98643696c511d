"""`baret bench`: how fast this machine edits with this model."""

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from PIL import Image

from cli.errors import ModelUnusable
from cli.terminal import console, print_json, print_result, print_table
from core.settings import Settings

if TYPE_CHECKING:
    from baret import Editor

PROMPT = "a photo of a cat sitting on grass"


@dataclass(frozen=True)
class Speed:
    """What was measured; times in seconds, medians over the edits."""

    model: str
    device: str
    dtype: str
    size: int  # pixels a side
    edits: int
    seconds: float  # a whole edit
    stages: dict[str, float]
    peak_gib: float  # memory: of the GPU, else of the process

    @property
    def json(self) -> dict[str, object]:
        """All of it, for programs."""
        return {**vars(self), "edits_per_hour": round(3600 / self.seconds, 1)}


def bench(
    model: Annotated[
        str | None, typer.Option(help="A bundled name, folder, file or Hub id (BARET_MODEL).")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 … (BARET_DEVICE).")] = None,
    edits: Annotated[int, typer.Option(min=1, help="Edits to measure, after a short one.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how fast this machine edits with this model, one photo after another.

    Every edit has the default parameters and the model's own size. `python -m bench.speed` measures
    more.

    \b
    Examples:
      baret bench
      baret bench --model /models/photo.safetensors --device cuda --edits 10
    """
    given = {"model": model, "device": device}
    settings = Settings(**{name: value for name, value in given.items() if value})  # type: ignore[arg-type]
    speed = _measure(settings, edits)
    if as_json:
        print_json(speed.json)
        return
    print_result(f"{speed.model} on {speed.device} in {speed.dtype}, {speed.size}×{speed.size}")
    rows = [(name, f"{spent:.2f}") for name, spent in speed.stages.items()]
    print_table(("stage", "seconds"), [*rows, ("whole edit", f"{speed.seconds:.2f}")])
    print_result(f"{3600 / speed.seconds:.0f} edits an hour, {speed.peak_gib:.1f} GiB of memory")


def _measure(settings: Settings, edits: int) -> Speed:
    """Load the model and measure; show on a terminal what is going on."""
    try:
        # Only now: torch takes seconds to import.
        from baret import BaretError, EditOptions, Editor, InversionOptions  # noqa: PLC0415
        from worker.options import model_options  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ModelUnusable(
            f"This installation cannot edit, because {error.name} is missing: install "
            "baret[worker]."
        ) from error
    with console().status(f"Loading {settings.model_name}") as status:
        try:
            editor = Editor.from_pretrained(
                settings.model_path,
                device=settings.device,
                dtype=settings.dtype,
                options=model_options(settings),
            )
            editor.warm_up()
        except (BaretError, RuntimeError) as error:
            raise ModelUnusable(str(error)) from error
        stages: list[dict[str, float]] = []
        status.update("Warms up")
        short = InversionOptions(num_inference_steps=2, inner_steps=1)
        editor.edit(_photo(editor), PROMPT, EditOptions(inversion=short))
        for number in range(edits):
            status.update(f"Edit {number + 1} of {edits}")
            stages.append(editor.edit(_photo(editor), PROMPT).seconds)
    return _speed_of(editor, settings.model_name, stages)


def _photo(editor: "Editor") -> Image.Image:
    side = editor.model.native_size
    return Image.linear_gradient("L").resize((side, side)).convert("RGB")


def _speed_of(editor: "Editor", name: str, stages: list[dict[str, float]]) -> Speed:
    model = editor.model
    return Speed(
        model=name,
        device=str(model.device),
        dtype=model.dtype_name,
        size=model.native_size,
        edits=len(stages),
        seconds=round(statistics.median(sum(one.values()) for one in stages), 3),
        stages={
            stage: round(statistics.median(one[stage] for one in stages), 3) for stage in stages[0]
        },
        peak_gib=round(_peak_bytes(editor) / 2**30, 2),
    )


def _peak_bytes(editor: "Editor") -> float:
    """Return the most memory that was in use: of the GPU, else of this process."""
    import platform  # noqa: PLC0415
    import resource  # noqa: PLC0415

    import torch  # noqa: PLC0415

    if editor.model.device.type == "cuda":
        return torch.cuda.max_memory_allocated(editor.model.device)
    unit = 1 if platform.system() == "Darwin" else 1024  # bytes of ru_maxrss
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
