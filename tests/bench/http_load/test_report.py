import dataclasses
import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from bench.http_load.latency import LatencySummary
from bench.http_load.load import Load
from bench.http_load.probe import Probe
from bench.http_load.report import Report, page, write
from bench.http_load.streams import FanOut

COMMITTED = Path(__file__).parents[3] / "docs" / "benchmarks"


def _times(slowest):
    return LatencySummary(count=9, p50=1.5, p99=slowest, max=slowest)


@pytest.fixture
def report():
    opened = _times(80.0)
    fan_out = FanOut(500, _times(30.0), _times(31.0), opened, mib_before=100.0, mib_open=150.0)
    return Report(
        command="python -m bench.http_load",
        machine="a processor",
        cores=2,
        load=0.5,
        versions="Python 3",
        image="a JPEG of 1.00 MiB",
        seconds=10.0,
        loads=[Load("GET", 1, 400.0, 1.25, _times(7.0)), Load("POST", 10, 50.0, 9.0, _times(90.0))],
        streams=[fan_out],
        probe=Probe(40.0, 7.5, 4, _times(2.0), _times(20.0), _times(5000.0)),
    )


def test_the_page_says_what_was_measured_and_where(report):
    text = page(report)
    assert "`python -m bench.http_load`" in text and "a processor, 2 cores" in text
    assert "| GET | 1 | 9 | 400 | 1.5 | 7 | 7 | 1.2 |" in text
    assert "| 500 | 1.5 | 30 | 1.5 | 31 | 80 | 100 | 150 | 102 |" in text  # 50 MiB / 500
    assert "| decoding | 1.5 | 20 | 20 |" in text


def test_the_slowest_request_is_named(report):
    assert report.slowest == ("POST, 10 clients", 90.0)
    assert "90 ms (POST, 10 clients); none took over a second" in page(report)


def test_a_promise_that_was_not_kept_is_told(report):
    slow = dataclasses.replace(report.streams[0], opened=_times(1001.0))
    text = page(dataclasses.replace(report, streams=[slow]))
    assert "1001 ms (opening one of 500 event streams); some took over a second" in text


def test_the_json_holds_all_of_it(report, tmp_path):
    write(tmp_path / "out" / "http-load", report)
    data = json.loads((tmp_path / "out" / "http-load.json").read_text())
    assert data == dataclasses.asdict(report)
    assert (tmp_path / "out" / "http-load.md").read_text() == page(report)


def test_the_committed_page_is_what_its_figures_give():
    report = TypeAdapter(Report).validate_json((COMMITTED / "http-load.json").read_text("utf-8"))
    assert (COMMITTED / "http-load.md").read_text("utf-8") == page(report)
