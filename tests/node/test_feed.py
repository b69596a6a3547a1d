"""A feed that leaves out, repeats, mixes up or breaks off: the city reads every entry even so."""

import asyncio
from pathlib import Path

import pytest
from support.exchange import RunningExchange, running_exchange
from support.within import enrol, new_home, served, until

from federation.errors import PeerError, Reason
from federation.exchange.meeting import Meeting
from federation.log.bundle import Bundle
from node.app import Node
from node.store import documents, runs

ENTRIES = 6
AT = 3  # the entry at which the feed goes wrong, once


class Faulty(Meeting):
    """Behind the port of a coordinator whose feed goes wrong at entry ``AT``, once."""

    wrong: int = 0

    def next_entry(self, index: int, kept_size: int) -> tuple[Bundle, int] | None:
        if index == AT and not self.wrong and self.publisher.size == ENTRIES:
            self.wrong += 1
            return self.go_wrong(index, kept_size)
        return super().next_entry(index, kept_size)

    def go_wrong(self, index: int, kept_size: int) -> tuple[Bundle, int] | None:
        raise NotImplementedError


class LeavesOut(Faulty):
    """Sends the entry after, never the one."""

    def go_wrong(self, index: int, kept_size: int) -> tuple[Bundle, int] | None:
        return super().next_entry(index + 1, kept_size)


class Repeats(Faulty):
    """Sends the entry before once more."""

    def go_wrong(self, index: int, kept_size: int) -> tuple[Bundle, int] | None:
        return super().next_entry(index - 1, kept_size)


class MixesUp(Faulty):
    """Sends the last entry first."""

    def go_wrong(self, index: int, kept_size: int) -> tuple[Bundle, int] | None:
        return super().next_entry(ENTRIES - 1, kept_size)


class BreaksOff(Faulty):
    """Ends the stream."""

    def go_wrong(self, index: int, kept_size: int) -> tuple[Bundle, int] | None:
        raise PeerError(Reason.UNREACHABLE, "the line was cut")


def held(node: Node, exchange: RunningExchange) -> bool:
    """Whether the node holds every entry of the log at its place, byte for byte."""
    with node.store.read() as connection:
        stored = {
            entry.leaf_index: entry.envelope
            for kind in ("laborfed/membership/v1", "laborfed/drop-record/v1")
            for entry in documents.of_type(connection, kind)
        }
    log = exchange.publisher
    return stored == {index: log.bundle_for(index, 0).envelope for index in range(log.size)}


@pytest.mark.parametrize("kind", [LeavesOut, Repeats, MixesUp, BreaksOff])
def test_a_feed_that_goes_wrong_is_read_again_and_nothing_is_lost(
    tmp_path: Path, kind: type[Faulty]
) -> None:
    async def scenario() -> None:
        home, site = new_home(tmp_path / "node")
        async with running_exchange(tmp_path, site, kind=kind) as exchange:
            enrol(home, exchange)
            for number in range(1, ENTRIES):
                exchange.log_something(number)
            async with served(home) as node:
                await until(lambda: held(node, exchange))
                assert node.documents.next_index == ENTRIES
                assert isinstance(exchange.meeting, Faulty)
                assert exchange.meeting.wrong == 1
                with node.store.read() as connection:
                    assert runs.alarms_raised(connection) == []
                exchange.log_something(ENTRIES)  # and the feed is live
                await until(lambda: held(node, exchange))
                assert node.documents.next_index == ENTRIES + 1

    asyncio.run(scenario())
