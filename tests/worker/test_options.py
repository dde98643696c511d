"""Every parameter of a request reaches the method, or is one that the service itself uses."""

from dataclasses import asdict
from typing import Any

import pytest

from core.schema import Params
from worker.options import edit_options

DEFAULTS: dict[str, Any] = {
    "strength": 0.8,
    "self_attention_until": 0.6,
    "cross_attention_until": 0.2,
}
# Another value than the default for each parameter of the method.
FOR_THE_METHOD: dict[str, Any] = {
    "strength": [0.1, 0.9],
    "self_attention_until": 0.3,
    "cross_attention_until": 0.7,
    "num_inference_steps": 30,
    "guidance_scale": 5.0,
    "inner_steps": 3,
    "seed": 7,
    "detail": "auto",
    "artifacts": True,
    "previews": True,
}
FOR_THE_SERVICE = {
    "preset",  # its values are filled in already
    "interpolation",  # the former name of strength
    "output_format",
    "quality",
    "webhook_url",
    "webhook_events",
}


def test_each_parameter_is_the_methods_or_the_services() -> None:
    assert Params.model_fields.keys() == FOR_THE_METHOD.keys() | FOR_THE_SERVICE


@pytest.mark.parametrize("name", FOR_THE_METHOD)
def test_a_parameter_of_the_method_reaches_it(name: str) -> None:
    before = _flat(Params(**DEFAULTS))
    after = _flat(Params(**{**DEFAULTS, name: FOR_THE_METHOD[name]}))
    value = FOR_THE_METHOD[name]
    assert after[name] == (tuple(value) if isinstance(value, list) else value)
    assert {key for key in before if before[key] != after[key]} == {name}


def _flat(params: Params) -> dict[str, Any]:
    """The method's options by name, those of the inversion among them."""
    options = asdict(edit_options(params))
    return options | options.pop("inversion")
