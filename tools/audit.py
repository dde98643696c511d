"""`python -m tools.audit`: known vulnerabilities in what is pinned, by pip-audit.

pip-audit passes over a package that its source of advisories does not know, and then says that
nothing was found. Here that is an outcome of its own: 0 all was looked up and nothing is known,
1 something is known, 3 not all could be looked up, as on a machine without the internet.
Further arguments go to pip-audit (`--ignore-vuln ID`, `--vulnerability-service osv`).
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CLEAN, VULNERABLE, UNKNOWN = 0, 1, 3

ROOT = Path(__file__).parents[1]
# constraints.txt has what developers install too; the worker's file has torch's CUDA libraries.
FILES = (ROOT / "constraints.txt", ROOT / "deploy" / "requirements-worker.txt")
_OPTIONS = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--desc", "off")


def main(arguments: list[str]) -> int:
    """Audit every file of pins; the exit code is the worst outcome."""
    outcomes = {audit(file, arguments) for file in FILES}
    for outcome in (VULNERABLE, UNKNOWN):
        if outcome in outcomes:
            return outcome
    return CLEAN


def audit(pins: Path, arguments: list[str]) -> int:
    """Audit one file, saying what is known of it."""
    ran = subprocess.run(
        [sys.executable, "-m", "pip_audit", "-r", pins, "-f", "json", *_OPTIONS, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found: list[dict[str, Any]] = json.loads(ran.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (ran.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        print(f"NOT AUDITED {pins.name}: no advisories could be had ({reason[:200]})")
        return UNKNOWN
    known, unknown = list(_known(found)), [one["name"] for one in found if "skip_reason" in one]
    print(*known, sep="\n", end="\n" if known else "")
    print(
        f"{pins.name}: {len(found)} pins, {len(known)} known vulnerabilities, "
        f"{len(unknown)} not looked up"
    )
    if unknown:
        print(f"NOT AUDITED in {pins.name}: {', '.join(unknown[:8])}{' …' * (len(unknown) > 8)}")
    return VULNERABLE if known else UNKNOWN if unknown or not found else CLEAN


def _known(found: list[dict[str, Any]]) -> Iterator[str]:
    for one in found:
        for advisory in one.get("vulns", []):
            fixed = ", ".join(advisory["fix_versions"]) or "no release yet"
            yield f"{one['name']} {one['version']}: {advisory['id']}, mended in {fixed}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
