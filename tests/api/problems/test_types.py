"""The table from errors to HTTP is complete."""

import pytest

from api.problems import errors as api_errors
from api.problems.types import BY_CODE, PROBLEM_TYPES
from core import errors as core_errors

# Never reach a caller themselves: a worker's own error, and the one that wraps another.
_INTERNAL = {core_errors.StaleAttempt, api_errors.FieldProblem}

# A base class that is also raised itself.
_BASES = {core_errors.StoreUnavailable}


def leaves(base: type[Exception]) -> set[type[Exception]]:
    below = {leaf for child in base.__subclasses__() for leaf in leaves(child)}
    return below or {base}


def test_every_error_that_can_reach_a_caller_has_its_kind() -> None:
    raised = leaves(core_errors.CoreError) | leaves(api_errors.ApiError) | _BASES
    assert raised - _INTERNAL == set(PROBLEM_TYPES)


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_every_kind_says_what_to_do_and_those_that_pass_say_when(code: str) -> None:
    problem_type = BY_CODE[code]
    assert problem_type.title
    assert problem_type.help.endswith(".")
    may_retry = problem_type.status in (429, 503) or code == "idempotency_in_progress"
    assert (problem_type.retry_after is not None) == may_retry


def test_kinds_of_one_code_are_one_kind() -> None:
    for problem_type in PROBLEM_TYPES.values():
        assert BY_CODE[problem_type.code] is problem_type
