"""The feed over real TLS while witnesses come and go: entries wait, and go on by themselves."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest
from support.exchange import DAY_MS, RunningExchange, now_ms, running_exchange

from federation import founding
from federation.acceptance import Acceptance, Limits
from federation.documents.membership import Membership
from federation.errors import PeerError, Reason
from federation.exchange.client import Handler
from federation.log.checkpoint import cosignature, split_note
from federation.log.witnessing import WITNESS, WitnessReply
from federation.trust import Trust
from federation.wire.codec import decode_witness_request, encode_witness_reply

CITIES = ("310000", "330100", "340100", "440300")


class NothingHeld:
    def holds(self, replay_identity: bytes) -> bool:
        return False

    def latest_release_version(self) -> int:
        return 0


def with_witnesses(exchange: RunningExchange) -> Membership:
    """The next membership, all cities its witnesses."""
    trust, now = exchange.publisher.trust, now_ms()
    return founding.with_witnesses(
        trust.current,
        trust.current_digest,
        trust.current.active_cities,
        issued_ms=now,
        expires_ms=now + DAY_MS,
    )


def witness(exchange: RunningExchange, division: str) -> Handler:
    async def handle(message_type: str, body: bytes) -> bytes:
        assert message_type == WITNESS
        text = split_note(decode_witness_request(body).checkpoint)[0]
        line = cosignature(text, division, exchange.sites[division].signing)
        return encode_witness_reply(WitnessReply(cosignature=line))

    return handle


def test_an_entry_waits_for_its_witnesses_and_then_reaches_who_waited(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_exchange(tmp_path, *CITIES) as exchange, AsyncExitStack() as streams:
            exchange.next_membership(with_witnesses(exchange))
            with pytest.raises(PeerError) as raised:
                exchange.next_membership(with_witnesses(exchange))
            assert raised.value.reason is Reason.NOT_WITNESSED
            clients = {city: exchange.client(city) for city in CITIES}
            for client in clients.values():
                await streams.enter_async_context(client)
            door = Acceptance(Trust(exchange.publisher.trust.pin), None, Limits(), NothingHeld())
            feed = await streams.enter_async_context(aclosing(clients[CITIES[3]].follow(0, 0)))
            for _ in range(2):
                door.logged(await anext(feed), now_ms())
            third = asyncio.ensure_future(anext(feed))
            attending = []
            for number, city in enumerate(CITIES[:3], start=1):
                assert not third.done()
                came = asyncio.Event()
                stream = clients[city].attend(witness(exchange, city), came.set)
                attending.append(asyncio.create_task(stream))
                await came.wait()
                assert len(exchange.mailbox.present()) == number
            accepted = door.logged(await third, now_ms())
            assert (accepted.leaf_index, door.trust.current.version) == (2, 3)
            for task in attending:
                task.cancel()
            await asyncio.gather(*attending, return_exceptions=True)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_city_publishes_nothing_that_nobody_witnesses(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_exchange(tmp_path, *CITIES) as exchange:
            exchange.next_membership(with_witnesses(exchange))
            raw = exchange.signed(with_witnesses(exchange), *exchange.people)
            async with exchange.client(CITIES[0]) as client:
                with pytest.raises(PeerError, match="0 did, missing are 310000") as raised:
                    await client.publish(raw)
            assert raised.value.reason is Reason.NOT_WITNESSED
            assert exchange.publisher.size == 3

    asyncio.run(asyncio.wait_for(scenario(), 60))
