"""`python -m tools.site`: build the documentation for the web in build/site/html, and check it.

The pages link to each other as files, so they can be read in the repository too. Pages outside
docs/ are copied beside them; a link to any other file of the repository becomes its plain text.
A page that does not exist, a dead link or anything loaded from another host is an error.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]
SITE = Path("build") / "site"
PAGES, HTML = SITE / "pages", SITE / "html"
# Pages outside docs/, and their names on the site.
COPIED = {
    Path("README.md"): Path("repository/README.md"),
    Path("CONTRIBUTING.md"): Path("repository/CONTRIBUTING.md"),
    Path("CHANGELOG.md"): Path("repository/CHANGELOG.md"),
    Path("SECURITY.md"): Path("repository/SECURITY.md"),
    Path("baret/models/zoo/README.md"): Path("repository/model-card.md"),
}
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_FENCE = re.compile(r"^(```.*?^```)", re.DOTALL | re.MULTILINE)


def main() -> None:
    """Build the site; end with a message for each fault."""
    prepare(ROOT)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    subprocess.run(command, cwd=ROOT, check=True)
    if faults := list(find_faults(ROOT / HTML)):
        sys.exit("\n".join(faults))
    print(ROOT / HTML / "index.html")


def prepare(root: Path) -> None:
    """Copy docs/ and the pages outside it to build/site/pages, with links between them."""
    pages = root / PAGES
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(root / "docs", pages)
    staged = {
        path.relative_to(root): path.relative_to(root / "docs")
        for path in sorted((root / "docs").rglob("*"))
        if path.is_file()
    } | COPIED
    for source, target in staged.items():
        if source.suffix == ".md":
            path = pages / target
            path.parent.mkdir(exist_ok=True)
            path.write_text(_adapt((root / source).read_text("utf-8"), source, staged), "utf-8")


def _adapt(text: str, source: Path, staged: dict[Path, Path]) -> str:
    """Return a page with its links as the site has them; code is left alone."""
    parts = _FENCE.split(_FRONT_MATTER.sub("", text))
    return "".join(
        part if part.startswith("```") else _LINK.sub(lambda m: _link(m, source, staged), part)
        for part in parts
    )


def _link(match: re.Match[str], source: Path, staged: dict[Path, Path]) -> str:
    image, text, address = match.groups()
    path, _, fragment = address.partition("#")
    if urlsplit(address).scheme or not path:
        return match[0]
    target = Path(os.path.normpath(source.parent / path))
    if target == Path("docs"):
        target = Path("docs/index.md")
    if target not in staged:
        return text
    relative = os.path.relpath(staged[target], staged[source].parent)
    return f"{image}[{text}]({relative}{'#' + fragment if fragment else ''})"


class _Page(HTMLParser):
    """Collects a page's anchors, and the addresses that it links to or loads."""

    def __init__(self, text: str):
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors.update(value for key in ("id", "name") if (value := given.get(key)))
        if tag == "a" and (address := given.get("href")):
            self.links.append(address)
        elif address := given.get("src") or (given.get("href") if tag == "link" else None):
            self.loads.append(address)


def find_faults(html: Path) -> Iterator[str]:
    """Yield a line for every dead link, and for everything that is loaded from another host."""
    pages = {path: _Page(path.read_text("utf-8")) for path in sorted(html.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(html)
        if name == Path("404.html"):
            continue  # its addresses depend on where the site is served
        for address in page.loads:
            if urlsplit(address).netloc:
                yield f"{name}: loads {address} from another host"
        for address in {*page.links, *page.loads}:
            if not urlsplit(address).scheme and not _leads_somewhere(address, path, pages):
                yield f"{name}: {address} leads nowhere"


def _leads_somewhere(address: str, path: Path, pages: dict[Path, _Page]) -> bool:
    parts = urlsplit(address)
    target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return False
    page = pages.get(target)
    return not parts.fragment or page is None or unquote(parts.fragment) in page.anchors


if __name__ == "__main__":
    main()
