import json

import pytest

from baret import InversionOptions
from baret.method.ttis import LEVELS_PER_STEP
from bench.speed.command import SECTIONS, main
from bench.speed.random_weights import random_folder
from tests.support.small_model import NATIVE_SIZE


def _run(out, *given):
    main(["--device", "cpu", "--threads", "1", "--repeats", "1", "--out", str(out), *given])


def test_the_whole_of_it_from_end_to_end(small, tmp_path, capsys):
    _run(tmp_path, "--model", str(small), "--steps", "2", "--inner-steps", "1", "--at-once", "1,2")
    data = json.loads((tmp_path / "speed-small-cpu.json").read_text())
    assert list(data) == ["conditions", *SECTIONS]
    assert data["conditions"]["inner_steps"] == 1 and data["conditions"]["size"] == NATIVE_SIZE
    assert [edits["at_once"] for edits in data["together"]["crowds"]] == [1, 2]
    null_text = data["peers"]["entries"][1]
    assert null_text["backward_rows"] == 2  # T × inner steps: nothing stopped early
    page = (tmp_path / "speed-small-cpu.md").read_text()
    assert "`python -m bench.speed --device cpu --threads 1" in page
    assert "exactly 1 inner steps" in page
    assert page.count("\n## ") == len(SECTIONS)
    assert "Written: " in capsys.readouterr().out


def test_random_weights_are_tuned_to_the_end_at_the_size_asked_for(small_configs, tmp_path):
    random_folder(tmp_path / "sd15-random", small_configs)  # in place of the large one
    given = ("--model", "sd15-random", "--work", str(tmp_path), "--steps", "1", "--size", "64")
    _run(tmp_path, *given, "--sections", "stages")
    data = json.loads((tmp_path / "speed-sd15-random-cpu.json").read_text())
    assert list(data) == ["conditions", "stages"]
    assert data["conditions"]["size"] == 64
    assert data["conditions"]["inner_steps"] == InversionOptions().inner_steps
    rows = LEVELS_PER_STEP * InversionOptions().inner_steps
    assert data["stages"]["stages"][-1]["backward_rows"] == rows


def test_peers_run_in_half_precision_on_stable_diffusions_layout(small_configs, tmp_path):
    folder = random_folder(tmp_path / "small", small_configs)
    given = ("--model", str(folder), "--dtype", "bfloat16", "--size", "64")
    _run(tmp_path, *given, "--steps", "2", "--inner-steps", "1", "--sections", "peers")
    data = json.loads((tmp_path / "speed-small-cpu-bfloat16.json").read_text())
    assert [entry["rows"] > 0 for entry in data["peers"]["entries"]] == [True] * 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--sections", "stages,nonsense"], "no section nonsense"),
        (["--size", "100"], "multiple of 64"),
        (["--repeats", "0"], "1 or more"),
    ],
)
def test_what_cannot_be_measured_is_refused(given, message, capsys):
    with pytest.raises(SystemExit):
        main(given)
    assert message in capsys.readouterr().err


def test_a_model_that_is_not_there_ends_the_command_with_a_line(tmp_path):
    with pytest.raises(SystemExit, match="There is no model 'nothing'"):
        _run(tmp_path, "--model", "nothing")
