"""What a request may ask for: its parameters, and how a preset completes them."""

import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from core.errors import UnknownPreset
from core.schema.base import (
    STRENGTH_NAMES,
    FormerName,
    ShowsStrength,
    Strict,
    Unit,
    Url,
    both_names,
    one_strength,
)


class OutputFormat(StrEnum):
    """The encodings of an output."""

    PNG = "png"
    WEBP = "webp"
    JPEG = "jpeg"

    @property
    def content_type(self) -> str:
        """The media type."""
        return f"image/{self.value}"


class Detail(StrEnum):
    """How finely the changed part of a large photo is drawn."""

    OFF = "off"
    AUTO = "auto"
    FULL = "full"

    @property
    def rows(self) -> float:
        """The cost of an output's second pass, in rows of the UNet a denoising step, at most."""
        return {Detail.OFF: 0.0, Detail.AUTO: 2.4, Detail.FULL: 9.6}[self]


class WebhookEvent(StrEnum):
    """The events that a webhook can ask for."""

    STARTED = "edit.started"
    PROGRESS = "edit.progress"
    SUCCEEDED = "edit.succeeded"
    FAILED = "edit.failed"
    CANCELED = "edit.canceled"


FINAL_EVENTS = (WebhookEvent.SUCCEEDED, WebhookEvent.FAILED, WebhookEvent.CANCELED)

# The presets themselves are the model's: its workers announce them.
PresetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]

# Letters and symbols by their category, but blank: Hangul fillers, the empty Braille cell, and what
# stands for an object or a character that was lost.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\ufffc\ufffd")


def _check_words(text: str) -> str:
    """Check that a text says something: it has a letter, a digit or a pictograph."""
    kinds = (unicodedata.category(sign) for sign in text if sign not in _BLANK)
    if not any(kind == "So" or kind[0] in "LN" for kind in kinds):
        raise ValueError("Describe the picture in words.")
    return text


Prompt = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=1000),
    AfterValidator(_check_words),
]
Metadata = Annotated[
    dict[
        Annotated[str, StringConstraints(min_length=1, max_length=512)],
        Annotated[str, StringConstraints(max_length=512)],
    ],
    Field(max_length=16),
]

# What a model decides if neither the caller nor the preset does.
OF_THE_MODEL = ("num_inference_steps", "guidance_scale")

# One value for each output.
Strength = Unit | Annotated[list[Unit], Field(min_length=1, max_length=8)]


Steps = Annotated[int, Field(ge=1, le=100)]
Guidance = Annotated[float, Field(ge=1, le=20)]


class ParamsInput(Strict):
    """Parameters as a caller gives them. The preset or the model fills in those that are `None`."""

    preset: PresetName = Field(
        "auto",
        description="one of the model's presets (GET /v1/models)",
        examples=["auto", "non_rigid", "object", "style", "background"],
    )
    strength: Strength | None = Field(
        None,
        validation_alias=STRENGTH_NAMES,
        description="0 keeps the photo, 1 follows the text; each value is one output",
    )
    self_attention_until: Unit | None = Field(
        None, description="τ_s: share of the steps in which the photo's self-attention is used"
    )
    cross_attention_until: Unit | None = Field(
        None,
        description="τ_c: share of the steps in which the photo's cross-attention is used",
    )
    num_inference_steps: Steps | None = Field(
        None, description="denoising steps; the model's default is usually 20, and 8 if distilled"
    )
    guidance_scale: Guidance | None = Field(
        None, description="the model's default is usually 4, and 1 if distilled"
    )
    inner_steps: Annotated[int, Field(ge=0, le=50)] = Field(
        8, description="steps in which the text is tuned to the photo (TTIS)"
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(
        0, description="of the noise under which the text is tuned to the photo"
    )
    detail: Detail = Field(
        Detail.OFF,
        description="draw the changed part of a photo larger than the model's size again, nearer "
        "to its resolution: `auto` in up to 4 tiles of the model's size, `full` in up to 16",
    )
    output_format: OutputFormat = OutputFormat.PNG
    quality: Annotated[int, Field(ge=1, le=100)] = 95
    artifacts: bool = Field(False, description="also images that show how the edit came about")
    previews: bool = Field(False, description="small images on the event stream while it is made")
    webhook_url: Url | None = None
    webhook_events: Annotated[list[WebhookEvent], Field(min_length=1)] = Field(
        default_factory=lambda: list(FINAL_EVENTS)
    )

    _one_strength = model_validator(mode="before")(one_strength)


class PresetValues(ShowsStrength):
    """The values that a preset fills in."""

    strength: Unit
    interpolation: FormerName[Unit]
    self_attention_until: Unit
    cross_attention_until: Unit


class Params(ParamsInput):
    """Parameters with every default filled in, as stored and returned."""

    strength: Strength
    interpolation: FormerName[Strength]
    self_attention_until: Unit
    cross_attention_until: Unit
    num_inference_steps: Steps = 20
    guidance_scale: Guidance = 4.0

    _one_strength = model_validator(mode="before")(both_names)

    @classmethod
    def resolve(
        cls,
        params: ParamsInput,
        presets: Mapping[str, PresetValues],
        defaults: Mapping[str, Any] = MappingProxyType({}),
    ) -> Self:
        """Fill in what the preset and the model decide; what the caller gave wins.

        Args:
            params: as given.
            presets: the model's.
            defaults: the model's, of which those of the steps and the guidance count.

        Raises:
            UnknownPreset: the model has not announced this preset.
        """
        preset = presets.get(params.preset)
        if preset is None:
            names = ", ".join(sorted(presets))
            raise UnknownPreset(f"The model does not know this preset. Known: {names}.")
        values = {name: defaults[name] for name in OF_THE_MODEL if name in defaults}
        values |= preset.model_dump(exclude={"interpolation"})
        return cls.model_validate(values | params.model_dump(exclude_none=True))

    @property
    def strengths(self) -> tuple[float, ...]:
        """One value per requested output, in the order of the request."""
        value = self.strength
        return tuple(value) if isinstance(value, list) else (value,)

    def spread(self, count: int) -> Self:
        """Return them with so many strengths: their own, and weaker ones evenly down to half of it.

        Below half of a preset's strength most edits do not show (docs/decisions/0032).
        """
        full = self.strengths[0]
        strengths = [round(full * (1 - 0.5 * n / (count - 1)), 4) for n in range(count)]
        return self.model_validate(
            self.model_dump(exclude={"interpolation"}) | {"strength": strengths}
        )

    @property
    def work(self) -> float:
        """The edit's rough cost relative to others, in rows of the UNet."""
        # Tuning takes ten rows there and back a step, and finding what changes twelve rows; then
        # each denoising step takes a row to invert and about two for each output, and a second
        # pass two for each of its tiles, in three of ten steps.
        tuning = 10 * 2.1 * self.inner_steps + 12
        return tuning + self.num_inference_steps + self.editing_work

    @property
    def editing_work(self) -> float:
        """The part of `work` that is left if the photo has been inverted for this edit before."""
        return self.num_inference_steps * (2 + self.detail.rows) * len(self.strengths)
