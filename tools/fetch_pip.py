"""`python tools/fetch_pip.py PYTHON`: install pip into an environment that has none.

Debian's bare python3 has neither ensurepip nor pip. pip can run from its own wheel, so this script
downloads the wheel from the package index that pip itself would use (PIP_INDEX_URL, else PyPI),
checks the index's SHA-256 and runs the wheel to install itself. Standard library only.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

INDEX = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
JSON = "application/vnd.pypi.simple.v1+json"
STABLE = re.compile(r"pip-(\d+(?:\.\d+)*)-py3-none-any\.whl")


def newest_wheel() -> tuple[str, str]:
    """Return the URL and SHA-256 of the index's newest stable pip (PEP 691)."""
    page = f"{INDEX}/pip/"
    request = urllib.request.Request(page, headers={"Accept": JSON})  # noqa: S310 - an index's URL
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        files = json.load(response)["files"]
    versions = {}
    for file in files:
        match = STABLE.fullmatch(file["filename"])
        if match and not file.get("yanked"):
            versions[tuple(int(part) for part in match[1].split("."))] = file
    newest = versions[max(versions)]
    return urllib.parse.urljoin(page, newest["url"]), newest["hashes"]["sha256"]


def main() -> None:
    """Download, check and install pip."""
    url, expected = newest_wheel()
    with urllib.request.urlopen(url, timeout=120) as response:  # noqa: S310
        wheel = response.read()
    if hashlib.sha256(wheel).hexdigest() != expected:
        raise SystemExit("The downloaded pip does not match the SHA-256 in the package index.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / url.rsplit("/", 1)[-1].split("#")[0]
        path.write_bytes(wheel)
        subprocess.run([sys.argv[1], f"{path}/pip", "install", "--no-index", str(path)], check=True)


if __name__ == "__main__":
    main()
