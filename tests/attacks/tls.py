"""Attacks on the exchange's port, over real TLS: who comes in, and what a stream is good for.

Lives here: this group's lines and what they forge. Must not know: how a case is judged.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Self

import grpc
from support.exchange import DAY_MS, RunningExchange, Site, now_ms, running_exchange

from attacks.case import Act, Attack, By, Guard, Strike
from attacks.envelopes import NO_STRANGER
from federation.crypto.certificates import (
    LIFETIME,
    Authority,
    certificate_request,
    generate_tls_key,
    load_certificate,
    tls_key_pem,
)
from federation.documents.runs import DropRecord
from federation.errors import LaborfedError, Reason
from federation.exchange.client import ExchangeClient
from federation.exchange.enrolment import enrol
from federation.log.bundle import Bundle
from federation.wire.channel import Identity, connect, translated
from federation.wire.v1 import exchange_pb2, exchange_pb2_grpc

CITY, OTHER, INVITED = "440300", "441900", "330100"
SERVICE = "federation/exchange/service.py"
MEETING = "federation/exchange/meeting.py"
Scenario = Callable[[RunningExchange], Awaitable[None]]


class PortStage:
    """An exchange on loopback. ``state``: how much was logged besides memberships."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.state = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The exchange lives as long as its scenario."""

    def play(self, scenario: Scenario) -> None:
        """Serve while ``scenario`` goes on; raises what it raises."""

        async def staged() -> None:
            async with running_exchange(self._folder, CITY, OTHER) as exchange:
                try:
                    await scenario(exchange)
                finally:
                    memberships = exchange.publisher.trust.current.version
                    self.state = exchange.publisher.size - memberships

        asyncio.run(asyncio.wait_for(staged(), 30))


def over_tls(scenario: Scenario) -> Act:
    """Return the act of playing a scenario against a running exchange."""

    def act(stage: PortStage) -> Strike:
        return lambda: stage.play(scenario)

    act.__name__ = getattr(scenario, "__name__", "scenario")
    return act


async def unasked(message_type: str, _body: bytes) -> bytes:
    raise AssertionError(f"asked for {message_type}")


async def follow(client: ExchangeClient, count: int) -> list[Bundle]:
    """Return the log's first entries, once there are so many."""
    async with aclosing(client.follow(0, 0)) as feed:
        return [await anext(feed) for _ in range(count)]


CALLS: dict[str, Callable[[ExchangeClient], Awaitable[object]]] = {
    "publish": lambda client: client.publish(b"anything"),
    "checkpoint": lambda client: client.checkpoint(0),
    "blob": lambda client: client.blob(bytes(32)),
    "renew": lambda client: client.renew(certificate_request(generate_tls_key(), CITY)),
    "follow": lambda client: follow(client, 1),
    "attend": lambda client: client.attend(unasked),
}


async def publishing(exchange: RunningExchange) -> None:
    """A member publishes what the coordinator signed."""
    async with exchange.client(CITY) as client:
        await client.publish(exchange.signed(_drop(), exchange.keys.coordinator))


def _drop() -> DropRecord:
    return DropRecord(
        charter_digest=bytes(32),
        attempt_nonce=bytes(32),
        roster_digest=b"",
        round=1,
        cities=(OTHER,),
        reason="round.late",
        recorded_ms=now_ms(),
    )


def shown(identity: Callable[[RunningExchange], Identity]) -> Act:
    """Return the act of making every call with a certificate: each is refused for one reason."""

    async def scenario(exchange: RunningExchange) -> None:
        refused: list[LaborfedError] = []
        async with ExchangeClient.connect(exchange.endpoint, identity(exchange)) as client:
            for call in CALLS.values():
                try:
                    await call(client)
                except LaborfedError as error:
                    refused.append(error)
        assert len(refused) == len(CALLS), "a call was answered"
        assert len({error.reason for error in refused}) == 1, refused
        raise refused[0]

    return over_tls(scenario)


def of_a_stranger(exchange: RunningExchange) -> Identity:
    return Site(CITY).identity(exchange.keys.authority)


def of_another_authority(exchange: RunningExchange) -> Identity:
    return exchange.sites[CITY].identity(Authority.create("demo", now_ms()))


def expired(exchange: RunningExchange) -> Identity:
    return exchange.sites[CITY].identity(exchange.keys.authority, now_ms() - 30 * DAY_MS)


def invited_with_a_members_key(exchange: RunningExchange) -> Identity:
    key = exchange.sites[CITY].tls
    chain = exchange.keys.authority.issue_bootstrap(key, CITY, now_ms(), LIFETIME)
    return tls_key_pem(key), chain


async def expired_while_it_stood(exchange: RunningExchange) -> None:
    _, chain = expired(exchange)
    exchange.meeting.admit(load_certificate(chain))


async def enrolling_with_a_citys_certificate(exchange: RunningExchange) -> None:
    invitation, site = exchange.invitation(INVITED), Site(INVITED)
    key, chain = exchange.sites[CITY].identity(exchange.keys.authority)
    stolen = replace(invitation, bootstrap_key=key.decode(), bootstrap_certificate=chain.decode())
    await enrol(stolen, site.signing, site.sealing.public, site.tls)


def suspended(exchange: RunningExchange) -> None:
    """Log the membership that suspends the city."""
    trust = exchange.publisher.trust
    cities = tuple(
        replace(city, status="suspended") if city.division == CITY else city
        for city in trust.current.cities
    )
    change = replace(
        trust.current,
        version=2,
        previous_digest=trust.current_digest,
        cities=cities,
        issued_ms=now_ms(),
    )
    exchange.next_membership(change)


async def attending_while_suspended(exchange: RunningExchange) -> None:
    async def echo(_message_type: str, body: bytes) -> bytes:
        return body

    async with exchange.client(CITY) as client:
        stream = asyncio.create_task(client.attend(echo))
        assert await asyncio.to_thread(exchange.mailbox.wait_present, (CITY,), 10)
        await asyncio.to_thread(suspended, exchange)
        asked = asyncio.wrap_future(exchange.mailbox.ask(CITY, "train", b"still here?"))
        await asyncio.wait((stream, asked), return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            stream.cancel()
            return
        await stream


async def following_while_suspended(exchange: RunningExchange) -> None:
    async with exchange.client(CITY) as client:
        feed = client.follow(0, 0)
        await anext(feed)
        await asyncio.to_thread(suspended, exchange)
        async with aclosing(feed):
            await anext(feed)


async def renewing_for_another_key(exchange: RunningExchange) -> None:
    async with exchange.client(CITY) as client:
        await client.renew(certificate_request(generate_tls_key(), CITY))


async def second_stream(exchange: RunningExchange) -> None:
    async with exchange.client(CITY) as client, exchange.client(CITY) as twin:
        first = asyncio.create_task(client.attend(unasked))
        assert await asyncio.to_thread(exchange.mailbox.wait_present, (CITY,), 10)
        stands = asyncio.Event()
        second = asyncio.create_task(twin.attend(unasked, stands.set))
        standing = asyncio.create_task(stands.wait())
        await asyncio.wait((second, standing), return_when=asyncio.FIRST_COMPLETED)
        for task in (first, standing):
            task.cancel()
        if stands.is_set():
            second.cancel()
            return
        await second


async def answer_before_hello(exchange: RunningExchange) -> None:
    identity = exchange.sites[CITY].identity(exchange.keys.authority)
    async with connect(exchange.endpoint, identity) as channel:
        call = exchange_pb2_grpc.ExchangeStub(channel).Attend()
        await call.write(exchange_pb2.Answer(request_id=7, body=b"no hello"))
        with translated():
            assert await call.read() is not grpc.aio.EOF


async def publishing_for_the_coordinator(exchange: RunningExchange) -> None:
    async with exchange.client(CITY) as client:
        await client.publish(exchange.signed(_drop(), exchange.sites[CITY].signing))


def at_port(
    name: str, by: By, act: Act, reason: Reason, guard: Guard, *, step: int | None = None
) -> Attack:
    """Return an attack on the exchange's port."""
    return Attack(name, by, act, reason, guard, PortStage, over_tls(publishing), step)


STRANGERS_KEY = "a certificate of the right authority for a key that no member has"
INVITED_ON = "an invitation's certificate used beyond enrolment, for a member's key"
OUTLIVING = "a connection that outlives its certificate"
ATTENDING_ON = "a city attends on after it was suspended"
READING_ON = "a city reads on after it was suspended"
HANDSHAKE = Guard(
    "federation/wire/channel.py",
    "        require_client_authentication=True,",
    "        require_client_authentication=False,",
    # nobody shows a certificate then, so that whoever needs one is refused before its attack
    stops_too=(
        "publishing (PortStage)",
        ATTENDING_ON,
        "a second stream in a city's name beside the first",
        "a stream that does not begin with hello",
        "a city publishes a drop record in the coordinator's place",
    ),
)

TLS: list[Attack] = [
    at_port(
        "a certificate of another authority, for a member's key",
        By.OUTSIDER,
        shown(of_another_authority),
        Reason.UNREACHABLE,
        HANDSHAKE,
    ),
    at_port(
        "an expired certificate of the right authority",
        By.CITY,
        shown(expired),
        Reason.UNREACHABLE,
        HANDSHAKE,
    ),
    at_port(
        STRANGERS_KEY,
        By.OUTSIDER,
        shown(of_a_stranger),
        Reason.TLS_IDENTITY,
        Guard(
            MEETING,
            "if city.active and city.tls_key_digest == key:",
            "if city.active:",
            stops_too=(ATTENDING_ON, READING_ON),
        ),
    ),
    at_port(
        INVITED_ON,
        By.OUTSIDER,
        shown(invited_with_a_members_key),
        Reason.TLS_IDENTITY,
        Guard(
            MEETING,
            "self._checked(certificate, Role.CITY)",
            "self._checked(certificate, role_of(certificate))",
        ),
    ),
    at_port(
        "a city's certificate used to enrol another",
        By.CITY,
        over_tls(enrolling_with_a_citys_certificate),
        Reason.TLS_IDENTITY,
        Guard(MEETING, "        self._checked(certificate, Role.BOOTSTRAP)\n", "        pass\n"),
    ),
    at_port(
        OUTLIVING,
        By.CITY,
        over_tls(expired_while_it_stood),
        Reason.TLS_IDENTITY,
        Guard(MEETING, "if said.expires_ms <= self._clock_ms():", "if False:"),
    ),
    at_port(
        ATTENDING_ON,
        By.CITY,
        over_tls(attending_while_suspended),
        Reason.TLS_IDENTITY,
        Guard(
            SERVICE,
            "no longer names this city\n            self._city(context)\n",
            "no longer names this city\n",
        ),
    ),
    at_port(
        READING_ON,
        By.CITY,
        over_tls(following_while_suspended),
        Reason.TLS_IDENTITY,
        Guard(
            SERVICE,
            "                self._city(context)\n                grown.clear()\n",
            "                grown.clear()\n",
            # neither may make any call, and following is one
            stops_too=(STRANGERS_KEY, INVITED_ON),
        ),
    ),
    at_port(
        "a certificate is renewed for another key",
        By.CITY,
        over_tls(renewing_for_another_key),
        Reason.TLS_IDENTITY,
        Guard(SERVICE, "if tls_key_digest(wanted) != city.tls_key_digest:", "if False:"),
    ),
    at_port(
        "a second stream in a city's name beside the first",
        By.CITY,
        over_tls(second_stream),
        Reason.ALREADY_ATTENDING,
        Guard(
            "federation/exchange/mailbox.py",
            "            if city in self._present:\n",
            "            if False:\n",
        ),
    ),
    at_port(
        "a stream that does not begin with hello",
        By.CITY,
        over_tls(answer_before_hello),
        Reason.PROTOCOL,
        Guard(SERVICE, "if hello is None or hello.request_id != HELLO:", "if hello is None:"),
    ),
    at_port(
        "a city publishes a drop record in the coordinator's place",
        By.CITY,
        over_tls(publishing_for_the_coordinator),
        Reason.UNKNOWN_SIGNER,
        NO_STRANGER,
    ),
]
