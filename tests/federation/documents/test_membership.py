"""Membership: every rule broken once, and what is read off it."""

from dataclasses import replace

import pytest
from support.breaking import Broken, refused, unbroken
from support.documents import ADMINISTRATOR, CITIES, CITY, MEMBERSHIP, city, named

SUSPENDED = (city("310000", "suspended"), *MEMBERSHIP.cities[1:])
FIRST = replace(MEMBERSHIP, version=1, previous_digest=b"")
OTHER = MEMBERSHIP.administrators[1]
TWO_KEYS = replace(ADMINISTRATOR, signing_keys=(named("key of wang"),))
CASES = [
    Broken("no identifier", ADMINISTRATOR, {"administrator": ""}),
    Broken("upper case", ADMINISTRATOR, {"administrator": "Li"}),
    Broken("no name", ADMINISTRATOR, {"name": ""}),
    Broken("no key", ADMINISTRATOR, {"signing_keys": ()}),
    Broken("five keys", ADMINISTRATOR, {"signing_keys": tuple(map(named, "12345"))}),
    Broken("short key", ADMINISTRATOR, {"signing_keys": (bytes(31),)}),
    Broken("division of five digits", CITY, {"division": "31000"}),
    Broken("city without a name", CITY, {"name": ""}),
    Broken("long signing key", CITY, {"signing_key": bytes(33)}),
    Broken("no sealing key", CITY, {"sealing_key": b""}),
    Broken("no TLS key", CITY, {"tls_key_digest": b""}),
    Broken("unknown status", CITY, {"status": "retired"}),
    Broken("half a signature", CITY, {"key_change_signature": bytes(32)}),
    Broken("federation with a blank", MEMBERSHIP, {"federation": "yang tze"}),
    Broken("version 0", MEMBERSHIP, {"version": 0}),
    Broken("version beyond the wire", MEMBERSHIP, {"version": 2**32}),
    Broken("later version without a predecessor", MEMBERSHIP, {"previous_digest": b""}),
    Broken("first version with a predecessor", FIRST, {"previous_digest": named("other")}),
    Broken("short predecessor", MEMBERSHIP, {"previous_digest": bytes(31)}),
    Broken("nobody administers", MEMBERSHIP, {"administrators": ()}),
    Broken("administrators out of order", MEMBERSHIP, {"administrators": (OTHER, ADMINISTRATOR)}),
    Broken("one administrator twice", MEMBERSHIP, {"administrators": (OTHER, OTHER)}),
    Broken("threshold 0", MEMBERSHIP, {"threshold": 0}),
    Broken("threshold above the number of people", MEMBERSHIP, {"threshold": 3}),
    Broken("cities out of order", MEMBERSHIP, {"cities": tuple(reversed(MEMBERSHIP.cities))}),
    Broken("no colluder", MEMBERSHIP, {"collusion_bound": 0}),
    Broken("more colluders than cities ever", MEMBERSHIP, {"collusion_bound": 513}),
    Broken("quorum of another number of cities", MEMBERSHIP, {"witness_quorum": 2}),
    Broken("quorum without witnesses", MEMBERSHIP, {"witnesses": ()}, "witness_quorum"),
    Broken("witnesses without a quorum", MEMBERSHIP, {"witness_quorum": 0}),
    Broken("witness that is suspended", MEMBERSHIP, {"cities": SUSPENDED}, "witnesses"),
    Broken("fewer witnesses than the quorum", MEMBERSHIP, {"witnesses": CITIES[:2]}),
    Broken("witnesses out of order", MEMBERSHIP, {"witnesses": tuple(reversed(CITIES))}),
    Broken("short coordinator key", MEMBERSHIP, {"coordinator_key": bytes(31)}),
    Broken("log without a name", MEMBERSHIP, {"log_origin": ""}),
    Broken("no log key", MEMBERSHIP, {"log_key": b""}),
    Broken("no TLS authority", MEMBERSHIP, {"tls_authority": b""}),
    Broken("TLS authority beyond 4 KiB", MEMBERSHIP, {"tls_authority": bytes(4097)}),
    Broken("issued at the epoch", MEMBERSHIP, {"issued_ms": 0}),
    Broken("expires before it is issued", MEMBERSHIP, {"expires_ms": MEMBERSHIP.issued_ms}),
    Broken("expires beyond the calendar", MEMBERSHIP, {"expires_ms": 2**62}),
    Broken(
        "one key of two people",
        MEMBERSHIP,
        {"administrators": (TWO_KEYS, OTHER)},
        "signing keys",
    ),
    Broken(
        "coordinator's key is an administrator's",
        MEMBERSHIP,
        {"coordinator_key": named("key of li")},
        "signing keys",
    ),
    Broken(
        "log's key is the coordinator's",
        MEMBERSHIP,
        {"log_key": named("coordinator")},
        "signing keys",
    ),
    Broken("a city's key is the log's", MEMBERSHIP, {"log_key": CITY.signing_key}, "signing keys"),
    Broken(
        "one TLS key of two cities",
        MEMBERSHIP,
        {
            "cities": (CITY, replace(MEMBERSHIP.cities[1], tls_key_digest=CITY.tls_key_digest)),
            "witnesses": (),
            "witness_quorum": 0,
        },
        "tls_key_digest",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused_naming_the_field(case: Broken) -> None:
    refused(case)


@pytest.mark.parametrize("valid", [ADMINISTRATOR, CITY, MEMBERSHIP])
def test_every_field_has_a_case(valid: object) -> None:
    assert unbroken(valid, CASES) == set()


def test_a_suspended_city_takes_no_part() -> None:
    changed = replace(MEMBERSHIP, cities=SUSPENDED, witnesses=(), witness_quorum=0)
    assert changed.active_cities == CITIES[1:]
    assert changed.city("310000") == SUSPENDED[0]
    assert changed.city("990000") is None


def test_a_quorum_counts_active_cities_and_colluders() -> None:
    four = tuple(city(division) for division in (*CITIES, "440300"))
    listed = tuple(one.division for one in four)
    # floor((4 + 2) / 2) + 1
    changed = replace(
        MEMBERSHIP, cities=four, witnesses=listed, collusion_bound=2, witness_quorum=4
    )
    assert changed.witness_quorum == 4


def test_what_a_key_change_signs_tells_every_key() -> None:
    variants = {
        CITY.keys,
        replace(CITY, division="330100").keys,
        replace(CITY, signing_key=named("a")).keys,
        replace(CITY, sealing_key=named("b")).keys,
        replace(CITY, tls_key_digest=named("c")).keys,
    }
    assert len(variants) == 5
    assert replace(CITY, name="Renamed", status="suspended").keys == CITY.keys
