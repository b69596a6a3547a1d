"""A coordinator as its own process: who may be it, who may speak to it, and a city that joins."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from support.administration import PROGRAM, Desk, done, mode, served

from federation.errors import Reason
from federation.exchange.invitation import Invitation
from federation.home import Home
from node.enrolment import join
from node.identity import Home as CityHome
from node.identity import create_home

pytestmark = pytest.mark.journey
CITY = "440300"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    folder = tmp_path / "federation"
    folder.mkdir()
    founded = Desk(folder)
    founded.found()
    return founded


def ask(home: CityHome, invitation: Path) -> tuple[bool, str]:
    """Ask to be enrolled, as a city's own node does; whether it is now, and what it was told."""
    told: list[str] = []
    asked = join(
        home,
        Invitation.load(invitation),
        time.time_ns() // 1_000_000,
        wait=False,
        report=told.append,
    )
    return asyncio.run(asked), "\n".join(told)


def fingerprint_in(told: str) -> str:
    line = next(line for line in told.splitlines() if line.startswith("fingerprint of"))
    return line.partition(": ")[2]


def invite(desk: Desk, out: Path, *more: object) -> tuple[object, ...]:
    return (*("invite", CITY, "--home", desk.home, "--name", "深圳市", "--out", out), *more)


def approve(desk: Desk, fingerprint: str, division: str = CITY) -> tuple[object, ...]:
    out = ("--out", desk.folder / "membership-2.envelope")
    read = ("--fingerprint", fingerprint)
    return ("enrol", "approve", division, "--home", desk.home, *read, *out)


def test_a_city_joins_a_serving_federation(desk: Desk, tmp_path: Path) -> None:
    home, invitation = create_home(tmp_path / "city", CITY, "深圳市"), desk.folder / "invitation"
    draft = desk.folder / "membership-2.envelope"
    with served(desk.home) as (_, address):
        done(*invite(desk, invitation, "--address", address))
        assert mode(invitation) == 0o600
        assert done("enrol", "list", "--home", desk.home) == ""
        enrolled, told = ask(home, invitation)
        assert not enrolled
        listed = done("enrol", "list", "--home", desk.home)
        assert fingerprint_in(told) in listed
        assert "pending" in listed

        other = fingerprint_in(told).translate(
            str.maketrans("0123456789abcdef", "123456789abcdef0")
        )
        desk.refused(Reason.BAD_INVITATION, *approve(desk, other))
        desk.refused(Reason.BAD_INVITATION, *approve(desk, fingerprint_in(told), "441900"))
        done(*approve(desk, fingerprint_in(told)))
        submit = ("submit", draft, "--home", desk.home)
        desk.sign(draft, "wang")
        desk.refused(Reason.TOO_FEW_SIGNERS, *submit)
        assert ask(home, invitation)[0] is False
        desk.sign(draft, "li")
        assert "entry 1" in done(*submit)
        assert "entry 1" in done(*submit)

        assert ask(home, invitation)[0] is True
        assert "member (active)" in done("enrol", "list", "--home", desk.home)
        desk.refused(Reason.ALREADY_ENROLLED, *approve(desk, fingerprint_in(told)))
        desk.refused(Reason.ALREADY_ENROLLED, *invite(desk, desk.folder / "again"))
        assert "version: 2" in done("membership", "show", "--home", desk.home)
        assert "everything holds" in done("audit", "--home", desk.home)


def test_a_federation_is_founded_through_the_socket(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.begin()
    desk.sign(desk.membership, "chen", "li")
    with served(desk.home):
        assert "entry 0" in desk.submit(desk.membership)
        assert "entry 0" in desk.submit(desk.membership)
        assert "federation: demo" in done("membership", "show", "--home", desk.home)


def serve(home: Path) -> "subprocess.CompletedProcess[str]":
    """Try to serve where it must be refused, in a process of its own."""
    command: list[str | Path] = [PROGRAM, "serve", "--home", home, "--log-format", "json"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_one_process_serves_a_home_and_its_socket_is_its_owners(desk: Desk) -> None:
    with served(desk.home) as (first, _):
        assert mode(Home(desk.home).socket) == 0o600
        second = serve(desk.home)
        assert second.returncode == 1
        assert second.stderr.strip().endswith(f"[{Reason.IN_USE}]")
        assert "ready" not in second.stdout
        assert first.poll() is None
        # and the first one still answers
        assert "entry 0" in desk.submit(desk.membership)
        first.send_signal(signal.SIGTERM)
        assert first.wait(timeout=30) == 0


def test_a_killed_coordinator_leaves_nothing_in_the_way(desk: Desk) -> None:
    with served(desk.home) as (first, _):
        first.kill()
        first.wait(timeout=30)
        assert Home(desk.home).socket.exists()
        with served(desk.home):
            assert mode(Home(desk.home).socket) == 0o600
            assert "entry 0" in desk.submit(desk.membership)


def test_a_port_that_is_taken_is_told(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=False) as taken:
        configure(desk, f"127.0.0.1:{taken.getsockname()[1]}")
        refused = serve(desk.home)
    assert refused.returncode == 1
    assert "error: cannot listen on 127.0.0.1" in refused.stderr
    assert f"[{Reason.CONFIGURATION}]" in refused.stderr
    assert "Traceback" not in refused.stderr


def configure(desk: Desk, listen: str) -> None:
    file = Home(desk.home).configuration_file
    text = file.read_text(encoding="utf-8").replace(
        'listen = "127.0.0.1:0"', f'listen = "{listen}"'
    )
    assert listen in text
    file.write_text(text, encoding="utf-8")


def test_a_home_that_is_too_deep_for_a_socket_is_told(desk: Desk) -> None:
    deep = desk.folder / ("d" * 100)
    os.rename(desk.home, deep)
    refused = serve(deep)
    assert refused.returncode == 1
    assert "use a shorter folder" in refused.stderr


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (("--name", ""), Reason.INVALID_DOCUMENT),
        (("--address", "nowhere"), Reason.CONFIGURATION),
        (("--out", "absent/invitation"), Reason.CONFIGURATION),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_an_invitation_is_refused(desk: Desk, more: tuple[str, ...], reason: Reason) -> None:
    desk.refused(reason, *invite(desk, desk.folder / "invitation", *more))


def test_an_invitation_is_never_overwritten(desk: Desk) -> None:
    out = desk.folder / "invitation"
    done(*invite(desk, out))
    desk.refused(Reason.CONFIGURATION, *invite(desk, out))


def test_a_division_that_is_none_is_not_invited(desk: Desk) -> None:
    out = ("--home", desk.home, "--name", "深圳市", "--out", desk.folder / "invitation")
    desk.refused(Reason.INVALID_DOCUMENT, "invite", "4403", *out)


def test_commands_that_need_a_serving_coordinator_say_so(desk: Desk) -> None:
    for command in ("start", "stop"):
        said = desk.refused(
            Reason.CONFIGURATION, "run", command, bytes(32).hex(), "--home", desk.home
        )
        assert "labor-federation serve" in said
