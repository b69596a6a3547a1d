"""An administrator's key: made once, told by telephone, never left half made."""

import json
import os
from pathlib import Path

import pytest
from support.administration import Desk, done, mode, typed

from federation.crypto.keys import SigningKey, VerifyingKey
from federation.errors import Reason


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def new(desk: Desk, *more: object) -> tuple[object, ...]:
    """The arguments that make Li Na's key."""
    desk.passphrase("li").touch(mode=0o600)
    desk.passphrase("li").write_text("the passphrase of li\n", encoding="utf-8")
    return (
        *("admin", "key", "new", "--id", "li", "--name", "李娜", "--out", desk.key("li")),
        *("--passphrase-file", desk.passphrase("li"), *more),
    )


def test_a_key_is_made_closed_and_its_public_half_shown(desk: Desk) -> None:
    told = done(*new(desk))
    private = SigningKey.load(desk.key("li"), b"the passphrase of li")
    assert mode(desk.key("li")) == 0o600
    assert b"ENCRYPTED" in desk.key("li").read_bytes()
    public = json.loads(desk.public("li").read_text(encoding="utf-8"))
    assert public == {
        "administrator": "li",
        "name": "李娜",
        "signing_key": private.public.raw.hex(),
    }
    shown = done("admin", "key", "show", desk.public("li"))
    for fact in ("li", "李娜", public["signing_key"], private.public.key_id.hex()[:16]):
        assert fact in shown
    assert private.public.key_id.hex()[:16] in told


def test_a_passphrase_is_asked_for_twice_and_never_shown(desk: Desk) -> None:
    asked = ("admin", "key", "new", "--id", "li", "--name", "李娜", "--out", desk.key("li"))
    secret = "a passphrase of some length"
    shown = done(*asked, answers=f"{secret}\n{secret}\n")
    assert secret not in shown
    assert SigningKey.load(desk.key("li"), secret.encode()).public.raw


def test_two_passphrases_that_differ_make_no_key(desk: Desk) -> None:
    asked = ("admin", "key", "new", "--id", "li", "--name", "李娜", "--out", desk.key("li"))
    result = typed(*asked, answers="a passphrase of some length\nanother one of some\n")
    assert result.exit_code == 1
    assert list(desk.folder.iterdir()) == []


def test_a_key_is_never_overwritten(desk: Desk) -> None:
    done(*new(desk))
    desk.refused(Reason.CONFIGURATION, *new(desk))


def test_a_key_file_in_the_way_leaves_no_public_half(desk: Desk) -> None:
    desk.key("li").write_text("somebody else's", encoding="utf-8")
    assert "never overwritten" in desk.refused(Reason.CONFIGURATION, *new(desk))


def test_a_public_file_in_the_way_leaves_no_private_half(desk: Desk) -> None:
    desk.public("li").write_text("somebody else's", encoding="utf-8")
    desk.refused(Reason.CONFIGURATION, *new(desk))
    assert not desk.key("li").exists()


def test_private_and_public_half_are_two_files(desk: Desk) -> None:
    desk.refused(Reason.CONFIGURATION, *new(desk, "--out", desk.public("li")))


@pytest.mark.parametrize(
    ("more", "reason", "said"),
    [
        (("--id", "Li Na"), Reason.INVALID_DOCUMENT, "administrator"),
        (("--name", ""), Reason.INVALID_DOCUMENT, "name"),
        (("--name", "李\n娜"), Reason.INVALID_DOCUMENT, "name"),
        (("--passphrase-file", "/dev/null"), Reason.PERMISSIONS, "/dev/null has mode 0666"),
        (("--passphrase-file", "absent"), Reason.CONFIGURATION, "absent"),
        (("--out", "absent/li.pem"), Reason.CONFIGURATION, "absent"),
    ],
)
def test_refused(desk: Desk, more: tuple[str, ...], reason: Reason, said: str) -> None:
    assert said in desk.refused(reason, *new(desk, *more))


def test_an_empty_passphrase_file_makes_no_key(desk: Desk) -> None:
    empty = desk.folder / "empty"
    empty.touch(mode=0o600)
    assert "passphrase" in desk.refused(
        Reason.CONFIGURATION, *new(desk, "--passphrase-file", empty)
    )


def test_a_passphrase_file_that_others_may_read_is_refused(desk: Desk) -> None:
    arguments = new(desk)
    desk.passphrase("li").chmod(0o640)
    said = desk.refused(Reason.PERMISSIONS, *arguments)
    assert f"chmod go= {desk.passphrase('li')}" in said
    assert not desk.key("li").exists()


def test_a_passphrase_comes_through_a_descriptor_and_touches_no_disk(desk: Desk) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"a passphrase through a pipe\n")
    os.close(writing)
    done(*new(desk, "--passphrase-file", f"/dev/fd/{reading}"))
    os.close(reading)
    assert SigningKey.load(desk.key("li"), b"a passphrase through a pipe").public.raw


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"[1, 2]",
        b"[" * 100_000,
        b'{"administrator": "li", "name": "Li"}',
        b'{"administrator": "li", "name": "Li", "signing_key": "zz"}',
        b'{"administrator": "li", "name": "Li", "signing_key": "00"}',
        b'{"administrator": 5, "name": "Li", "signing_key": "00"}',
        b'{"administrator": "li", "name": "Li", "signing_key": "00", "more": 1}',
    ],
)
def test_what_is_no_public_key_file_is_told_so(desk: Desk, text: bytes) -> None:
    desk.public("li").write_bytes(text)
    said = desk.refused(Reason.CONFIGURATION, "admin", "key", "show", desk.public("li"))
    assert "li.pub: this is no administrator's public key file" in said


def test_a_public_key_that_is_shown_is_the_files(desk: Desk) -> None:
    raw = bytes(range(32))
    text = json.dumps({"administrator": "li", "name": "Li", "signing_key": raw.hex()})
    desk.public("li").write_text(text, encoding="utf-8")
    shown = done("admin", "key", "show", desk.public("li"))
    assert VerifyingKey(raw).key_id.hex()[:16] in shown
