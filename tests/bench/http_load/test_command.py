import json

from bench.http_load.command import main


def test_the_whole_of_it_from_end_to_end(tmp_path, capsys):
    main(["--quick", "--seconds", "0.2", "--out", str(tmp_path)])
    data = json.loads((tmp_path / "http-load.json").read_text())
    assert [(one["what"], one["clients"]) for one in data["loads"]] == [
        ("GET", 1),
        ("GET", 2),
        ("POST", 1),
        ("POST", 2),
    ]
    assert [one["streams"] for one in data["streams"]] == [1, 5]
    assert [one["received"]["count"] for one in data["streams"]] == [2, 10]  # two events each
    for times in (data["probe"]["decoding"], *(one["times"] for one in data["loads"])):
        assert 0 < times["p50"] <= times["p99"] <= times["max"]
    page = (tmp_path / "http-load.md").read_text()
    assert "`python -m bench.http_load --quick" in page
    assert page in capsys.readouterr().out
