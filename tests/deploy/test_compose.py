"""The restrictions in docker-compose.yml, read without a container engine."""

import re
from typing import Any

import pytest
import yaml

from tests.deploy.dockerfile import parse
from tests.support.commands import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILES = ("Dockerfile.api", "Dockerfile.gpu")


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_bounded_and_without_rights(name: str) -> None:
    service = SERVICES[name]
    user, _, group = service["user"].partition(":")
    assert int(user) > 0 and int(group) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] <= 2048
    assert service["mem_limit"]
    assert [mount.partition(":")[0] for mount in service["tmpfs"]] == ["/tmp"]
    assert not service.keys() & {"privileged", "cap_add", "pid", "ipc", "network_mode", "devices"}


def test_redis_is_reached_from_inside_alone() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert SERVICES["redis"]["networks"] == ["inside"]
    for name in ("api", "housekeeper", "worker"):
        assert set(SERVICES[name]["networks"]) == {"inside", "outside"}
    assert COMPOSE["networks"].keys() == {"inside", "outside"}


def test_no_port_is_published_but_the_apis_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(published) == ["api"]
    (port,) = published["api"]
    assert port.startswith("127.0.0.1:")


def test_no_container_sees_the_host() -> None:
    for service in SERVICES.values():
        for mount in service["volumes"]:
            volume = mount.partition(":")[0]
            assert volume in COMPOSE["volumes"], mount  # neither a path nor Docker's socket


def test_no_secret_is_written_into_the_files() -> None:
    for name in ("docker-compose.yml", *DOCKERFILES):
        text = (ROOT / name).read_text()
        assert not re.search(r"(?i)(password|secret|token|api_?key)\s*[:=]\s*\S", text)
        assert not re.search(r"://[^/\s]*:[^/\s]*@", text)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_images_begin_with_an_exact_release(name: str) -> None:
    text = (ROOT / name).read_text()
    assert re.search(r"^ARG PYTHON=python:\d+\.\d+\.\d+-slim-[a-z]+$", text, re.MULTILINE)
    assert "FROM ${PYTHON}\n" in text
    assert re.fullmatch(r"redis:\d+\.\d+\.\d+-alpine", SERVICES["redis"]["image"])


@pytest.mark.parametrize("name", DOCKERFILES)
def test_images_install_what_has_its_hash_and_fetch_nothing_more(name: str) -> None:
    dependencies, project = parse(ROOT / name).installs
    assert "--require-hashes -r requirements.txt" in dependencies
    assert "--no-index --no-deps --no-build-isolation" in project
    assert not re.search(r"curl|wget|apt-get|git clone|ADD ", (ROOT / name).read_text())
