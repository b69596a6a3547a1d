"""The chain of memberships: the next version only, and each entry judged by the one before it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support.federation import CityKeys, Federation, document_digest, envelope, signing_key

from federation.crypto.keys import VerifyingKey
from federation.documents.membership import Membership
from federation.errors import LaborfedError, Malformed, Reason, Untrusted
from federation.trust import Trust
from federation.wire.codec import decode_document, decode_envelope


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)


def advance(trust: Trust, raw: bytes, leaf_index: int) -> None:
    opened = decode_envelope(raw)
    document = decode_document(opened.payload_type, opened.payload)
    assert isinstance(document, Membership)
    trust.advance(opened, document, leaf_index)


def first(federation: Federation) -> bytes:
    return federation.log.entry(0).envelope


def founded(federation: Federation) -> Trust:
    trust = Trust(federation.pin)
    advance(trust, first(federation), 0)
    return trust


def test_before_the_first_membership_nothing_is_known(federation: Federation) -> None:
    trust = Trust(federation.pin)
    assert not trust.founded
    assert trust.known_at(None) is None
    assert trust.log_key == VerifyingKey(federation.pin.log_key)
    for ask in (lambda: trust.current, lambda: trust.current_digest, lambda: trust.at(5)):
        with pytest.raises(Untrusted) as raised:
            ask()
        assert raised.value.reason is Reason.NO_MEMBERSHIP


def test_an_entry_is_judged_by_the_membership_logged_before_it(federation: Federation) -> None:
    trust = founded(federation)
    second = federation.by_administrators(federation.next_membership(collusion_bound=2))
    advance(trust, second, 7)
    assert trust.founded
    assert [trust.at(index).version for index in (1, 7, 8, 100)] == [1, 1, 2, 2]
    assert trust.known_at(0) is None
    assert (trust.current.version, trust.current_digest) == (2, document_digest(second))
    assert trust.version(document_digest(first(federation))).leaf_index == 0
    assert trust.named(document_digest(second)).collusion_bound == 2
    with pytest.raises(Untrusted) as raised:
        trust.named(bytes(32))
    assert raised.value.reason is Reason.NO_MEMBERSHIP


def test_a_founding_that_names_another_log_than_the_pin_is_not_believed(
    federation: Federation,
) -> None:
    pin = replace(federation.pin, log_origin="other.example")
    with pytest.raises(Untrusted) as raised:
        advance(Trust(pin), first(federation), 0)
    assert raised.value.reason is Reason.BAD_CHECKPOINT


@pytest.mark.parametrize(
    "change",
    [{"membership_digest": bytes(31)}, {"log_origin": "Log"}, {"log_key": bytes(33)}],
    ids=str,
)
def test_a_pin_that_fixes_less_cannot_exist(federation: Federation, change: dict[str, Any]) -> None:
    (field,) = change
    with pytest.raises(Malformed, match=f"^{field}: "):
        replace(federation.pin, **change)


@dataclass(frozen=True)
class Bad:
    """A successor that must not be believed: what it says, who signs, where it is logged."""

    name: str
    changes: Callable[[Federation], dict[str, Any]]
    reason: Reason
    signers: tuple[str, ...] = ("admin-a", "admin-b")
    leaf_index: int = 1


def nothing(federation: Federation) -> dict[str, Any]:
    return {}


def first_city(federation: Federation, **changes: Any) -> dict[str, Any]:
    one, *others = federation.membership.cities
    return {"cities": (replace(one, **changes), *others)}


def keys_signed_by_a_stranger(federation: Federation) -> dict[str, Any]:
    new = CityKeys.of("310000", 2).entry
    forged = replace(new, key_change_signature=signing_key("stranger").sign(new.keys))
    return {"cities": (forged, *federation.membership.cities[1:])}


def keys_signed_for_another_city(federation: Federation) -> dict[str, Any]:
    new = CityKeys.of("310000", 2).entry
    old = federation.cities["310000"].signing
    said = replace(new, division="330100").keys
    forged = replace(new, key_change_signature=old.sign(said))
    return {"cities": (forged, *federation.membership.cities[1:])}


def other_people(federation: Federation) -> dict[str, Any]:
    one, *others = federation.membership.administrators
    stranger = replace(one, signing_keys=(signing_key("stranger").public.raw,))
    return {"administrators": (stranger, *others), "threshold": 2}


BAD = [
    Bad("by one administrator", nothing, Reason.TOO_FEW_SIGNERS, ("admin-a",)),
    Bad("by nobody", nothing, Reason.TOO_FEW_SIGNERS, ()),
    Bad(
        "below its own threshold",
        lambda federation: {"threshold": 3},
        Reason.TOO_FEW_SIGNERS,
    ),
    Bad(
        "by the old people, not enough of the new",
        other_people,
        Reason.TOO_FEW_SIGNERS,
    ),
    Bad("a version left out", lambda federation: {"version": 3}, Reason.WRONG_PREVIOUS),
    Bad(
        "of another chain",
        lambda federation: {"previous_digest": bytes(32)},
        Reason.WRONG_PREVIOUS,
    ),
    Bad(
        "the version held already",
        lambda federation: {"version": 1, "previous_digest": b""},
        Reason.ROLLED_BACK,
    ),
    Bad("logged before its predecessor", nothing, Reason.ROLLED_BACK, leaf_index=0),
    Bad("of another federation", lambda f: {"federation": "pearl"}, Reason.WRONG_FEDERATION),
    Bad("of another log", lambda f: {"log_origin": "other"}, Reason.BAD_CHECKPOINT),
    Bad(
        "with a city's signing key taken over",
        lambda f: first_city(f, signing_key=signing_key("stranger").public.raw),
        Reason.FOREIGN_KEY,
    ),
    Bad(
        "with a city's sealing key taken over",
        lambda f: first_city(f, sealing_key=bytes(32)),
        Reason.FOREIGN_KEY,
    ),
    Bad(
        "with a city's TLS key taken over",
        lambda f: first_city(f, tls_key_digest=bytes(32)),
        Reason.FOREIGN_KEY,
    ),
    Bad("with keys that a stranger signed", keys_signed_by_a_stranger, Reason.FOREIGN_KEY),
    Bad("with keys signed for another city", keys_signed_for_another_city, Reason.FOREIGN_KEY),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_successor_that_must_not_be_believed(federation: Federation, bad: Bad) -> None:
    trust = founded(federation)
    before = trust.known_at(None)
    document = federation.next_membership(**bad.changes(federation))
    raw = envelope(document, *(federation.administrators[name] for name in bad.signers))
    with pytest.raises(LaborfedError) as raised:
        advance(trust, raw, bad.leaf_index)
    assert raised.value.reason is bad.reason
    assert trust.known_at(None) is before


def test_a_city_changes_its_keys_by_its_old_key(federation: Federation) -> None:
    trust = founded(federation)
    new = CityKeys.of("310000", 2).entry
    changed = replace(new, key_change_signature=federation.cities["310000"].signing.sign(new.keys))
    cities = (changed, *federation.membership.cities[1:])
    advance(trust, federation.by_administrators(federation.next_membership(cities=cities)), 1)
    known = trust.current.city("310000")
    assert known is not None
    assert known.keys == new.keys


def test_a_city_is_renamed_and_suspended_without_its_key(federation: Federation) -> None:
    trust = founded(federation)
    changes = first_city(federation, name="Renamed", status="suspended")
    advance(trust, federation.by_administrators(federation.next_membership(**changes)), 1)
    assert "310000" not in trust.current.active_cities


def test_administrators_are_replaced_by_both_thresholds(federation: Federation) -> None:
    trust = founded(federation)
    federation.administrators["admin-d"] = signing_key("admin-d")
    *kept, last = federation.membership.administrators
    new = replace(last, administrator="admin-d", signing_keys=(signing_key("admin-d").public.raw,))
    change = federation.next_membership(administrators=(*kept, new))
    # admin-c is of the old version only, admin-d of the new one only
    with pytest.raises(Untrusted) as raised:
        advance(trust, federation.by_administrators(change, "admin-a", "admin-d"), 1)
    assert raised.value.reason is Reason.TOO_FEW_SIGNERS
    advance(trust, federation.by_administrators(change, "admin-a", "admin-c", "admin-d"), 1)
    assert trust.current.version == 2


@pytest.mark.parametrize("forged", ["admin-c", "admin-d"], ids=["who leaves", "who comes"])
def test_every_signature_that_counts_is_verified(federation: Federation, forged: str) -> None:
    trust = founded(federation)
    federation.administrators["admin-d"] = signing_key("admin-d")
    *kept, last = federation.membership.administrators
    new = replace(last, administrator="admin-d", signing_keys=(signing_key("admin-d").public.raw,))
    change = federation.next_membership(administrators=(*kept, new))
    opened = decode_envelope(federation.by_administrators(change, "admin-a", "admin-c", "admin-d"))
    key_id = federation.administrators[forged].public.key_id
    signatures = tuple(
        replace(one, signature=bytes(64)) if one.key_id == key_id else one
        for one in opened.signatures
    )
    with pytest.raises(Untrusted) as raised:
        trust.advance(replace(opened, signatures=signatures), change, 1)
    assert raised.value.reason is Reason.BAD_SIGNATURE


def test_the_log_keys_that_were_ever_believed(federation: Federation) -> None:
    trust = founded(federation)
    new = signing_key("new log").public
    change = federation.next_membership(log_key=new.raw)
    advance(trust, federation.by_administrators(change), 1)
    assert trust.log_key == new
    assert list(trust.log_keys) == [new, federation.log_key.public]


def test_who_is_invited_after_a_change_of_the_logs_key_believes_the_new_one(
    federation: Federation,
) -> None:
    new = signing_key("new log").public
    trust = Trust(replace(federation.pin, log_key=new.raw))
    advance(trust, first(federation), 0)
    # membership 1 still names the old key
    assert trust.log_key == new
    change = federation.next_membership(log_key=new.raw)
    advance(trust, federation.by_administrators(change), 1)
    assert trust.log_key == new
