"""Bad inputs, counted by kind: what was tried, how it was answered, what broke."""

from collections import Counter
from dataclasses import dataclass, field

HEADING = "| bad input | tried | refused | served | 5xx | crashes |\n|---|---|---|---|---|---|\n"


@dataclass
class Tally:
    """Answers by kind of input: `refused` (4xx, or our own error), `served`, `5xx`, `crash`."""

    answers: dict[str, Counter[str]] = field(default_factory=dict)

    def count(self, kind: str, outcome: int | str, times: int = 1) -> None:
        """Count inputs of one kind.

        Args:
            kind: its name in the table, such as "private addresses in picture URLs".
            outcome: an HTTP status, or "refused", "served" or "crash" if there is no status.
            times: the number of inputs.
        """
        name = _outcome_of(outcome) if isinstance(outcome, int) else outcome
        self.answers.setdefault(kind, Counter())[name] += times

    def rows(self) -> dict[str, dict[str, int]]:
        """Return the counts, to send them to another process."""
        return {kind: dict(found) for kind, found in self.answers.items()}

    def add_rows(self, rows: dict[str, dict[str, int]]) -> None:
        """Add the counts of another process."""
        for kind, found in rows.items():
            self.answers.setdefault(kind, Counter()).update(found)

    def table(self) -> str:
        """Return the counts as a Markdown table, sorted by kind; empty if there are none."""
        if not self.answers:
            return ""
        return HEADING + "".join(
            f"| {kind} | {found.total()} | {found['refused']} | {found['served']} "
            f"| {found['5xx']} | {found['crash']} |\n"
            for kind, found in sorted(self.answers.items())
        )


def _outcome_of(status: int) -> str:
    if status >= 500:
        return "5xx"
    return "refused" if status >= 400 else "served"
