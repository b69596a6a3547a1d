"""A charter is composed when it arrives: the consent that is waited for composes nothing."""

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs
from support.cities import CitySide, Coordinator, PaperCity, charter_of, statistics_charter_of
from support.federation import Federation

from federation.acceptance import Accepted
from federation.documents.charter import Charter
from federation.errors import Malformed, Reason
from federation.privacy.composition import screened_epsilon
from node.foresight import Foresight
from node.gate import Gate
from node.policy import Policy

Terms = Callable[[Federation], Charter]


def composed() -> int:
    """How often anything was composed since the last clearing."""
    return screened_epsilon.cache_info().misses


def arrive(gate: Gate, federation: Federation, charter: Accepted[Charter]) -> list[str]:
    """Let a charter arrive at a city; return the events it told of."""
    screened_epsilon.cache_clear()
    with capture_logs() as events, ThreadPoolExecutor(1) as threads:
        Foresight(gate, threads, federation.clock)(charter)
    return [str(entry["event"]) for entry in events]


@pytest.mark.parametrize("terms", [charter_of, statistics_charter_of])
def test_a_consent_finds_its_cost_composed(
    federation: Federation,
    company: dict[str, CitySide | PaperCity],
    home: CitySide,
    blobs: dict[bytes, bytes],
    terms: Terms,
) -> None:
    coordinator = Coordinator(federation, terms(federation), company, blobs)
    before = home.footprint
    assert arrive(home.gate, federation, coordinator.charter) == []
    assert composed() > 0
    assert home.footprint == before
    after = composed()
    coordinator.gather()
    assert len(home.footprint["budget_reservations"]) == 1
    assert composed() == after


def test_what_is_over_is_not_composed(federation: Federation, home: CitySide) -> None:
    signed = federation.by_administrators(charter_of(federation))
    charter = federation.publish(signed).of(Charter)
    federation.clock.pass_((charter.document.not_after_ms - federation.clock()) / 1000)
    assert arrive(home.gate, federation, charter) == []
    assert composed() == 0


def test_a_policy_that_cannot_be_read_is_told_and_ends_nothing(
    federation: Federation, home: CitySide
) -> None:
    def unreadable() -> Policy:
        raise Malformed(Reason.CONFIGURATION, "policy.toml: no such mode")

    signed = federation.by_administrators(charter_of(federation))
    charter = federation.publish(signed).of(Charter)
    key = federation.cities[home.division].signing
    gate = Gate(home.store, key, home.division, unreadable, federation.clock)
    assert arrive(gate, federation, charter) == ["cost_not_foreseen"]


@pytest.fixture
def nothing_left_out() -> Iterator[None]:
    """Let the garbage collector look at everything before and after."""
    gc.unfreeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("nothing_left_out")
def test_what_came_with_a_charter_is_left_out_of_collections(
    federation: Federation,
    company: dict[str, CitySide | PaperCity],
    home: CitySide,
    blobs: dict[bytes, bytes],
) -> None:
    coordinator = Coordinator(federation, charter_of(federation), company, blobs)
    assert gc.get_freeze_count() == 0
    arrive(home.gate, federation, coordinator.charter)
    assert gc.get_freeze_count() > 50_000
