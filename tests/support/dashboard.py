"""What the dashboard and the rules ask of Prometheus, and how it finds the service."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.chart import NAMESPACE, of_kind, render
from tests.support.commands import ROOT

FILES = ROOT / "deploy/helm/baret/files"
DASHBOARD = json.loads((FILES / "dashboard.json").read_text())
# The queries of the dashboard's panels by name.
PANELS: dict[str, str] = {
    f"{panel['title']}-{target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", [])
}
# What counts faults has no values while there are none.
_NO_FAULTS = ('status="failed"',)


def may_be_empty(expression: str) -> bool:
    """Return whether a panel has no data if nothing has failed."""
    return any(fault in expression for fault in _NO_FAULTS)


def as_grafana_sends(expression: str) -> str:
    """Fill in the dashboard's variables, with nothing selected."""
    return re.sub(r"\$(namespace|model)\b", ".*", expression.replace("$__rate_interval", "1m"))


def scrape_config(key: Path, api: Sequence[str], workers: Path) -> str:
    """Return the file of docker-compose.yml, with other targets and short intervals.

    Args:
        key: the file of the API key that Prometheus sends.
        api: host and port of each API process.
        workers: the file that lists the workers, as `write_targets` writes it.
    """
    config = yaml.safe_load((ROOT / "deploy/observability/prometheus.yml").read_text())
    config["global"] = dict.fromkeys(("scrape_interval", "evaluation_interval"), "1s")
    config["rule_files"] = [str(FILES / "rules.yml")]
    of_api, of_workers = config["scrape_configs"]
    of_api["authorization"]["credentials_file"] = str(key)
    for job in (of_api, of_workers):
        del job["dns_sd_configs"]
    of_api["static_configs"] = [_targets(api)]
    of_workers["file_sd_configs"] = [{"files": [str(workers)], "refresh_interval": "1s"}]
    return yaml.safe_dump(config)


def write_targets(file: Path, addresses: Sequence[str]) -> None:
    """Tell Prometheus, while it runs or before, what to scrape."""
    partial = file.with_suffix(".new")
    partial.write_text(json.dumps([_targets(addresses)]))
    partial.replace(file.with_suffix(".json"))


def scaling_query(checkpoint: str) -> str:
    """Return the query by which KEDA scales a model's workers from zero, as the chart asks it."""
    values = yaml.safe_load((ROOT / "tests/deploy/helm/values/defaults.yaml").read_text())
    default = yaml.safe_load((ROOT / "deploy/helm/baret/values.yaml").read_text())["models"][0]
    values["models"] = [default | {"checkpoint": checkpoint}]
    (scaled,) = of_kind(render(values), "ScaledObject").values()
    query: str = scaled["spec"]["triggers"][0]["metadata"]["query"]
    return query


def _targets(addresses: Sequence[str]) -> dict[str, Any]:
    # A cluster's service monitor adds the namespace.
    return {"targets": list(addresses), "labels": {"namespace": NAMESPACE}}
