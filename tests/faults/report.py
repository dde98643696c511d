"""What the fault suite found, a row a fault."""

from dataclasses import dataclass, field

from tests.faults.ledger import Found

HEADING = (
    "| fault | times | edits | ended | lost | duplicates | attempts "
    "| next attempt after, s | last end after, s |\n|---|---|---|---|---|---|---|---|---|\n"
)


@dataclass
class Report:
    """One row a fault."""

    _rows: list[str] = field(default_factory=list)

    def add(self, fault: str, times: int, found: Found) -> None:
        """Note what became of the edits that lived through a fault, and insist that none is gone.

        Args:
            fault: as the table names it.
            times: how often it was done.
            found: of the ledger.
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
        """To send them elsewhere."""
        return self._rows

    def add_rows(self, rows: list[str]) -> None:
        """From elsewhere."""
        self._rows += rows

    def table(self) -> str:
        """All of it in Markdown, sorted by fault; empty where there is nothing."""
        return HEADING + "".join(sorted(self._rows)) if self._rows else ""
