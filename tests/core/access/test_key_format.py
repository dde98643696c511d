"""The form of a key, and that logs never show one."""

import json
import re
import zlib

import pytest

from core.access.api_keys import PREFIX, id_of, is_key, new_key
from core.telemetry.logs import configure_logs, get_logger
from core.telemetry.redaction import redact

# A key without its checksum.
KNOWN = "baret_sk_00000000000000000000000000000000"


def test_keys_are_different_and_of_the_form_that_scanners_look_for() -> None:
    keys = {new_key() for _ in range(1000)}
    assert len(keys) == 1000
    for key in keys:
        assert re.fullmatch(r"baret_sk_[0-9A-Za-z]{38}", key)
        assert is_key(key)


def test_the_checksum_is_a_crc_32_in_base_62() -> None:
    digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    key = new_key()
    number = 0
    for digit in key[-6:]:
        number = number * 62 + digits.index(digit)
    assert number == zlib.crc32(key[:-6].encode())


def test_one_wrong_character_anywhere_is_noticed() -> None:
    key = new_key()
    for place in range(len(PREFIX), len(key)):
        wrong = "a" if key[place] != "a" else "b"
        assert not is_key(key[:place] + wrong + key[place + 1 :])


@pytest.mark.parametrize("text", ["", PREFIX, KNOWN, KNOWN + "000000", "sk_" + "0" * 38, "٣" * 47])
def test_other_text_is_no_key(text: str) -> None:
    assert not is_key(text)


def test_a_key_is_not_readable_in_what_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    key = new_key()
    assert redact(f"a {key} b {key[:-9]}") == f"a {PREFIX}… b {PREFIX}…"
    for form in ("console", "json"):
        configure_logs(level="INFO", form=form, part="api")
        get_logger("test").info("request", path=f"/v1/edits/{key}", id=id_of(key))
        said = capsys.readouterr().err
        assert key[len(PREFIX) :] not in said
        assert id_of(key) in said
    assert json.loads(said)["event"] == "request"
