"""`baret edit` with the bundled model in this process."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cli.errors import ExitCode
from tests.support.samples import SAMPLES

TEXT = "a photo of a white cat standing on grass, facing left"
# The fewest steps, and no tuning: about a second.
QUICK = ("-p", "num_inference_steps=10", "-p", "inner_steps=0")


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    path.write_bytes((SAMPLES / "00-posture.png").read_bytes())
    return path


def test_all_that_can_be_written_is_written(baret: Any, cat: Path) -> None:
    more = ("--strength", "0.5,1", "--compare", "--artifacts", "why", "--json")
    done = baret("edit", "cat.png", TEXT, "-o", "new/cat.jpg", *more, *QUICK)
    assert done.status == 0, done.err
    (one,) = done.objects
    assert one["files"] == ["new/cat-0.5.jpg", "new/cat-1.jpg"]
    assert one["compare"] == "new/cat-compare.png"
    kinds = {"photo", "reconstruction", "transition", "mask", "attention"}
    assert set(one["artifacts"]) == kinds
    images = [*one["files"], one["compare"], *one["artifacts"].values()]
    assert all(Image.open(name).size[0] >= 64 for name in images)
    edit = one["edit"]
    assert (edit["model"], edit["params"]["num_inference_steps"]) == ("zoo", 10)
    assert edit["outputs"][0]["bytes"] == Path(one["files"][0]).stat().st_size
    # Marked as made by a model, as a server's outputs are.
    assert b"compositeWithTrainedAlgorithmicMedia" in Path(one["files"][0]).read_bytes()


def test_a_distilled_model_has_its_own_defaults(
    baret: Any, cat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BARET_SAMPLING", "distilled")
    done = baret("edit", "cat.png", TEXT, "-p", "inner_steps=0", "--json")
    assert done.status == 0, done.err
    params = done.objects[0]["edit"]["params"]
    assert (params["num_inference_steps"], params["guidance_scale"]) == (8, 1.0)


def test_an_image_goes_through_pipes(baret: Any, cat: Path) -> None:
    done = baret("edit", "-", TEXT, *QUICK, stdin=cat.read_bytes())
    assert done.status == 0, done.err
    assert Image.open(io.BytesIO(done.out)).size == Image.open(cat).size


def test_words_that_the_model_does_not_know_are_named(baret: Any, cat: Path) -> None:
    done = baret("edit", "cat.png", "a photo of an astronaut", "-o", "a.png", *QUICK)
    assert (done.status, done.lines) == (0, ["a.png"])
    assert "“astronaut”" in done.err


def test_what_the_service_would_refuse_is_refused_here(
    baret: Any, cat: Path, make_image: Callable[..., bytes]
) -> None:
    def refused(*arguments: str) -> tuple[int, str]:
        done = baret("edit", *arguments)
        return done.status, done.err

    code, text = refused("cat.png", TEXT, "--strength", "2")
    assert (code, "strength" in text) == (ExitCode.REFUSED, True)
    code, text = refused("cat.png", TEXT, "-p", "stride=2")
    assert (code, "stride" in text) == (ExitCode.REFUSED, True)
    code, text = refused("cat.png", TEXT, "--preset", "cubist")
    assert (code, "non_rigid" in text) == (ExitCode.REFUSED, True)
    code, text = refused("cat.png", "…")
    assert (code, "words" in text) == (ExitCode.REFUSED, True)
    code, text = refused("cat.png", TEXT, "-p", "webhook_url=https://x.example")
    assert (code, "--server" in text) == (ExitCode.REFUSED, True)
    Path("bad.png").write_bytes(make_image()[:60])
    assert refused("bad.png", TEXT)[0] == ExitCode.BAD_PHOTO


def test_a_model_that_is_not_there_is_said_with_what_can_be_given(baret: Any, cat: Path) -> None:
    done = baret("edit", "cat.png", TEXT, "--model", "nowhere.safetensors")
    assert done.status == ExitCode.MODEL_UNUSABLE
    assert "nowhere" in done.err


def test_the_speed_of_this_machine_is_measured(baret: Any) -> None:
    done = baret("bench", "--edits", "1", "--json")
    assert done.status == 0, done.err
    (speed,) = done.objects
    assert (speed["model"], speed["size"], speed["edits"]) == ("zoo", 128, 1)
    assert speed["seconds"] == pytest.approx(sum(speed["stages"].values()), abs=0.01)
