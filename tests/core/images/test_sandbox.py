"""The sandbox gives the same results as decoding in process, whatever happens to its processes."""

import io
import os
import resource
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from core.errors import DecoderUnavailable, InputImageError, InvalidImage
from core.images.inspection import inspect
from core.images.sandbox import DecoderSandbox, warm_up
from tests.support import crafted_images as crafted
from tests.support.color_profiles import BLUE, GREEN, RED, colour_profile
from tests.support.reachability import reaches

Make = Callable[..., bytes]

FORMS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF")
BOMB = crafted.jpeg_of_many_scans(20_000)  # takes minutes to decode


def refusal(inspect: Callable[[bytes], object], data: bytes) -> str:
    with pytest.raises(InputImageError) as raised:
        inspect(data)
    return f"{type(raised.value).__name__}: {raised.value}"


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_is_judged_as_it_would_be_here(make_image: Make, form: str) -> None:
    data = make_image(form, size=(96, 64))
    assert DecoderSandbox().inspect(data) == inspect(data)
    for broken in (
        data[: len(data) // 2],
        data[:20],
        b"",
        b"text",
        make_image(form, size=(20, 64)),
    ):
        assert refusal(DecoderSandbox().inspect, broken) == refusal(inspect, broken)


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_decoded_apart_has_the_same_pixels(make_image: Make, form: str) -> None:
    data = make_image(form, size=(96, 64))
    assert DecoderSandbox().decode(data).tobytes() == Image.open(io.BytesIO(data)).tobytes()


def test_the_colour_profile_is_applied_and_nothing_else_goes_along(make_image: Make) -> None:
    profile = colour_profile(GREEN, RED, BLUE)
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "a camera"
    data = make_image("JPEG", icc_profile=profile, exif=exif, comment=b"at home", xmp=b"<x/>")
    decoded = DecoderSandbox().decode(data)
    assert decoded.info == {}
    assert decoded.getpixel((0, 0)) != Image.open(io.BytesIO(data)).getpixel((0, 0))


@pytest.mark.parametrize(
    "sandbox",
    [DecoderSandbox(cpu_seconds=1), DecoderSandbox(seconds=0.3)],
    ids=["CPU time", "wall time"],
)
def test_a_picture_that_takes_too_long_is_given_up(
    make_image: Make, sandbox: DecoderSandbox
) -> None:
    with pytest.raises(InvalidImage, match="too much time or memory"):
        sandbox.inspect(BOMB)
    assert sandbox.inspect(make_image()).width == 64


def test_a_picture_that_takes_too_much_memory_is_given_up(make_image: Make) -> None:
    large = make_image("PNG", size=(6000, 6000), mode="RGB")
    assert DecoderSandbox().inspect(large).width == 6000
    with pytest.raises(InvalidImage):
        DecoderSandbox(memory=160 * 2**20).inspect(large)


def test_many_threads_decode_at_once(make_image: Make) -> None:
    data = make_image("JPEG", size=(96, 64))
    broken = data[:300]
    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(DecoderSandbox().inspect, data) for _ in range(40)]
        failures = [pool.submit(DecoderSandbox().inspect, broken) for _ in range(40)]
        assert {one.result().width for one in results} == {96}
        assert {type(one.exception()) for one in failures} == {InvalidImage}


def test_decoding_goes_on_after_the_process_that_forks_was_killed(make_image: Make) -> None:
    warm_up()
    server: Any = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    os.kill(server, signal.SIGKILL)
    os.waitid(os.P_PID, server, os.WEXITED | os.WNOWAIT)
    assert DecoderSandbox().inspect(make_image()).width == 64


def test_where_no_process_can_be_started_it_is_said_so(make_image: Make) -> None:
    warm_up()
    data = make_image()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        with pytest.raises(DecoderUnavailable):
            DecoderSandbox().inspect(data)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert DecoderSandbox().inspect(data).width == 64


def test_a_decoder_opens_no_file_and_no_connection(tmp_path: Path) -> None:
    (reply,) = DecoderSandbox()._run(reaches, [str(tmp_path / "a").encode()])
    assert reply == b'{"found": "[]"}'
    assert not (tmp_path / "a").exists()
