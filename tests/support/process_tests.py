"""Time limits and logs of failures, shared by the conftests of tests that run whole services."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.service import LOG_TAIL, Service

SECONDS = 3600  # each wait may take PATIENCE, and a test on a busy machine waits many times


def give_time(items: list[pytest.Item], folder: Path) -> None:
    """Set the time limit of every test in a folder."""
    for item in items:
        if folder in item.path.parents:
            item.add_marker(pytest.mark.timeout(SECONDS))


def add_logs(item: pytest.Item, report: Any) -> Any:
    """Add the end of every process's log to the report of a failed test."""
    if report.failed:
        for service in getattr(item, "funcargs", {}).values():
            if isinstance(service, Service):
                for process in service.processes:
                    report.sections.append(
                        (f"end of {process.name}'s log", process.log[-LOG_TAIL:])
                    )
    return report
