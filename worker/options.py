"""Translation between the service and the method: settings, parameters and hints."""

from baret import EditOptions, Hint, InversionOptions
from baret.options import ModelOptions
from core.schema import EditWarning, Params, WarningCode
from core.settings import Settings


def model_options(settings: Settings) -> ModelOptions:
    """Return what the settings say of the model."""
    return ModelOptions(
        prediction=settings.prediction,
        sampling=settings.sampling,
        vae=settings.vae,
        lora=settings.lora,
        embeddings=settings.embeddings,
        long_prompts=settings.long_prompts,
    )


def edit_options(params: Params) -> EditOptions:
    """Return the method's options for the service's parameters.

    These have the values of the preset already.
    """
    return EditOptions(
        strength=params.strengths,
        self_attention_until=params.self_attention_until,
        cross_attention_until=params.cross_attention_until,
        guidance_scale=params.guidance_scale,
        detail=params.detail.value,
        artifacts=params.artifacts,
        previews=params.previews,
        inversion=InversionOptions(
            num_inference_steps=params.num_inference_steps,
            inner_steps=params.inner_steps,
            seed=params.seed,
        ),
    )


def edit_warnings(hints: tuple[Hint, ...]) -> list[EditWarning]:
    """Return the service's warnings for the method's hints."""
    return [
        EditWarning(code=WarningCode(hint.code), detail=hint.detail, words=list(hint.words))
        for hint in hints
    ]
