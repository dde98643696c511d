import json
from dataclasses import replace

import numpy as np
import pytest

from bench.ablations import report
from bench.ablations.convergence import STARTS, converge
from bench.ablations.studies import STUDIES
from bench.edits.appearance import Appearance
from bench.edits.evaluation import Row
from bench.edits.metrics import Quality
from bench.edits.results import CostPerImage, Result

QUALITY = Quality(True, True, True, 20.0, 0.8, 15.0, 25.0, 2.0, 27.0)
LOOKS = Appearance(drawn=0.7, ghost=0.0, background=1.0, lost=0.0, seam=0.5)


def _rows(two, psnr):
    result = Result(two[0].source, None, CostPerImage(1.0, 100.0, 0.0))
    return [Row(task, result, replace(QUALITY, psnr=psnr), LOOKS) for task in two]


@pytest.mark.parametrize("name", ["strength", "pivots"])
def test_a_study_is_written_down_and_what_was_found_stays(two, tmp_path, name):
    measured = {
        series: [(x, _rows(two, 20.0 + i)) for i, (x, _) in enumerate(points)]
        for series, points in STUDIES[name].series.items()
    }
    report.write(name, STUDIES[name], measured, tmp_path)
    data = json.loads((tmp_path / f"{name}.json").read_text())
    assert set(data["series"]) == set(STUDIES[name].series)
    for plot in (f"{name}.png", f"{name}-kinds.png"):
        assert (tmp_path / plot).stat().st_size > 1000
    page = tmp_path / f"{name}.md"
    assert report.FINDING in page.read_text()
    page.write_text(page.read_text().replace(report.FINDING, "It does. Clearly."))
    report.write(name, STUDIES[name], measured, tmp_path)
    assert "It does. Clearly." in page.read_text()


def test_every_setting_of_a_study_is_another_one():
    for name, study in STUDIES.items():
        for series, points in study.series.items():
            assert len({variant for _, variant in points}) == len(points), (name, series)


def test_tuning_comes_nearer_with_every_inner_step_from_every_start(model, two, tmp_path):
    points = converge(model, two[:1], inner_steps=(0, 3), steps=2)
    assert len(points) == 2 * len(STARTS)
    for start in STARTS:
        own = [np.mean(p.reconstruction_psnr) for p in points if p.start == start]
        assert own[-1] >= own[0]
    report.write_convergence(points, 28.0, tmp_path)
    assert (tmp_path / "convergence.png").stat().st_size > 1000
