"""The settings of each of a worker's models: those of all, and those that a model has for itself.

`BARET_VAE__PHOTO` is `BARET_VAE` of the model `photo`. In a variable's name a model's name is
written with underscores for everything that is not a letter or a digit.
"""

import os
import re
import sys
from typing import Any

from dotenv import dotenv_values
from pydantic import Field, ValidationError, create_model

from core.settings import HOME, Settings, SettingsSources

# Settings that a model can have for itself.
OWN = ("dtype", "prediction", "sampling", "vae", "lora", "embeddings", "long_prompts")
_OWN_VARIABLE = re.compile(rf"BARET_(?:{'|'.join(OWN)})__(.*)", re.I)


def each_model(settings: Settings) -> tuple[Settings, ...]:
    """Return the settings of each model that a worker serves, in their order.

    Raises:
        ValueError: two models have the same name, a setting is for a model that is not served, or
            its value is not valid.
    """
    suffixes = [_suffix(name) for name in settings.model_names]
    for name, suffix in zip(settings.model_names, suffixes, strict=True):
        if suffixes.count(suffix) > 1:
            raise ValueError(
                f"BARET_MODELS has two models {name}. Give one another name: name=path."
            )
    _refuse_strangers(suffixes)
    return tuple(
        settings.model_copy(update={"model": model, "models": ""} | _own(suffix, settings))
        for model, suffix in zip(settings.model_list, suffixes, strict=True)
    )


def read_each_model(settings: Settings) -> tuple[Settings, ...]:
    """Return `each_model`; exit with 1 and a line on standard error if a setting is not valid."""
    try:
        return each_model(settings)
    except ValueError as error:
        sys.exit(f"A setting is not valid: {error}")


def _suffix(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").upper()


def _own(suffix: str, settings: Settings) -> dict[str, Any]:
    """Read what a model can have for itself, from where all settings come from; or as for all."""
    fields: dict[str, Any] = {
        name: (
            Settings.model_fields[name].annotation,
            Field(getattr(settings, name), validation_alias=f"BARET_{name.upper()}__{suffix}"),
        )
        for name in OWN
    }
    try:
        own = create_model("OwnSettings", __base__=SettingsSources, **fields)()
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{str(first['loc'][0]).upper()}: {first['msg']}") from None
    return own.model_dump()


def _refuse_strangers(suffixes: list[str]) -> None:
    for variable in {**os.environ, **dotenv_values(HOME / ".env")}:
        own = _OWN_VARIABLE.fullmatch(variable)
        if own and own[1].upper() not in suffixes:
            raise ValueError(
                f"{variable} is for a model that BARET_MODELS does not have. "
                f"Its models are written {', '.join(suffixes)} there."
            )
