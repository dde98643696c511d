import pytest

from bench.edits.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "magic"], "No such method: magic"),
        (["--tune", "--split", "benchmark"], "on the tuning split only"),
        (["--split", "benchmark", "--methods", "ddim"], "ddim has not been tuned for this model"),
    ],
)
def test_the_benchmark_is_not_touched_before_its_time(arguments, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as refused:
        main([*arguments, "--tuned", str(tmp_path / "none.json"), "--device", "cpu"])
    assert message in str(refused.value)
