"""Which model's turn it is."""

from collections import Counter

from worker.model_turns import ModelTurns


def serve(turns: ModelTurns, waiting: dict[str, float], seconds: float) -> Counter[str]:
    """Serve edits of one second by the weights of those that wait; return seconds by model."""
    served: Counter[str] = Counter()
    while served.total() < seconds:
        turns.note_waiting(waiting)
        first = turns.in_order(waiting)[0]
        turns.charge(first, 1.0, waiting[first])
        served[first] += 1
    return served


def test_models_with_as_many_callers_get_equal_shares() -> None:
    assert serve(ModelTurns(), {"a": 1, "b": 1}, 100) == {"a": 50, "b": 50}


def test_a_model_s_share_follows_from_its_callers() -> None:
    served = serve(ModelTurns(), {"a": 9, "b": 1}, 100)
    assert abs(served["b"] - 10) <= 1


def test_who_was_away_has_saved_nothing() -> None:
    turns = ModelTurns()
    serve(turns, {"a": 1}, 1000)
    served = serve(turns, {"a": 1, "b": 1}, 100)
    assert abs(served["a"] - 50) <= 1


def test_dear_edits_of_one_model_do_not_hold_up_the_other() -> None:
    turns = ModelTurns()
    turns.note_waiting(["a", "b"])
    turns.charge("a", 60.0, 1)
    order = []
    for _ in range(10):
        turns.note_waiting(["a", "b"])
        order.append(turns.in_order(["a", "b"])[0])
        turns.charge(order[-1], 1.0, 1)
    assert order == ["b"] * 10


def test_only_models_that_may_be_served_are_in_order() -> None:
    turns = ModelTurns()
    turns.note_waiting(["a", "b"])
    assert turns.in_order(["b", "c"]) == ["b"]
    assert not turns.is_before("c", "a")
    assert turns.is_before("a", "c")  # nothing waits for c
