"""The tables that a run fills, shown at its end, also where its tests ran in several processes."""

import os
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.faults.report import Report
from tests.security.tally import Tally


class Table(Protocol):
    """Rows that can be sent to another process."""

    def rows(self) -> Any:
        """All of them, in JSON's types."""

    def add_rows(self, rows: Any) -> None:
        """Those of another process."""

    def table(self) -> str:
        """All of it in Markdown; empty where there are no rows."""


REPORT, TALLY = Report(), Tally()

# Each is also written to the file that the environment names.
_TABLES: dict[str, tuple[Table, str]] = {
    "faults": (REPORT, "BARET_FAULTS_REPORT"),
    "bad inputs": (TALLY, "BARET_INTRUDERS_REPORT"),
}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the rows to the process that shows them, where this is not that one."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["tables"] = {title: table.rows() for title, (table, _) in _TABLES.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the rows of a process that has run its tests."""
    for title, rows in getattr(node, "workeroutput", {}).get("tables", {}).items():
        _TABLES[title][0].add_rows(rows)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show every table that has rows."""
    for title, (table, file) in _TABLES.items():
        if text := table.table():
            terminalreporter.section(title)
            terminalreporter.write(text)
            if path := os.environ.get(file):
                Path(path).write_text(text)
