"""The results of the fault suite, one row for each fault."""

from dataclasses import dataclass, field

from tests.faults.ledger import Found

HEADING = (
    "| fault | times | edits | ended | lost | duplicates | attempts "
    "| next attempt after, s | last end after, s |\n|---|---|---|---|---|---|---|---|---|\n"
)


@dataclass
class Report:
    """One row for each fault."""

    _rows: list[str] = field(default_factory=list)

    def add(self, fault: str, times: int, found: Found) -> None:
        """Add what happened to the edits during a fault, and assert that none was lost.

        Args:
            fault: its name in the table.
            times: how often it happened.
            found: what the ledger found.
        """
        ended = ", ".join(f"{count} {status}" for status, count in sorted(found.ended.items()))
        gap = f"{found.gap:.1f}" if found.gap else "–"
        self._rows.append(
            f"| {fault} | {times} | {found.edits} | {ended} | {len(found.lost)} "
            f"| {len(found.duplicates)} | {found.attempts} | {gap} | {found.longest:.1f} |\n"
        )
        assert found.lost == []
        assert found.duplicates == []

    def rows(self) -> list[str]:
        """Return the rows, to be sent to another process."""
        return self._rows

    def add_rows(self, rows: list[str]) -> None:
        """Add the rows of another process."""
        self._rows += rows

    def table(self) -> str:
        """Return the table in Markdown, sorted by fault; empty if it has no rows."""
        return HEADING + "".join(sorted(self._rows)) if self._rows else ""
