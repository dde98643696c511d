"""For five sets of values, the chart renders valid Kubernetes objects."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tests.support.chart import CHART, Object, container, helm, notes, of_kind, render

HERE = Path(__file__).parent
VALUES = sorted((HERE / "values").glob("*.yaml"))
CUSTOM = yaml.safe_load((HERE / "custom_resources.yaml").read_text())
KUBERNETES = ("1.27", "1.37")  # the oldest that the chart allows, and the newest schemas


def read(path: Path) -> Object:
    values: Object = yaml.safe_load(path.read_text())
    return values


@pytest.fixture(params=VALUES, ids=lambda path: path.stem)
def values(request: pytest.FixtureRequest) -> Object:
    return read(request.param)


def test_there_are_five_sets() -> None:
    assert len(VALUES) == 5


def test_the_chart_has_no_findings_of_helms_own(values: Object) -> None:
    report = helm().lint(CHART, values, strict=True)
    findings = [one for one in report["messages"] if "icon is recommended" not in one["error"]]
    assert (findings, report["errors"]) == ([], [])


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_is_valid(values: Object, version: str) -> None:
    kubernetes = pytest.importorskip("kubernetes_validate")
    for one in render(values):
        if one["apiVersion"] in CUSTOM:
            schema = CUSTOM[one["apiVersion"]][one["kind"]]
            jsonschema_rs.validator_for(schema).validate(one["spec"])
        else:
            kubernetes.validate(one, version, strict=True)


def test_names_are_unique_and_short_enough(values: Object) -> None:
    found = [(one["kind"], one["metadata"]["name"]) for one in render(values, release="r" * 53)]
    assert len(found) == len(set(found))
    assert all(len(name) <= 63 for _, name in found)


def test_every_container_is_bounded_and_without_rights(values: Object) -> None:
    for workload in of_kind(render(values), "Deployment").values():
        pod, only = workload["spec"]["template"]["spec"], container(workload)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        assert pod["terminationGracePeriodSeconds"] >= 30
        security = only["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in only["resources"]["limits"]
        assert only["image"].rpartition(":")[2] not in ("", "latest")


def test_selectors_find_the_pods_of_their_own_component(values: Object) -> None:
    objects = render(values)
    pods = [
        one["spec"]["template"]["metadata"]["labels"]
        for one in of_kind(objects, "Deployment").values()
    ]
    for wanted in selectors(objects):
        found = [labels for labels in pods if wanted.items() <= labels.items()]
        assert found, wanted
        assert len({labels["app.kubernetes.io/component"] for labels in found}) == 1


def selectors(objects: list[Object]) -> list[dict[str, str]]:
    found: list[Any] = []
    for one in objects:
        spec = one.get("spec", {})
        match one["kind"]:
            case "Service":
                found.append(spec["selector"])
            case "NetworkPolicy":
                found.append(spec["podSelector"]["matchLabels"])
            case "Deployment" | "PodDisruptionBudget" | "ServiceMonitor" | "PodMonitor":
                found.append(spec["selector"]["matchLabels"])
    assert found
    return found


def test_no_secret_is_rendered(values: Object) -> None:
    assert not of_kind(render(values), "Secret")


def test_the_notes_say_how_to_create_a_key_if_one_is_needed(values: Object) -> None:
    needed = not values.get("trustedNetwork")
    assert ("baret keys create" in notes(values)) == needed
