"""What an edit costs Redis stays bounded, and nothing of it stays."""

from bench.service.redis_cost import Measurement


def test_an_edit_costs_little_and_leaves_no_key(redis_url: str) -> None:
    cost = Measurement(redis_url).run(10)
    assert cost.keys_left == 0
    assert cost.keys_held < 5
    assert 100 < cost.commands < 1000  # 566 when it was written
    assert 5_000 < cost.bytes_in < 50_000  # 24,000
