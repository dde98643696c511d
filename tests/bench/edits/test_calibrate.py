"""Ratings against *right*, with measurements that are constructed."""

from dataclasses import replace

import numpy as np
import pytest

from bench.edits.appearance import Appearance
from bench.edits.calibrate.__main__ import _agreements
from bench.edits.calibrate.agreement import agreement
from bench.edits.calibrate.ratings import RatingsError, judgements, read_ratings
from bench.edits.calibrate.sweep import sweep
from bench.edits.criteria import CRITERIA
from bench.edits.evaluation import Row
from bench.edits.metrics import Quality

HEAD = "pair,rater,edit,kind,prompt,left,right,asked,kept,better\n"
QUALITY = Quality(True, True, True, 20.0, 0.8, 15.0, 25.0, 2.0, 27.0)
FAULTLESS = Appearance(drawn=0.9, ghost=0.0, lost=0.0, background=0.0, seam=0.0)


def _file(tmp_path, *lines):
    path = tmp_path / "ratings.csv"
    path.write_text(HEAD + "".join(f"{line}\n" for line in lines))
    return path


def test_an_image_is_good_if_it_did_what_was_asked_and_kept_the_rest(tmp_path):
    path = _file(
        tmp_path,
        '1,ann,7,posture,"a cat, sitting",baret,ddim,both,left,left',
        "2,ann,8,colour,a dog,ddim,baret,neither,both,equal",
    )
    first, second = read_ratings(path)
    assert judgements([first]) == [((7, "baret"), True), ((7, "ddim"), False)]
    assert first.better == 0
    assert second.good == (False, False) and second.better is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,ann,7,posture,a cat,baret,ddim,both,left,both", "line 3: better is 'both'"),
        ("1,ann,7,posture,a cat,baret,ddim,yes,left,left", "line 3: asked is 'yes'"),
        ("1,ann,x,posture,a cat,baret,ddim,both,left,left", "line 3: edit is 'x'"),
    ],
)
def test_a_wrong_answer_is_refused_with_its_line(tmp_path, line, message):
    path = _file(tmp_path, "1,ann,7,posture,a cat,baret,ddim,both,left,left", line)
    with pytest.raises(RatingsError, match=message):
        read_ratings(path)


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("pair,edit,left,right,asked,kept\n")
    with pytest.raises(RatingsError, match="lacks the columns better"):
        read_ratings(path)


def test_agreement_is_averaged_over_edits(tmp_path):
    ratings = read_ratings(
        _file(
            tmp_path,
            *["1,ann,1,posture,a cat,baret,ddim,left,both,left"] * 3,
            "2,ann,2,posture,a cat,baret,ddim,both,both,right",
            "3,ann,3,posture,a cat,baret,ddim,left,left,equal",
        )
    )
    verdicts = {(edit, name): name == "baret" for edit in (1, 2, 3) for name in ("baret", "ddim")}
    found = agreement(ratings, verdicts)
    assert found.agree.mean == pytest.approx((1 + 0.5 + 1) / 3) and found.agree.count == 3
    assert found.passed.mean == pytest.approx((1 + 0.5 + 1) / 3)
    assert found.refused.mean == 1 and found.refused.count == 2
    assert found.better.mean == pytest.approx((1 + 0 + 0.5) / 3)
    assert found.better.low < found.better.mean < found.better.high


def test_where_nothing_passes_there_is_no_preference(tmp_path):
    ratings = read_ratings(_file(tmp_path, "1,a,1,posture,a cat,baret,ddim,both,both,left"))
    found = agreement(ratings, {(1, "baret"): False, (1, "ddim"): False})
    assert found.better is None and found.refused is None and found.passed.mean == 0


def test_agreements_are_printed_with_their_intervals(tmp_path):
    ratings = read_ratings(_file(tmp_path, "1,a,1,posture,a cat,baret,ddim,left,both,left"))
    found = agreement(ratings, {(1, "baret"): True, (1, "ddim"): False})
    printed = _agreements({"right": vars(found)})
    assert "| right | 1.00 (1.00 … 1.00; 1 edits) |" in printed


def _row(**appearance):
    return Row(None, None, QUALITY, replace(FAULTLESS, **appearance))


def _judged(limit, count=80):
    """Images whose drawing is spread evenly; people find them good from a limit on."""
    drawn = {(i, "baret"): i / count for i in range(count)}
    rows = {image: _row(drawn=value) for image, value in drawn.items()}
    return [(image, value >= limit) for image, value in drawn.items()], rows


def test_the_sweep_finds_the_limit_that_people_have():
    judged, rows = _judged(0.4)
    found = sweep(judged, rows)
    assert found.best.min_drawn == 0.4 and found.best_score == found.held_out_score == 1
    assert found.current < 0.9
    assert {one.min_drawn for one in found.chosen} == {0.4}
    # What the ratings say nothing about stays as it is.
    assert found.best.max_ghost == CRITERIA.max_ghost


def test_the_sweep_keeps_limits_that_are_as_good():
    judged, rows = _judged(CRITERIA.min_drawn)
    assert sweep(judged, rows).best == CRITERIA


def test_where_ratings_are_chance_the_held_out_score_says_so():
    judged, rows = _judged(0.5)
    rng = np.random.default_rng(0)
    by_chance = [(image, bool(rng.integers(2))) for image, _ in judged]
    found = sweep(by_chance, rows)
    assert found.held_out_score < found.best_score
    assert found.held_out_score < 0.6
