import subprocess
import sys

import pytest

from tools.site import HTML, PAGES, ROOT, find_faults, prepare


@pytest.fixture
def site(tmp_path):
    (tmp_path / "other.html").write_text('<h2 id="there">There</h2>')
    (tmp_path / "picture.png").write_bytes(b"")

    def with_body(body):
        (tmp_path / "page.html").write_text(body)
        return list(find_faults(tmp_path))

    return with_body


def test_links_that_lead_somewhere_are_no_faults(site):
    assert (
        site(
            '<a href="other.html">a</a> <a href="other.html#there">b</a> <a href="#here">c</a>'
            '<a href="https://example.org/">d</a> <img src="picture.png"> <p id="here"></p>'
        )
        == []
    )


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="missing.html">a</a>', "page.html: missing.html leads nowhere"),
        ('<a href="other.html#gone">a</a>', "page.html: other.html#gone leads nowhere"),
        ('<a href="#gone">a</a>', "page.html: #gone leads nowhere"),
        ('<img src="missing.png">', "page.html: missing.png leads nowhere"),
        (
            '<link href="https://fonts.example/css" rel="stylesheet">',
            "page.html: loads https://fonts.example/css from another host",
        ),
    ],
)
def test_each_fault_is_named(site, body, fault):
    assert site(body) == [fault]


def test_links_out_of_the_docs_lead_to_copies_or_become_text(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "baret/models/zoo").mkdir(parents=True)
    for name in ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY", "baret/models/zoo/README"):
        (tmp_path / f"{name}.md").write_text(
            "---\nlicense: x\n---\nSee [the API](docs/api.md#top)."
        )
    (tmp_path / "docs/api.md").write_text(
        "[readme](../README.md#use-it) [code](../api/app.py) [web](https://example.org)\n"
        "```\n[kept](../api/app.py)\n```\n"
    )
    prepare(tmp_path)
    assert (tmp_path / PAGES / "api.md").read_text() == (
        "[readme](repository/README.md#use-it) code [web](https://example.org)\n"
        "```\n[kept](../api/app.py)\n```\n"
    )
    copy = (tmp_path / PAGES / "repository/README.md").read_text()
    assert copy == "See [the API](../api.md#top)."


def test_the_site_is_built_without_warnings_dead_links_and_other_hosts():
    build = subprocess.run(
        [sys.executable, "-m", "tools.site"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    assert (ROOT / HTML / "index.html").is_file()
