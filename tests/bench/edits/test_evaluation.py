"""Storing and resuming runs, tuning, and reports."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from bench.edits import report, sheets, tables, tuned
from bench.edits.batch import Edited, Method
from bench.edits.evaluation import Bench, MissingResultError, evaluate, evaluate_stored
from bench.edits.methods import BARET, METHODS, methods_with_steps
from bench.edits.results import settings_digest
from zoo.scene import ATTRIBUTES


@dataclass(frozen=True)
class Brightness:
    by: int


class Brighten:
    """A fast method that records the sizes of its batches."""

    def __init__(self):
        self.batches = []
        self.__module__ = "bench.edits.baret_editor"

    def __call__(self, model, batch, options):
        self.batches.append(len(batch))
        images = np.clip(batch.sources.astype(int) + options.by, 0, 255).astype(np.uint8)
        return Edited(images, lambda: batch.sources)


class Judge:
    """Recognises the attributes of the exact answers, and none in other images."""

    def __init__(self, tasks):
        self.tasks = tasks

    def classify(self, images):
        unknown = [-1] * len(ATTRIBUTES)
        labels = [
            next((t.labels for t in self.tasks if np.array_equal(t.answer, image)), unknown)
            for image in images
        ]
        return np.array(labels)


@pytest.fixture
def bench(model, two, tmp_path):
    return Bench.of(model, Judge(two), two, tmp_path / "work", 1)


@pytest.fixture
def method():
    return Method("Brighten", Brighten(), (Brightness(60), Brightness(5), Brightness(200)))


def test_what_is_there_is_not_made_again(bench, method):
    done = []
    first = evaluate(bench, "brighten", method, Brightness(5), done.append)
    assert method.run.batches == [1, 1] and done == [0, 1, 1]
    again = evaluate(bench, "brighten", method, Brightness(5), done.append)
    assert method.run.batches == [1, 1] and done[3:] == [2]
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a.result.image, b.result.image)
        assert (a.quality, a.result.spent) == (b.quality, b.result.spent)


def test_stored_results_are_measured_without_running_anything(bench, method):
    with pytest.raises(MissingResultError, match="has no result of edit"):
        evaluate_stored(bench, "brighten", method, Brightness(5))
    assert method.run.batches == []
    made = evaluate(bench, "brighten", method, Brightness(5))
    stored = evaluate_stored(bench, "brighten", method, Brightness(5))
    assert method.run.batches == [1, 1]
    assert [row.appearance for row in stored] == [row.appearance for row in made]


def test_a_run_that_was_stopped_goes_on_where_it_was(bench, method, two):
    evaluate(
        replace(bench, tasks=two[:1], through_vae=bench.through_vae[:1]),
        "b",
        method,
        0 or Brightness(5),
    )
    evaluate(bench, "b", method, Brightness(5))
    assert method.run.batches == [1, 1]


def test_other_settings_are_other_results(bench, method):
    assert settings_digest(method.run, Brightness(1)) != settings_digest(method.run, Brightness(2))
    evaluate(bench, "brighten", method, Brightness(5))
    evaluate(bench, "brighten", method, Brightness(6))
    assert len(method.run.batches) == 4


def test_a_half_written_result_is_none(bench, method):
    evaluate(bench, "brighten", method, Brightness(5))
    for path in bench.work.rglob("*.json"):
        path.rename(path.with_suffix(".json.partial"))
    evaluate(bench, "brighten", method, Brightness(5))
    assert len(method.run.batches) == 4


def test_the_best_try_is_used_for_this_model_and_these_tries_alone(bench, method, tmp_path):
    path = tmp_path / "tuned.json"
    with pytest.raises(tuned.NotTunedError, match="has not been tuned"):
        tuned.best("brighten", method, "model", path)
    found = tuned.tune(bench, "brighten", method, lambda _: None)
    assert found["try"] == 1 and len(found["tries"]) == 3  # the darkest is the nearest
    tuned.write({"brighten": found}, "model", path)
    tuned.write({"other": found}, "model", path)
    assert tuned.best("brighten", method, "model", path) == Brightness(5)
    with pytest.raises(tuned.NotTunedError):
        tuned.best("brighten", method, "another model", path)
    with pytest.raises(tuned.NotTunedError, match="have changed"):
        tuned.best("brighten", replace(method, tries=(Brightness(4),)), "model", path)


def test_the_stored_settings_are_those_of_the_methods():
    stored, methods = json.loads(tuned.TUNED.read_text()), methods_with_steps(20)
    # A method that is not stored has to be tuned before the benchmark runs.
    for name in stored["methods"]:
        method = methods[name]
        assert tuned.best(name, method, stored["model"], tuned.TUNED) in method.tries


def test_a_report_tells_everything(bench, method, tmp_path, monkeypatch):
    monkeypatch.setitem(METHODS, BARET, method)
    monkeypatch.setitem(METHODS, "brighter", method)
    settings = {BARET: Brightness(5), "brighter": Brightness(60)}
    rows = {name: evaluate(bench, name, method, options) for name, options in settings.items()}
    page = report.write(
        report.Run("tuning", rows, settings, bench, steps=5), tmp_path / "out"
    ).read_text()
    data = json.loads((tmp_path / "out" / "edits-tuning.json").read_text())
    assert data["figures"]["all"][BARET]["psnr"]["count"] == 2
    assert data["ahead"]["all"]["brighter"]["psnr"]["mean"] > 3  # dB nearer to the answer
    assert len(data["cases"][BARET]) == 2
    own = data["cases"][BARET][0]
    assert own["right"] is False and 0 < own["drawn"] < 1 and own["realism"] is None
    assert "*Real* is not measured" in page
    for name in {line.split("](")[1][:-1] for line in page.splitlines() if line.startswith("![")}:
        assert (tmp_path / "out" / name.split(")")[0]).stat().st_size > 1000
    for kind in tables.kinds(rows):
        assert f"## {kind.capitalize()}" in page


def test_the_median_case_of_each_kind_is_chosen_by_rule(bench, method):
    rows = {BARET: evaluate(bench, "brighten", method, Brightness(5))}
    own = rows[BARET]
    good = replace(own[0].quality, changed=True, kept=True)
    look = replace(own[0].appearance, ghost=0.0, lost=0.0, background=0.0, seam=0.0)
    drawn, well, wrong = (
        replace(own[0], quality=quality, appearance=replace(look, drawn=similarity))
        for quality, similarity in ((good, 0.7), (good, 0.9), (replace(good, kept=False), 0.95))
    )
    assert sheets.median_cases({BARET: [well, drawn, wrong]}) == [1]
    assert sheets.worst_cases({BARET: [well, drawn, wrong]}) == [2, 1, 0]


def test_a_field_added_since_leaves_stored_settings_valid_if_it_has_its_default() -> None:
    @dataclass(frozen=True)
    class Options:
        steps: int = 20
        added: float = 1.0

    assert tuned._complete(Options(), {"steps": 20}) == {"steps": 20, "added": 1.0}
    assert tuned._complete(Options(added=2.0), {"steps": 20}) == {"steps": 20}
