"""The chart as Helm renders it, by Helm's own library from PyPI; no cluster is contacted."""

from typing import Any

import pytest
import yaml

from tests.support.commands import ROOT

CHART = ROOT / "deploy/helm/baret"
RELEASE, NAMESPACE = "baret", "photos"
Object = dict[str, Any]


def helm() -> Any:
    """Return the library; skip the test without it."""
    return pytest.importorskip(
        "helm_python", reason="helm-python-sdk has no wheel for this machine", exc_type=ImportError
    )


def render(values: Object, *, release: str = RELEASE) -> list[Object]:
    """Return the objects that `helm install` would create, in the order of their files.

    Raises:
        HelmError: the values do not fit the schema, or a template refuses them.
    """
    with helm().Chart.load(CHART) as chart:
        chart.validate_schema(values)
        files = chart.render(values, name=release, namespace=NAMESPACE)
    texts = [text for name, text in sorted(files.items()) if name.endswith(".yaml")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def notes(values: Object) -> str:
    """Return what `helm install` prints."""
    with helm().Chart.load(CHART) as chart:
        files: dict[str, str] = chart.render(values, name=RELEASE, namespace=NAMESPACE)
    return files["baret/templates/NOTES.txt"]


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    """Return the objects of a kind by name."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def container(workload: Object) -> Object:
    """Return the only container of a deployment."""
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    found: Object = only
    return found


def variables(workload: Object) -> dict[str, str]:
    """Return the variables that a deployment's container gets as plain values."""
    return {one["name"]: one["value"] for one in container(workload)["env"] if "value" in one}
