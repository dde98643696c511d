import numpy as np
import pytest

from bench.study.bradley_terry import groups, scores


def test_two_methods_are_apart_by_the_log_of_their_odds():
    (fitted,) = scores(np.array([[[0, 30.0], [10, 0]]]), virtual_ties=0)
    assert fitted[0] - fitted[1] == pytest.approx(np.log(3), abs=1e-5)
    assert fitted.sum() == pytest.approx(0)


def test_a_published_example():
    """Wikipedia, "Bradley–Terry model", worked example of solution procedure (geometric mean 1)."""
    wins = np.array([[0, 2, 0, 1], [3, 0, 5, 0], [0, 3, 0, 1], [4, 0, 3, 0]], float)
    (fitted,) = scores(wins[None], virtual_ties=0)
    assert np.exp(fitted) == pytest.approx([0.640, 1.043, 0.660, 2.270], abs=1e-3)


def test_scores_of_a_known_world_are_found_again():
    rng = np.random.default_rng(0)
    truth = np.array([1.0, 0.2, -0.4, -0.8])
    chance = 1 / (1 + np.exp(truth[None] - truth[:, None]))
    wins = np.zeros((4, 4))
    for i in range(4):
        for j in range(i):
            wins[i, j] = rng.binomial(2000, chance[i, j])
            wins[j, i] = 2000 - wins[i, j]
    assert scores(wins[None])[0] == pytest.approx(truth, abs=0.1)


def test_a_method_that_never_wins_has_a_finite_score():
    fitted = scores(np.array([[[0, 10.0], [0, 0]]]))[0]
    # 10 wins and one virtual tie: odds of 10.5 to 0.5.
    assert fitted[0] - fitted[1] == pytest.approx(np.log(10.5 / 0.5), abs=1e-5)


def test_methods_that_always_beat_the_next_are_fitted_too():
    """Far apart, where the maximum is flat: plain MM needs minutes here."""
    wins = np.zeros((1, 8, 8))
    wins[0, range(7), range(1, 8)] = 1000
    (fitted,) = scores(wins)
    assert (np.diff(fitted) < -5).all()
    assert fitted == pytest.approx(-fitted[::-1])


def test_nothing_but_ties_leaves_all_methods_equal():
    assert scores(np.full((1, 3, 3), 2.5))[0] == pytest.approx([0, 0, 0])


def test_fits_do_not_depend_on_those_beside_them():
    rng = np.random.default_rng(1)
    wins = rng.integers(0, 9, (3, 4, 4)).astype(float)
    together = scores(wins)
    for one, alone in zip(wins, together, strict=True):
        assert scores(one[None])[0] == pytest.approx(alone, abs=1e-4)


def test_methods_that_never_met_are_in_different_groups():
    assert groups([(0, 1), (2, 3), (1, 4)], 5) == [[0, 1, 4], [2, 3]]
    assert groups([(0, 1), (2, 3), (1, 2)], 4) == [[0, 1, 2, 3]]
