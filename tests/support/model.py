"""A model as a worker announces it."""

from core.schema import Model, PresetValues, Size

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
