"""The coordinator's socket for carriers: who connects, what a stream may do, what outlives it."""

import asyncio
import grp
import os
import stat
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from flwr.clientapp import ClientApp

from carriers import memory
from carriers.ground import Ground, Sums, of_kind
from federation.carriage import Carriage, End, Request, carriage
from federation.control import control_client
from federation.coordinator import serving
from federation.errors import LaborfedError, Malformed, Misconfigured, PeerError, Reason, Refused
from federation.rounds.events import RunEvent
from federation.wire.local import LocalSocket, local_channel
from federation.wire.v1 import carrying_pb2, carrying_pb2_grpc
from node import client_app

Body = Callable[["Stand"], Coroutine[Any, Any, None]]


class Stand:
    """A serving coordinator with a carrier's socket, and cities whose apps a test calls itself."""

    def __init__(self, place: Ground, apps: dict[str, ClientApp], socket: Path) -> None:
        self.place = place
        self.apps = apps
        self.socket = socket
        self.events: list[RunEvent] = []
        self._threads = ThreadPoolExecutor(len(apps))

    def charter(self, kind: str) -> bytes:
        return self.place.charters[kind]

    async def answer(self, request: Request) -> bytes:
        """Return a city's answer, computed aside."""
        loop, app = asyncio.get_running_loop(), self.apps[request.city]
        asked = (app, request.city, request.message_type, request.body)
        return await loop.run_in_executor(self._threads, client_app.invoke, *asked)

    async def carry(self, line: Carriage, upto: int | None = None) -> End | None:
        """Answer requests until the run's end, or stop at the one with the number ``upto``."""
        async for one in line.hear():
            match one:
                case End():
                    return one
                case RunEvent():
                    self.events.append(one)
                case Request() if one.request_id == upto:
                    return None
                case Request():
                    await line.answer(one, await self.answer(one))
        raise AssertionError("hear() ends with an End")


@pytest.fixture
def stand(founded: Ground, tmp_path: Path) -> Callable[[Body], None]:
    """Run a coroutine while everything stands."""

    @asynccontextmanager
    async def up() -> AsyncIterator[Stand]:
        place, socket = founded.copy(tmp_path / "g"), tmp_path / "c.sock"
        with memory.offices(place) as (coordinator, apps):
            async with serving(coordinator, LocalSocket(socket)):
                yield Stand(place, apps, socket)

    def run(body: Body) -> None:
        async def whole() -> None:
            async with up() as stood:
                await body(stood)

        asyncio.run(whole())

    return run


def test_a_carrier_brings_a_run_to_its_end_with_the_same_sums(
    stand: Callable[[Body], None], expected: Sums
) -> None:
    async def body(stood: Stand) -> None:
        for kind in ("statistics", "training"):
            async with carriage(stood.socket, stood.charter(kind), stood.place.cities) as line:
                assert await stood.carry(line) == End("released", "")
        assert stood.place.sums() == expected
        assert {event.city for event in stood.events} == {"", *stood.place.cities}

    stand(body)


def test_a_run_that_lost_its_carrier_goes_on_with_the_next(
    stand: Callable[[Body], None], expected: Sums
) -> None:
    async def body(stood: Stand) -> None:
        charter = stood.charter("training")
        async with carriage(stood.socket, charter, stood.place.cities) as line:
            assert await stood.carry(line, upto=5) is None
        end = None
        while end is None:
            try:
                async with carriage(stood.socket, charter, stood.place.cities) as line:
                    end = await stood.carry(line)
            except Refused as refused:
                # the first stream's end was not noticed yet
                if refused.reason is not Reason.ALREADY_ATTENDING:
                    raise
        assert end == End("released", "")
        assert stood.place.sums() == of_kind(expected, "training")

    stand(body)


def test_a_run_that_too_few_cities_join_was_not_started(stand: Callable[[Body], None]) -> None:
    async def body(stood: Stand) -> None:
        async with carriage(stood.socket, stood.charter("statistics"), ["310000"]) as line:
            assert await stood.carry(line) == End("", "")
        assert "1 cities consented, 3 are needed" in [event.text for event in stood.events]
        assert stood.place.outcome("statistics") == ""

    stand(body)


def test_what_a_city_that_left_was_asked_waits_for_it(stand: Callable[[Body], None]) -> None:
    async def body(stood: Stand) -> None:
        first, _, third = cities = stood.place.cities
        async with carriage(stood.socket, stood.charter("statistics"), cities) as line:
            # requests are numbered by city, ascending: the second city's is not answered
            assert await stood.carry(line, upto=2) is None
            await line.present([first, third])
            await line.present(cities)
            assert await stood.carry(line) == End("released", "")

    stand(body)


REFUSED: dict[str, tuple[type[LaborfedError], Reason, carrying_pb2.CarriedUp]] = {
    "no run": (
        Malformed,
        Reason.PROTOCOL,
        carrying_pb2.CarriedUp(presence=carrying_pb2.CarriedPresence(cities=["310000"])),
    ),
    "no charter of this log": (
        Refused,
        Reason.NOT_FOUND,
        carrying_pb2.CarriedUp(run=carrying_pb2.CarriedRun(charter_digest=bytes(32))),
    ),
}


@pytest.mark.parametrize(("kind", "reason", "first"), REFUSED.values(), ids=REFUSED)
def test_what_a_carrier_may_not_begin_with(
    stand: Callable[[Body], None],
    kind: type[LaborfedError],
    reason: Reason,
    first: carrying_pb2.CarriedUp,
) -> None:
    async def body(stood: Stand) -> None:
        async with local_channel(stood.socket) as channel:
            call = carrying_pb2_grpc.CarriageStub(channel).Carry()
            await call.write(first)
            with pytest.raises(kind, match=reason):
                await stood.carry(Carriage(call))

    stand(body)


def test_the_run_is_named_once(stand: Callable[[Body], None]) -> None:
    async def body(stood: Stand) -> None:
        run = carrying_pb2.CarriedUp(
            run=carrying_pb2.CarriedRun(charter_digest=stood.charter("statistics"))
        )
        async with local_channel(stood.socket) as channel:
            call = carrying_pb2_grpc.CarriageStub(channel).Carry()
            await call.write(run)
            await call.write(run)
            with pytest.raises(Malformed, match="once"):
                await stood.carry(Carriage(call))

    # the run that was begun waits for nobody: no city was named
    stand(body)


def test_two_carriers_cannot_bring_one_city(stand: Callable[[Body], None]) -> None:
    async def body(stood: Stand) -> None:
        charter, cities = stood.charter("statistics"), stood.place.cities
        async with carriage(stood.socket, charter, cities) as line:
            assert await stood.carry(line, upto=1) is None
            async with carriage(stood.socket, charter, cities) as second:
                with pytest.raises(Refused, match=Reason.ALREADY_ATTENDING):
                    await stood.carry(second)

    stand(body)


def test_one_run_at_a_time_whatever_carries_it(stand: Callable[[Body], None]) -> None:
    async def body(stood: Stand) -> None:
        async with carriage(stood.socket, stood.charter("statistics"), stood.place.cities) as line:
            assert await stood.carry(line, upto=1) is None
            async with control_client(stood.place.coordinator.socket) as client:
                with pytest.raises(Refused, match=Reason.RUN_ACTIVE):
                    await anext(client.start_run(stood.charter("training")))
            async with carriage(stood.socket, stood.charter("training"), []) as other:
                with pytest.raises(Refused, match=Reason.RUN_ACTIVE):
                    await stood.carry(other)

    stand(body)


def test_a_closed_charter_is_told_as_such(stand: Callable[[Body], None]) -> None:
    async def body(stood: Stand) -> None:
        for expected in (None, Reason.CHARTER_CLOSED):
            async with carriage(
                stood.socket, stood.charter("statistics"), stood.place.cities
            ) as line:
                if expected is None:
                    await stood.carry(line)
                    continue
                with pytest.raises(Refused, match=expected):
                    await stood.carry(line)

    stand(body)


def test_a_coordinator_that_ends_before_the_run_is_told(founded: Ground, tmp_path: Path) -> None:
    async def body() -> None:
        place, socket = founded.copy(tmp_path / "g"), tmp_path / "c.sock"
        with memory.offices(place) as (coordinator, _):
            async with carriage_after(serving(coordinator, LocalSocket(socket)), socket) as line:
                with pytest.raises(PeerError, match=Reason.UNREACHABLE):
                    async for _ in line.hear():
                        pass

    @asynccontextmanager
    async def carriage_after(served: Any, socket: Path) -> AsyncIterator[Carriage]:
        async with served:
            opened = carriage(socket, founded.charters["statistics"], founded.cities)
            line = await opened.__aenter__()
            await anext(line.hear())
        yield line
        await opened.__aexit__(None, None, None)

    asyncio.run(body())


def test_a_socket_that_is_not_there_says_what_to_start(tmp_path: Path) -> None:
    async def body() -> None:
        async with carriage(tmp_path / "none.sock", bytes(32), []):
            raise AssertionError("nobody listens")

    with pytest.raises(Misconfigured, match="labor-federation serve --carrier-socket"):
        asyncio.run(body())


@pytest.mark.parametrize(("group", "mode"), [(False, 0o600), (True, 0o660)])
def test_who_may_connect(founded: Ground, tmp_path: Path, group: bool, mode: int) -> None:
    name = grp.getgrgid(os.getgid()).gr_name if group else None

    async def body() -> None:
        socket = LocalSocket(tmp_path / "c.sock", name)
        with memory.offices(founded.copy(tmp_path / "g")) as (coordinator, _):
            async with serving(coordinator, socket):
                found = socket.path.stat()
                assert stat.S_IMODE(found.st_mode) == mode
                assert not group or found.st_gid == os.getgid()

    asyncio.run(body())


@pytest.mark.parametrize(
    ("socket", "told"),
    [
        (LocalSocket(Path("c.sock"), "no-such-group-here"), "there is no group"),
        (LocalSocket(Path("no-folder/c.sock")), "cannot listen"),
        (LocalSocket(Path("g/federation/config.toml")), "is no socket"),
    ],
    ids=["an unknown group", "no folder", "a file that is no socket"],
)
def test_a_place_that_cannot_hold_the_socket_is_told(
    founded: Ground, tmp_path: Path, socket: LocalSocket, told: str
) -> None:
    async def body() -> None:
        place = LocalSocket(tmp_path / socket.path, socket.group)
        with memory.offices(founded.copy(tmp_path / "g")) as (coordinator, _):
            async with serving(coordinator, place):
                raise AssertionError("it cannot be served there")

    with pytest.raises(Misconfigured, match=told):
        asyncio.run(body())
