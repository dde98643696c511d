"""Tables that a run fills and shows at its end, even if its tests ran in several processes."""

import os
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.faults.report import Report
from tests.security.tally import Tally


class Table(Protocol):
    """Rows that can be sent to another process."""

    def rows(self) -> Any:
        """Return all rows, in JSON's types."""

    def add_rows(self, rows: Any) -> None:
        """Add another process's rows."""

    def table(self) -> str:
        """Return all rows as a Markdown table; empty if there are none."""


REPORT, TALLY = Report(), Tally()

# Each is also written to the file that its environment variable names.
_TABLES: dict[str, tuple[Table, str]] = {
    "faults": (REPORT, "BARET_FAULTS_REPORT"),
    "bad inputs": (TALLY, "BARET_INTRUDERS_REPORT"),
}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the rows to the process that shows them, unless this is that process."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["tables"] = {title: table.rows() for title, (table, _) in _TABLES.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the rows of a process that has run its tests."""
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
