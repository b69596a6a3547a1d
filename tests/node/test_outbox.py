"""What a city publishes reaches the log once, whatever is cut, refused or lied about on the way."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support.exchange import RunningExchange, now_ms, running_exchange
from support.within import DIVISION, at_rest, enrol, new_home, served, until

from federation.errors import PeerError, Reason, Refused, StorageFault
from federation.exchange.meeting import Meeting
from federation.log.bundle import Bundle
from federation.log.store import LogStore, create_log
from federation.publication import Publisher
from node.app import Node
from node.gate import Gate
from node.identity import Home
from node.notice import notice_of
from node.policy import load_policy
from node.store import egress, notices, outbox, runs
from node.store.outbox import Item, State


def post(node: Node, **changes: object) -> bytes:
    """Put the next policy notice into the outbox."""
    policy = load_policy(node.home.policy)
    gate = Gate(node.store, node.identity.signing, DIVISION, lambda: policy, node.clock_ms)
    return gate.post(
        lambda connection, in_force: replace(
            notice_of(
                in_force,
                federation="demo",
                city=DIVISION,
                version=notices.next_version(connection, DIVISION),
                now_ms=node.clock_ms(),
            ),
            **changes,
        )
    )


def items(node: Node) -> list[Item]:
    with node.store.read() as connection:
        return outbox.items(connection)


def states(node: Node) -> list[State]:
    return [item.state for item in items(node)]


def alarms(node: Node) -> list[str]:
    with node.store.read() as connection:
        return [alarm.sentence for alarm in runs.alarms_raised(connection)]


def logged(exchange: RunningExchange, raw: bytes) -> int:
    """How often the log holds these bytes."""
    log = exchange.publisher
    return sum(log.bundle_for(index, 0).envelope == raw for index in range(log.size))


def test_what_was_posted_before_connecting_is_delivered_in_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        home, site = new_home(tmp_path / "node")
        async with running_exchange(tmp_path, site) as exchange:
            enrol(home, exchange)
            with at_rest(home) as node:
                first, second = post(node), post(node)
                assert states(node) == [State.WAITING] * 2
            async with served(home) as node:
                await until(lambda: states(node) == [State.DELIVERED] * 2)
                third = post(node)  # as a command beside the serving process does
                await until(lambda: states(node) == [State.DELIVERED] * 3)
                assert [item.leaf_index for item in items(node)] == [1, 2, 3]
                assert [item.envelope for item in items(node)] == [first, second, third]
                with node.store.read() as connection:
                    assert egress.count(connection) == 3
            latest = exchange.publisher.notices[DIVISION].document
            assert latest.version == 3
            assert [kind.mode for kind in latest.kinds] == ["auto", "auto"]

    asyncio.run(scenario())


class CutsReceipts(Meeting):
    """Logs what is published and breaks off before the receipt, once."""

    cut = False

    def submit(self, envelope: bytes, blobs: Sequence[bytes]) -> Bundle:
        bundle = super().submit(envelope, blobs)
        if not self.cut:
            self.cut = True
            raise PeerError(Reason.UNREACHABLE, "the line was cut")
        return bundle


def test_a_receipt_that_was_cut_off_comes_for_the_same_bytes_and_entry(tmp_path: Path) -> None:
    async def scenario() -> None:
        home, site = new_home(tmp_path / "node")
        async with running_exchange(tmp_path, site, kind=CutsReceipts) as exchange:
            enrol(home, exchange)
            async with served(home) as node:
                raw = post(node)
                await until(lambda: states(node) == [State.DELIVERED])
            assert logged(exchange, raw) == 1
            assert exchange.publisher.size == 2

    asyncio.run(scenario())


def test_a_node_killed_before_it_kept_the_receipt_sends_the_same_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        home, site = new_home(tmp_path / "node")
        async with running_exchange(tmp_path, site) as exchange:
            enrol(home, exchange)
            with at_rest(home) as node:
                raw = post(node)
            exchange.publisher.publish(raw)  # it was sent, and the node died
            async with served(home) as node:
                await until(lambda: states(node) == [State.DELIVERED])
                assert items(node)[0].leaf_index == 1
            assert exchange.publisher.size == 2

    asyncio.run(scenario())


def test_what_the_coordinator_will_never_take_is_kept_with_its_reason(tmp_path: Path) -> None:
    async def scenario() -> None:
        home, site = new_home(tmp_path / "node")
        async with running_exchange(tmp_path, site) as exchange:
            enrol(home, exchange)
            async with served(home) as node:
                post(node, federation="another")
                post(node)  # goes on with what follows
                await until(lambda: states(node) == [State.REFUSED, State.DELIVERED])
                refused = items(node)[0]
                assert refused.reason == Reason.WRONG_FEDERATION
                assert refused.sentence is not None
                assert "another" in refused.sentence
            assert exchange.publisher.size == 2

    asyncio.run(scenario())


class FullOnce(Meeting):
    """Its disk is full at the first envelope."""

    full = True

    def submit(self, envelope: bytes, blobs: Sequence[bytes]) -> Bundle:
        if self.full:
            self.full = False
            raise StorageFault(Reason.STORAGE, "the disk is full")
        return super().submit(envelope, blobs)


def test_what_follows_waits_for_what_cannot_be_taken_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.outbox.AGAIN_S", 0.1)

    async def scenario() -> None:
        home, site = new_home(tmp_path / "node")
        async with running_exchange(tmp_path, site, kind=FullOnce) as exchange:
            enrol(home, exchange)
            with at_rest(home) as node:
                first, second = post(node), post(node)
            async with served(home) as node:
                await until(lambda: states(node) == [State.DELIVERED] * 2)
            log = exchange.publisher
            assert [log.bundle_for(index, 0).envelope for index in (1, 2)] == [first, second]

    asyncio.run(scenario())


class Drops(Meeting):
    """Gives receipts from a log of its own that nobody else is shown, under the log's own key."""

    beside: Publisher

    def submit(self, envelope: bytes, blobs: Sequence[bytes]) -> Bundle:
        return self.beside.publish(envelope)


def fork(exchange: RunningExchange, folder: Path) -> Publisher:
    path = folder / "beside.sqlite"
    create_log(path, exchange.configuration.log_origin)
    pin = exchange.publisher.trust.pin
    beside = Publisher(LogStore(path), exchange.keys.log, pin, now_ms)
    beside.publish(exchange.publisher.bundle_for(0, 0).envelope)
    return beside


def test_an_entry_dropped_after_its_receipt_is_an_alarm_once_the_log_passes_its_place(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        home, site = new_home(tmp_path / "node")
        async with running_exchange(tmp_path, site, kind=Drops) as exchange:
            assert isinstance(exchange.meeting, Drops)
            exchange.meeting.beside = fork(exchange, tmp_path)
            enrol(home, exchange)
            async with served(home) as node:
                post(node)
                await until(lambda: states(node) == [State.RECEIPTED])
                assert alarms(node) == []
                exchange.log_something(1)
                await until(lambda: states(node) == [State.LOST])
                (alarm,) = alarms(node)
                assert "dropped after receipt" in alarm
                assert "entry 1" in alarm

    asyncio.run(scenario())


class Lies(Meeting):
    """Its receipts are for other bytes than were sent."""

    def submit(self, envelope: bytes, blobs: Sequence[bytes]) -> Bundle:
        return replace(super().submit(envelope, blobs), envelope=envelope + b" ")


class LiesOfPlace(Meeting):
    """Its receipts name the place of another entry."""

    def submit(self, envelope: bytes, blobs: Sequence[bytes]) -> Bundle:
        return replace(super().submit(envelope, blobs), leaf_index=0)


@pytest.mark.parametrize("kind", [Lies, LiesOfPlace])
def test_a_receipt_that_proves_nothing_is_an_alarm_and_not_kept(
    tmp_path: Path, kind: type[Meeting]
) -> None:
    async def scenario() -> None:
        home, site = new_home(tmp_path / "node")
        async with running_exchange(tmp_path, site, kind=kind) as exchange:
            enrol(home, exchange)
            async with served(home) as node:
                post(node)
                await until(lambda: alarms(node))
                assert "proves nothing" in alarms(node)[0]
                assert states(node) == [State.WAITING]

    asyncio.run(scenario())


def test_nothing_that_is_not_for_the_log_is_posted(tmp_path: Path) -> None:
    async def scenario() -> Home:
        home, site = new_home(tmp_path / "node")
        async with running_exchange(tmp_path, site) as exchange:
            enrol(home, exchange)
        return home

    home = asyncio.run(scenario())
    from support.documents import CLOSURE, CONSENT

    with at_rest(home) as node:
        policy = load_policy(home.policy)
        gate = Gate(node.store, node.identity.signing, DIVISION, lambda: policy, node.clock_ms)
        for document in (CONSENT, CLOSURE):
            with pytest.raises(Refused) as raised:
                gate.post(lambda _c, _p, document=document: document)
            assert raised.value.reason is Reason.POLICY
        assert items(node) == []
        with node.store.read() as connection:
            assert egress.count(connection) == 0
