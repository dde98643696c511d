import json
import logging

import pytest

from core.telemetry.logs import configure_logs, edit_log_context, get_logger

SECRET = "".join(["whsec_", "value"])  # so that the source line itself does not hold it


def fail(secret: str) -> None:
    raise RuntimeError("broken")


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_names_the_place_but_no_values(form, capsys):
    configure_logs(level="INFO", form=form, part="worker")
    try:
        fail(SECRET)
    except RuntimeError:
        get_logger("test").exception("failed")
    output = capsys.readouterr().err
    assert "RuntimeError" in output and "broken" in output and "fail" in output
    assert SECRET not in output


def test_an_edits_id_is_on_every_line_inside_also_the_libraries(capsys):
    configure_logs(level="INFO", form="json", part="worker")
    with edit_log_context("edit_1", attempt=2):
        logging.getLogger("some.library").warning("%s happened", "it")
    get_logger("test").info("after")
    inside, after = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (inside["event"], inside["edit"], inside["attempt"], inside["part"]) == (
        "it happened",
        "edit_1",
        2,
        "worker",
    )
    assert "edit" not in after
