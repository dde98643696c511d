"""The report of a run, as a page and as JSON."""

from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from bench.common.files import write_report
from bench.speed.machine import Machine


@dataclass(frozen=True)
class Conditions:
    """The conditions of the measurements."""

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
    """The measurements of one section."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]  # so that `asdict` accepts it

    @property
    def title(self) -> str:
        """The heading."""

    def page(self) -> str:
        """Return the table and its explanation in Markdown."""


def write(path: Path, conditions: Conditions, sections: Mapping[str, Section]) -> None:
    """Write PATH.md and PATH.json."""
    data = {
        "conditions": asdict(conditions),
        **{name: asdict(section) for name, section in sections.items()},
    }
    write_report(path, data, page(conditions, sections))


def page(conditions: Conditions, sections: Mapping[str, Section]) -> str:
    """Return the page: the conditions, then a table per section."""
    parts = [_head(conditions)]
    parts += [f"## {section.title}\n\n{section.page()}" for section in sections.values()]
    return "\n\n".join(parts) + "\n"


def _head(conditions: Conditions) -> str:
    machine, size = conditions.machine, conditions.size
    if conditions.inner_steps is None:
        inner = "with the inner steps and stopping rules of each method"
    else:
        inner = f"with exactly {conditions.inner_steps} inner steps, never stopped early"
    return (
        f"# Speed: {conditions.model} on {conditions.device}\n\n"
        f"`{conditions.command}`\n\n"
        f"{machine.name}, CPU threads: {machine.threads}, torch {machine.torch_version}; load "
        f"average {machine.load:.1f} at the start. Model `{conditions.identity[:12]}` in "
        f"{conditions.dtype} at {size}×{size}, T = {conditions.steps}, {inner}. Repeats: "
        f"{conditions.repeats}.\n\n"
        f"Ceiling: {machine.ceiling:.3g} TFLOP/s, the fastest of several products of two large "
        "square matrices in that dtype, on the same device with the same threads."
    )
