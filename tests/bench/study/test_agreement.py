import pytest

from bench.study.agreement import agreement
from bench.study.resampling import Sample
from tests.bench.study.rated import rating

# Three observers of 15 units, "*" for no answer (Wikipedia, "Krippendorff's alpha", from
# Krippendorff, Content Analysis, 2004). Its α for nominal data is 0.691.
OBSERVERS = {
    "ann": "*****34121133*3",
    "bob": "1*213343*******",
    "eve": "**21344*21133*4",
}
CHOICE = {"1": "left", "2": "right", "3": "both", "4": "neither"}


def _ratings(observers):
    return [
        rating("a", "b", pair=unit, edit=f"e{unit}", rater=rater, asked=CHOICE[value])
        for rater, values in observers.items()
        for unit, value in enumerate(values, 1)
        if value != "*"
    ]


def test_a_published_example():
    found = agreement(Sample.of(_ratings(OBSERVERS)), "asked")
    assert found.alpha.mean == pytest.approx(0.691, abs=5e-4)
    assert found.alpha.low < 0.691 < found.alpha.high <= 1
    assert (found.pairs, found.alpha.count) == (12, 26)  # units and values with a second value


def test_raters_who_always_agree_have_an_alpha_of_1():
    found = agreement(Sample.of(_ratings({"ann": "123412", "bob": "123412"})), "asked")
    assert found.same.mean == found.alpha.mean == 1


def test_the_share_of_same_answers_counts_every_rater_once():
    found = agreement(Sample.of(_ratings({"ann": "1111", "bob": "1122"})), "asked")
    assert found.same.mean == 0.5


def test_without_variety_there_is_no_alpha():
    found = agreement(Sample.of(_ratings({"ann": "1111", "bob": "1111"})), "asked")
    assert found.alpha is None and found.same.mean == 1


def test_one_rater_agrees_with_nobody():
    found = agreement(Sample.of(_ratings({"ann": "1234"})), "asked")
    assert (found.pairs, found.same, found.alpha) == (0, None, None)


def test_pairs_of_different_studies_are_different_pairs():
    two = _ratings({"ann": "12"}) + [
        one.model_copy(update={"study": 1}) for one in _ratings({"bob": "12"})
    ]
    assert agreement(Sample.of(two), "asked").pairs == 0
