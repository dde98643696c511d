"""Addresses that are public by number and inside all the same: the host's own, and denied ones."""

import json
import shutil
import subprocess
import sys
from ipaddress import ip_address, ip_network

import pytest

from core.outbound.ip_policy import IpPolicy, is_allowed
from core.settings import Settings
from tests.security.own_host import PUBLIC
from tests.security.tally import Tally
from tests.support.commands import ROOT
from tests.support.waiting import PATIENCE

ADD = " && ".join(
    ["ip link set lo up"]
    + [f"ip addr add {one}/{128 if ':' in one else 32} dev lo" for one in PUBLIC]
)


def in_namespace(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a host of its own, which has two public addresses."""
    unshare = shutil.which("unshare")
    if unshare is None or shutil.which("ip") is None:
        pytest.skip("needs unshare and ip")
    return subprocess.run(
        [unshare, "--map-root-user", "--net", "sh", "-c", f'{ADD} && exec "$@"', "sh", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_hosts_own_public_addresses_are_refused_unless_allowed(tally: Tally) -> None:
    if in_namespace("true").returncode != 0:
        pytest.skip("no network namespace can be made here")
    run = in_namespace(sys.executable, "-m", "tests.security.own_host")
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    for host in PUBLIC:
        for why in ("by default", "denied, though allowed"):
            assert found[host][why] == [False, False]
            tally.count("the host's own public addresses", "refused", 4)
        assert found[host]["connections"] == 0
        assert found[host]["allowed"] == [True, True]


@pytest.mark.parametrize("text", ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_a_denied_network_is_refused_however_it_is_spelled_and_though_it_is_allowed(
    text: str,
) -> None:
    settings = Settings(_env_file=None, deny_networks="8.8.8.0/24, 2001:4860::/32")
    assert is_allowed(ip_address(text), IpPolicy())
    assert not is_allowed(ip_address(text), IpPolicy(deny=settings.deny_networks))
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert not is_allowed(ip_address(text), IpPolicy(everything, settings.deny_networks))
    assert is_allowed(ip_address("8.8.4.4"), IpPolicy(deny=settings.deny_networks))
