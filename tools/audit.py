"""`python -m tools.audit`: check pinned packages for known vulnerabilities, by pip-audit.

pip-audit skips a package that its advisory service does not know, and then reports that nothing
was found. Here that is a separate outcome. Exit codes: 0 all packages were looked up and none is
vulnerable; 1 some are; 3 not all could be looked up, for example without internet access. Further
arguments go to pip-audit (`--ignore-vuln ID`, `--vulnerability-service osv`).
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CLEAN, VULNERABLE, UNKNOWN = 0, 1, 3

ROOT = Path(__file__).parents[1]
# constraints.txt also covers developer tools; the worker's file has torch's CUDA libraries.
FILES = (ROOT / "constraints.txt", ROOT / "deploy" / "requirements-worker.txt")
_OPTIONS = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--desc", "off")


def main(arguments: list[str]) -> int:
    """Audit all requirement files and return the worst outcome as an exit code."""
    outcomes = {audit(file, arguments) for file in FILES}
    for outcome in (VULNERABLE, UNKNOWN):
        if outcome in outcomes:
            return outcome
    return CLEAN


def audit(pins: Path, arguments: list[str]) -> int:
    """Audit one file and print the findings."""
    audited = subprocess.run(
        [sys.executable, "-m", "pip_audit", "-r", pins, "-f", "json", *_OPTIONS, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        packages: list[dict[str, Any]] = json.loads(audited.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (audited.stderr.strip().splitlines() or ["pip-audit printed nothing"])[-1]
        print(f"NOT AUDITED {pins.name}: no advisories could be fetched ({reason[:200]})")
        return UNKNOWN
    vulnerabilities = list(_describe_vulnerabilities(packages))
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    print(*vulnerabilities, sep="\n", end="\n" if vulnerabilities else "")
    print(
        f"{pins.name}: {len(packages)} packages, {len(vulnerabilities)} known vulnerabilities, "
        f"{len(skipped)} not looked up"
    )
    if skipped:
        print(f"NOT AUDITED in {pins.name}: {', '.join(skipped[:8])}{' …' * (len(skipped) > 8)}")
    if vulnerabilities:
        return VULNERABLE
    return UNKNOWN if skipped or not packages else CLEAN


def _describe_vulnerabilities(packages: list[dict[str, Any]]) -> Iterator[str]:
    for package in packages:
        for advisory in package.get("vulns", []):
            fixed = ", ".join(advisory["fix_versions"]) or "no release yet"
            yield f"{package['name']} {package['version']}: {advisory['id']}, fixed in {fixed}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tools.audit",
        description=__doc__,
        epilog="All other arguments are pip-audit's.",
    )
    sys.exit(main(parser.parse_known_args()[1]))
