"""Attacks on who is believed to be in the federation.

Lives here: this group's lines and what they forge. Must not know: how a case is judged.
"""

from dataclasses import replace
from typing import Any

from support.federation import CityKeys, Federation, Reader, envelope, signing_key
from support.runs import Run

from attacks.case import Attack, By, Guard
from attacks.door import (
    STRANGER,
    at_door,
    charter_bundle,
    closure_bundle,
    heard,
    membership_bundle,
    next_bundle,
)
from attacks.stages import DoorStage
from federation.crypto.envelope import with_signature
from federation.documents.exchanged import ConsentRequest
from federation.documents.types import PayloadType
from federation.errors import Reason
from federation.log.bundle import Bundle
from federation.wire.codec import decode_envelope, encode_envelope

TRUST = "federation/trust.py"
DOOR = "federation/acceptance/door.py"
PEOPLE_COUNT = Guard(
    "federation/signers.py",
    "if len(names) < self.needed:",
    "if len(envelope.key_ids - unknown) < self.needed:",
)
FOLLOWS = "if membership.version != version + 1 or membership.previous_digest != digest:"


def log_membership(
    federation: Federation, reader: Reader, /, *names: str, **changes: Any
) -> Bundle:
    """The bundle of a successor that the named administrators signed."""
    document = federation.next_membership(**changes)
    keys = (federation.administrators[name] for name in names or ("admin-a", "admin-b"))
    return next_bundle(federation, reader, envelope(document, *keys))


def taken_over_by_strangers(federation: Federation, reader: Reader) -> Bundle:
    one, *others = federation.membership.administrators
    strangers = [signing_key(f"stranger {number}") for number in (1, 2)]
    listed = tuple(
        replace(other, administrator=f"admin-{n}", signing_keys=(key.public.raw,))
        for n, other, key in zip("xy", others, strangers, strict=True)
    )
    document = federation.next_membership(administrators=(one, *listed))
    signed = envelope(document, federation.administrators["admin-a"], *strangers)
    return next_bundle(federation, reader, signed)


def below_its_own_threshold(federation: Federation, reader: Reader) -> Bundle:
    return log_membership(federation, reader, threshold=3)


def by_two_keys_of_one(federation: Federation, reader: Reader) -> Bundle:
    second = signing_key("second key of admin-a")
    first, *others = federation.membership.administrators
    both = replace(first, signing_keys=(*first.signing_keys, second.public.raw))
    federation.publish_membership(administrators=(both, *others))
    reader.catch_up()
    document = federation.next_membership(collusion_bound=2)
    signed = envelope(document, federation.administrators["admin-a"], second)
    return next_bundle(federation, reader, signed)


def with_a_strangers_signature(federation: Federation, reader: Reader) -> Bundle:
    signed = decode_envelope(federation.by_administrators(federation.next_membership()))
    return next_bundle(federation, reader, encode_envelope(with_signature(signed, STRANGER)))


def rolled_back(federation: Federation, reader: Reader) -> Bundle:
    stale = federation.next_membership(collusion_bound=2)
    federation.publish_membership()
    reader.catch_up()
    signed = federation.by_administrators(stale)
    return next_bundle(federation, reader, signed)


def of_another_chain(federation: Federation, reader: Reader) -> Bundle:
    return log_membership(federation, reader, previous_digest=bytes(32))


def version_left_out(federation: Federation, reader: Reader) -> Bundle:
    return log_membership(federation, reader, version=3)


def of_another_federation(federation: Federation, reader: Reader) -> Bundle:
    return log_membership(federation, reader, federation="pearl")


def of_another_log(federation: Federation, reader: Reader) -> Bundle:
    return log_membership(federation, reader, log_origin="other")


def another_founding(federation: Federation, reader: Reader) -> Bundle:
    folder = federation.path.parent / "other"
    folder.mkdir()
    other = Federation(folder, threshold=1)
    assert other.pin.log_key == federation.pin.log_key
    reader.door = federation.reader(caught_up=False).door
    return other.publisher.bundle_for(0, 0)


def pinned_founding(federation: Federation, reader: Reader) -> Bundle:
    """Membership 1 as it should be, to a reader that knows its pin only."""
    reader.door = federation.reader(caught_up=False).door
    return federation.publisher.bundle_for(0, 0)


def with_first_city(federation: Federation, reader: Reader, /, **changes: Any) -> Bundle:
    one, *others = federation.membership.cities
    return log_membership(federation, reader, cities=(replace(one, **changes), *others))


def city_key_taken_over(federation: Federation, reader: Reader) -> Bundle:
    return with_first_city(federation, reader, signing_key=STRANGER.public.raw)


def city_key_signed_for_another_city(federation: Federation, reader: Reader) -> Bundle:
    new = CityKeys.of("310000", 2).entry
    said = replace(new, division="330100").keys
    signature = federation.cities["310000"].signing.sign(said)
    return log_membership(
        federation,
        reader,
        cities=(replace(new, key_change_signature=signature), *federation.membership.cities[1:]),
    )


def city_key_changed_by_its_old_key(federation: Federation, reader: Reader) -> Bundle:
    """A city's new keys, as they should be."""
    new = CityKeys.of("310000", 2).entry
    signature = federation.cities["310000"].signing.sign(new.keys)
    return log_membership(
        federation,
        reader,
        cities=(replace(new, key_change_signature=signature), *federation.membership.cities[1:]),
    )


def under_an_expired_membership(federation: Federation, reader: Reader) -> Bundle:
    run = Run(federation, federation.publish_charter())
    reader.catch_up()
    federation.clock.pass_(366 * 86_400)
    return next_bundle(federation, reader, federation.by_coordinator(run.closure("stopped")))


def request_of(federation: Federation, _run: Run | None = None) -> bytes:
    """A request for consent, as it should be."""
    request = ConsentRequest(
        charter_digest=bytes(32),
        attempt=1,
        attempt_nonce=bytes(32),
        membership_digest=federation.trust.current_digest,
        issued_ms=federation.clock(),
    )
    return federation.by_coordinator(request)


def request_after_expiry(federation: Federation, run: Run) -> bytes:
    federation.clock.pass_(366 * 86_400)
    return request_of(federation, run)


def by_a_retired_administrator(federation: Federation, reader: Reader) -> Bundle:
    """Signed while admin-a still could, logged once admin-a could no more."""
    raw = federation.by_administrators(federation.charter())
    first, *others = federation.membership.administrators
    replaced = replace(first, signing_keys=(STRANGER.public.raw,))
    change = federation.next_membership(administrators=(replaced, *others))
    federation.publish(federation.by_administrators(change, "admin-b", "admin-c"))
    reader.catch_up()
    return next_bundle(federation, reader, raw)


MEMBERSHIP = [
    at_door(
        "strangers make themselves administrators, with one administrator's help",
        By.MINORITY,
        taken_over_by_strangers,
        Reason.TOO_FEW_SIGNERS,
        3,
        Guard(
            TRUST,
            "    administrators.claimed(envelope, strangers=True)\n",
            "",
            stops_too=("two keys of one administrator pass for two people",),
        ),
        twin=membership_bundle,
    ),
    at_door(
        "a membership that lacks its own threshold",
        By.MINORITY,
        below_its_own_threshold,
        Reason.TOO_FEW_SIGNERS,
        5,
        Guard(
            TRUST,
            "names = own.claimed(envelope, strangers=True)",
            "names = frozenset(own.names[k] for k in envelope.key_ids & own.names.keys())",
        ),
        twin=membership_bundle,
    ),
    at_door(
        "two keys of one administrator pass for two people",
        By.MINORITY,
        by_two_keys_of_one,
        Reason.TOO_FEW_SIGNERS,
        3,
        PEOPLE_COUNT,
        twin=membership_bundle,
    ),
    at_door(
        "a stranger's signature beside enough good ones",
        By.OUTSIDER,
        with_a_strangers_signature,
        Reason.UNKNOWN_SIGNER,
        5,
        Guard(TRUST, "    _check_no_strangers(before, envelope, own.names.keys())\n", ""),
        twin=membership_bundle,
    ),
    at_door(
        "an earlier version of the membership comes back",
        By.COORDINATOR,
        rolled_back,
        Reason.ROLLED_BACK,
        10,
        Guard(TRUST, "if membership.version <= version:", "if membership.version < 0:"),
        twin=membership_bundle,
    ),
    at_door(
        "a membership of another chain",
        By.COORDINATOR,
        of_another_chain,
        Reason.WRONG_PREVIOUS,
        10,
        Guard(TRUST, FOLLOWS, "if membership.version != version + 1:"),
        twin=membership_bundle,
    ),
    at_door(
        "a version of the membership is left out",
        By.COORDINATOR,
        version_left_out,
        Reason.WRONG_PREVIOUS,
        10,
        Guard(TRUST, FOLLOWS, "if membership.previous_digest != digest:"),
        twin=membership_bundle,
    ),
    at_door(
        "a membership of another federation",
        By.COORDINATOR,
        of_another_federation,
        Reason.WRONG_FEDERATION,
        5,
        Guard(TRUST, "if membership.federation != before.membership.federation:", "if False:"),
        twin=membership_bundle,
    ),
    at_door(
        "a membership that moves to another log",
        By.COORDINATOR,
        of_another_log,
        Reason.BAD_CHECKPOINT,
        5,
        Guard(TRUST, "if membership.log_origin != before.membership.log_origin:", "if False:"),
        twin=membership_bundle,
    ),
    at_door(
        "a founding that was not pinned, under the right log's key",
        By.COORDINATOR,
        another_founding,
        Reason.WRONG_PREVIOUS,
        3,
        Guard(TRUST, "if replay_identity(envelope) != pin.membership_digest:", "if False:"),
        twin=pinned_founding,
    ),
    at_door(
        "a city's key is replaced without its old key's word",
        By.MINORITY,
        city_key_taken_over,
        Reason.FOREIGN_KEY,
        5,
        Guard(
            TRUST,
            "VerifyingKey(before.signing_key).verify(city.key_change_signature, city.keys)",
            "pass",
            stops_too=("a city's word for new keys is used for another city",),
        ),
        twin=city_key_changed_by_its_old_key,
    ),
    at_door(
        "a city's word for new keys is used for another city",
        By.CITY,
        city_key_signed_for_another_city,
        Reason.FOREIGN_KEY,
        5,
        Guard(
            "federation/documents/membership.py",
            "                self.division.encode(),\n                self.signing_key,",
            "                self.signing_key,",
        ),
        twin=city_key_changed_by_its_old_key,
    ),
    at_door(
        "life goes on under an expired membership",
        By.COORDINATOR,
        under_an_expired_membership,
        Reason.MEMBERSHIP_EXPIRED,
        9,
        Guard(
            DOOR,
            "kind is not PayloadType.MEMBERSHIP:\n"
            "            steps.membership_in_force(known, now_ms)  # 9\n            steps.in_time",
            "kind is not PayloadType.MEMBERSHIP:\n            steps.in_time",
        ),
        twin=closure_bundle,
    ),
    Attack(
        "a request under an expired membership",
        By.COORDINATOR,
        heard(request_after_expiry, PayloadType.CONSENT_REQUEST),
        Reason.MEMBERSHIP_EXPIRED,
        Guard(
            DOOR,
            "steps.membership_in_force(known, now_ms)  # 9\n        self._check_novel",
            "pass\n        self._check_novel",
        ),
        DoorStage,
        heard(request_of, PayloadType.CONSENT_REQUEST),
        step=9,
    ),
    at_door(
        "a charter back-dated to when a retired administrator could sign",
        By.MINORITY,
        by_a_retired_administrator,
        Reason.UNKNOWN_SIGNER,
        3,
        Guard(
            TRUST,
            "return before[-1] if before else None",
            "return before[-1 if leaf_index is None else 0] if before else None",
            # whoever is judged by the first membership is judged wrongly after any change of it
            stops_too=(
                "an earlier version of the membership comes back",
                "a charter signed by one administrator with two keys",
                "a head below the witness quorum",
                "one witness signs a head again and again",
                "a stranger witnesses under a city's name",
                "a roster made in a membership that was replaced",
                "a roster that counts a suspended city",
                "a roster with a smaller t than membership now asks for",
            ),
        ),
        twin=charter_bundle,
    ),
]
