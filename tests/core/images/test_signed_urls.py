import time
from urllib.parse import parse_qs, urlsplit

import pytest

from core.images.signed_urls import LinkSigner

signer = LinkSigner(b"s" * 32)


def signed(*, seconds: int = 60) -> dict[str, str]:
    query = parse_qs(urlsplit(signer.path("edit_1", "a.png", seconds=seconds)).query)
    return {name: values[0] for name, values in query.items()}


def test_a_link_is_valid_for_its_picture_until_it_expires() -> None:
    query = signed()
    expires = int(query["expires"])
    assert expires - time.time() == pytest.approx(60, abs=2)
    assert signer.verify("edit_1", "a.png", **query) == expires


def test_an_expired_link_is_not_valid() -> None:
    assert signer.verify("edit_1", "a.png", **signed(seconds=-1)) is None


def test_a_changed_link_is_not_valid() -> None:
    query = signed()
    later = query | {"expires": str(int(query["expires"]) + 1)}
    assert signer.verify("edit_2", "a.png", **query) is None
    assert signer.verify("edit_1", "b.png", **query) is None
    assert signer.verify("edit_1", "a.png", **later) is None
    assert LinkSigner(b"other").verify("edit_1", "a.png", **query) is None


@pytest.mark.parametrize("signature", ["", "0" * 64, "ünicode", "é" * 64, "\udcff"])
def test_any_text_as_a_signature_is_just_not_valid(signature: str) -> None:
    assert signer.verify("edit_1", "a.png", **signed() | {"signature": signature}) is None


@pytest.mark.parametrize("form", ["0{}", "+{}", " {}", "{} ", "{}\n", "-{}", "{}.0", "{}_0", ""])
def test_a_moment_has_one_spelling(form: str) -> None:
    query = signed()
    misspelled = query | {"expires": form.format(query["expires"])}
    assert signer.verify("edit_1", "a.png", **misspelled) is None


def test_digits_of_other_scripts_are_no_moment() -> None:
    query = signed()
    arabic = query["expires"].translate({48 + n: 0x660 + n for n in range(10)})
    assert signer.verify("edit_1", "a.png", **query | {"expires": arabic}) is None


def test_no_two_pictures_are_signed_by_the_same_message() -> None:
    # Joined by line breaks, these two would be the same.
    one, other = (
        parse_qs(urlsplit(signer.path(*names, seconds=60)).query)["signature"]
        for names in (("a\nb", "c"), ("a", "b\nc"))
    )
    assert one != other
