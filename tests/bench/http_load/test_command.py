import json

from bench.http_load.command import main


def test_the_whole_of_it_from_end_to_end(tmp_path, capsys):
    main(["--quick", "--seconds", "0.2", "--out", str(tmp_path)])
    told = json.loads((tmp_path / "http-load.json").read_text())
    assert [(one["what"], one["clients"]) for one in told["loads"]] == [
        ("GET", 1),
        ("GET", 2),
        ("POST", 1),
        ("POST", 2),
    ]
    assert [one["streams"] for one in told["fans"]] == [1, 5]
    assert [one["heard"]["count"] for one in told["fans"]] == [2, 10]  # two events each
    for times in (told["probe"]["decoding"], *(one["times"] for one in told["loads"])):
        assert 0 < times["p50"] <= times["p99"] <= times["most"]
    page = (tmp_path / "http-load.md").read_text()
    assert "`python -m bench.http_load --quick" in page
    assert page in capsys.readouterr().out
