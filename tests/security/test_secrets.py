"""Secrets in logs and settings: logs never show them, and settings can read them from files."""

import logging
from pathlib import Path

import pytest

from core.settings import Settings
from core.store.connection import connect
from core.telemetry.logs import configure_logs, get_logger

REDIS_PASSWORD = "hunter2-of-redis"


@pytest.mark.parametrize(
    "text",
    [
        "redis://user:{secret}@127.0.0.1:6379/0",
        "redis://:{secret}@[::1]:6379/0",
        "rediss://:{secret}@host",
        "baret_sk_{secret}",
        "GET /v1/baret%5Fsk%5f{secret}",
        "BARET_SK_{secret}",
        "baret_tk_{secret}",
        "whsec_{secret}",
        "/v1/files/edit_1/a.png?expires=1&signature={secret}",
        "Authorization: Bearer {secret}",
    ],
)
@pytest.mark.parametrize("form", ["console", "json"])
def test_a_secret_that_comes_along_is_unreadable_in_lines_and_tracebacks(
    capsys: pytest.CaptureFixture[str], text: str, form: str
) -> None:
    configure_logs(level="DEBUG", form=form, part="api")
    secret = "s3cret" + "0" * 26
    held = text.format(secret=secret)
    log = get_logger("test")
    log.info(f"event {held}", field=held, nested={"list": [held]})
    logging.getLogger("library").warning("connecting to %s", held)
    try:
        raise ConnectionError(f"cannot reach {held}")
    except ConnectionError:
        log.exception("failed")
    said = capsys.readouterr().err
    assert "ConnectionError" in said and "event" in said
    assert secret not in said


def test_a_callers_text_forges_no_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="INFO", form="console", part="api")
    forged = "x\n2026-01-01 [info] forged\r\x1b[2J\x85\u2028end"
    get_logger("test").info(f"event {forged}", field=forged)
    logging.getLogger("library").warning(forged)
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 2
    assert "\x1b" not in said


def test_settings_show_no_secret_and_take_it_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    authority = redis_url.removeprefix("redis://")
    (tmp_path / "redis_url").write_text(f"redis://default:{REDIS_PASSWORD}@{authority}\n")
    (tmp_path / "baret_queue_limit").write_text("7\n")
    monkeypatch.setenv("BARET_SECRETS_DIR", str(tmp_path))
    found = Settings(_env_file=None)
    assert found.queue_limit == 7
    with connect(found.broker_url) as redis:
        assert redis.ping()
    for shown in (repr(found), str(found), str(found.model_dump()), found.model_dump_json()):
        assert REDIS_PASSWORD not in shown
    monkeypatch.setenv("REDIS_URL", redis_url)
    assert Settings(_env_file=None).broker_url == redis_url  # the environment takes precedence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "redis://:{secret}/x@host"),
        ("REDIS_URL", "redis://:{secret}@host:port"),
        ("REDIS_URL", "{secret}"),
        ("REDIS_URL", "http://:{secret}@host"),
        ("BARET_PORT", "{secret}"),
        ("BARET_DTYPE", "{secret}"),
        ("BARET_ALLOW_NETWORKS", "{secret}"),
        ("BARET_PUBLIC_URL", "{secret}"),
        ("BARET_PUBLIC_URL", "https://ann:{secret}@photos.example"),
    ],
)
def test_what_is_said_of_a_wrong_setting_does_not_quote_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value.format(secret=REDIS_PASSWORD))
    with pytest.raises(ValueError, match=r"Settings\n.+\n") as caught:
        Settings(_env_file=None)
    assert REDIS_PASSWORD not in str(caught.value)
