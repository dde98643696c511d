import time
from urllib.parse import parse_qs, urlsplit

import pytest

from jobs.links import LinkSigner

signer = LinkSigner(b"s" * 32)


def signed(*, seconds: int = 60) -> tuple[int, str]:
    query = parse_qs(urlsplit(signer.path("edit_1", "a.png", seconds=seconds)).query)
    return int(query["expires"][0]), query["signature"][0]


def test_a_link_is_valid_for_its_picture_until_it_expires() -> None:
    expires, signature = signed()
    assert expires - time.time() == pytest.approx(60, abs=2)
    assert signer.valid("edit_1", "a.png", expires, signature)


def test_an_expired_link_is_not_valid() -> None:
    assert not signer.valid("edit_1", "a.png", *signed(seconds=-1))


def test_a_changed_link_is_not_valid() -> None:
    expires, signature = signed()
    assert not signer.valid("edit_2", "a.png", expires, signature)
    assert not signer.valid("edit_1", "b.png", expires, signature)
    assert not signer.valid("edit_1", "a.png", expires + 1, signature)
    assert not LinkSigner(b"other").valid("edit_1", "a.png", expires, signature)


@pytest.mark.parametrize("signature", ["", "0" * 64, "ünicode", "\udcff"[:0] + "é" * 64])
def test_any_text_as_a_signature_is_just_not_valid(signature: str) -> None:
    assert not signer.valid("edit_1", "a.png", signed()[0], signature)
