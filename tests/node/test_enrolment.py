"""Joining: what is asked again, what is kept, and what is refused, over real TLS."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.exchange import DAY_MS, RunningExchange, Site, now_ms, running_exchange

from federation.crypto.certificates import LIFETIME
from federation.errors import PeerError, Reason, Refused
from federation.exchange.enrolment import fingerprint
from federation.exchange.invitation import Invitation
from node.enrolment import checked_certificate, join
from node.identity import Association, Home, create_home

CITY, CITIES = "440300", ("330100", "340100", "441900")
Scenario = Callable[[RunningExchange, Home], Awaitable[None]]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return create_home(tmp_path_factory.mktemp("made") / "city", CITY, "深圳市")


@pytest.fixture
def home(tmp_path: Path, made: Home) -> Home:
    shutil.copytree(made.path, tmp_path / "city")
    return replace(made, path=tmp_path / "city")


def play(folder: Path, home: Home, scenario: Scenario) -> None:
    async def staged() -> None:
        async with running_exchange(folder, *CITIES) as exchange:
            await scenario(exchange, home)

    asyncio.run(asyncio.wait_for(staged(), 60))


class Heard:
    """What joining reported, and the moments a test waits for."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.pending = asyncio.Event()
        self.away = asyncio.Event()

    def __call__(self, sentence: str) -> None:
        self.sentences.append(sentence)
        if "awaits" in sentence:
            self.pending.set()
        if "asking on" in sentence:
            self.away.set()


def test_waiting_asks_again_until_administrators_have_signed(tmp_path: Path, home: Home) -> None:
    async def scenario(exchange: RunningExchange, home: Home) -> None:
        invitation, heard = exchange.invitation(CITY), Heard()
        waiting = asyncio.create_task(
            join(home, invitation, now_ms(), wait=True, report=heard, poll_s=0.02)
        )
        await heard.pending.wait()
        assert (home.association(), home.certificate()) == (None, None)
        own = fingerprint(home.identity().city)
        exchange.approve(own)
        assert await waiting is True
        assert own in heard.sentences[0]
        assert home.association() == Association.of(invitation)
        certificate = home.certificate()
        assert certificate is not None
        assert checked_certificate(certificate, home.identity()) == certificate

    play(tmp_path, home, scenario)


def test_a_coordinator_that_goes_away_meanwhile_is_asked_on(tmp_path: Path, home: Home) -> None:
    async def scenario(exchange: RunningExchange, home: Home) -> None:
        heard = Heard()
        waiting = asyncio.create_task(
            join(home, exchange.invitation(CITY), now_ms(), wait=True, report=heard, poll_s=0.02)
        )
        await heard.pending.wait()
        await exchange.server.stop(0)
        await heard.away.wait()
        assert not waiting.done()
        waiting.cancel()
        assert home.certificate() is None

    play(tmp_path, home, scenario)


def kept(home: Home, exchange: RunningExchange, invitation: Invitation, at_ms: int) -> None:
    """Enrolment as it was kept at ``at_ms``."""
    home.save_association(Association.of(invitation))
    tls = home.identity().tls
    home.save_certificate(exchange.keys.authority.issue_city(tls, CITY, at_ms))


def test_a_city_is_enrolled_once_while_its_certificate_is_valid(tmp_path: Path, home: Home) -> None:
    async def scenario(exchange: RunningExchange, home: Home) -> None:
        invitation = exchange.invitation(CITY)
        kept(home, exchange, invitation, now_ms())
        with pytest.raises(Refused, match="is enrolled") as caught:
            await join(home, invitation, now_ms(), wait=False, report=print)
        assert caught.value.reason is Reason.ALREADY_ENROLLED
        assert exchange.invitations.asking() == []

    play(tmp_path, home, scenario)


def test_a_city_whose_certificate_has_expired_may_ask_again(tmp_path: Path, home: Home) -> None:
    async def scenario(exchange: RunningExchange, home: Home) -> None:
        invitation = exchange.invitation(CITY)
        kept(home, exchange, invitation, now_ms() - 30 * DAY_MS)
        assert await join(home, invitation, now_ms(), wait=False, report=print) is False
        assert len(exchange.invitations.asking()) == 1

    play(tmp_path, home, scenario)


@pytest.mark.parametrize("pin", ["membership_digest", "log_key", "log_origin"])
def test_an_invitation_with_other_pins_is_refused_by_a_city_that_joined(
    tmp_path: Path, home: Home, pin: str
) -> None:
    async def scenario(exchange: RunningExchange, home: Home) -> None:
        invitation = exchange.invitation(CITY)
        kept(home, exchange, invitation, now_ms() - 60 * DAY_MS)
        held: str = getattr(invitation, pin)
        other = "b" + held[1:] if held[0] != "b" else "c" + held[1:]
        foreign = replace(invitation, **{pin: other})
        with pytest.raises(Refused, match="other pins") as caught:
            await join(home, foreign, now_ms(), wait=False, report=print)
        assert caught.value.reason is Reason.ALREADY_ENROLLED
        assert home.association() == Association.of(invitation)

    play(tmp_path, home, scenario)


def test_a_certificate_must_be_a_citys_and_for_the_own_key(tmp_path: Path, home: Home) -> None:
    async def scenario(exchange: RunningExchange, home: Home) -> None:
        authority, identity = exchange.keys.authority, home.identity()
        others = authority.issue_city(Site(CITY).tls, CITY, now_ms())
        with pytest.raises(PeerError, match="another key"):
            checked_certificate(others, identity)
        bootstrap = authority.issue_bootstrap(identity.tls, CITY, now_ms(), LIFETIME)
        with pytest.raises(PeerError, match="no city's"):
            checked_certificate(bootstrap, identity)

    play(tmp_path, home, scenario)
