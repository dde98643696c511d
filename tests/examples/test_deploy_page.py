"""What docs/deploy.md shows of Compose and Kubernetes names what their files have."""

import re
from pathlib import Path

import yaml

from tests.support.chart import of_kind, render
from tests.support.commands import ROOT
from tests.support.doc_code import blocks
from tests.support.shell import run_in_shell, shell_environment

PAGE = "deploy.md"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
LINES = [line for block in blocks(PAGE, "console") for line in block.code.splitlines()]


def test_secrets_are_written_as_compose_reads_them(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    own = [line for line in LINES if not re.search(r"\b(docker|kubectl|helm)\b", line)]
    environment = shell_environment(tmp_path / "bin", "")
    done = run_in_shell("\n".join(own), tmp_path, environment)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    wanted = {Path(one["file"].partition("}")[2]).name for one in COMPOSE["secrets"].values()}
    assert {path.name for path in folder.iterdir()} == wanted
    assert re.fullmatch(r"[0-9a-f]{48}\n", (folder / "redis_password").read_text())


def test_compose_has_the_profiles_of_the_page() -> None:
    profiles = {name for one in COMPOSE["services"].values() for name in one.get("profiles", [])}
    text = (ROOT / "docs" / PAGE).read_text()
    assert set(re.findall(r"--profile (\w+)", text)) == profiles


def test_the_variables_of_the_object_store_reach_the_service() -> None:
    (block,) = blocks(PAGE, "ini")
    given = dict(line.split("=", 1) for line in block.code.splitlines())
    assert given.keys() <= COMPOSE["services"]["api"]["environment"].keys()
    host, port = re.fullmatch(r"http://(\w+):(\d+)", given["AWS_ENDPOINT_URL"]).groups()  # type: ignore[union-attr]
    (script,) = COMPOSE["services"][host]["command"]
    assert f":{port} " in script


def test_the_charts_values_of_the_page_render_what_its_commands_name() -> None:
    (block,) = blocks(PAGE, "yaml")
    values = yaml.safe_load(block.code)
    objects = render(values)
    text = "\n".join(LINES)
    secrets = set(re.findall(r"create secret generic (\w+)", text))
    assert secrets == {values["redis"]["existingSecret"], values["storage"]["existingSecret"]}
    (name,) = re.findall(r"deploy/(baret-\w+)", text)
    assert name in of_kind(objects, "Deployment")
    assert "helm install baret deploy/helm/baret --namespace photos --values photos.yaml" in text
