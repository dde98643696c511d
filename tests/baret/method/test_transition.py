import torch

from baret.method.transition import transition

TUNED = torch.arange(4.0)[:, None, None].expand(4, 3, 2)
TARGET = torch.full((3, 2), 10.0)


def test_zero_keeps_the_tuned_text_and_one_follows_the_target():
    torch.testing.assert_close(transition(TUNED, TARGET, 0.0), TUNED)
    torch.testing.assert_close(transition(TUNED, TARGET, 1.0), TARGET.expand(4, 3, 2))


def test_between_it_is_the_linear_mixture_at_every_timestep():
    torch.testing.assert_close(transition(TUNED, TARGET, 0.25), 0.75 * TUNED + 0.25 * TARGET)


def test_a_progressive_transition_starts_at_the_noisiest_level():
    mixed = transition(TUNED, TARGET, 1.0, end=0.0)
    torch.testing.assert_close(mixed[-1], TARGET)
    torch.testing.assert_close(mixed[0], TUNED[0])
    torch.testing.assert_close(mixed[1], 2 / 3 * TUNED[1] + 1 / 3 * TARGET)
