"""Scores from comparisons by the model of Bradley and Terry.

P(i is preferred to j) = γ_i / (γ_i + γ_j). A tie counts as half a win for each side. The likelihood
is that of Hunter, "MM algorithms for generalized Bradley–Terry models" (Annals of Statistics 32(1),
2004). In log γ it is concave; Newton's method finds the maximum in a few steps where
the MM algorithm takes thousands if some methods nearly always win.

The maximum of the likelihood does not exist if a method never loses or never wins. Each method is
therefore given one comparison more, tied and spread evenly over the other methods. This pulls the
scores together by about as much as one tie among all comparisons of a method.

r fits at once · m methods.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

VIRTUAL_TIES = 1.0  # per method
TOLERANCE = 1e-9  # of log γ
MAX_STEPS = 1000
MAX_CHANGE = 1.0  # of any log γ_i − log γ_j in a step; so each step raises the likelihood
# (a Newton step on logistic losses: Bach, "Self-concordant analysis for logistic regression", 2010)


def scores(wins: Floats, virtual_ties: float = VIRTUAL_TIES) -> Floats:
    """Fit log γ, with mean 0 over the methods.

    Args:
        wins: [r, m, m], how often i was preferred to j; ties are half a win for each.
        virtual_ties: per method, see the module. 0 needs methods that all win and lose.

    Returns:
        [r, m]. A method that is d above another one is preferred to it with odds e^d.

    Raises:
        ArithmeticError: there is no maximum, which does not happen with virtual ties.
    """
    methods = wins.shape[-1]
    others = 1 - np.eye(methods)
    wins = wins * others + others * virtual_ties / 2 / max(1, methods - 1)
    score: Floats = np.zeros(wins.shape[:2])
    for _ in range(MAX_STEPS):
        step = _newton_step(wins, score)
        change = np.ptp(step, axis=1, keepdims=True)
        score = score + step * np.minimum(1, MAX_CHANGE / np.maximum(change, TOLERANCE))
        if change.max() < TOLERANCE:
            return score
    raise ArithmeticError("The scores have no maximum.")


def _newton_step(wins: Floats, score: Floats) -> Floats:
    """Return −(Hessian)⁻¹ gradient of the log-likelihood, [r, m], with mean 0."""
    methods = wins.shape[-1]
    met = wins + wins.swapaxes(1, 2)  # [r, m, m]
    chance = 1 / (1 + np.exp(score[:, None, :] - score[:, :, None]))  # of i over j, [r, m, m]
    gradient = wins.sum(2) - (met * chance).sum(2)
    curvature = met * chance * (1 - chance)
    hessian = curvature.sum(2)[:, :, None] * np.eye(methods) - curvature  # negative
    hessian = hessian + 1 / methods  # shifting all scores together changes nothing
    step: Floats = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
    return step


def groups(pairs: Sequence[tuple[int, int]], methods: int) -> list[list[int]]:
    """Return the methods in groups that were compared with each other, directly or through others.

    Scores of different groups cannot be compared.
    """
    group_of = list(range(methods))
    for one, other in pairs:
        old, new = group_of[one], group_of[other]
        group_of = [new if group == old else group for group in group_of]
    return [
        [method for method in range(methods) if group_of[method] == group]
        for group in dict.fromkeys(group_of)
    ]
