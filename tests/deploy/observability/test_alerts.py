"""Every alert fires on its fault and not on what is near it, by Prometheus's own test tool."""

import re
import subprocess
from pathlib import Path

import yaml

from tests.support.commands import ROOT
from tests.support.prometheus import program

RULES = ROOT / "deploy/helm/baret/files/rules.yml"
CASES = Path(__file__).with_name("alerts.yml")
ALERTS = [
    rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
]


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(
        [program("promtool"), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_valid() -> None:
    promtool("check", "rules", "--lint-fatal", RULES)


def test_alerts_fire_on_their_faults_alone() -> None:
    promtool("test", "rules", CASES)


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    fires, silent = set(), set()
    for case in yaml.safe_load(CASES.read_text())["tests"]:
        for check in case.get("promql_expr_test", []):
            if name := re.search(r'alertname="(\w+)"', check["expr"]):
                (fires if "exp_samples" in check else silent).add(name[1])
        for check in case.get("alert_rule_test", []):
            (fires if "exp_alerts" in check else silent).add(check["alertname"])
    names = {alert["alert"] for alert in ALERTS}
    assert fires == silent == names


def test_every_alert_leads_to_a_heading_of_the_runbook() -> None:
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    for alert in ALERTS:
        page, _, anchor = alert["annotations"]["runbook"].partition("#")
        assert (page, anchor in anchors) == ("docs/runbook.md", True), alert["alert"]
