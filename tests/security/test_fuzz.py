"""A hundred mutants per run; `python -m tests.security.fuzz_pictures` runs for minutes."""

from tests.security.fuzz_pictures import FINDINGS, Fuzzing
from tests.security.tally import Tally


def test_no_mutant_of_a_picture_crashes_stalls_or_surprises(tally: Tally) -> None:
    fuzzing = Fuzzing(seed=0)
    for number in range(100):
        fuzzing.run(number)
    for found in fuzzing.found.values():
        for kind, times in found.outcomes.items():
            outcome = "crash" if kind in FINDINGS else kind
            tally.count("pictures: mutants of every format", outcome, times)
    assert fuzzing.findings == []
    assert sum(found.outcomes["served"] for found in fuzzing.found.values()) > 15
