"""Many streams and a flood on a real coordinator: slices in an ordinary run, whole in a soak.

Nothing here is asserted in seconds, and no ratio in a slice: other work on the machine moves both.
"""

import pytest

from benchmarks.load import flood, streams
from benchmarks.load.flood import Flooded
from benchmarks.load.streams import Load

RATIO = 3.0  # the most that an honest 99th percentile may grow by in a flood
KIB_A_MINUTE = 1024.0  # of growth that a few minutes cannot tell from settling


def check_streams(load: Load, cities: int) -> None:
    print(load)  # a soak shows its figures
    assert load.errors == {}
    assert load.lost == 0
    assert load.receipts >= cities
    assert load.followed >= cities * load.receipts
    assert load.answered >= cities


def check_flood(flooded: Flooded) -> None:
    print(flooded)
    assert flooded.accepted == 0
    assert sum(flooded.reasons.values()) == flooded.forged
    # a small part was looked at, the rest turned away
    assert flooded.reasons["exchange.rate_limited"] > flooded.forged / 2
    assert {"round", "checkpoint", "publish"} == flooded.honest.keys()
    for kind, one in flooded.honest.items():
        assert one.flooded.count > 0, f"{kind} came to a stop"


@pytest.mark.journey
def test_ten_cities_stand_without_error_or_lost_receipt() -> None:
    check_streams(streams.measure(cities=10, seconds=10, processes=2), 10)


@pytest.mark.journey
def test_honest_cities_are_served_in_a_flood_of_forgeries() -> None:
    check_flood(flood.measure(forged=2_000, quiet_s=5, rounds=1000))


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_fifty_cities_stand_for_five_minutes() -> None:
    load = streams.measure(cities=50, seconds=300)
    check_streams(load, 50)
    assert load.memory.kib_a_minute < KIB_A_MINUTE


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_hundred_thousand_forgeries_are_hardly_noticed() -> None:
    flooded = flood.measure(forged=100_000, quiet_s=60, rounds=1000)
    check_flood(flooded)
    for kind, one in flooded.honest.items():
        assert one.ratio <= RATIO, kind
