"""What passes inside a run: every rule broken once."""

from dataclasses import replace

import pytest
from support.breaking import Broken, refused, unbroken
from support.documents import (
    CONSENT,
    CONSENT_REQUEST,
    CONTRIBUTION,
    REFUSAL,
    ROUND_REQUEST,
    VOTE,
)

CASES = [
    Broken("request without a charter", CONSENT_REQUEST, {"charter_digest": b""}),
    Broken("attempt 0", CONSENT_REQUEST, {"attempt": 0}),
    Broken("attempt beyond 2048", CONSENT_REQUEST, {"attempt": 2_049}),
    Broken("short nonce", CONSENT_REQUEST, {"attempt_nonce": bytes(16)}),
    Broken("request without a membership", CONSENT_REQUEST, {"membership_digest": b""}),
    Broken("issued at the epoch", CONSENT_REQUEST, {"issued_ms": 0}),
    Broken("consent without a charter", CONSENT, {"charter_digest": b""}),
    Broken("consent without a nonce", CONSENT, {"attempt_nonce": b""}),
    Broken("consent without a membership", CONSENT, {"membership_digest": b""}),
    Broken("consent of no city", CONSENT, {"city": ""}),
    Broken("half a key", CONSENT, {"agreement_key": bytes(16)}),
    Broken("consented at the epoch", CONSENT, {"consented_ms": 0}),
    Broken("round request without a charter", ROUND_REQUEST, {"charter_digest": b""}),
    Broken("round request without a nonce", ROUND_REQUEST, {"attempt_nonce": b""}),
    Broken("round request without a membership", ROUND_REQUEST, {"membership_digest": b""}),
    Broken("round request without a roster", ROUND_REQUEST, {"roster_digest": b""}),
    Broken("round 0", ROUND_REQUEST, {"round": 0}),
    Broken("round beyond 2048", ROUND_REQUEST, {"round": 2_049}),
    Broken("unknown kind", ROUND_REQUEST, {"kind": "query"}),
    Broken("no parameters", ROUND_REQUEST, {"parameters_digest": b""}),
    Broken("second round without a record", ROUND_REQUEST, {"previous_record_digest": b""}),
    Broken("issued beyond the calendar", ROUND_REQUEST, {"issued_ms": 2**60}),
    Broken("contribution without a charter", CONTRIBUTION, {"charter_digest": b""}),
    Broken("contribution without a nonce", CONTRIBUTION, {"attempt_nonce": b""}),
    Broken("contribution without a membership", CONTRIBUTION, {"membership_digest": b""}),
    Broken("contribution without a roster", CONTRIBUTION, {"roster_digest": b""}),
    Broken("contribution to round 0", CONTRIBUTION, {"round": 0}),
    Broken("contribution of an unknown kind", CONTRIBUTION, {"kind": "query"}),
    Broken("contribution on no parameters", CONTRIBUTION, {"parameters_digest": b""}),
    Broken("48 bits", CONTRIBUTION, {"modulus_bits": 48}),
    Broken("nothing in it", CONTRIBUTION, {"length": 0}),
    Broken("negative length", CONTRIBUTION, {"length": -6}),
    Broken("longer than any charter", CONTRIBUTION, {"length": 1_000_001}),
    Broken("contribution of no city", CONTRIBUTION, {"city": "shanghai"}),
    Broken("no vector named", CONTRIBUTION, {"masked_digest": b""}),
    Broken("a vector where its digest belongs", CONTRIBUTION, {"masked_digest": bytes(24)}),
    Broken("vote in a training round", CONTRIBUTION, {"vote": b"vote"}),
    Broken("evaluation without a vote", CONTRIBUTION, {"kind": "evaluation"}, "vote"),
    Broken("vote without a charter", VOTE, {"charter_digest": b""}),
    Broken("vote without a nonce", VOTE, {"attempt_nonce": b""}),
    Broken("vote without a roster", VOTE, {"roster_digest": b""}),
    Broken("vote on nothing", VOTE, {"candidate_digest": b""}),
    Broken("vote of no city", VOTE, {"city": "0"}),
    Broken("refusal of half a charter", REFUSAL, {"charter_digest": bytes(16)}),
    Broken("refusal of half an attempt", REFUSAL, {"attempt_nonce": bytes(16)}),
    Broken("refusal of no city", REFUSAL, {"city": ""}),
    Broken("reason that is no code", REFUSAL, {"reason": "Not today"}),
    Broken("no sentence", REFUSAL, {"message": ""}),
    Broken("a sentence of a page", REFUSAL, {"message": "n" * 1_025}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused_naming_the_field(case: Broken) -> None:
    refused(case)


@pytest.mark.parametrize("valid", [CONSENT_REQUEST, CONSENT, ROUND_REQUEST, CONTRIBUTION, REFUSAL])
def test_every_field_has_a_case(valid: object) -> None:
    assert unbroken(valid, CASES) == set()


def test_every_field_of_a_vote_has_a_case() -> None:
    # yes and no are both a vote
    assert unbroken(VOTE, CASES, {"not_worse"}) == set()


def test_the_first_round_follows_no_record() -> None:
    first = replace(ROUND_REQUEST, round=1, previous_record_digest=b"")
    assert first.previous_record_digest == b""


def test_who_cannot_read_a_request_refuses_without_naming_it() -> None:
    blind = replace(REFUSAL, charter_digest=b"", attempt_nonce=b"")
    assert blind.reason == REFUSAL.reason
