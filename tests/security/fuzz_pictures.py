"""`python -m tests.security.fuzz_pictures --seconds 600 --seed 1` fuzzes the decode path.

It mutates pictures of every accepted format, and judges and decodes each mutant in a process with
the service's own bounds. It counts outcomes by format and writes each finding to a file in --out.
"""

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.images.sandbox import DecoderSandbox, warm_up
from tests.security.fuzzed import outcome
from tests.security.mutations import Mutant, mutant, seeds

HEADING = (
    "| format | tried | refused | served | time-outs | crashes | escaped | differs "
    "| worst CPU s | worst MiB |\n" + "|---" * 10 + "|\n"
)
FINDINGS = ("time", "crash", "escaped", "differs")


@dataclass
class Found:
    """Findings for one format."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    mib: float = 0.0

    def row(self, form: str) -> str:
        counts = [self.outcomes[kind] for kind in ("refused", "served", *FINDINGS)]
        told = [form, self.outcomes.total(), *counts, f"{self.seconds:.2f}", f"{self.mib:.0f}"]
        return "| " + " | ".join(map(str, told)) + " |\n"


class Fuzzing:
    """Runs mutants and counts their outcomes."""

    def __init__(
        self,
        seed: int,
        bounds: DecoderSandbox = DecoderSandbox(),  # noqa: B008
        out: Path | None = None,
    ):
        self.found: defaultdict[str, Found] = defaultdict(Found)
        self.findings: list[str] = []
        self._seed, self._bounds, self._out = seed, bounds, out
        self._sources = seeds()

    def run(self, number: int) -> None:
        """Run the mutant with this number."""
        one = mutant(self._sources, self._seed, number)
        told = outcome(one, self._bounds)
        kind, found = str(told["outcome"]), self.found[one.form]
        found.outcomes[kind] += 1
        found.seconds = max(found.seconds, float(str(told["seconds"])))
        found.mib = max(found.mib, float(str(told.get("mib", 0))))
        if kind in FINDINGS:
            self._keep(one, number, told)

    def table(self) -> str:
        return HEADING + "".join(found.row(form) for form, found in sorted(self.found.items()))

    def _keep(self, one: Mutant, number: int, told: dict[str, object]) -> None:
        self.findings.append(f"{one.form} {self._seed}/{number}: {told}")
        if self._out is not None:
            self._out.mkdir(parents=True, exist_ok=True)
            (self._out / f"{self._seed}-{number}.{one.form.lower()}").write_bytes(one.data)


def main(given: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder for the mutants that were findings")
    arguments = parser.parse_args(given)
    warm_up()
    fuzzing = Fuzzing(arguments.seed, out=arguments.out)
    number, end = 0, time.monotonic() + arguments.seconds
    while time.monotonic() < end:
        fuzzing.run(number)
        number += 1
    print(fuzzing.table())
    print("\n".join(fuzzing.findings) or "Nothing was found.")


if __name__ == "__main__":
    main()
