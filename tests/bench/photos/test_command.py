import json
import re

import numpy as np
import pytest
from PIL import Image

from bench.photos.command import main


@pytest.fixture
def arguments(small, clip_folder, dino_folder, lpips_weights, tmp_path):
    """Everything but the dataset: a small model, two steps, tiny metrics."""

    def make(dataset: str, folder, net: str) -> list[str]:
        options = {
            "--dataset": dataset,
            "--model": small,
            "--device": "cpu",
            "--steps": 2,
            "--clip": clip_folder,
            "--dino": dino_folder,
            "--lpips-weights": lpips_weights(net),
            "--work": tmp_path / "work",
            "--out": tmp_path / "out",
        }
        return [str(folder), *(str(part) for pair in options.items() for part in pair)]

    return make


def test_tedbench_from_end_to_end_and_resumed(arguments, tedbench, tmp_path, capsys):
    given = arguments("tedbench", tedbench, "alex")
    main(given)
    output = capsys.readouterr().out
    assert re.search(r"^6/6 ddim 002-bird: \d+\.\d s, CLIP \d+\.\d, LPIPS ", output, re.M)
    page = (tmp_path / "out" / "photos.md").read_text()
    assert "3 of 3 edits, 2 steps" in page
    assert re.search(r"\| all \| baret \| 3 \| \d+\.\d\d \|", page)
    assert page.count("Not measured") == 1  # PIE-Bench's table
    sheet = Image.open(tmp_path / "out" / "photos-tedbench.png")
    assert sheet.width > 3 * 192 and np.asarray(sheet).std() > 10

    figures = (tmp_path / "out" / "photos-tedbench.json").read_bytes()
    (tmp_path / "work" / "tedbench" / "ddim" / "001-cat-1.json").unlink()
    main(given)
    output = capsys.readouterr().out
    assert output.count("done before") == 5  # and the sixth was made again
    again = json.loads((tmp_path / "out" / "photos-tedbench.json").read_text())
    first = json.loads(figures)
    assert [r["scores"] for r in again["records"]] == [r["scores"] for r in first["records"]]


def test_pie_bench_from_end_to_end_and_scored_again(
    arguments, pie_bench, lpips_weights, tmp_path, capsys
):
    given = arguments("pie-bench", pie_bench, "squeeze")
    main(given)
    figures = json.loads((tmp_path / "out" / "photos-pie-bench.json").read_text())
    first = {row["kind"]: row for row in figures["rows"] if row["method"] == "baret"}
    assert first.keys() == {"all", "5 change pose", "6 change colour"}
    for metric in ("structure", "background_lpips", "clip_whole", "clip_edited", "lpips"):
        mean, low, high = first["all"]["means"][metric]
        assert low <= mean <= high
    assert len(figures["records"]) == 6 and figures["conditions"]["edits_of"] == 3
    assert "CLIP edited ↑" in (tmp_path / "out" / "photos.md").read_text()

    # With other metrics, edits are scored again but not made again.
    images = sorted((tmp_path / "work" / "pie-bench").rglob("*.png"))
    before = [image.stat().st_mtime_ns for image in images]
    capsys.readouterr()
    other = ["--lpips", "alex", "--lpips-weights", str(lpips_weights("alex")), "--limit", "1"]
    main([*given, *other])
    assert "done before" not in capsys.readouterr().out
    assert [image.stat().st_mtime_ns for image in images] == before
    again = json.loads((tmp_path / "out" / "photos-pie-bench.json").read_text())["records"][0]
    assert again["key"] == figures["records"][0]["key"]
    assert again["seconds"] == figures["records"][0]["seconds"]
    assert again["scores"]["lpips"] != figures["records"][0]["scores"]["lpips"]


def test_a_part_of_a_dataset_is_not_passed_off_as_the_whole(arguments, tedbench, tmp_path):
    main([*arguments("tedbench", tedbench, "alex"), "--limit", "1", "--methods", "ddim"])
    assert "Only 1 of 3 edits" in (tmp_path / "out" / "photos.md").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--dataset", "pie-bench"], "Ask for PIE-Bench"),
        (["--model", "nothing"], "There is no model 'nothing'"),
        (["--clip", "/nowhere"], "Give --clip"),
        (["--dino", "/nowhere"], "Give --dino"),
        (["--lpips-weights", "/nowhere.pth"], "Give --lpips-weights"),
    ],
)
def test_what_is_missing_ends_the_command_with_a_line(arguments, tedbench, change, message):
    with pytest.raises(SystemExit, match=message):
        main([*arguments("tedbench", tedbench, "alex"), *change])
