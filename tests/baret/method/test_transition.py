from itertools import pairwise

import pytest
import torch

from baret.method.transition import eta_of, transition

TUNED = torch.arange(4.0)[:, None, None].expand(4, 3, 2)
TARGET = torch.full((3, 2), 10.0)


def test_zero_keeps_the_tuned_text_and_one_follows_the_target():
    torch.testing.assert_close(transition(TUNED, TARGET, 0.0), TUNED)
    torch.testing.assert_close(transition(TUNED, TARGET, 1.0), TARGET.expand(4, 3, 2))


def test_between_it_is_the_linear_mixture_of_every_tuned_text():
    torch.testing.assert_close(transition(TUNED, TARGET, 0.25), 0.75 * TUNED + 0.25 * TARGET)
    torch.testing.assert_close(transition(TUNED[1:2], TARGET, 0.25)[0], 0.75 * TUNED[1] + 2.5)


def test_a_strength_goes_further_the_weaker_it_is_and_its_ends_stay():
    etas = [eta_of(strength) for strength in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert (etas[0], etas[-1]) == (0.0, 1.0)
    steps = [far - near for near, far in pairwise(etas)]
    assert steps == sorted(steps, reverse=True)
    assert etas[2] == pytest.approx(0.758, abs=1e-3)
