"""Founding by three people: init, two signatures, submit; and everything that must not found."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.administration import Desk, contents, done, mode, typed

from federation.cli.common import read_envelope
from federation.crypto.envelope import Envelope, replay_identity
from federation.crypto.keys import SigningKey
from federation.documents.membership import Membership
from federation.errors import Reason
from federation.home import Home
from federation.wire.codec import decode_document, encode_document, encode_envelope


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def drafted(desk: Desk) -> Membership:
    envelope = read_envelope(desk.membership)
    document = decode_document(envelope.payload_type, envelope.payload)
    assert isinstance(document, Membership)
    return document


def redraft(desk: Desk, **changes: Any) -> None:
    """Replace the draft by a changed one that nobody has signed."""
    made = Envelope(*encode_document(replace(drafted(desk), **changes)))
    desk.membership.write_bytes(encode_envelope(made))


def test_two_of_three_found_a_federation(desk: Desk) -> None:
    desk.begin()
    first = drafted(desk)
    assert [a.administrator for a in first.administrators] == ["chen", "li", "wang"]
    assert (first.version, first.threshold, first.cities) == (1, 2, ())
    desk.sign(desk.membership, "chen", "li")
    told = desk.submit(desk.membership)
    digest = replay_identity(read_envelope(desk.membership)).hex()
    assert "entry 0, laborfed/membership/v1" in told
    assert digest in told
    shown = done("membership", "show", "--home", desk.home)
    for fact in (digest, "signatures: 2", "李娜", "threshold: 2", "federation: demo"):
        assert fact in shown
    assert "everything holds" in done("audit", "--home", desk.home)


def test_copies_signed_apart_are_put_together(desk: Desk) -> None:
    desk.begin()
    copy = desk.folder / "copy.envelope"
    copy.write_bytes(desk.membership.read_bytes())
    desk.sign(desk.membership, "chen")
    desk.sign(copy, "wang")
    assert "entry 0" in desk.submit(desk.membership, copy)


def test_copies_of_two_documents_are_not(desk: Desk) -> None:
    desk.begin()
    other = desk.folder / "other.envelope"
    desk.sign(desk.membership, "chen")
    other.write_bytes(desk.membership.read_bytes())
    redraft(desk, threshold=1)
    desk.refused(Reason.CONFIGURATION, "submit", desk.membership, other, "--home", desk.home)


def test_a_document_submitted_twice_stays_one_entry(desk: Desk) -> None:
    desk.found()
    before = contents(desk.folder)
    assert "entry 0" in desk.submit(desk.membership)
    assert contents(desk.folder) == before


def test_a_document_with_another_signature_is_a_replay(desk: Desk) -> None:
    desk.found()
    desk.sign(desk.membership, "wang")
    desk.refused(Reason.REPLAYED, "submit", desk.membership, "--home", desk.home)


def test_a_home_has_closed_files(desk: Desk) -> None:
    desk.found()
    closed = {path.name for path in desk.home.rglob("*") if path.is_file() and mode(path) == 0o600}
    assert mode(desk.home) == mode(desk.home / "keys") == 0o700
    assert closed >= {
        "coordinator.pem",
        "log.pem",
        "tls-authority.pem",
        "log.sqlite",
        "exchange.sqlite",
        "runs.sqlite",
        "lock",
    }
    keys = Home(desk.home).keys()
    assert drafted(desk).coordinator_key == keys.coordinator.public.raw
    assert drafted(desk).log_key == keys.log.public.raw


def test_no_administrators_key_or_passphrase_reaches_the_home(desk: Desk) -> None:
    desk.found()
    said = b"".join(path.read_bytes() for path in desk.home.rglob("*") if path.is_file())
    for person in ("chen", "li"):
        passphrase = desk.passphrase(person).read_bytes().strip()
        private = SigningKey.load(desk.key(person), passphrase).private.private_bytes_raw()
        assert passphrase not in said
        assert private not in said
        assert private.hex().encode() not in said


# --- init -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "reason", "said"),
    [
        (("--threshold", 4), Reason.CONFIGURATION, "threshold of 4"),
        (("--threshold", 0), Reason.CONFIGURATION, "threshold of 0"),
        (("--name", "Demo City"), Reason.INVALID_DOCUMENT, "name"),
        (("--name", "d" * 62), Reason.INVALID_DOCUMENT, "log_origin"),
        (("--collusion-bound", 0), Reason.INVALID_DOCUMENT, "collusion_bound"),
        (("--address", "nowhere"), Reason.CONFIGURATION, "address: must be host:port"),
        (("--address", "host:70000"), Reason.CONFIGURATION, "address: must be host:port"),
        (("--address", "上海:7443"), Reason.CONFIGURATION, "address: must be a DNS name"),
        (("--listen", "7443"), Reason.CONFIGURATION, "listen: must be host:port"),
        (("--host", ""), Reason.CONFIGURATION, "hosts.1: must be a DNS name"),
        (("--host", "h" * 65), Reason.CONFIGURATION, "hosts.1: must be a DNS name"),
        (("--admin-key", "absent.pub"), Reason.CONFIGURATION, "absent.pub cannot be read"),
    ],
)
def test_init_is_refused_before_it_makes_anything(
    desk: Desk, more: tuple[object, ...], reason: Reason, said: str
) -> None:
    for person in ("chen", "li", "wang"):
        desk.make_key(person)
    assert said in desk.refused(reason, *desk.init(*more))
    assert not desk.home.exists()


def test_init_refuses_a_key_given_twice(desk: Desk) -> None:
    desk.make_key("li")
    said = desk.refused(Reason.INVALID_DOCUMENT, *desk.init("--threshold", 1, people=("li", "li")))
    assert "signing keys" in said


def test_init_refuses_two_people_under_one_identifier(desk: Desk) -> None:
    desk.make_key("li")
    other = Desk(desk.folder / "elsewhere")
    other.folder.mkdir()
    other.make_key("li", "李明")
    more = ("--admin-key", other.public("li"))
    said = desk.refused(Reason.CONFIGURATION, *desk.init(*more, people=("li",)))
    assert "both 李娜 and 李明" in said


def test_two_keys_of_one_person_count_once(desk: Desk) -> None:
    desk.make_key("li")
    spare = Desk(desk.folder / "spare")
    spare.folder.mkdir()
    spare.make_key("li")
    more = ("--admin-key", spare.public("li"), "--threshold", 2)
    said = desk.refused(Reason.CONFIGURATION, *desk.init(*more, people=("li",)))
    assert "threshold of 2" in said
    done(*desk.init(*more, "--threshold", 1, people=("li",)))
    (one,) = drafted(desk).administrators
    assert len(one.signing_keys) == 2


def test_a_federation_is_begun_only_once(desk: Desk) -> None:
    desk.begin()
    desk.refused(Reason.LOG_EXISTS, *desk.init())


# --- sign -------------------------------------------------------------------------------------


def sign(desk: Desk, person: str, passphrase: Path | None = None) -> tuple[object, ...]:
    file = passphrase or desk.passphrase(person)
    key = ("--key", desk.key(person), "--passphrase-file", file)
    return ("sign", desk.membership, *key, "--yes")


def test_a_document_is_shown_before_it_is_signed(desk: Desk) -> None:
    desk.begin()
    shown = typed(*sign(desk, "li")[:-1], answers="n\n")
    for fact in ("laborfed/membership/v1", "李娜", "threshold: 2", "Sign this document?"):
        assert fact in shown.stdout
    assert shown.exit_code == 1
    assert read_envelope(desk.membership).signatures == ()


def test_a_wrong_passphrase_signs_nothing(desk: Desk) -> None:
    desk.begin()
    said = desk.refused(Reason.CONFIGURATION, *sign(desk, "li", desk.passphrase("chen")))
    assert "passphrase is wrong" in said


def test_a_key_open_to_others_signs_nothing(desk: Desk) -> None:
    desk.begin()
    desk.key("li").chmod(0o644)
    desk.refused(Reason.PERMISSIONS, *sign(desk, "li"))


def test_a_key_signs_once(desk: Desk) -> None:
    desk.begin()
    desk.sign(desk.membership, "li")
    desk.refused(Reason.NOT_DECODABLE, *sign(desk, "li"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", Reason.NOT_DECODABLE),
        (b"\x0a\xff", Reason.NOT_DECODABLE),
        (encode_envelope(Envelope("laborfed/decree/v1", b"")), Reason.UNKNOWN_TYPE),
        (encode_envelope(Envelope("laborfed/charter/v1", b"")), Reason.INVALID_DOCUMENT),
    ],
    ids=["empty", "noise", "unknown type", "broken charter"],
)
def test_what_cannot_be_shown_is_not_signed(desk: Desk, content: bytes, reason: Reason) -> None:
    desk.begin()
    desk.membership.write_bytes(content)
    desk.refused(reason, *sign(desk, "li"))


# --- submit -----------------------------------------------------------------------------------


def submit(desk: Desk) -> tuple[object, ...]:
    return ("submit", desk.membership, "--home", desk.home)


def test_one_of_two_needed_signatures_founds_nothing(desk: Desk) -> None:
    desk.begin()
    desk.sign(desk.membership, "li")
    desk.refused(Reason.TOO_FEW_SIGNERS, *submit(desk))


def by_a_stranger(desk: Desk) -> None:
    desk.make_key("zhao", "赵强")
    desk.sign(desk.membership, "chen", "li", "zhao")


def after_signing_changed(desk: Desk) -> None:
    desk.sign(desk.membership, "chen", "li")
    signed = read_envelope(desk.membership)
    _, payload = encode_document(replace(drafted(desk), threshold=1))
    desk.membership.write_bytes(encode_envelope(replace(signed, payload=payload)))


def of_other_keys(desk: Desk) -> None:
    redraft(desk, coordinator_key=SigningKey.generate().public.raw)
    desk.sign(desk.membership, "chen", "li")


def expired(desk: Desk) -> None:
    first = drafted(desk)
    redraft(desk, issued_ms=first.issued_ms - 2_000, expires_ms=first.issued_ms - 1_000)
    desk.sign(desk.membership, "chen", "li")


def issued_tomorrow(desk: Desk) -> None:
    first = drafted(desk)
    redraft(desk, issued_ms=first.issued_ms + 86_400_000)
    desk.sign(desk.membership, "chen", "li")


def second_version(desk: Desk) -> None:
    redraft(desk, version=2, previous_digest=bytes(32))
    desk.sign(desk.membership, "chen", "li")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (by_a_stranger, Reason.UNKNOWN_SIGNER),
        (after_signing_changed, Reason.BAD_SIGNATURE),
        (of_other_keys, Reason.CONFIGURATION),
        (expired, Reason.EXPIRED),
        (issued_tomorrow, Reason.NOT_YET_VALID),
        (second_version, Reason.NO_MEMBERSHIP),
    ],
)
def test_what_founds_nothing(desk: Desk, spoil: Callable[[Desk], None], reason: Reason) -> None:
    desk.begin()
    spoil(desk)
    desk.refused(reason, *submit(desk))
    assert "0 entries" in done("log", "show", "--home", desk.home)


@pytest.mark.parametrize(
    "command",
    [
        ("membership", "show"),
        ("enrol", "list"),
        ("audit",),
        ("invite", "440300", "--name", "深圳市", "--out", "invitation.json"),
    ],
    ids=lambda command: command[0],
)
def test_before_the_founding_there_is_nothing_to_show(desk: Desk, command: tuple[str, ...]) -> None:
    desk.begin()
    desk.refused(Reason.NO_MEMBERSHIP, *command, "--home", desk.home)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("membership", "show"), Reason.LOG_MISSING),
        (("audit",), Reason.LOG_MISSING),
        (("log", "show"), Reason.LOG_MISSING),
        (("serve",), Reason.CONFIGURATION),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_where_there_is_no_home_none_is_made(
    desk: Desk, command: tuple[str, ...], reason: Reason
) -> None:
    desk.refused(reason, *command, "--home", desk.home)
    assert not desk.home.exists()
