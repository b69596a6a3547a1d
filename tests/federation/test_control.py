"""The operator's socket: closed to others, honest about faults, and no run hangs on its watcher."""

import asyncio
import stat
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from support.federation import Federation, document_digest

from federation.acceptance import Accepted
from federation.control import ControlClient, ControlService, control_client, start_control
from federation.documents.charter import Charter
from federation.errors import LaborfedError, Misconfigured, PeerError, Reason, Refused, StorageFault
from federation.log.bundle import Bundle
from federation.rounds.desk import Stop
from federation.rounds.events import RunEvent
from federation.rounds.store import Standing, open_run_store
from federation.runner import Task
from federation.runs import Runs

PATIENCE_S = 30.0
EVENT = RunEvent(
    at_ms=1,
    stage="asking",
    attempt=1,
    round=1,
    rounds=2,
    city="440300",
    text="上海 answered [1]",
    epsilon=1.5,
    seconds=0.25,
)


@dataclass
class Conducting:
    """A run that tells ``events`` and ends when it is stopped or let go."""

    events: Sequence[RunEvent] = (EVENT,)
    fault: LaborfedError | None = None
    let_go: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def __call__(self, task: Task) -> None:
        for event in self.events:
            task.report(event)
        task.stop.add_done_callback(lambda _: self.let_go.set())
        assert self.let_go.wait(PATIENCE_S)
        self.ended.set()
        if self.fault is not None:
            raise self.fault


@dataclass
class Room:
    """A socket that serves a test federation."""

    federation: Federation
    conducting: Conducting
    charter: Accepted[Charter]
    socket: Path
    fault: LaborfedError | None = None

    async def submit(self, envelope: bytes, blobs: Sequence[bytes]) -> Bundle:
        if self.fault is not None:
            raise self.fault
        return self.federation.publisher.publish(envelope)

    def __post_init__(self) -> None:
        self.store = open_run_store(self.socket.with_name("runs.sqlite"))

    def find(self, digest: bytes) -> Accepted[Charter]:
        return self.federation.publisher.find(digest).of(Charter)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    federation = Federation(tmp_path)
    charter = federation.publish_charter()
    return Room(federation, Conducting(), charter, tmp_path / "control.sock")


def play(room: Room, scenario: Callable[[ControlClient, Runs], Awaitable[None]]) -> None:
    async def staged() -> None:
        runs = Runs(room.store, room.find, room.conducting)
        server = await start_control(room.socket, ControlService(room.submit, runs))
        try:
            async with control_client(room.socket) as client:
                await scenario(client, runs)
        finally:
            room.conducting.let_go.set()
            await server.stop(0)

    asyncio.run(asyncio.wait_for(staged(), PATIENCE_S))


def test_the_socket_is_its_owners_alone(room: Room) -> None:
    async def scenario(client: ControlClient, runs: Runs) -> None:
        assert stat.S_IMODE(room.socket.stat().st_mode) == 0o600

    play(room, scenario)


def test_a_document_comes_back_with_its_proof(room: Room) -> None:
    raw = room.federation.by_administrators(room.federation.charter(purpose="More"))

    async def scenario(client: ControlClient, runs: Runs) -> None:
        bundle = await client.submit(raw, [])
        assert (bundle.leaf_index, bundle.envelope) == (2, raw)
        assert room.federation.publisher.find(document_digest(raw)).leaf_index == 2

    play(room, scenario)


def test_a_refusal_keeps_its_reason_and_sentence(room: Room) -> None:
    raw = room.federation.by_administrators(room.federation.charter(purpose="More"), "admin-a")

    async def scenario(client: ControlClient, runs: Runs) -> None:
        with pytest.raises(LaborfedError, match="signed by 1 of the 2 needed") as raised:
            await client.submit(raw, [])
        assert raised.value.reason is Reason.TOO_FEW_SIGNERS

    play(room, scenario)


def test_the_operator_is_told_this_sides_own_faults(room: Room) -> None:
    room.fault = StorageFault(Reason.STORAGE, "the disk of the coordinator is full")

    async def scenario(client: ControlClient, runs: Runs) -> None:
        with pytest.raises(StorageFault, match="disk of the coordinator"):
            await client.submit(b"", [])

    play(room, scenario)


def test_a_run_is_watched_to_its_end(room: Room) -> None:
    room.conducting.events = [replace(EVENT, round=number) for number in (1, 2)]

    async def scenario(client: ControlClient, runs: Runs) -> None:
        seen = []
        async with aclosing(client.start_run(room.charter.digest)) as events:
            async for event in events:
                seen.append(event)
                if len(seen) == 2:
                    await client.stop_run(room.charter.digest, Stop.CLOSE)
        assert seen == room.conducting.events
        assert runs.active() is None

    play(room, scenario)


def test_a_run_goes_on_when_its_watcher_leaves(room: Room) -> None:
    async def scenario(client: ControlClient, runs: Runs) -> None:
        async with aclosing(client.start_run(room.charter.digest)) as events:
            assert await anext(events) == EVENT
        assert await client.active_run() == (room.charter.digest, EVENT)
        async with aclosing(client.start_run(room.charter.digest, begun=True)) as events:
            assert await anext(events) == EVENT
        assert not room.conducting.ended.is_set()
        await client.stop_run(room.charter.digest, Stop.CLOSE)
        assert await asyncio.to_thread(room.conducting.ended.wait, PATIENCE_S)

    play(room, scenario)


def test_a_run_that_fails_tells_its_watcher_why(room: Room) -> None:
    room.conducting.fault = Refused(Reason.CHARTER_WINDOW, "the charter's window is not open")
    room.conducting.let_go.set()

    async def scenario(client: ControlClient, runs: Runs) -> None:
        events = client.start_run(room.charter.digest)
        assert await anext(events) == EVENT
        with pytest.raises(Refused, match="window is not open") as raised:
            await anext(events)
        assert raised.value.reason is Reason.CHARTER_WINDOW

    play(room, scenario)


def test_what_is_no_logged_charter_is_not_run(room: Room) -> None:
    async def scenario(client: ControlClient, runs: Runs) -> None:
        for digest, reason in (
            (bytes(32), Reason.NOT_FOUND),
            (room.federation.trust.current_digest, Reason.UNEXPECTED_TYPE),
        ):
            with pytest.raises(LaborfedError) as raised:
                await client.start_run(digest).asend(None)
            assert raised.value.reason is reason
            assert runs.active() is None

    play(room, scenario)


def test_no_run_is_stopped_that_is_not_on(room: Room) -> None:
    async def scenario(client: ControlClient, runs: Runs) -> None:
        with pytest.raises(Refused) as raised:
            await client.stop_run(room.charter.digest, Stop.CLOSE)
        assert raised.value.reason is Reason.NOT_FOUND

    play(room, scenario)


def test_a_run_is_paused_unless_it_is_to_be_closed(room: Room) -> None:
    async def scenario(client: ControlClient, runs: Runs) -> None:
        assert await client.active_run() is None
        async with aclosing(client.start_run(room.charter.digest)) as events:
            await anext(events)
            await client.stop_run(room.charter.digest, Stop.PAUSE)
            assert [event async for event in events] == []
        (stands,) = room.store.standings().values()
        assert stands.standing is Standing.PAUSED

    play(room, scenario)


def test_nobody_listening_is_a_peers_fault(tmp_path: Path) -> None:
    async def call() -> None:
        async with control_client(tmp_path / "control.sock") as client:
            await client.submit(b"", [])

    with pytest.raises(PeerError) as raised:
        asyncio.run(call())
    assert raised.value.reason is Reason.UNREACHABLE


def test_a_place_that_cannot_hold_a_socket_is_told(room: Room, tmp_path: Path) -> None:
    async def listen() -> None:
        service = ControlService(room.submit, Runs(room.store, room.find, room.conducting))
        await start_control(tmp_path / "absent" / "control.sock", service)

    with pytest.raises(Misconfigured, match="cannot listen"):
        asyncio.run(listen())
