import base64
import hashlib
import io

import pytest
from PIL import Image, ImageChops

from core.images.provenance import Marking
from core.schema import OutputFormat
from tests.support.marks import assert_marked
from worker.outputs import ImageEncoder

encoder = ImageEncoder(Marking(), "zoo")
encode = encoder.encode


@pytest.fixture
def gradient() -> Image.Image:
    return Image.linear_gradient("L").resize((96, 48)).convert("RGB")


@pytest.mark.parametrize("form", list(OutputFormat))
def test_what_is_stated_is_what_is_encoded(form: OutputFormat, gradient: Image.Image) -> None:
    encoded = encode(gradient, "2-output-0", form, quality=90, strength=0.7)
    stored, image = encoded.stored, Image.open(io.BytesIO(encoded.data))
    assert (stored.name, stored.strength) == (f"2-output-0.{form}", 0.7)
    assert (stored.width, stored.height) == image.size == (96, 48)
    assert stored.content_type == Image.MIME[image.format or ""] == f"image/{form}"
    assert stored.bytes == len(encoded.data)
    assert stored.sha256 == hashlib.sha256(encoded.data).hexdigest()


def test_png_loses_nothing_whatever_the_quality(gradient: Image.Image) -> None:
    encoded = encode(gradient, "a", OutputFormat.PNG, quality=1)
    assert ImageChops.difference(Image.open(io.BytesIO(encoded.data)), gradient).getbbox() is None


@pytest.mark.parametrize("form", [OutputFormat.WEBP, OutputFormat.JPEG])
def test_quality_decides_how_much_is_kept(form: OutputFormat) -> None:
    noise = Image.effect_noise((96, 48), 60).convert("RGB")
    low, high = (len(encode(noise, "a", form, quality=quality).data) for quality in (10, 95))
    assert low < high / 2


@pytest.mark.parametrize(
    ("photo", "size"),
    [((4000, 3000), (96, 72)), ((300, 1200), (24, 96)), ((64, 48), (64, 48)), ((90, 33), (90, 33))],
)
def test_a_preview_is_a_small_data_uri_in_the_photos_proportions(
    photo: tuple[int, int], size: tuple[int, int]
) -> None:
    made = Image.effect_noise((64, 64), 60).convert("RGB")  # about as hard as a codec has it
    uri = encoder.preview_uri(made, photo)
    head, _, text = uri.partition(",")
    assert head == "data:image/webp;base64"
    data = base64.b64decode(text)
    assert_marked(data)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size) == ("WEBP", size)
    assert len(uri) < 6000
