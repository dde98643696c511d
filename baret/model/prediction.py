"""What a model's UNet predicts, ε or v, and by what that was found.

The evidence, in order (decision record 19): the setting; for a single file its header, its marker
keys, a `.yaml` beside it, a known statistic of Stable Diffusion 2's weights, what its family
usually predicts; for a folder its scheduler's configuration. Then `baret.model.probe` calls the
UNet once, which outweighs a guess and contradicts a claim.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from safetensors import safe_open

from baret.errors import UnsupportedModel
from baret.model.header import Header
from baret.model.layout import UNET, Family
from baret.options import PredictionSetting

PredictionType = Literal["epsilon", "v_prediction"]

_SPELLINGS: Mapping[str, PredictionType] = {
    "epsilon": "epsilon",
    "eps": "epsilon",
    "v": "v_prediction",
    "v_prediction": "v_prediction",
    "v-prediction": "v_prediction",
}
# A fine-tuned v model's biases here spread more: the rule of ComfyUI and of the AUTOMATIC1111 UI.
_STATISTIC = f"{UNET}output_blocks.11.1.transformer_blocks.0.norm1.bias"
_V_SPREAD = 0.09
_YAML_TYPE = re.compile(r"^\s*(?:parameterization|prediction_type):\s*[\"']?([\w-]+)", re.M)
_YAML_ZERO = re.compile(
    r"^\s*(?:zero_terminal_snr|zero_snr|zsnr|ztsnr|rescale_betas_zero_snr):\s*(?:true|1)\b",
    re.M | re.I,
)


@dataclass(frozen=True)
class PredictionFinding:
    """What a UNet predicts."""

    type: PredictionType
    zero_snr: bool  # trained on betas rescaled to end in pure noise (arXiv 2305.08891)
    found_by: str  # the evidence, for a log line
    # A setting is followed, a claim must not contradict the probe, a guess gives way to it.
    weight: Literal["setting", "claim", "guess"]


def from_setting(setting: PredictionSetting) -> PredictionFinding | None:
    """Return what the operator says, if anything."""
    if setting == "auto":
        return None
    kind: PredictionType = "epsilon" if setting == "epsilon" else "v_prediction"
    return PredictionFinding(
        kind, setting.endswith("zero_snr"), "the setting BARET_PREDICTION", "setting"
    )


def of_file(
    path: Path, header: Header, family: Family, setting: PredictionSetting
) -> PredictionFinding:
    """Find what a single file predicts.

    Args:
        path: the file.
        header: its header.
        family: of the model.
        setting: the operator's.

    Raises:
        UnsupportedModel: the file says that it predicts something else.
    """
    found = (
        from_setting(setting)
        or _from_metadata(header)
        or _from_keys(header)
        or _from_yaml(path.with_suffix(".yaml"))
    )
    if found is not None:
        return found
    if family == "sd2" and _STATISTIC in header:
        return _from_statistic(path)
    return PredictionFinding("epsilon", False, "what its family usually predicts", "guess")


def of_folder(folder: Path, setting: PredictionSetting) -> PredictionFinding:
    """Find what a diffusers folder predicts.

    Raises:
        UnsupportedModel: its scheduler says that it predicts something else.
    """
    found = from_setting(setting)
    if found is not None:
        return found
    path = folder / "scheduler" / "scheduler_config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
        kind = str(config.get("prediction_type", "epsilon"))
        zero_snr = bool(config.get("rescale_betas_zero_snr"))
    except (OSError, ValueError, RecursionError, AttributeError) as error:
        raise UnsupportedModel(f"{path} cannot be read; download the model again.") from error
    if kind not in ("epsilon", "v_prediction"):
        raise _unknown(kind, str(path))
    return PredictionFinding(_SPELLINGS[kind], zero_snr, "its scheduler_config.json", "claim")


def confirm(
    prediction: PredictionFinding, verdict: str | None, name: str
) -> tuple[PredictionFinding, tuple[str, ...]]:
    """Hold what was found against the probe's verdict.

    Args:
        prediction: as found.
        verdict: what `baret.model.probe` says; None decides nothing.
        name: of the model.

    Returns:
        What to take the model for, and notes.

    Raises:
        UnsupportedModel: the model claims one thing and does another.
    """
    if verdict == prediction.type:
        return prediction, ()
    if verdict not in ("epsilon", "v_prediction"):
        return prediction, (
            f"Its first answer does not show what it predicts; taken for {prediction.type} by "
            f"{prediction.found_by}.",
        )
    contradiction = f"it answers like a model that predicts {verdict}"
    if prediction.weight == "setting":
        return prediction, (f"By {prediction.found_by}, but {contradiction}.",)
    if prediction.weight == "guess":
        found_by = "its first answer, to pure noise"
        return replace(prediction, type=_SPELLINGS[verdict], found_by=found_by), ()
    raise UnsupportedModel(
        f"By {prediction.found_by}, {name} predicts {prediction.type}, but {contradiction}. Set "
        f"BARET_PREDICTION to {verdict} or, to insist, to {prediction.type}."
    )


def _from_metadata(header: Header) -> PredictionFinding | None:
    told = {key: str(value).lower() for key, value in header.metadata.items()}
    zero_snr = told.get("ss_zero_terminal_snr") == "true"
    if kind := told.get("modelspec.prediction_type"):
        return _claim(kind, zero_snr, "modelspec.prediction_type in its header")
    if (kind := told.get("ss_v_parameterization")) in ("true", "false"):
        return _claim(
            "v" if kind == "true" else "eps", zero_snr, "ss_v_parameterization in its header"
        )
    if told.get("modelspec.architecture", "").endswith("-v"):
        return _claim("v", zero_snr, "modelspec.architecture in its header")
    return None


def _from_keys(header: Header) -> PredictionFinding | None:
    marks = [name for name in ("v_pred", "ztsnr") if name in header]
    if not marks:
        return None
    return _claim("v", "ztsnr" in marks, f"its key {marks[0]}")


def _from_yaml(path: Path) -> PredictionFinding | None:
    """Read two lines of a configuration; that takes no YAML parser, and this project has none."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found, zero_snr = _YAML_TYPE.search(text), bool(_YAML_ZERO.search(text))
    if found is None and not zero_snr:
        # As the original code reads a configuration that does not say.
        return _claim("eps", False, path.name) if "first_stage_config" in text else None
    return _claim(found[1].lower() if found else "v", zero_snr, path.name)


def _from_statistic(path: Path) -> PredictionFinding:
    with safe_open(path, framework="pt") as file:
        spread = float(file.get_tensor(_STATISTIC).float().std(correction=0))
    kind: PredictionType = "v_prediction" if spread > _V_SPREAD else "epsilon"
    return PredictionFinding(kind, False, "a known statistic of its weights", "guess")


def _claim(kind: str, zero_snr: bool, found_by: str) -> PredictionFinding:
    if kind not in _SPELLINGS:
        raise _unknown(kind, found_by)
    return PredictionFinding(_SPELLINGS[kind], zero_snr, found_by, "claim")


def _unknown(kind: str, where: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"By {where}, the model predicts {kind!r}; only 'epsilon' and 'v_prediction' are supported."
    )
