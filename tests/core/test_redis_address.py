"""The forms of REDIS_URL."""

from pathlib import Path

import pytest

from core.redis_address import (
    Login,
    SentinelAddress,
    check_redis_url,
    sentinel_address,
    tls_options,
)


def test_sentinels_are_named_with_their_master() -> None:
    url = "redis+sentinel://baret:p%40ss@one:1,[::1]:2,three/photos/4?sentinel_password=s%23"
    assert sentinel_address(url) == SentinelAddress(
        sentinels=(("one", 1), ("::1", 2), ("three", 26379)),
        master="photos",
        db=4,
        server_login=Login("baret", "p@ss"),
        sentinel_login=Login(None, "s#"),
    )
    assert sentinel_address("redis://one/0") is None


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@one",
        "redis://:hunter2@one:0",
        "redis://:hunter2@one:port",
        "redis+sentinel://:hunter2@one",
        "redis+sentinel://:hunter2@one/photos/zero",
        "redis+sentinel://:hunter2@/photos",
        "rediss+sentinel://:hunter2@one:port/photos",
    ],
)
def test_a_wrong_url_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="Give redis") as refusal:
        check_redis_url(url)
    assert "hunter2" not in str(refusal.value)


def test_a_file_of_tls_must_exist(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    url = f"rediss://one/0?ssl_ca_certs={authority}&ssl_check_hostname=false"
    missing = r"^ssl_ca_certs names a file that does not exist: .*ca\.pem"
    with pytest.raises(ValueError, match=missing):
        check_redis_url(url)
    authority.touch()
    check_redis_url(url)
    assert tls_options(url) == {"ssl_ca_certs": str(authority), "ssl_check_hostname": False}
