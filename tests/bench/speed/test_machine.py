import torch

from bench.speed.machine import Machine, ceiling, peak_gib

CPU = torch.device("cpu")


def test_the_ceiling_is_what_a_processor_may_reach():
    assert 1e-5 < ceiling(CPU, torch.float32, 256) < 100


def test_a_slow_product_ends_the_search_for_the_ceiling():
    side = 2**17  # its matrices alone would take 128 GiB
    assert 1e-5 < ceiling(CPU, torch.float32, side, slow_seconds=0.0) < 100


def test_the_machine_says_what_it_is():
    machine = Machine.of(CPU, torch.float32)
    assert machine.name.endswith("(CPU)") and len(machine.name) > len(" (CPU)")
    assert machine.threads == torch.get_num_threads()
    assert machine.ceiling > 0


def test_the_peak_is_that_of_the_process():
    before = peak_gib(CPU)
    torch.ones(2**26).sum()  # 256 MiB
    assert before > 0.05 and peak_gib(CPU) >= before
