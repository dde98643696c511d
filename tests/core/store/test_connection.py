"""Redis' errors as our own, and bugs of ours as themselves."""

from typing import Any

import pytest

from core.access.api_keys import Keyring
from core.errors import StoreDamaged
from core.store import keys
from core.store.connection import connect, redis_errors
from core.store.edits import EditStore


@redis_errors()
def read(value: Any) -> int:
    return int(value)


@pytest.mark.parametrize("value", [None, "x", [], {}])
def test_a_value_that_cannot_be_read_is_damage(value: Any) -> None:
    with pytest.raises(StoreDamaged):
        read(value)


def test_wrong_arguments_are_no_damage(store: EditStore) -> None:
    wrong: Any = read
    for call in (wrong, lambda: wrong(1, 2), lambda: wrong(values=1)):
        with pytest.raises(TypeError, match="argument"):
            call()
    get: Any = store.get
    with pytest.raises(TypeError, match="argument"):
        get("edit_" + "0" * 32, "ann")  # `caller` is given by name only


def test_the_log_says_where_damage_was_met(
    redis_url: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with connect(redis_url) as client:
        client.hset(keys.api_key("key_x"), mapping={"id": "key_x"})
        with pytest.raises(StoreDamaged):
            Keyring(client).get("key_x")
    # A process that another test has given its logging writes through `logging`.
    assert "api_keys.py:" in capsys.readouterr().out + caplog.text
