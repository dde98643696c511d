"""Marks in outputs, and metadata that must not be in them."""

import io
from pathlib import Path

import pytest
from PIL import ExifTags, Image, ImageCms

from core.images.inspection import load_upright
from core.images.provenance import Marking
from core.schema import OutputFormat
from tests.support.certificates import make_certificate
from tests.support.marks import SOURCE_TYPE, assert_marked, manifest_of, xmp_of

EACH_FORMAT = pytest.mark.parametrize("form", list(OutputFormat))


def encoded(form: OutputFormat, marking: Marking | None = None, *, model: str = "zoo") -> bytes:
    image = Image.linear_gradient("L").resize((96, 48)).convert("RGB")
    return (marking or Marking()).encode(image, form, quality=90, model=model)


@pytest.fixture
def signing(tmp_path: Path) -> Marking:
    certificate, key = make_certificate(tmp_path)
    return Marking.make(enabled=True, certificate=str(certificate), key=str(key), algorithm="es256")


@EACH_FORMAT
def test_an_output_says_what_it_is(form: OutputFormat) -> None:
    assert_marked(encoded(form))


@EACH_FORMAT
def test_a_models_name_of_any_letters_is_told(form: OutputFormat) -> None:
    assert_marked(encoded(form, model='a<b>&"ü"/\'c'), 'a<b>&"ü"/\'c')


@EACH_FORMAT
def test_the_same_picture_gives_the_same_bytes(form: OutputFormat) -> None:
    assert encoded(form) == encoded(form)


@EACH_FORMAT
def test_marking_can_be_turned_off(form: OutputFormat) -> None:
    assert xmp_of(encoded(form, Marking(enabled=False))) == {}
    off = Marking.make(enabled=False, certificate="/nothing", key="/nothing", algorithm="es256")
    assert off == Marking(enabled=False)


@EACH_FORMAT
def test_nothing_of_the_source_is_in_an_output(form: OutputFormat) -> None:
    source = Image.linear_gradient("L").convert("RGB")
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Somebody's name"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (48.0, 12.0, 30.0)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = io.BytesIO()
    source.save(
        file,
        "JPEG",
        exif=exif,
        icc_profile=profile,
        comment=b"Somebody's note",
        xmp=b"<x:xmpmeta>Somebody's place</x:xmpmeta>",
    )
    opened = Image.open(io.BytesIO(file.getvalue()))
    assert b"Somebody" in file.getvalue()
    data = Marking().encode(opened, form, quality=90, model="zoo")
    image = Image.open(io.BytesIO(data))
    image.load()
    assert b"Somebody" not in data
    assert dict(image.getexif()) == {}
    assert not {"exif", "icc_profile", "comment"} & image.info.keys()
    assert_marked(data)


# --- C2PA


@EACH_FORMAT
def test_with_a_certificate_an_output_carries_a_signed_manifest(
    form: OutputFormat, signing: Marking
) -> None:
    data = encoded(form, signing)
    assert_marked(data)  # the XMP is still there
    state, manifest = manifest_of(data, form.content_type)
    assert state == "Valid"
    (action,) = manifest["assertions"][0]["data"]["actions"]
    assert action["digitalSourceType"] == SOURCE_TYPE
    assert action["softwareAgent"]["name"] == "BARET"
    assert action["parameters"] == {"model": "zoo"}
    assert manifest["signature_info"]["issuer"] == "Tests of BARET"
    assert Image.open(io.BytesIO(data)).size == (96, 48)


def test_a_manifest_tells_of_a_changed_picture(signing: Marking) -> None:
    data = bytearray(encoded(OutputFormat.JPEG, signing))
    data[-40] ^= 1  # in the image data, behind the manifest
    state, _ = manifest_of(bytes(data), "image/jpeg")
    assert state == "Invalid"


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    certificate, key = map(str, make_certificate(tmp_path))
    for only_one in ({"certificate": certificate, "key": ""}, {"certificate": "", "key": key}):
        with pytest.raises(RuntimeError, match="or neither"):
            Marking.make(enabled=True, algorithm="es256", **only_one)


def test_what_cannot_sign_is_refused_and_says_what_to_set(tmp_path: Path) -> None:
    certificate, key = map(str, make_certificate(tmp_path))
    (tmp_path / "other").mkdir()
    _, other = map(str, make_certificate(tmp_path / "other"))
    missing = str(tmp_path / "none")
    cut = tmp_path / "cut.pem"
    cut.write_text(Path(key).read_text()[:-60])
    wrong = [(certificate, certificate), (key, key), (missing, key), (certificate, other)]
    wrong += [(certificate, str(cut)), (str(cut), str(cut)), (key, certificate)]
    secrets = [line for one in (key, other) for line in Path(one).read_text().split("\n")[1:-2]]
    for pair in wrong:
        with pytest.raises(RuntimeError, match="BARET_C2PA_KEY") as refusal:
            Marking.make(enabled=True, certificate=pair[0], key=pair[1], algorithm="es256")
        assert not [line for line in secrets if line[:20] in str(refusal.value)]


@EACH_FORMAT
def test_a_photos_own_manifest_is_neither_followed_nor_passed_on(
    form: OutputFormat, signing: Marking
) -> None:
    photo = encoded(form, signing, model="a model of the photo's author")
    assert b"jumb" in photo
    image = load_upright(photo)
    plain = Marking().encode(image, form, quality=90, model="zoo")
    assert b"jumb" not in plain and b"author" not in plain
    assert_marked(plain)
    signed = signing.encode(image, form, quality=90, model="zoo")
    state, manifest = manifest_of(signed, form.content_type)
    assert (state, manifest.get("ingredients", [])) == ("Valid", [])
    assert b"author" not in signed
