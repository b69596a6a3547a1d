"""What attacks on a city's participant are made of: requests and rosters with something changed.

Lives here: how a coordinator that is honest but for one change brings its request before the city.
Must not know: what must come of one.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from support.cities import Coordinator, opened
from support.federation import CityKeys, envelope
from support.runs import agreement_key

from attacks.case import Act, Attack, By, Guard, Strike
from attacks.stages import HOME, CityStage
from federation.documents.exchanged import Consent
from federation.documents.runs import Closure, DropRecord
from federation.errors import Reason

Changes = dict[str, Any]
Change = Callable[[Coordinator], Changes]


def unchanged(_: Coordinator) -> Changes:
    """An honest request."""
    return {}


@functools.cache
def joined(change: Change = unchanged) -> Act:
    """Return the act of asking the city for its consent."""

    def act(stage: CityStage) -> Strike:
        coordinator = stage.coordinator()
        changes = change(coordinator)
        return stage.asks(coordinator.sign(coordinator.consent_request(**changes)))

    return _named(act, "a request to join", change)


@functools.cache
def rostered(change: Change = unchanged) -> Act:
    """Return the act of asking for the first round under a roster of at least four."""

    def act(stage: CityStage) -> Strike:
        coordinator = stage.coordinator(min_roster=4)
        coordinator.gather()
        coordinator.publish_roster(**change(coordinator))
        return stage.asks(coordinator.round_body())

    return _named(act, "the first round under a roster", change)


@functools.cache
def continued(change: Change = unchanged) -> Act:
    """Return the act of asking for the second round, the first being answered and recorded.

    Changes are the request's; ``last_sum`` is what is attached to it.
    """

    def act(stage: CityStage) -> Strike:
        coordinator = stage.coordinator()
        coordinator.start()
        coordinator.complete_round()
        changes = change(coordinator)
        return stage.asks(coordinator.round_body(**changes))

    return _named(act, "the second round", change)


@functools.cache
def repeated(change: Change = unchanged) -> Act:
    """Return the act of asking for the second round as a new attempt after the first."""

    def act(stage: CityStage) -> Strike:
        coordinator = stage.coordinator()
        coordinator.start()
        coordinator.complete_round()
        changes = change(coordinator)
        coordinator.gather()
        coordinator.publish_roster(**changes)
        return stage.asks(coordinator.round_body())

    return _named(act, "the second round in a new attempt", change)


def _named(act: Act, honest: str, change: Change) -> Act:
    act.__name__ = honest if change is unchanged else getattr(change, "__name__", honest)
    return act


def on_joining(name: str, change: Change, reason: Reason, guard: Guard) -> Attack:
    """Return an attack of the coordinator by a request to join."""
    return _by_coordinator(name, joined(change), reason, guard, joined())


def on_roster(name: str, change: Change, reason: Reason, guard: Guard) -> Attack:
    """Return an attack of the coordinator by a roster."""
    return _by_coordinator(name, rostered(change), reason, guard, rostered())


def on_round(name: str, change: Change, reason: Reason, guard: Guard) -> Attack:
    """Return an attack of the coordinator by a request for a round."""
    return _by_coordinator(name, continued(change), reason, guard, continued())


def on_repeat(name: str, change: Change, reason: Reason, guard: Guard) -> Attack:
    """Return an attack of the coordinator by a new attempt."""
    return _by_coordinator(name, repeated(change), reason, guard, repeated())


def _by_coordinator(name: str, act: Act, reason: Reason, guard: Guard, twin: Act) -> Attack:
    return Attack(name, By.COORDINATOR, act, reason, guard, CityStage, twin)


def consent_of(coordinator: Coordinator, division: str, **changes: Any) -> bytes:
    """A consent made up by whoever holds the city's signing key, or thinks so."""
    consent = Consent(
        charter_digest=coordinator.charter.digest,
        attempt_nonce=coordinator.nonce,
        membership_digest=coordinator.federation.trust.current_digest,
        city=division,
        agreement_key=agreement_key(division, coordinator.nonce).public,
        consented_ms=coordinator.federation.clock(),
    )
    keys = coordinator.federation.cities.get(division) or CityKeys.of(division)
    return envelope(replace(consent, **changes), keys.signing)


def consent_in(raw: bytes) -> Consent:
    """Return the consent in envelope bytes."""
    consent = opened(raw)
    assert isinstance(consent, Consent)
    return consent


def with_consents(coordinator: Coordinator, **others: bytes) -> Changes:
    """The roster's change that exchanges or adds consents."""
    consents = dict(sorted({**coordinator.consents, **others}.items()))
    return {"consents": tuple(consents.values())}


def closed(coordinator: Coordinator) -> Changes:
    """Log the run's closure."""
    closure = Closure(
        charter_digest=coordinator.charter.digest,
        outcome="stopped",
        reason="by the test",
        last_record_digest=b"",
        rounds_completed=0,
        attempts=0,
        closed_ms=coordinator.federation.clock(),
    )
    coordinator.publish(closure)
    return {}


def dropped(coordinator: Coordinator) -> Changes:
    """Log that the city was dropped."""
    drop = DropRecord(
        charter_digest=coordinator.charter.digest,
        attempt_nonce=bytes(32),
        roster_digest=b"",
        round=1,
        cities=(HOME,),
        reason="round.late",
        recorded_ms=coordinator.federation.clock(),
    )
    coordinator.publish(drop)
    return {}
