"""What a run leaves in the log: every rule broken once."""

from dataclasses import replace

import pytest
from support.breaking import Broken, refused, unbroken
from support.documents import CITIES, CLOSURE, DROP_RECORD, ROSTER, ROUND_RECORD


def contributions(**changes: object) -> dict[str, object]:
    """The record's contributions, the first of them changed."""
    first, *others = ROUND_RECORD.contributions
    return {"contributions": (replace(first, **changes), *others)}  # type: ignore[arg-type]


RELEASED = replace(CLOSURE, outcome="released", reason="")
CASES = [
    Broken("roster without a charter", ROSTER, {"charter_digest": b""}),
    Broken("attempt 0", ROSTER, {"attempt": 0}),
    Broken("short nonce", ROSTER, {"attempt_nonce": bytes(16)}),
    Broken("roster without a membership", ROSTER, {"membership_digest": b""}),
    Broken("begins at round 0", ROSTER, {"first_round": 0}),
    Broken("follows no record", ROSTER, {"previous_record_digest": b""}),
    Broken("two cities", ROSTER, {"consents": (b"1", b"2")}),
    Broken("one consent twice", ROSTER, {"consents": (b"1", b"2", b"1")}),
    Broken("rostered at the epoch", ROSTER, {"rostered_ms": 0}),
    Broken("record without a charter", ROUND_RECORD, {"charter_digest": b""}),
    Broken("record without a nonce", ROUND_RECORD, {"attempt_nonce": b""}),
    Broken("record without a roster", ROUND_RECORD, {"roster_digest": b""}),
    Broken("round 0", ROUND_RECORD, {"round": 0}),
    Broken("unknown kind", ROUND_RECORD, {"kind": "query"}),
    Broken("computed on nothing", ROUND_RECORD, {"parameters_digest": b""}),
    Broken("contribution of no city", ROUND_RECORD, contributions(city="")),
    Broken("short contribution digest", ROUND_RECORD, contributions(digest=bytes(31))),
    Broken("two contributions", ROUND_RECORD, {"contributions": ROUND_RECORD.contributions[:2]}),
    Broken(
        "contributions out of order",
        ROUND_RECORD,
        {"contributions": tuple(reversed(ROUND_RECORD.contributions))},
    ),
    Broken(
        "a city twice",
        ROUND_RECORD,
        {"contributions": (*ROUND_RECORD.contributions, ROUND_RECORD.contributions[-1])},
    ),
    Broken("no sum", ROUND_RECORD, {"sum_digest": b""}),
    Broken("leads to nothing", ROUND_RECORD, {"next_parameters_digest": b""}),
    Broken(
        "evaluation that moves the parameters",
        ROUND_RECORD,
        {"kind": "evaluation"},
        "next_parameters_digest",
    ),
    Broken("second round without a record", ROUND_RECORD, {"previous_record_digest": b""}),
    Broken("closed at the epoch", ROUND_RECORD, {"closed_ms": 0}),
    Broken("drop without a charter", DROP_RECORD, {"charter_digest": b""}),
    Broken("drop without a nonce", DROP_RECORD, {"attempt_nonce": b""}),
    Broken("drop from half a roster", DROP_RECORD, {"roster_digest": bytes(16)}),
    Broken("drop in round 0", DROP_RECORD, {"round": 0}),
    Broken("nobody dropped", DROP_RECORD, {"cities": ()}),
    Broken("dropped out of order", DROP_RECORD, {"cities": (CITIES[1], CITIES[0])}),
    Broken("dropped city that is none", DROP_RECORD, {"cities": ("late",)}),
    Broken("reason that is no code", DROP_RECORD, {"reason": "too late"}),
    Broken("dropped at the epoch", DROP_RECORD, {"recorded_ms": 0}),
    Broken("closure of no charter", CLOSURE, {"charter_digest": b""}),
    Broken("unknown outcome", CLOSURE, {"outcome": "abandoned"}),
    Broken("failed without a reason", CLOSURE, {"reason": ""}),
    Broken("half a record", CLOSURE, {"last_record_digest": bytes(16)}),
    Broken("negative rounds", CLOSURE, {"rounds_completed": -1}),
    Broken("negative attempts", CLOSURE, {"attempts": -1}),
    Broken("ended at the epoch", CLOSURE, {"closed_ms": 0}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused_naming_the_field(case: Broken) -> None:
    refused(case)


@pytest.mark.parametrize("valid", [ROSTER, ROUND_RECORD, DROP_RECORD, CLOSURE])
def test_every_field_has_a_case(valid: object) -> None:
    assert unbroken(valid, CASES) == set()


def test_a_training_round_moves_the_parameters_and_an_evaluation_does_not() -> None:
    assert ROUND_RECORD.next_parameters_digest != ROUND_RECORD.parameters_digest
    still = ROUND_RECORD.parameters_digest
    evaluation = replace(ROUND_RECORD, kind="evaluation", next_parameters_digest=still)
    assert evaluation.next_parameters_digest == still


def test_a_first_round_follows_no_record() -> None:
    assert replace(ROUND_RECORD, round=1, previous_record_digest=b"").round == 1
    assert replace(ROSTER, first_round=1, previous_record_digest=b"").first_round == 1


def test_a_release_needs_no_reason() -> None:
    assert RELEASED.reason == ""


def test_a_city_can_be_dropped_before_a_roster_stands() -> None:
    assert replace(DROP_RECORD, roster_digest=b"").cities == DROP_RECORD.cities


def test_a_run_that_completed_no_round_has_no_last_record() -> None:
    empty = replace(CLOSURE, last_record_digest=b"", rounds_completed=0, attempts=0)
    assert empty.last_record_digest == b""
