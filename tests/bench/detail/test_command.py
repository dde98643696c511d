"""The whole benchmark on one edit, and the cost of one photo."""

import json
from pathlib import Path

from PIL import Image

from bench.detail.command import main
from bench.detail.cost import measure
from bench.detail.forms import FORMS


def test_one_edit_gives_a_row_for_every_form_and_a_sheet(tmp_path: Path, small: Path) -> None:
    given = ["--factors", "2", "--limit", "1", "--no-cost", "--device", "cpu", "--threads", "1"]
    main([*given, "--model", str(small), "--out", str(tmp_path)])
    data = json.loads((tmp_path / "detail-small.json").read_text())
    assert [row["form"] for row in data["figures"]] == list(FORMS)
    assert data["conditions"]["edits"] == 1
    page = (tmp_path / "detail-small.md").read_text()
    assert all(f"| ×2 | {form} |" in page for form in FORMS)
    sheet = Image.open(tmp_path / "detail-small.png")
    assert sheet.width > 6 * 300  # before, four forms, exact answer


def test_a_second_pass_costs_a_stage_of_its_own(small: Path) -> None:
    cost = measure(str(small), "cpu", "float32", 1, "auto")
    assert cost.seconds["detailing"] > 0 and cost.memory_mib >= 0
    assert cost.device_mib is None
