import json
from pathlib import Path

from pydantic import TypeAdapter

from bench.speed.command import SECTIONS
from bench.speed.report import Conditions, page

COMMITTED = Path(__file__).parents[3] / "docs" / "benchmarks"


def test_the_committed_page_is_what_its_figures_give():
    data = json.loads((COMMITTED / "speed-zoo-cpu.json").read_text("utf-8"))
    conditions = TypeAdapter(Conditions).validate_python(data.pop("conditions"))
    sections = {
        name: TypeAdapter(SECTIONS[name].__annotations__["return"]).validate_python(section)
        for name, section in data.items()
    }
    assert (COMMITTED / "speed-zoo-cpu.md").read_text("utf-8") == page(conditions, sections)
