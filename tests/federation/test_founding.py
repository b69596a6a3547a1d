"""How memberships are put together: people from key files, cities one by one, the quorum."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.documents import MEMBERSHIP, city, named
from support.federation import START_MS, Clock, envelope, signing_key

from federation.crypto.keys import SigningKey
from federation.documents.membership import Membership
from federation.errors import LaborfedError, Misconfigured, Reason, Refused
from federation.founding import (
    PublicKeyFile,
    administrators,
    draft,
    first_membership,
    found,
    founding_pin,
    open_publisher,
    with_city,
    with_witnesses,
)
from federation.home import Configuration, Keys
from federation.log.store import LogStore, create_log
from federation.wire.codec import decode_document, decode_envelope

PEOPLE = {name: signing_key(name) for name in ("chen", "li", "wang")}
CONFIGURATION = Configuration(
    federation="demo",
    log_origin="demo/log",
    address="exchange.example:7443",
    listen="127.0.0.1:0",
    hosts=["exchange.example"],
)
FILES = [PublicKeyFile(name, name.title(), key.public.raw.hex()) for name, key in PEOPLE.items()]


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys.generate("demo", START_MS)


@pytest.fixture
def log(tmp_path: Path) -> LogStore:
    create_log(tmp_path / "log.sqlite", "demo/log")
    return LogStore(tmp_path / "log.sqlite")


def first(keys: Keys, configuration: Configuration = CONFIGURATION) -> Membership:
    return first_membership(
        configuration,
        keys,
        administrators(FILES),
        threshold=2,
        collusion_bound=1,
        issued_ms=START_MS,
        expires_ms=START_MS + 1_000,
    )


def signed(document: Membership, *names: str) -> bytes:
    return envelope(document, *(PEOPLE[name] for name in names))


# --- people -----------------------------------------------------------------------------------


def test_a_public_key_file_is_read_as_it_was_written() -> None:
    file = PublicKeyFile("li", "李娜", bytes(32).hex())
    assert PublicKeyFile.from_json(file.to_json()) == file
    assert "李娜" in file.to_json()


def test_people_stand_in_order_with_all_their_keys() -> None:
    spare = PublicKeyFile("chen", "Chen", signing_key("spare").public.raw.hex())
    people = administrators([*reversed(FILES), spare])
    assert [one.administrator for one in people] == ["chen", "li", "wang"]
    assert people[0].signing_keys == (PEOPLE["chen"].public.raw, signing_key("spare").public.raw)


def test_two_names_under_one_identifier_are_refused() -> None:
    with pytest.raises(Misconfigured, match="both Chen and Another"):
        administrators([*FILES, replace(FILES[0], name="Another")])


# --- the next membership ----------------------------------------------------------------------

NEW = city("440300")


def test_a_city_is_added_in_order_and_the_chain_goes_on() -> None:
    after = with_city(MEMBERSHIP, named("now"), NEW, issued_ms=START_MS, expires_ms=START_MS + 1)
    assert (after.version, after.previous_digest) == (3, named("now"))
    assert [one.division for one in after.cities] == ["310000", "330100", "340100", "440300"]
    unchanged = {
        "version": MEMBERSHIP.version,
        "previous_digest": MEMBERSHIP.previous_digest,
        "cities": MEMBERSHIP.cities,
        "witnesses": MEMBERSHIP.witnesses,
        "issued_ms": MEMBERSHIP.issued_ms,
        "expires_ms": MEMBERSHIP.expires_ms,
    }
    assert replace(after, **unchanged) == MEMBERSHIP  # type: ignore[arg-type]


@pytest.mark.parametrize(("bound", "quorum"), [(1, 4), (2, 4)])
def test_the_quorum_follows_the_number_of_active_cities(bound: int, quorum: int) -> None:
    four = (*MEMBERSHIP.cities, city("340200"))
    listed = tuple(one.division for one in four)
    before = replace(
        MEMBERSHIP,
        cities=four,
        witnesses=listed,
        collusion_bound=bound,
        witness_quorum=(4 + bound) // 2 + 1,
    )
    after = with_city(before, named("now"), NEW, issued_ms=START_MS, expires_ms=START_MS + 1)
    # five cities: floor((5 + t) / 2) + 1
    assert after.witness_quorum == quorum


def test_a_new_city_is_a_witness_where_there_are_any() -> None:
    """Else a growing federation would fall below its quorum: seven cities need five."""
    grown = MEMBERSHIP
    for division in ("440300", "500100", "510100", "610100", "650100"):
        grown = with_city(
            grown, named("now"), city(division), issued_ms=START_MS, expires_ms=START_MS + 1
        )
        assert grown.witnesses == grown.active_cities


def test_witnesses_are_all_or_those_named_or_none() -> None:
    times = {"issued_ms": START_MS, "expires_ms": START_MS + 1}
    everyone = with_witnesses(MEMBERSHIP, named("now"), MEMBERSHIP.active_cities, **times)
    assert (everyone.version, everyone.previous_digest) == (3, named("now"))
    assert (everyone.witnesses, everyone.witness_quorum) == (MEMBERSHIP.active_cities, 3)
    nobody = with_witnesses(everyone, named("now"), (), **times)
    assert (nobody.witnesses, nobody.witness_quorum) == ((), 0)
    for listed in (MEMBERSHIP.active_cities[:2], ("999999",)):
        with pytest.raises(LaborfedError) as raised:
            with_witnesses(MEMBERSHIP, named("now"), listed, **times)
        assert raised.value.reason is Reason.INVALID_DOCUMENT


def test_without_witnesses_there_is_no_quorum() -> None:
    alone = replace(MEMBERSHIP, witnesses=(), witness_quorum=0)
    after = with_city(alone, named("now"), NEW, issued_ms=START_MS, expires_ms=START_MS + 1)
    assert after.witness_quorum == 0


@pytest.mark.parametrize("status", ["active", "suspended", "withdrawn"])
def test_a_city_is_added_once(status: str) -> None:
    listed = replace(
        MEMBERSHIP,
        cities=(city("310000", status), *MEMBERSHIP.cities[1:]),
        witnesses=(),
        witness_quorum=0,
    )
    with pytest.raises(Refused) as raised:
        with_city(listed, named("now"), city("310000"), issued_ms=1, expires_ms=2)
    assert raised.value.reason is Reason.ALREADY_ENROLLED


# --- founding ---------------------------------------------------------------------------------


def test_a_draft_is_signed_by_nobody(keys: Keys) -> None:
    made = decode_envelope(draft(first(keys)))
    assert made.signatures == ()
    assert decode_document(made.payload_type, made.payload) == first(keys)


def test_a_founded_log_is_opened_again(log: LogStore, keys: Keys) -> None:
    clock = Clock()
    assert open_publisher(log, keys, clock) is None
    raw = signed(first(keys), "chen", "wang")
    publisher = found(log, keys, CONFIGURATION, raw, clock)
    again = open_publisher(log, keys, clock)
    assert again is not None
    assert again.trust.current == publisher.trust.current == first(keys)
    assert again.trust.pin == founding_pin(raw)


def test_the_pin_does_not_depend_on_who_signed(keys: Keys) -> None:
    assert founding_pin(signed(first(keys), "chen", "li")) == founding_pin(
        signed(first(keys), "wang")
    )


def other_keys(keys: Keys) -> Membership:
    return replace(first(keys), coordinator_key=SigningKey.generate().public.raw)


def other_log(keys: Keys) -> Membership:
    return replace(first(keys), log_key=SigningKey.generate().public.raw)


def other_origin(keys: Keys) -> Membership:
    return first(keys, CONFIGURATION.model_copy(update={"log_origin": "other/log"}))


def other_name(keys: Keys) -> Membership:
    return first(keys, CONFIGURATION.model_copy(update={"federation": "pearl"}))


def other_authority(keys: Keys) -> Membership:
    return replace(first(keys), tls_authority=b"another certificate")


@pytest.mark.parametrize("make", [other_keys, other_log, other_origin, other_name, other_authority])
def test_another_homes_membership_founds_nothing(log: LogStore, keys: Keys, make: object) -> None:
    assert callable(make)
    with pytest.raises(Misconfigured) as raised:
        found(log, keys, CONFIGURATION, signed(make(keys), "chen", "li"), Clock())
    assert raised.value.reason is Reason.CONFIGURATION
    assert log.head().size == 0


def test_a_membership_may_be_founded_with_cities(log: LogStore, keys: Keys) -> None:
    raw = signed(replace(first(keys), cities=(city("310000"),)), "chen", "li")
    publisher = found(log, keys, CONFIGURATION, raw, Clock())
    assert publisher.trust.current.active_cities == ("310000",)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", Reason.NOT_DECODABLE),
        (b"\x0a\xff", Reason.NOT_DECODABLE),
        (envelope(MEMBERSHIP, PEOPLE["li"]), Reason.NO_MEMBERSHIP),
    ],
    ids=["nothing", "noise", "version 2"],
)
def test_what_is_no_first_membership_founds_nothing(
    log: LogStore, keys: Keys, raw: bytes, reason: Reason
) -> None:
    with pytest.raises(LaborfedError) as raised:
        found(log, keys, CONFIGURATION, raw, Clock())
    assert raised.value.reason is reason
    assert log.head().size == 0


def test_below_its_own_threshold_a_membership_founds_nothing(log: LogStore, keys: Keys) -> None:
    with pytest.raises(LaborfedError) as raised:
        found(log, keys, CONFIGURATION, signed(first(keys), "chen"), Clock())
    assert raised.value.reason is Reason.TOO_FEW_SIGNERS
    assert log.head().size == 0
