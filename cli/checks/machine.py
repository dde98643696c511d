"""Python, packages, memory, disk."""

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from cli.checks.findings import Finding, gib

MIN_MEMORY = 2 * 2**30  # bytes: the bundled model with torch, and an image being decoded
MIN_DISK = 2**30  # bytes


def check_machine(data: Path) -> list[Finding]:
    """Return what was found; `data` is the folder for images and edits."""
    return [_python(), _packages(), _memory(), _disk(data)]


def _python() -> Finding:
    return Finding("Python", "ok", f"{platform.python_version()} on {platform.system()}")


def _packages() -> Finding:
    """Compare what is installed with what `baret` says that it and its worker need."""
    wanted = [Requirement(text) for text in requires("baret") or ()]
    needed = [
        one for one in wanted if one.marker is None or one.marker.evaluate({"extra": "worker"})
    ]
    missing, old = [], []
    for one in needed:
        try:
            if not one.specifier.contains(version(one.name), prereleases=True):
                old.append(f"{one.name} {version(one.name)} ({one.specifier})")
        except PackageNotFoundError:
            missing.append(one.name)
    if old:
        return Finding(
            "packages",
            "wrong",
            f"not the releases that BARET needs: {', '.join(old)}",
            "Install again: make install.",
        )
    if missing:
        return Finding(
            "packages",
            "note",
            f"missing: {', '.join(missing)}",
            "To edit on this machine, install baret[worker].",
        )
    return Finding("packages", "ok", f"baret {version('baret')}, {len(needed)} requirements met")


def _memory() -> Finding:
    page = os.sysconf("SC_PAGE_SIZE")
    total = page * os.sysconf("SC_PHYS_PAGES")
    free = _available() or total
    detail = f"{gib(free)} of {gib(total)} available"
    if free < MIN_MEMORY:
        return Finding("memory", "wrong", detail, f"BARET needs {gib(MIN_MEMORY)}: end something.")
    return Finding("memory", "ok", detail)


def _available() -> int | None:
    """Return the bytes that programs can still get; None if the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def _disk(data: Path) -> Finding:
    folder = next(one for one in (data, *data.parents) if one.exists())
    free = shutil.disk_usage(folder).free
    detail = f"{gib(free)} free for {data}"
    if not os.access(folder, os.W_OK):
        return Finding("disk", "wrong", f"{folder} cannot be written to", "Set BARET_DATA_DIR.")
    if free < MIN_DISK:
        return Finding("disk", "wrong", detail, "Free some space, or set BARET_DATA_DIR.")
    return Finding("disk", "ok", detail)
