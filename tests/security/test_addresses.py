"""URLs that point inside: every spelling, every kind of address."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from core.outbound.ip_policy import IpPolicy, is_allowed
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.security.tally import Tally

SPELLINGS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://0x7F.1/",
    "http://0/",
    "http://127.0.0.1./",
    "http://127.0.0.1:6379/",
    "http://①②⑦.0.0.1/",
    "http://127。0。0。1/",
    "http://127．0．0．1/",
    "http://１２７.0.0.1/",
    "http://127.0.0.%31/",
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%00.example.com/",
    "http://127.0.0.1%2f.example.com/",
    "http://localhost/",
    "http://LocalHost/",
    "http://localhost./",
    "http://a.localhost/",
    "http://ＬＯＣＡＬＨＯＳＴ/",
    "http://loc\u00adalhost/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b:1::127.0.0.1]/",
    "http://[64:ff9b:1:7f00:0:100::]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::80ff:fffe]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::1%25lo]/",
    "http://example.com@127.0.0.1/",
    "http://example.com:80@127.0.0.1/",
    "http://127.0.0.1\\@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://@127.0.0.1/",
    "http:///127.0.0.1/",
    "http:127.0.0.1/",
    "http:/127.0.0.1/",
    "//127.0.0.1/",
    "\\\\127.0.0.1\\",
    " http://127.0.0.1/",
    "\thttp://127.0.0.1/",
    "http://127.0.0.1\t/",
    "http://127.0.0.1\r\nHost: example.com/",
    "http://127.0.\n0.1/",
    "http://127.0.0.1 /",
    "http://127.0.0.1\u2028/",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:99999/",
    "http://example.com:99999/",
    "http://example.com:-1/",
    "http://example.com:0/",
    "http://[127.0.0.1]/",
    "http://[::1/",
    "http://127.0.0.1]/",
    "HTTP://127.0.0.1/",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "file:///etc/passwd",
    "unix:/var/run/docker.sock",
]


@pytest.fixture
def closed(redis_url: str, tmp_path: Path, store: EditStore, model: Model) -> Iterator[TestClient]:
    """Run a service that allows no internal network, with a live worker."""
    store.announce("worker-1", model)
    settings = Settings(
        _env_file=None, REDIS_URL=redis_url, data_dir=tmp_path, allowed_hosts="testserver"
    )
    with TestClient(create_app(settings)) as running:
        yield running


@pytest.mark.parametrize("place", ["picture", "webhook"])
def test_no_spelling_of_an_address_inside_is_taken(
    closed: TestClient, tally: Tally, place: str
) -> None:
    # As an image's address, a data URL is the image itself.
    data_url = () if place == "picture" else ("data:image/png;base64,iVBORw0KGgo=",)
    for url in (*SPELLINGS, *data_url):
        asked = {"image": {"url": url}}
        if place == "webhook":
            asked = {"image": {"base64": "aa"}, "webhook_url": url}
        answer = closed.post("/v1/edits", json={"prompt": "x", **asked})
        tally.count(f"private addresses and odd URLs, {place}", answer.status_code)
        assert (answer.status_code, answer.json()["code"]) == (422, "url_not_allowed"), url


# An address of each range in IANA's special-purpose registries, and those that clouds answer at.
NOT_PUBLIC = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 100.100.100.200 127.0.0.1
127.255.255.254 168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255
192.0.0.1 192.0.0.8 192.0.0.9 192.0.0.10 192.0.0.170 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1
192.88.99.1 192.168.0.1 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::2 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
::ffff:0:8.8.8.8 64:ff9b::10.0.0.1 64:ff9b::127.0.0.1 64:ff9b::169.254.169.254 64:ff9b:1::8.8.8.8
64:ff9b:1:a00:0:100:: 100::1 100:0:0:1::1 200::1 2001::1 2001:0:a00:1:: 2001:1::1 2001:2::1
2001:10::1 2001:20::1 2001:30::1 2001:1ff:ffff::1 2001:db8::1 2002:a00:1:: 2002:808:808::1 3ffe::1
3fff::1 3fff:fff:ffff::1 4000::1 5f00::1 8000::1 fc00::1 fd00:ec2::254 fd20:ce::254 fe80::1
fe80::1%eth0 2606:4700::1111%eth0 2606:4700::5efe:a00:1 2606:4700::200:5efe:7f00:1 fec0::1 ff02::1
ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
"""

PUBLIC_ONES = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 172.15.255.255 172.32.0.1
192.0.1.1 192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1 223.255.255.255
2606:4700::1111 2001:4860:4860::8888 2001:200::1 2a00:1450::1 2606:4700::5efe:808:808
::ffff:8.8.8.8 64:ff9b::8.8.8.8
"""


def test_no_kind_of_address_that_is_not_public_is_allowed(tally: Tally) -> None:
    for text in NOT_PUBLIC.split():
        refused = not is_allowed(ip_address(text), IpPolicy())
        tally.count("addresses that are not public", "refused" if refused else "served")
        assert refused, text


@pytest.mark.parametrize("text", PUBLIC_ONES.split())
def test_a_public_neighbour_of_each_is_allowed(text: str) -> None:
    assert is_allowed(ip_address(text), IpPolicy())


@pytest.mark.parametrize("text", ["10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1"])
def test_opening_a_network_opens_no_other(text: str) -> None:
    assert is_allowed(ip_address(text), IpPolicy(allow=(ip_network("10.0.0.0/24"),)))
    others = IpPolicy(allow=(ip_network("10.0.1.0/24"), ip_network("fd00::/8")))
    assert not is_allowed(ip_address(text), others)
