"""A model as a worker announces it, and edits for it."""

from datetime import UTC, datetime
from typing import Any

from core.ids import new_edit_id
from core.images.keys import new_photo_prefix
from core.schema import (
    InputImage,
    Model,
    Params,
    ParamsInput,
    PresetValues,
    Priority,
    Size,
    Submission,
)

MODEL = Model(
    id="zoo",
    native_size=Size(width=64, height=64),
    licence="Apache-2.0",
    default_parameters={"num_inference_steps": 20},
    presets={
        preset: PresetValues(strength=0.7, self_attention_until=0.4, cross_attention_until=0.6)
        for preset in ("auto", "non_rigid", "object", "style", "background")
    },
)


def make_submission(
    *,
    caller: str = "local",
    model: str = MODEL.id,
    metadata: Any = None,
    priority: Priority = Priority.INTERACTIVE,
    **params: Any,
) -> Submission:
    """Return what a POST with these parameters submits."""
    edit_id = new_edit_id()
    return Submission(
        id=edit_id,
        created_at=datetime.now(UTC),
        caller=caller,
        base_url="http://testserver",
        prompt="a cat that sits",
        model=model,
        params=Params.resolve(ParamsInput(**params), MODEL.presets),
        metadata=metadata or {},
        input=InputImage(width=64, height=64, content_type="image/png", sha256="0" * 64),
        photo=new_photo_prefix(edit_id),
        priority=priority,
    )
