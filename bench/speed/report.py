"""A run as a page and as JSON."""

import json
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from bench.speed.machine import Machine


@dataclass(frozen=True)
class Conditions:
    """Under what everything was measured."""

    command: str
    model: str
    identity: str  # of its weights
    device: str
    dtype: str
    size: int  # pixels on a side
    steps: int
    inner_steps: int | None
    repeats: int
    machine: Machine


class Section(Protocol):
    """What a section measured."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]  # so it goes into JSON as it is

    @property
    def title(self) -> str:
        """Its heading."""

    def page(self) -> str:
        """Its table with what it says, in Markdown."""


def write(path: Path, conditions: Conditions, sections: Mapping[str, Section]) -> None:
    """Write PATH.md and PATH.json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "conditions": asdict(conditions),
        **{name: asdict(section) for name, section in sections.items()},
    }
    text = json.dumps(told, indent=1, ensure_ascii=False)
    path.with_name(path.name + ".json").write_text(text + "\n", "utf-8")
    path.with_name(path.name + ".md").write_text(page(conditions, sections), "utf-8")


def page(conditions: Conditions, sections: Mapping[str, Section]) -> str:
    """The page: the conditions, then a table a section."""
    parts = [_head(conditions)]
    parts += [f"## {section.title}\n\n{section.page()}" for section in sections.values()]
    return "\n\n".join(parts) + "\n"


def _head(told: Conditions) -> str:
    machine = told.machine
    inner = (
        "inner steps and their stopping rules are each method's own"
        if told.inner_steps is None
        else f"exactly {told.inner_steps} inner steps, none stopped early, wherever a text is tuned"
    )
    return (
        f"# Speed: {told.model} on {told.device}\n\n"
        f"`{told.command}`\n\n"
        f"{machine.name}, {machine.threads} CPU threads, torch {machine.torch_version}; load "
        f"average {machine.load:.1f} when it began. Model `{told.identity[:12]}` in {told.dtype} "
        f"at {told.size}×{told.size}, T = {told.steps}, {inner}. Repeats: {told.repeats}.\n\n"
        f"Ceiling: {machine.ceiling:.3g} TFLOP/s, the fastest of some products of two large square "
        "matrices in that dtype, on the same device with the same threads."
    )
