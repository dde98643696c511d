"""A real Prometheus scrapes the running service; every query of rules and dashboard works on it."""

import io
import json
import re
from collections.abc import Iterator

import pytest
import yaml
from PIL import Image

from core.access.api_keys import Keyring, NewApiKey
from deploy.local.ports import free_port
from tests.support.dashboard import (
    DASHBOARD,
    FILES,
    PANELS,
    as_grafana_sends,
    may_be_empty,
    scaling_query,
    scrape_config,
    write_targets,
)
from tests.support.prometheus import Prometheus
from tests.support.receiver import running_receiver
from tests.support.samples import QUICK
from tests.support.service import Service, running_service
from tests.support.waiting import until

RULES = yaml.safe_load((FILES / "rules.yml").read_text())["groups"]
METRIC = re.compile(r"\bbaret_\w+")


def make_edit(service: Service, hook: str) -> None:
    file = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((64, 64)).save(file, "PNG")
    data = {"prompt": "a cat that sits", "webhook_url": hook, **QUICK, "inner_steps": 1}
    answer = service.http.post("/v1/edits", data=data, files={"image": file.getvalue()})
    assert answer.status_code == 202, answer.text
    assert service.ended(answer.json()["id"])["status"] == "succeeded"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Prometheus]]:
    """Yield a service that has worked and the Prometheus that watched it."""
    folder, port = tmp_path_factory.mktemp("service"), free_port()
    with (
        running_receiver() as receiver,
        running_service(folder, BARET_WORKER_METRICS_PORT=str(port)) as service,
    ):
        service.have_workers(1)
        make_edit(service, receiver.url)  # rates need a first value to grow from
        config, workers = folder / "prometheus.yml", folder / "workers.json"
        (key := folder / "metrics_key").touch()  # empty, as without keys
        write_targets(workers, [f"127.0.0.1:{port}"])
        config.write_text(scrape_config(key, [service.http.base_url.netloc.decode()], workers))
        prometheus = Prometheus(config, folder / "prometheus")
        prometheus.start()
        try:
            until(lambda: prometheus.query("baret:edits:rate5m"), "two scrapes")
            make_edit(service, receiver.url)
            service.until(service.webhooks_settled, "webhooks")
            until(lambda: prometheus.query("baret:edits:rate5m > 0"), "the edit to be counted")
            until(lambda: prometheus.query("baret:webhook_attempts:rate5m > 0"), "the webhook, too")
            yield service, prometheus
        finally:
            prometheus.stop()


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_of_the_dashboard_has_data(
    service: tuple[Service, Prometheus], panel: str
) -> None:
    found = service[1].query(as_grafana_sends(PANELS[panel]))
    assert found or may_be_empty(PANELS[panel])


def test_every_rule_evaluates_and_no_alert_fires(service: tuple[Service, Prometheus]) -> None:
    rules = service[1].rules()
    assert len(rules) == sum(len(group["rules"]) for group in RULES)
    assert [rule for rule in rules if rule["health"] != "ok"] == []
    assert [rule["name"] for rule in rules if rule.get("state", "inactive") != "inactive"] == []


@pytest.mark.parametrize("record", [rule["record"] for rule in RULES[0]["rules"]])
def test_every_recording_rule_makes_a_series(
    service: tuple[Service, Prometheus], record: str
) -> None:
    assert service[1].query(record)


def test_rules_and_dashboard_name_only_metrics_that_exist(
    service: tuple[Service, Prometheus],
) -> None:
    found = service[1].query('count by (__name__) ({__name__=~"baret_.+"})')
    known = {one["metric"]["__name__"] for one in found}
    text = (FILES / "rules.yml").read_text() + json.dumps(DASHBOARD)
    assert set(METRIC.findall(text)) <= known


@pytest.mark.parametrize(("checkpoint", "edits"), [("zoo", 0.0), ("another", 1.0)])
def test_the_charts_scaling_counts_edits_and_wants_a_first_worker_for_an_unknown_model(
    service: tuple[Service, Prometheus], checkpoint: str, edits: float
) -> None:
    (found,) = service[1].query(scaling_query(checkpoint))
    assert float(found["value"][1]) == edits


def test_prometheus_scrapes_a_service_with_keys_by_the_key_in_its_file(
    service: tuple[Service, Prometheus],
) -> None:
    running, prometheus = service
    keyring = Keyring(running.redis)
    key, _ = keyring.create(NewApiKey("prometheus", metrics=True))
    api_down = 'up{job="baret-api"} == 0'
    until(lambda: prometheus.query(api_down), "a scrape without a key to fail")
    (running.data / "metrics_key").write_text(f"{key}\n")
    until(lambda: not prometheus.query(api_down), "scrapes with the key to succeed")
