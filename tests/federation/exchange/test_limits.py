"""How much, how many and how often, over real TLS: who exceeds it is refused, others are served."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import structlog

from federation.crypto.certificates import tls_key_pem
from federation.errors import (
    LaborfedError,
    Malformed,
    PeerError,
    Reason,
    Refused,
    StorageFault,
    TooLarge,
    TooMany,
    Untrusted,
)
from federation.exchange.client import ExchangeClient
from federation.exchange.enrolment import build_request
from federation.wire.channel import Endpoint, connect, from_status, server_credentials, translated
from federation.wire.door import counts_against
from federation.wire.limits import (
    EXCHANGE,
    FAULTS,
    KIB,
    MAX_STRAY_ANSWERS,
    REQUESTS_HANDLED_AT_ONCE,
    LimitSettings,
)
from federation.wire.v1 import exchange_pb2, exchange_pb2_grpc, log_pb2
from tests.support.exchange import RunningExchange, Site, now_ms, running_exchange

CITY, OTHER = "440300", "441900"
MIB = 1024 * 1024
Scenario = Callable[[RunningExchange], Awaitable[None]]


def play(folder: Path, scenario: Scenario, **limits: int | float) -> None:
    async def staged() -> None:
        settings = LimitSettings.model_validate(limits)
        async with running_exchange(folder, CITY, OTHER, settings=settings) as exchange:
            await scenario(exchange)

    asyncio.run(asyncio.wait_for(staged(), 60))


def raw(exchange: RunningExchange, city: str = CITY) -> grpc.aio.Channel:
    return connect(exchange.endpoint, exchange.sites[city].identity(exchange.keys.authority))


async def echo(message_type: str, body: bytes) -> bytes:
    return body


async def present(exchange: RunningExchange, *cities: str) -> None:
    assert await asyncio.to_thread(exchange.mailbox.wait_present, cities, 10)


async def gone(exchange: RunningExchange, city: str) -> None:
    while city in exchange.mailbox.present():
        await asyncio.sleep(0.01)


async def refusal(call: Awaitable[object]) -> LaborfedError:
    with pytest.raises(LaborfedError) as refused, translated():
        await call
    return refused.value


async def until_turned_away(
    call: Callable[[], Awaitable[object]], *, twice: bool = False
) -> list[LaborfedError]:
    """Call until the door says no; return what was refused behind it, no more than may be."""
    looked_at: list[LaborfedError] = []
    loop, turned_away = asyncio.get_running_loop(), 0
    begun = loop.time()
    while turned_away < (2 if twice else 1):
        error = await refusal(call())
        if error.reason is Reason.RATE_LIMITED:
            turned_away += 1
        else:
            looked_at.append(error)
    assert len(looked_at) <= FAULTS.burst + FAULTS.per_s * (loop.time() - begun) + 1
    return looked_at


# sizes


@pytest.mark.parametrize("method", ["Publish", "GetCheckpoint", "GetBlob", "Renew"])
def test_a_request_is_measured_by_method_before_it_is_decoded(tmp_path: Path, method: str) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        most = EXCHANGE[method].request_bytes
        async with raw(exchange) as channel:
            call = channel.unary_unary(f"/federation.wire.v1.Exchange/{method}")
            too_large = await refusal(call(bytes(most + 1)))
            no_request = await refusal(call(bytes(most)))
        assert type(too_large) is TooLarge
        assert too_large.message == f"{method} takes at most {most} bytes, {most + 1} came"
        assert type(no_request) is Malformed
        assert no_request.reason is Reason.NOT_DECODABLE

    play(tmp_path, scenario)


def test_what_a_coordinator_answers_is_measured_by_method_at_the_city(tmp_path: Path) -> None:
    class Lavish(exchange_pb2_grpc.ExchangeServicer):
        async def GetCheckpoint(  # noqa: N802
            self, request: log_pb2.CheckpointRequest, context: object
        ) -> log_pb2.CheckpointReply:
            return log_pb2.CheckpointReply(checkpoint=bytes(request.kept_size))

    async def scenario(exchange: RunningExchange) -> None:
        tls = Site("110000").tls
        authority = exchange.keys.authority
        identity = tls_key_pem(tls), authority.issue_server(tls, ["127.0.0.1"], now_ms())
        server = grpc.aio.server()
        exchange_pb2_grpc.add_ExchangeServicer_to_server(Lavish(), server)
        credentials = server_credentials(authority.pem, identity, lambda: None)
        port = server.add_secure_port("127.0.0.1:0", credentials)
        await server.start()
        endpoint = Endpoint(f"127.0.0.1:{port}", "127.0.0.1", authority.pem)
        own = exchange.sites[CITY].identity(authority)
        async with ExchangeClient.connect(endpoint, own) as client:
            most = EXCHANGE["GetCheckpoint"].reply_bytes
            assert len((await client.checkpoint(most - KIB)).checkpoint) == most - KIB
            with pytest.raises(TooLarge):
                await client.checkpoint(most + 1)
        await server.stop(0)

    play(tmp_path, scenario)


# paces


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (Malformed(Reason.NOT_DECODABLE, "x"), True),
        (Untrusted(Reason.BAD_SIGNATURE, "x"), True),
        (TooLarge(Reason.TOO_LARGE, "x"), True),
        (Refused(Reason.BAD_INVITATION, "x"), True),
        (Refused(Reason.NOT_FOUND, "x"), False),
        (Refused(Reason.ALREADY_ATTENDING, "x"), False),
        (TooMany(Reason.RATE_LIMITED, "x"), False),
        (PeerError(Reason.STALLED, "x"), False),
        (StorageFault(Reason.STORAGE, "x"), False),
    ],
    ids=lambda value: value.reason if isinstance(value, LaborfedError) else "",
)
def test_what_counts_against_a_caller(error: LaborfedError, counts: bool) -> None:
    assert counts_against(error) is counts


def test_a_city_that_forges_is_let_in_no_more_and_others_are_served(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        async with raw(exchange) as channel, exchange.client(OTHER) as honest:
            publish = exchange_pb2_grpc.ExchangeStub(channel).Publish
            with structlog.testing.capture_logs() as events:
                looked_at = await until_turned_away(
                    lambda: publish(exchange_pb2.PublishRequest(envelope=b"forged")), twice=True
                )
            await honest.checkpoint(0)
        assert {one.reason for one in looked_at} == {Reason.NOT_DECODABLE}
        warned = [event for event in events if event["event"] == "caller_limited"]
        assert [(event["city"], event["reason"]) for event in warned] == [
            (CITY, Reason.RATE_LIMITED)
        ]
        assert exchange.server.door.refused["Publish", Reason.RATE_LIMITED] >= 2

    play(tmp_path, scenario)


def test_a_key_of_nobody_that_knocks_on_is_turned_away_at_the_door(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        stranger = Site(CITY).identity(exchange.keys.authority)
        async with connect(exchange.endpoint, stranger) as channel:
            look = exchange_pb2_grpc.ExchangeStub(channel).GetCheckpoint
            looked_at = await until_turned_away(lambda: look(log_pb2.CheckpointRequest()))
        assert {type(one) for one in looked_at} == {Untrusted}

    play(tmp_path, scenario)


def test_guesses_of_an_invitations_code_come_to_an_end(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        invited, site = exchange.invitation("330100"), Site("330100")
        async with connect(invited.endpoint, invited.identity) as channel:
            enrol = exchange_pb2_grpc.EnrolmentStub(channel).Enrol
            guess = replace(invited, code=32 * "a")
            request = build_request(guess, site.signing, site.sealing.public, site.tls)
            looked_at = await until_turned_away(lambda: enrol(request))
        assert {one.reason for one in looked_at} == {Reason.BAD_INVITATION}

    play(tmp_path, scenario)


def test_an_office_that_asks_too_often_waits_as_told_and_is_served(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        burst = round(EXCHANGE["GetCheckpoint"].rate.burst * 0.1)
        async with exchange.client(CITY) as client:
            for _ in range(burst + 2):
                await client.checkpoint(0)
        assert exchange.server.door.refused["GetCheckpoint", Reason.RATE_LIMITED] >= 1

    play(tmp_path, scenario, pace=0.1)


def test_a_refusal_says_when_to_ask_again_in_words_and_in_metadata(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        async with raw(exchange) as channel:
            look = exchange_pb2_grpc.ExchangeStub(channel).GetCheckpoint
            for _ in range(10):
                await look(log_pb2.CheckpointRequest())
            refused = await refusal(look(log_pb2.CheckpointRequest()))
        assert isinstance(refused, TooMany)
        assert 0 < refused.retry_after_s <= 0.5
        assert refused.message.startswith("GetCheckpoint is called too often: ask again in 0.")

    play(tmp_path, scenario, pace=0.1)


@pytest.mark.parametrize("told", ["-5", "1e9", "99999999999", "soon", "٣"])
def test_a_retry_time_that_makes_no_sense_is_not_followed(told: str) -> None:
    metadata = (
        ("laborfed-reason", "exchange.rate_limited"),
        ("laborfed-fault", "TooMany"),
        ("laborfed-retry-after-ms", told),
    )
    error = from_status(grpc.StatusCode.RESOURCE_EXHAUSTED, "x", metadata)
    assert isinstance(error, TooMany)
    assert error.retry_after_s == 1.0


# streams


def test_a_city_holds_few_streams_at_once(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        most = EXCHANGE["Follow"].at_once
        async with raw(exchange) as channel:
            stub = exchange_pb2_grpc.ExchangeStub(channel)
            calls = [stub.Follow(exchange_pb2.FollowRequest()) for _ in range(most)]
            for call in calls:
                await call.read()
            refused = await refusal(stub.Follow(exchange_pb2.FollowRequest()).read())
            assert refused.message == f"{most} calls of Follow are under way already"
            calls[0].cancel()
            while True:
                with suppress(grpc.aio.AioRpcError):
                    await stub.Follow(exchange_pb2.FollowRequest()).read()
                    break

    play(tmp_path, scenario)


def test_a_reader_that_takes_nothing_loses_its_stream_and_holds_nobody_up(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        bodies = [bytes([number]) * (8 * MIB) for number in range(3)]
        async with raw(exchange) as channel, exchange.client(OTHER) as honest:
            call = exchange_pb2_grpc.ExchangeStub(channel).Attend()
            await call.write(exchange_pb2.Answer(request_id=0))
            attended = asyncio.create_task(honest.attend(echo))
            await present(exchange, CITY, OTHER)
            for body in bodies:
                exchange.mailbox.ask(CITY, "train", body)
            asked = exchange.mailbox.ask(OTHER, "train", b"meanwhile")
            assert await asyncio.wrap_future(asked) == b"meanwhile"
            await gone(exchange, CITY)
            with suppress(grpc.aio.AioRpcError):
                while await call.read() is not grpc.aio.EOF:
                    pass
            assert dict(await call.trailing_metadata() or ())["laborfed-reason"] == Reason.STALLED
            attended.cancel()
        async with exchange.client(CITY) as client:
            attended = asyncio.create_task(client.attend(echo))
            await present(exchange, CITY)
            attended.cancel()

    play(tmp_path, scenario, stalled_s=1)


def test_a_reply_nobody_takes_counts_until_it_is_taken(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        wanted = exchange.meeting.blobs.put(bytes(15 * MIB))
        request = exchange_pb2.BlobRequest(digest=wanted).SerializeToString()
        async with raw(exchange) as channel:
            fetch = channel.unary_stream("/federation.wire.v1.Exchange/GetBlob")
            idle = [fetch(request) for _ in range(EXCHANGE["GetBlob"].at_once)]
            for call in idle:
                await call.initial_metadata()
            third = fetch(request)
            waiting = asyncio.create_task(third.read())
            assert not (await asyncio.wait((waiting,), timeout=0.2))[0]
            for call in idle:
                call.cancel()
            assert len(await waiting) > 15 * MIB

    play(tmp_path, scenario)


def test_a_stream_of_answers_nobody_asked_for_is_ended(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        async with raw(exchange) as channel:
            call = exchange_pb2_grpc.ExchangeStub(channel).Attend()
            with suppress(grpc.aio.AioRpcError):
                for number in range(MAX_STRAY_ANSWERS + 2):
                    await call.write(exchange_pb2.Answer(request_id=number, body=b"stray"))
                await call.read()
            assert "unasked" in (await call.details() or "")
        assert exchange.mailbox.discarded == MAX_STRAY_ANSWERS + 1

    play(tmp_path, scenario)


class Frozen:
    """A relay to the coordinator that can stop carrying bytes and keep its connections open."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Frozen":
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def freeze(self) -> None:
        self._thawed.clear()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        beyond, there = await asyncio.open_connection("127.0.0.1", self._target)
        for source, sink in ((reader, there), (beyond, writer)):
            task = asyncio.create_task(self._carry(source, sink))
            self._tasks.add(task)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(65536):
                await self._thawed.wait()
                sink.write(chunk)
                await sink.drain()
        finally:
            sink.transport.abort()


def test_a_city_whose_old_stream_lingers_half_open_comes_back_when_it_is_given_up(
    tmp_path: Path,
) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        own = exchange.sites[CITY].identity(exchange.keys.authority)
        async with Frozen(exchange.server.port) as relay:
            through = replace(exchange.endpoint, address=f"127.0.0.1:{relay.port}")
            old = ExchangeClient.connect(through, own)
            lingering = asyncio.create_task(old.attend(echo))
            await present(exchange, CITY)
            relay.freeze()
            refused = 0
            async with exchange.client(CITY) as client:
                while True:
                    attending = asyncio.Event()
                    back = asyncio.create_task(client.attend(echo, attending.set))
                    arrived = asyncio.create_task(attending.wait())
                    await asyncio.wait((back, arrived), return_when=asyncio.FIRST_COMPLETED)
                    if arrived.done():
                        break
                    arrived.cancel()
                    with pytest.raises((Refused, TooMany)):
                        await back
                    refused += 1
                    await asyncio.sleep(0.2)
                asked = exchange.mailbox.ask(CITY, "train", b"back again?")
                assert await asyncio.wrap_future(asked) == b"back again?"
                back.cancel()
            assert refused > 0
            lingering.cancel()
            await asyncio.gather(lingering, back, return_exceptions=True)
            await old.close()

    play(tmp_path, scenario, keepalive_s=1)


def test_connections_are_counted_and_those_of_silent_strangers_are_given_up(
    tmp_path: Path,
) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        silent = [
            await asyncio.open_connection("127.0.0.1", exchange.server.port) for _ in range(16)
        ]
        async with exchange.client(CITY) as client:
            with pytest.raises(PeerError):
                await asyncio.wait_for(client.checkpoint(0), 2)
        for _, writer in silent:
            writer.close()
        async with exchange.client(OTHER) as client:
            while True:
                with suppress(PeerError):
                    await client.checkpoint(0)
                    break

    play(tmp_path, scenario, connections=16)


# the city's side


def test_a_city_handles_few_requests_at_once_and_reads_no_further(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        started, most, release = 0, 0, asyncio.Event()

        async def slow(message_type: str, body: bytes) -> bytes:
            nonlocal started, most
            started += 1
            most = max(most, started)
            await release.wait()
            started -= 1
            return body

        async with exchange.client(CITY) as client:
            attended = asyncio.create_task(client.attend(slow))
            await present(exchange, CITY)
            asked = [exchange.mailbox.ask(CITY, "train", b"%d" % n) for n in range(20)]
            while started < REQUESTS_HANDLED_AT_ONCE:
                await asyncio.sleep(0)
            assert not (await asyncio.wait((attended,), timeout=0.2))[0]
            release.set()
            for number, one in enumerate(asked):
                assert await asyncio.wrap_future(one) == b"%d" % number
            attended.cancel()
        assert most == REQUESTS_HANDLED_AT_ONCE

    play(tmp_path, scenario)


def test_a_city_that_is_refused_a_stream_is_not_told_that_it_attends(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange) -> None:
        told: list[str] = []
        async with exchange.client(CITY) as first, exchange.client(CITY) as second:
            attended = asyncio.create_task(first.attend(echo, lambda: told.append("first")))
            await present(exchange, CITY)
            with pytest.raises(Refused):
                await second.attend(echo, lambda: told.append("second"))
            attended.cancel()
        assert told == ["first"]

    play(tmp_path, scenario)
