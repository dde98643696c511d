"""Bad inputs, counted by kind: what was tried, how it was answered, what broke."""

from collections import Counter
from dataclasses import dataclass, field

HEADING = "| bad input | tried | refused | served | 5xx | crashes |\n|---|---|---|---|---|---|\n"


@dataclass
class Tally:
    """The answers by kind of input: `refused` (4xx, or our own error), `served`, `5xx`, `crash`."""

    answers: dict[str, Counter[str]] = field(default_factory=dict)

    def count(self, kind: str, outcome: int | str, times: int = 1) -> None:
        """Note an input of a kind.

        Args:
            kind: as the table names it, such as "private addresses in picture URLs".
            outcome: an HTTP status, or "refused", "served", "crash" where none was involved.
            times: how many such inputs.
        """
        name = _outcome_of(outcome) if isinstance(outcome, int) else outcome
        self.answers.setdefault(kind, Counter())[name] += times

    def rows(self) -> dict[str, dict[str, int]]:
        """To send them elsewhere."""
        return {kind: dict(found) for kind, found in self.answers.items()}

    def add_rows(self, rows: dict[str, dict[str, int]]) -> None:
        """From elsewhere."""
        for kind, found in rows.items():
            self.answers.setdefault(kind, Counter()).update(found)

    def table(self) -> str:
        """All of it in Markdown, sorted by kind; empty where there is nothing."""
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
