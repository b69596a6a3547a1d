"""An attempt in memory: one verified roster, noise that fits it, and a key that shows nowhere."""

from typing import Any

import pytest
from support.cities import charter_of
from support.federation import Federation
from support.runs import Run, agreement_key

from federation.documents.charter import Charter
from federation.errors import LaborfedError, Reason
from node.attempts import Attempt

HOME = "310000"


def attempt_under(federation: Federation, **privacy: Any) -> tuple[Attempt, Run]:
    """Return the home city's attempt and the run it belongs to; nobody was rostered yet."""
    plain = charter_of(federation)
    terms = {name: getattr(plain.privacy, name) for name in plain.privacy.__dataclass_fields__}
    charter = charter_of(federation, privacy=type(plain.privacy)(**{**terms, **privacy}))
    accepted = federation.publish(federation.by_administrators(charter)).of(Charter)
    run = Run(federation, accepted)
    attempt = Attempt(
        city=HOME,
        nonce=run.nonce,
        charter=accepted,
        membership_digest=federation.trust.current_digest,
        key=agreement_key(HOME, run.nonce),
        consent=run.consent(HOME),
    )
    return attempt, run


def test_a_roster_is_everybody_elses_keys(federation: Federation) -> None:
    attempt, run = attempt_under(federation)
    rostered = attempt.enter(run.publish_roster(), federation.trust)
    others = sorted(set(federation.cities) - {HOME})
    assert rostered.peers.city == HOME
    assert rostered.peers.roster == 4
    assert rostered.peers.keys == {c: agreement_key(c, run.nonce).public for c in others}
    assert attempt.enter(run.rosters[0], federation.trust) is rostered


def test_a_roster_that_was_refused_is_not_held(federation: Federation) -> None:
    attempt, run = attempt_under(federation)
    without_me = run.publish_roster(sorted(set(federation.cities) - {HOME}))
    with pytest.raises(LaborfedError) as caught:
        attempt.enter(without_me, federation.trust)
    assert caught.value.reason is Reason.ROSTER_FOREIGN
    assert attempt.rostered is None
    assert attempt.enter(run.publish_roster(), federation.trust).peers.roster == 4


@pytest.mark.parametrize(
    ("privacy", "reason"),
    [
        pytest.param(
            {"noise_multiplier": 1.0, "scale": 13}, Reason.INVALID_DOCUMENT, id="noise too narrow"
        ),
        pytest.param(
            {"noise_multiplier": 2_000.0, "scale": 2**16}, Reason.OUT_OF_BOUND, id="no room left"
        ),
    ],
)
def test_a_roster_whose_size_the_charters_numbers_cannot_bear_is_refused(
    federation: Federation, privacy: dict[str, Any], reason: Reason
) -> None:
    attempt, run = attempt_under(federation, **privacy)
    with pytest.raises(LaborfedError) as caught:
        attempt.enter(run.publish_roster(), federation.trust)
    assert caught.value.reason is reason


def test_the_key_is_not_printed(federation: Federation) -> None:
    attempt, run = attempt_under(federation)
    attempt.enter(run.publish_roster(), federation.trust)
    assert "AgreementKey" not in repr(attempt)
