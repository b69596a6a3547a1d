"""Store and forward: what this city publishes is sent until the log is seen to hold it.

Lives here: when an envelope is sent, what its receipt is worth, and when it counts as delivered or
lost. Must not know: what a document says, how it came past the gate, or how a session is made.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from federation.acceptance import Accepted
from federation.documents.types import Document
from federation.errors import CallerError, LaborfedError, LocalError, PeerError, Reason, Untrusted
from federation.exchange.client import ExchangeClient
from federation.log.bundle import Bundle
from federation.watch import eventlog
from node.documents import AcceptedDocuments
from node.store import outbox
from node.store.engine import Store
from node.store.outbox import Item, State

# A command of the office puts envelopes there from another process: how soon they are seen, s.
LOOK_S = 2.0
# How long before what the coordinator cannot take now is offered again, seconds.
AGAIN_S = 30.0
# Refusals that say nothing about the document; every other one is for good.
PASSING = frozenset(
    {Reason.MEMBERSHIP_EXPIRED, Reason.NOT_YET_VALID, Reason.NO_MEMBERSHIP, Reason.TLS_IDENTITY}
    | {Reason.TOO_LARGE, Reason.NOT_WITNESSED}
)


@dataclass(eq=False)
class Outbox:
    """The outbox of ``city``. One session at a time runs :meth:`serve`; :meth:`wake` is for any
    thread.
    """

    city: str
    store: Store
    documents: AcceptedDocuments
    clock_ms: Callable[[], int]
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        self.documents.subscribe(self._note)

    def wake(self) -> None:
        """Say that something was put in, or that the feed moved on."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._stirred.set)

    async def serve(self, client: ExchangeClient) -> None:
        """Send what waits, and settle what has a receipt, until the session ends.

        Raises PeerError when the coordinator does not answer: what was under way is sent again, the
        same bytes, in the next session.
        """
        self._loop = asyncio.get_running_loop()
        while True:
            self._stirred.clear()
            await asyncio.to_thread(self._settle)
            offered_again = await self._send(client)
            try:
                # not wait_for: in Python 3.11 it loses a cancellation that comes with the event
                async with asyncio.timeout(AGAIN_S if offered_again else LOOK_S):
                    await self._stirred.wait()
            except TimeoutError:
                continue

    async def _send(self, client: ExchangeClient) -> bool:
        """Send each type's envelopes in order; tell whether some are to be offered again."""
        held_up = set[str]()
        for item in await asyncio.to_thread(self._items, State.WAITING):
            if item.payload_type in held_up:
                continue
            try:
                receipt = await client.publish(item.envelope)
            except PeerError:
                raise
            except (CallerError, LocalError) as error:
                if isinstance(error, LocalError) or error.reason in PASSING:
                    held_up.add(item.payload_type)  # what follows it waits its turn
                    structlog.get_logger().warning("publication_delayed", **eventlog.said_of(error))
                else:
                    await asyncio.to_thread(self._refuse, item, error)
                continue
            if not await asyncio.to_thread(self._receive, item, receipt):
                held_up.add(item.payload_type)
        return bool(held_up)

    def _items(self, *states: State) -> list[Item]:
        with self.store.read() as connection:
            return outbox.items(connection, *states)

    def _receive(self, item: Item, receipt: Bundle) -> bool:
        """Keep a receipt that proves the entry; an alarm and nothing else for any other."""
        try:
            if receipt.envelope != item.envelope:
                raise Untrusted(Reason.NOT_INCLUDED, "it is for other bytes")
            self.documents.check_receipt(receipt)
        except CallerError as error:
            structlog.get_logger().warning("receipt_refused", **eventlog.said_of(error))
            self.documents.suspect(
                f"the coordinator's receipt for a {_name(item)} proves nothing: {error.message}"
            )
            return False
        with self.store.write() as connection:
            outbox.keep_receipt(connection, item, receipt, self.clock_ms())
        return True

    def _refuse(self, item: Item, error: LaborfedError) -> None:
        structlog.get_logger().warning("publication_refused", **eventlog.said_of(error))
        with self.store.write() as connection:
            outbox.refuse(connection, item, error.reason, error.message, self.clock_ms())

    def _settle(self) -> None:
        """Judge what has a receipt by the feed, which brings every entry in its order."""
        for item in self._items(State.RECEIPTED):
            with self.store.read() as connection:
                there = outbox.is_in_the_log(connection, item)
            if there:
                with self.store.write() as connection:
                    outbox.deliver(connection, item, self.clock_ms())
            elif item.leaf_index is not None and self.documents.next_index > item.leaf_index:
                self._lose(item)

    def _lose(self, item: Item) -> None:
        sentence = (
            f"dropped after receipt: the coordinator gave a receipt for a {_name(item)} as entry "
            f"{item.leaf_index}, and the log's entry {item.leaf_index} is not it"
        )
        self.documents.suspect(sentence)
        with self.store.write() as connection:
            outbox.lose(connection, item, Reason.NOT_INCLUDED, sentence, self.clock_ms())

    def _note(self, accepted: Accepted[Document]) -> None:
        if accepted.signers == {self.city}:
            self.wake()


def _name(item: Item) -> str:
    return item.payload_type.removeprefix("laborfed/").removesuffix("/v1")
