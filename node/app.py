"""The serving process of one city, put together: store, documents, participant, connection.

Lives here: assembly, the clock and signals. Must not know: what a part can do for itself.
"""

import asyncio
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import grpc
import structlog

from federation.acceptance import Limits
from federation.documents.charter import Charter
from federation.errors import Misconfigured, Reason, StorageFault
from federation.exchange.participant_socket import serve_participant
from federation.wal import keep_folding
from federation.watch import eventlog
from federation.watch.listener import listening
from federation.wire.local import LocalSocket
from node import client_app
from node.connection import Connection
from node.consequences import Consequences
from node.contribution import Figures, Noise
from node.documents import AcceptedDocuments
from node.foresight import Foresight
from node.gate import Gate
from node.identity import Association, Home, Identity, open_home
from node.lock import claimed
from node.outbox import Outbox
from node.participant import Participant
from node.policy import load_policy
from node.presence import Presence, State, keep_presence
from node.privacy import ledger
from node.privacy.measure import discrete_gaussian
from node.replay import FetchBlob
from node.store import feed
from node.store.engine import Store, open_store
from node.store.migrations import migrate
from node.training import CityWork, Work
from node.watch.figures import Watch
from node.witness import Witness

ANSWERING_THREADS = 4  # requests wait for documents side by side; the participant takes turns
HOUSEKEEPING_S = 60.0

Clock = Callable[[], int]
Say = Callable[[str], None]


def now_ms() -> int:
    """Return the system's clock, Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, eq=False)
class Node:
    """An enrolled city's open home: everything but the network."""

    home: Home
    identity: Identity
    association: Association
    store: Store
    documents: AcceptedDocuments
    clock_ms: Clock

    @property
    def skew_ms(self) -> int:
        """How far other clocks may be off, milliseconds."""
        return self.limits.max_clock_skew_ms

    @property
    def limits(self) -> Limits:
        """The bounds of acceptance."""
        return limits_of(self.home)

    def today(self) -> date:
        """The date on this machine's clock, in its time zone."""
        return datetime.fromtimestamp(self.clock_ms() / 1000, UTC).astimezone().date()


def limits_of(home: Home) -> Limits:
    """The bounds of acceptance, as far as this home sets them."""
    return Limits(max_clock_skew_ms=home.config.clock_skew_s * 1000)


@contextmanager
def open_node(home: Home, clock_ms: Clock = now_ms) -> Iterator[Node]:
    """Claim a home and open its store, schema brought up to date.

    Raises Misconfigured: IN_USE while another process serves it, NOT_APPROVED before enrolment;
    StorageFault when what is stored does not hold.
    """
    association = home.association()
    if association is None:
        raise Misconfigured(
            Reason.NOT_APPROVED,
            f"{home.path} has joined no federation: labor-node enrol INVITATION",
        )
    with claimed(home.lock):
        identity = home.identity()
        store = open_store(home.database)
        try:
            migrate(store.engine)
            documents = AcceptedDocuments(
                store,
                association.pin,
                limits_of(home),
                Consequences(identity.own_keys, clock_ms),
                clock_ms,
            )
            yield Node(home, identity, association, store, documents, clock_ms)
        finally:
            store.close()


def city_work(node: Node) -> Work:
    """Return what computes a served city's figures from its records."""
    return CityWork(node.store, node.home.holdout_key(), node.today)


@dataclass(frozen=True)
class Parts:
    """What a city computes with; only another assembly, never a setting, can exchange them."""

    work: Callable[[Node], Work] = city_work
    noise: Noise = discrete_gaussian


async def attend(
    node: Node,
    say: Say,
    stop: asyncio.Event,
    interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    parts: Parts = Parts(),
    participant_socket: LocalSocket | None = None,
) -> None:
    """Keep ``node`` attending until ``stop`` is set.

    ``say`` gets one ``ready`` line at each change of how the node stands with the coordinator.
    ``participant_socket``: where carriers other than the exchange hand in requests, if they do.
    """
    watch = Watch(node)
    with (
        listening(node.home.config.metrics, watch.registry, watch.readiness),
        ThreadPoolExecutor(ANSWERING_THREADS, thread_name_prefix="answer") as threads,
    ):
        connection = Connection(
            node.home,
            identity=node.identity,
            association=node.association,
            documents=node.documents,
            outbox=Outbox(node.identity.division, node.store, node.documents, node.clock_ms),
            threads=threads,
            report=PresenceNotes(node, say),
            clock_ms=node.clock_ms,
            jitter=random.Random(),  # noqa: S311 spreads reconnections, keeps no secret
            interceptors=interceptors,
        )
        gate = gate_of(node)
        node.documents.subscribe(Foresight(gate, threads, node.clock_ms))
        participant = participant_of(node, connection.fetch_blob, gate, parts)
        witness = Witness(node.documents, gate, node.limits, node.clock_ms)
        app = client_app.client_app(watch.timed(participant.answer))
        answer = partial(client_app.invoke, app, node.identity.division)
        socket = None
        if participant_socket is not None:
            socket = await serve_participant(participant_socket, answer, threads)
            say(f"participant socket {participant_socket.path}")
        stopping = asyncio.create_task(stop.wait())
        work = [
            asyncio.create_task(connection.run(answer, witness.answer)),
            asyncio.create_task(keep_house(node)),
            asyncio.create_task(keep_folding([node.home.database])),
            asyncio.create_task(watch.readiness.keep_beating()),
        ]
        try:
            await _first_end(stopping, *work)
        finally:
            node.documents.close()
            for task in (stopping, *work):
                task.cancel()
            await asyncio.gather(stopping, *work, return_exceptions=True)
            if socket is not None:
                await socket.stop(0)


async def _first_end(stopping: "asyncio.Task[bool]", *work: "asyncio.Task[None]") -> None:
    """Return when told to stop; raise what work fails with. Work that ends well is let be."""
    pending: set[asyncio.Task[bool] | asyncio.Task[None]] = {stopping, *work}
    while stopping in pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


def gate_of(node: Node) -> Gate:
    """Return this city's only way out."""
    policy = partial(load_policy, node.home.policy)
    policy()  # one that cannot be read stops the start
    identity = node.identity
    return Gate(node.store, identity.signing, identity.division, policy, node.clock_ms)


def participant_of(node: Node, fetch: FetchBlob, gate: Gate, parts: Parts = Parts()) -> Participant:
    """Return what answers requests for this city; ``fetch`` gets public bytes by digest."""
    return Participant(
        city=node.identity.division,
        store=node.store,
        documents=node.documents,
        gate=gate,
        figures=Figures(node.store, parts.work(node), parts.noise, fetch),
        fetch_blob=fetch,
        clock_ms=node.clock_ms,
    )


async def keep_house(node: Node) -> None:
    """Give back, until cancelled, what charters whose window is over reserved and never used.

    What cannot be written now, because the office imports or the disk is full, waits its turn.
    """
    while True:
        try:
            await asyncio.to_thread(close_overdue, node)
        except StorageFault as fault:
            structlog.get_logger().warning("housekeeping_failed", **eventlog.said_of(fault))
        await asyncio.sleep(HOUSEKEEPING_S)


def close_overdue(node: Node) -> None:
    """Close the budget of every charter whose window and the allowed clock skew are over."""
    with node.store.read() as connection:
        opened = feed.open_reservations(connection)
    for charter_digest in opened:
        found = node.documents.get(charter_digest)
        charter = None if found is None else found.of(Charter).document
        if charter is None or node.clock_ms() <= charter.not_after_ms + node.skew_ms:
            continue
        with node.store.write() as connection:
            ledger.close(connection, charter_digest)


class PresenceNotes:
    """Says and stores each change of presence, for people and for ``labor-node status``.

    A note that cannot be stored is warned of and tried again at the next call: serving goes on.
    """

    def __init__(self, node: Node, say: Say) -> None:
        self._node = node
        self._say = say
        self._kept: Presence | None = None
        self._said: State | None = None

    def __call__(self, presence: Presence) -> None:
        """Note ``presence`` unless it is the last one noted."""
        if presence != self._kept:
            self._keep(presence)
        if presence.state is not self._said:
            self._said = presence.state
            self._say(f"ready division={self._node.identity.division} coordinator={presence.state}")

    def _keep(self, presence: Presence) -> None:
        try:
            with self._node.store.write() as connection:
                keep_presence(connection, presence, self._node.clock_ms())
        except StorageFault as fault:
            structlog.get_logger().warning("presence_not_kept", **eventlog.said_of(fault))
        else:
            self._kept = presence


def serve(
    path: Path,
    say: Say,
    log_format: eventlog.LogFormat | None = None,
    participant_socket: LocalSocket | None = None,
    parts: Parts = Parts(),
) -> None:
    """Serve the home at ``path`` until SIGTERM or SIGINT; raises what :func:`open_node` raises.

    ``participant_socket`` and ``parts`` as in :func:`attend`.
    """
    home = open_home(path)
    eventlog.configure(home.config.log_level, log_format)
    with open_node(home) as node:
        asyncio.run(_until_signalled(node, say, participant_socket, parts))


async def _until_signalled(
    node: Node, say: Say, participant_socket: LocalSocket | None, parts: Parts
) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await attend(node, say, stop, parts=parts, participant_socket=participant_socket)
    structlog.get_logger().info("stopped", city=node.identity.division)
