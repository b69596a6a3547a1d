"""Threads that ask for the same cost at once: it is composed for the first of them only."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from federation.privacy.accounting import compose
from federation.privacy.composition import screened_epsilon
from federation.privacy.events import MechanismEvent

THREADS = 4


def test_a_cost_that_several_wait_for_is_composed_once() -> None:
    event, together = MechanismEvent(0.03125, 1.4375, 37), Barrier(THREADS)

    def ask() -> float:
        together.wait()
        return compose([event], 1e-6)

    before = screened_epsilon.cache_info().misses
    with ThreadPoolExecutor(THREADS) as threads:
        asked = [threads.submit(ask) for _ in range(THREADS)]
    assert len({one.result() for one in asked}) == 1
    assert screened_epsilon.cache_info().misses == before + 1
