"""The exchange over real TLS: who comes in, what the two streams carry, what breaks them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from federation.acceptance import Acceptance, Limits
from federation.crypto.certificates import (
    certificate_request,
    generate_tls_key,
    load_certificate,
    tls_key_digest,
    tls_key_pem,
)
from federation.crypto.keys import digest
from federation.errors import (
    Malformed,
    PeerError,
    Reason,
    Refused,
    Stale,
    TooLarge,
    Untrusted,
)
from federation.exchange.client import ExchangeClient
from federation.log.bundle import Bundle
from federation.trust import Trust
from federation.wire.channel import Identity, connect
from federation.wire.limits import MAX_MESSAGE_BYTES
from federation.wire.v1 import exchange_pb2, exchange_pb2_grpc
from tests.support.exchange import RunningExchange, now_ms, running_exchange

CITY, OTHER = "440300", "441900"
Scenario = Callable[[RunningExchange], Awaitable[None]]


def play(folder: Path, scenario: Scenario, *divisions: str) -> None:
    async def staged() -> None:
        async with running_exchange(folder, *(divisions or (CITY, OTHER))) as exchange:
            await scenario(exchange)

    asyncio.run(asyncio.wait_for(staged(), 30))


async def no_answer(message_type: str, body: bytes) -> bytes:
    raise AssertionError(f"asked for {message_type}")


async def present(exchange: RunningExchange, *cities: str) -> None:
    assert await asyncio.to_thread(exchange.mailbox.wait_present, cities, 10)


class Remembering:
    """A reader's store in memory."""

    def __init__(self) -> None:
        self.digests: set[bytes] = set()

    def holds(self, replay_identity: bytes) -> bool:
        return replay_identity in self.digests

    def latest_release_version(self) -> int:
        return 0

    def latest_notice_version(self, city: str) -> int:
        return 0


def reader(exchange: RunningExchange) -> Acceptance:
    trust = Trust(exchange.publisher.trust.pin)
    return Acceptance(trust, None, Limits(), Remembering())


async def follow(client: ExchangeClient, start: int, kept: int, count: int) -> list[Bundle]:
    async with aclosing(client.follow(start, kept)) as feed:
        return [await anext(feed) for _ in range(count)]


# who comes in


def of_a_member(exchange: RunningExchange) -> Identity:
    return exchange.sites[CITY].identity(exchange.keys.authority)


def test_a_city_does_not_talk_to_a_coordinator_of_another_name(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        elsewhere = replace(exchange.endpoint, server_name="other.example")
        async with ExchangeClient.connect(elsewhere, of_a_member(exchange)) as client:
            with pytest.raises(PeerError) as refused:
                await client.checkpoint(0)
        assert refused.value.reason is Reason.UNREACHABLE

    play(tmp_path, scenario)


# publish, checkpoint, blobs, renewal


def test_a_refusal_arrives_as_the_service_raised_it(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        async with exchange.client(CITY) as client:
            with pytest.raises(Malformed) as undecodable:
                await client.publish(b"\xff\xff")
            with pytest.raises(Refused) as missing:
                await client.blob(digest(b"never put"))
        assert undecodable.value.reason is Reason.NOT_DECODABLE
        assert missing.value.reason is Reason.NOT_FOUND

    play(tmp_path, scenario)


def test_blobs_come_by_their_digest(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        content = bytes(range(256)) * 4000
        wanted = exchange.meeting.blobs.put(content)
        async with exchange.client(CITY) as client:
            assert await client.blob(wanted) == content

    play(tmp_path, scenario)


def test_a_message_over_the_limit_is_refused_and_the_channel_lives_on(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        credentials = grpc.ssl_channel_credentials(
            exchange.endpoint.authority, *of_a_member(exchange)
        )
        options = [
            ("grpc.ssl_target_name_override", exchange.endpoint.server_name),
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_http_proxy", 0),
        ]
        async with grpc.aio.secure_channel(
            exchange.endpoint.address, credentials, options=options
        ) as channel:
            client = ExchangeClient(channel)
            with pytest.raises(TooLarge):
                await client.publish(bytes(MAX_MESSAGE_BYTES + 1))
            await client.checkpoint(0)

    play(tmp_path, scenario)


def test_a_certificate_is_renewed_for_the_same_key_only(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        site = exchange.sites[CITY]
        async with exchange.client(CITY) as client:
            pem = await client.renew(certificate_request(site.tls, CITY))
            with pytest.raises(Untrusted) as refused:
                await client.renew(certificate_request(generate_tls_key(), CITY))
            assert refused.value.reason is Reason.TLS_IDENTITY
        assert tls_key_digest(load_certificate(pem)) == tls_key_digest(site.tls)
        renewed = (tls_key_pem(site.tls), pem)
        async with ExchangeClient.connect(exchange.endpoint, renewed) as client:
            await client.checkpoint(0)

    play(tmp_path, scenario)


def test_health_is_told_to_any_certificate_of_the_federation(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        async with connect(exchange.endpoint, of_a_member(exchange)) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service="federation.wire.v1.Exchange")
            serving = await stub.Check(request)
            await exchange.server.set_serving(False)
            not_serving = await stub.Check(request)
        status = health_pb2.HealthCheckResponse.ServingStatus
        assert serving.status == status.Value("SERVING")
        assert not_serving.status == status.Value("NOT_SERVING")

    play(tmp_path, scenario)


# the feed


def test_a_reader_accepts_history_and_what_is_logged_while_it_reads(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        for number in range(3):
            exchange.log_something(number)
        door = reader(exchange)
        async with exchange.client(CITY) as client, aclosing(client.follow(0, 0)) as feed:
            for _ in range(4):
                door.logged(await anext(feed), now_ms())
            for number in range(3, 6):
                await asyncio.to_thread(exchange.log_something, number)
                accepted = door.logged(await anext(feed), now_ms())
                assert accepted.leaf_index == number + 1

    play(tmp_path, scenario)


def test_a_reader_that_returns_goes_on_from_what_it_kept(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        door = reader(exchange)
        async with exchange.client(CITY) as client:
            for bundle in await follow(client, 0, 0, 1):
                door.logged(bundle, now_ms())
            for number in range(5):
                exchange.log_something(number)
            assert door.kept is not None
            for bundle in await follow(client, door.next_index, door.kept.size, 5):
                door.logged(bundle, now_ms())
        assert door.next_index == 6

    play(tmp_path, scenario)


def test_two_readers_and_a_burst_neither_lose_nor_repeat_an_entry(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        async with exchange.client(CITY) as one, exchange.client(OTHER) as other:
            reading = [asyncio.create_task(follow(client, 1, 0, 30)) for client in (one, other)]
            for number in range(30):
                await asyncio.to_thread(exchange.log_something, number)
            for bundles in await asyncio.gather(*reading):
                assert [bundle.leaf_index for bundle in bundles] == list(range(1, 31))

    play(tmp_path, scenario)


def test_a_reader_who_kept_more_than_the_log_has_is_told(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        async with exchange.client(CITY) as client:
            for start, kept in ((9, 0), (0, 9)):
                with pytest.raises(Stale) as refused:
                    await follow(client, start, kept, 1)
                assert refused.value.reason is Reason.ROLLED_BACK

    play(tmp_path, scenario)


# the run's stream


def test_requests_go_down_and_answers_come_up_whichever_is_ready_first(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        released = asyncio.Event()

        async def answer(message_type: str, body: bytes) -> bytes:
            if body == b"slow":
                await released.wait()
            return message_type.encode() + b" " + body

        async with exchange.client(CITY) as client:
            attended = asyncio.create_task(client.attend(answer))
            await present(exchange, CITY)
            slow = exchange.mailbox.ask(CITY, "train", b"slow")
            quick = exchange.mailbox.ask(CITY, "query", b"quick")
            assert await asyncio.wrap_future(quick) == b"query quick"
            assert not slow.done()
            released.set()
            assert await asyncio.wrap_future(slow) == b"train slow"
            attended.cancel()

    play(tmp_path, scenario)


def test_a_second_stream_of_a_city_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async def echo(message_type: str, body: bytes) -> bytes:
        return body

    async def scenario(exchange: RunningExchange) -> None:
        async with exchange.client(CITY) as client, exchange.client(CITY) as twin:
            first = asyncio.create_task(client.attend(echo))
            await present(exchange, CITY)
            with pytest.raises(Refused) as refused:
                await twin.attend(no_answer)
            assert refused.value.reason is Reason.ALREADY_ATTENDING
            asked = exchange.mailbox.ask(CITY, "train", b"still here?")
            assert await asyncio.wrap_future(asked) == b"still here?"
            first.cancel()

    play(tmp_path, scenario)


def test_a_request_cut_off_by_a_broken_stream_comes_again_on_the_next(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        arrived = asyncio.Event()

        async def never(message_type: str, body: bytes) -> bytes:
            arrived.set()
            await asyncio.Event().wait()
            return b""

        async def echo(message_type: str, body: bytes) -> bytes:
            return body

        asked = exchange.mailbox.ask(CITY, "train", b"once more")
        async with exchange.client(CITY) as client:
            broken = asyncio.create_task(client.attend(never))
            await arrived.wait()
        with pytest.raises((asyncio.CancelledError, PeerError)):
            await broken
        async with exchange.client(CITY) as client:
            while True:
                attended = asyncio.create_task(client.attend(echo))
                answered: asyncio.Future[bytes] = asyncio.wrap_future(asked)
                await asyncio.wait(
                    (attended, asyncio.shield(answered)), return_when=asyncio.FIRST_COMPLETED
                )
                if not attended.done():
                    break
                # the server may not have seen the first stream end yet
                with pytest.raises(Refused, match="attends already"):
                    await attended
            assert asked.result(timeout=0) == b"once more"
            attended.cancel()

    play(tmp_path, scenario)


def test_what_a_handler_raises_ends_the_stream_with_it(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        async def fail(message_type: str, body: bytes) -> bytes:
            raise PeerError(Reason.DEADLINE, "the roster did not come")

        exchange.mailbox.ask(CITY, "train", b"question")
        async with exchange.client(CITY) as client:
            with pytest.raises(PeerError, match="the roster did not come"):
                await client.attend(fail)

    play(tmp_path, scenario)


def test_a_stream_begins_with_hello(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        async with connect(exchange.endpoint, of_a_member(exchange)) as channel:
            call = exchange_pb2_grpc.ExchangeStub(channel).Attend()
            await call.write(exchange_pb2.Answer(request_id=7, body=b"no hello"))
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call.read()
        assert dict(refused.value.trailing_metadata() or ())["laborfed-reason"] == Reason.PROTOCOL

    play(tmp_path, scenario)


def test_answers_to_what_was_not_asked_are_discarded(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        asked = exchange.mailbox.ask(OTHER, "train", b"for the other city")
        async with connect(exchange.endpoint, of_a_member(exchange)) as channel:
            call = exchange_pb2_grpc.ExchangeStub(channel).Attend()
            for number in (0, 1, 2, 0):
                await call.write(exchange_pb2.Answer(request_id=number, body=b"forged"))
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF
        assert exchange.mailbox.discarded == 3
        assert not asked.done()

    play(tmp_path, scenario)


def test_a_stopping_coordinator_ends_every_stream(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        async with exchange.client(CITY) as client:
            attended = asyncio.create_task(client.attend(no_answer))
            followed = asyncio.create_task(follow(client, 0, 0, 99))
            await present(exchange, CITY)
            await exchange.server.stop(0)
            for stream in (attended, followed):
                with pytest.raises(PeerError) as ended:
                    await stream
                assert ended.value.reason is Reason.UNREACHABLE

    play(tmp_path, scenario)
