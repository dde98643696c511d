import pytest

from baret.errors import (
    ContentRejected,
    ImageError,
    InversionMismatch,
    ModelError,
    NotFinite,
    OutOfMemory,
    UnsupportedModel,
)
from core.schema import Problem
from worker.errors import EditTimeout, problem_of, public_reason


# The codes and what may be in a problem: docs/api.md, "Errors".
@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (OutOfMemory("inside"), "out_of_memory", 503),
        (ContentRejected("inside"), "content_rejected", 422),
        (EditTimeout("inside"), "timeout", 504),
        (InversionMismatch("inside"), "model_error", 500),
        (FileNotFoundError("inside"), "model_error", 500),
        (KeyError("inside"), "model_error", 500),
    ],
)
def test_an_error_is_told_by_its_code_and_without_its_words(
    error: Exception, code: str, status: int
) -> None:
    problem = Problem.model_validate(problem_of(error))
    assert (problem.code, problem.status, problem.type) == (code, status, f"/docs/problems/{code}")
    assert problem.detail
    assert "inside" not in problem.model_dump_json()
    assert problem_of(error).keys() == {"type", "title", "status", "detail", "code"}


def test_a_model_that_overflows_is_told_with_the_setting_that_helps() -> None:
    problem = problem_of(NotFinite("Set BARET_DTYPE=bfloat16."))
    assert problem["code"] == "model_error"
    assert "Set BARET_DTYPE=bfloat16." in problem["detail"]


def test_a_picture_that_cannot_be_worked_on_is_told_in_the_methods_words() -> None:
    assert "it is too small" in problem_of(ImageError("it is too small"))["detail"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnsupportedModel("/srv/m/x.safetensors is a LoRA."), "x.safetensors is a LoRA."),
        (ModelError("No ~/m/x or ./m/y. Set BARET_VAE."), "No x or y. Set BARET_VAE."),
        (ModelError("org/name is not in the cache."), "org/name is not in the cache."),
        (OutOfMemory("cuda:0"), "The device has no room for it."),
        (RuntimeError("/srv/secret"), "The worker's log says why."),
    ],
)
def test_why_a_model_was_not_loaded_names_no_folder(error: Exception, reason: str) -> None:
    assert public_reason(error) == reason
