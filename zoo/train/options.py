"""Options of a training run, checked when they are created."""

import argparse
from collections.abc import Sequence
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

STAGES = ("pictures", "judge", "vae", "latents", "tokenizer", "denoiser", "figures", "export")
ATTENDED = (8, 16)  # sides, in latent pixels, of the UNet levels with self- and cross-attention
DTYPES = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class TrainOptions:
    """Options of one run; the folder `out` holds all its files, and the same options resume it."""

    out: Annotated[Path, "folder of the run: results, checkpoints, log"] = Path("build/zoo")
    stages: Annotated[tuple[str, ...], "which to run; results of the others must be there"] = STAGES
    export_only: Annotated[Path | None, "write the model as it is now here, and end"] = None
    init: Annotated[Path | None, "exported folder whose weights to start from"] = None
    size: Annotated[int, "pixels on a side"] = 128
    seed: Annotated[int, "of everything"] = 0
    device: Annotated[str, "auto takes CUDA where there is one"] = "auto"
    threads: Annotated[int, "CPU threads and rendering processes; 0 takes all cores"] = 0
    dtype: Annotated[str, "of the training's products: auto is bfloat16 if the device has it"] = (
        "auto"
    )
    compile: Annotated[bool, "torch.compile the training steps; no faster on two CPU cores"] = False
    pictures: Annotated[int, "training pictures"] = 48_000
    validation: Annotated[int, "validation pictures"] = 2_000
    judge_steps: Annotated[int, "of the judge"] = 1_500
    judge_batch: Annotated[int, "pictures a step"] = 128
    judge_rate: Annotated[float, "highest learning rate"] = 2e-3
    vae_steps: Annotated[int, "of the VAE"] = 6_000
    vae_seconds: Annotated[float, "of training, in place of vae_steps; 0 takes vae_steps"] = 0.0
    vae_batch: Annotated[int, "pictures a step"] = 16
    vae_rate: Annotated[float, "highest learning rate"] = 1e-3
    vae_channels: Annotated[tuple[int, ...], "of the levels; each but the last halves the side"] = (
        32,
        64,
        96,
    )
    latent_channels: Annotated[int, "of the VAE's latents"] = 4
    vae_crop: Annotated[int, "pixels on a side of the parts that the VAE is trained on"] = 64
    vae_decoder_only: Annotated[bool, "keep the latents of --init: train its decoder alone"] = False
    denoiser_steps: Annotated[int, "of UNet and text encoder; may be raised later"] = 24_000
    denoiser_seconds: Annotated[
        float, "of training, in place of denoiser_steps; 0 takes denoiser_steps"
    ] = 0.0
    denoiser_batch: Annotated[int, "pictures a step, divisible by 4"] = 32
    denoiser_rate: Annotated[float, "highest learning rate"] = 5e-4
    lean: Annotated[float, "share of left-facing pictures shown as right-facing ones instead"] = 0.0
    unet_channels: Annotated[tuple[int, ...], "of the levels; those of 16 and 8 places attend"] = (
        32,
        64,
        128,
        192,
    )
    text_width: Annotated[int, "of the text encoder, which has heads of 32"] = 128
    text_layers: Annotated[int, "of the text encoder"] = 4
    checkpoint_seconds: Annotated[float, "between checkpoints"] = 300.0
    sheet_seconds: Annotated[
        float, "between measures of the VAE and small contact sheets of the denoiser"
    ] = 900.0
    judged: Annotated[tuple[int, ...], "captions judged at the end: seen, held out"] = (200, 100)

    def __post_init__(self) -> None:
        """Reject options that cannot be trained."""
        self._check_sides()
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, not {self.dtype}.")
        if unknown := set(self.stages) - set(STAGES):
            raise ValueError(f"Unknown stages: {', '.join(sorted(unknown))}.")
        if self.vae_decoder_only and self.init is None:
            raise ValueError("vae_decoder_only keeps the latents of a model: name it with init.")
        if self.denoiser_batch % 4:
            raise ValueError("denoiser_batch must be divisible by 4, for the loss by timesteps.")
        for name in ("judge", "vae", "denoiser"):
            if getattr(self, f"{name}_batch") > self.pictures:
                raise ValueError(f"{name}_batch is larger than the number of pictures.")
        if not 0 <= self.lean < 1:
            raise ValueError(f"lean must be at least 0 and below 1, not {self.lean}.")
        if any(c % 16 for c in (*self.unet_channels, *self.vae_channels)):
            raise ValueError("unet_channels and vae_channels must be divisible by 16.")
        if self.text_width % 32:
            raise ValueError("text_width must be divisible by 32.")
        if len(self.judged) != 2:
            raise ValueError("judged must be two numbers.")

    def _check_sides(self) -> None:
        """Reject sizes that VAE and UNet cannot halve, and a UNet without attention to the text."""
        if self.size % self.factor or self.vae_crop % self.factor:
            raise ValueError(f"size and vae_crop must be divisible by {self.factor}.")
        if not 0 < self.vae_crop <= self.size:
            raise ValueError(f"vae_crop must be above 0 and at most {self.size}.")
        if self.latent_channels < 1:
            raise ValueError("latent_channels must be at least 1.")
        if self.latent_side % 2 ** (len(self.unet_channels) - 1):
            raise ValueError(
                f"latents of {self.latent_side} places a side are too small for a UNet of "
                f"{len(self.unet_channels)} levels."
            )
        if not any(self.attends):
            raise ValueError(
                "No level of the UNet has 8 or 16 places a side, so none would attend."
            )

    def that_matter_to(self, stage: str) -> dict[str, Any]:
        """Return the options that affect a stage's result and differ from their defaults."""
        names = {"size", "seed", "pictures", "validation", "dtype"}
        if stage in ("vae", "denoiser"):
            names |= {"init", "vae_channels", "latent_channels"}
        if stage == "denoiser":
            names |= {"lean", "unet_channels", "text_width", "text_layers"}
        return {
            option.name: getattr(self, option.name)
            for option in fields(self)
            if (option.name in names or option.name.startswith(f"{stage}_"))
            and getattr(self, option.name) != option.default
        }

    @property
    def factor(self) -> int:
        """Picture pixels per latent pixel, along each side."""
        return int(2 ** (len(self.vae_channels) - 1))

    @property
    def latent_side(self) -> int:
        """Side of a picture's latents, in latent pixels."""
        return self.size // self.factor

    @property
    def attends(self) -> tuple[bool, ...]:
        """Whether each level of the UNet has attention, from the finest to the coarsest."""
        sides = (self.latent_side // 2**level for level in range(len(self.unet_channels)))
        return tuple(side in ATTENDED for side in sides)


def parse(arguments: Sequence[str] | None = None) -> TrainOptions:
    """Parse a command line into options; None means this process's own command line."""
    parser = argparse.ArgumentParser(
        prog="python -m zoo.train",
        description="Train the bundled Stable Diffusion from nothing, or go on where it stopped.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    hints = get_type_hints(TrainOptions, include_extras=True)
    for option in fields(TrainOptions):
        told = _argument(option, hints[option.name].__metadata__[0])
        parser.add_argument(f"--{option.name.replace('_', '-')}", **told)
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(parser.parse_args(arguments)).items()
    }
    try:
        return TrainOptions(**given)
    except ValueError as error:
        parser.error(str(error))


def _argument(option: Field[Any], description: str) -> dict[str, Any]:
    """Return the arguments for argparse's `add_argument` that describe a field."""
    default: Any = option.default
    told = {"default": default, "help": description}
    if isinstance(default, bool):
        return told | {"action": argparse.BooleanOptionalAction}
    if isinstance(default, tuple):
        return told | {"nargs": "+", "type": type(default[0])}
    return told | {"type": Path if default is None else type(default)}
