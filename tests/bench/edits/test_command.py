import pytest

from bench.edits.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--methods", "magic"], "no method magic"),
        (["--tune", "--split", "benchmark"], "on the tuning split alone"),
        (["--split", "benchmark", "--methods", "ddim"], "ddim has not been tuned for this model"),
    ],
)
def test_the_benchmark_is_not_touched_before_its_time(arguments, told, tmp_path, capsys):
    with pytest.raises(SystemExit) as refused:
        main([*arguments, "--tuned", str(tmp_path / "none.json"), "--device", "cpu"])
    assert told in str(refused.value)
