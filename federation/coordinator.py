"""The coordinator put together: log, meeting point, runs, exchange port and control socket.

Lives here: assembly, and the only reading of the clock on the coordinator's side. Must not know:
the command line, or anything a part can do for itself.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial

import structlog

from federation import founding
from federation.acceptance import Accepted
from federation.carriage import CarriageService, start_carriage
from federation.control import ControlService, start_control
from federation.crypto.certificates import (
    Authority,
    generate_tls_key,
    load_certificate,
    renewal_ms,
    tls_key_pem,
)
from federation.documents.charter import Charter
from federation.documents.runs import Closure
from federation.errors import Reason, Refused, StorageFault
from federation.exchange.blobs import BlobStore
from federation.exchange.database import open_database
from federation.exchange.feed import HeadSignal
from federation.exchange.invitations import InvitationBook
from federation.exchange.mailbox import Mailbox
from federation.exchange.meeting import Meeting
from federation.exchange.server import ExchangeServer, start_server
from federation.exchange.witnesses import MailboxWitnesses
from federation.heads import Witnesses
from federation.home import Configuration, Home, Keys
from federation.log.bundle import Bundle
from federation.log.store import LogStore
from federation.pauses import settle
from federation.process import room_for_files
from federation.publication import Publisher
from federation.rounds.conductor import Conductor
from federation.rounds.desk import Carrier, Desk, Stop
from federation.rounds.events import Report
from federation.rounds.store import RunStore, open_run_store
from federation.runner import Task
from federation.runs import Conduct, Runs
from federation.wal import keep_folding
from federation.watch.calls import CallMeasures
from federation.watch.coordinator import (
    MEASURES,
    TimedLog,
    Timings,
    Watched,
    observed,
    readiness,
)
from federation.watch.health import HealthKeeper
from federation.watch.listener import listening
from federation.watch.measures import StateCollector
from federation.watch.readiness import Readiness
from federation.wire.channel import Identity, server_credentials
from federation.wire.limits import LimitSettings
from federation.wire.local import LocalSocket

PATIENCE_S = 10.0  # witnesses that were cut off come back in it, or an operator is told
# Files a serving coordinator has open besides connections: databases, pipes, libraries.
OWN_FILES = 256
GRACE_S = 3.0  # calls in flight may end within it when the coordinator stops


def now_ms() -> int:
    """Return the system's clock, Unix milliseconds."""
    return time.time_ns() // 1_000_000


class ServerIdentity:
    """The server's key, made anew at each start and never written, and its current certificate."""

    def __init__(self, authority: Authority, hosts: Sequence[str]) -> None:
        self._authority = authority
        self._hosts = hosts
        self._key = generate_tls_key()
        self._lock = threading.Lock()
        self.current = self._issue()

    def renewed(self) -> Identity | None:
        """Return a new identity once half of the current one's life has passed, else None."""
        with self._lock:
            if now_ms() < renewal_ms(load_certificate(self.current[1])):
                return None
            self.current = self._issue()
            return self.current

    def _issue(self) -> Identity:
        certificate = self._authority.issue_server(self._key, self._hosts, now_ms())
        return tls_key_pem(self._key), certificate


@dataclass(eq=False)
class Coordinator:
    """An open home: everything but the network. Made by :func:`open_coordinator`."""

    home: Home
    configuration: Configuration
    keys: Keys
    log: LogStore
    runs: RunStore
    meeting: Meeting
    timings: Timings
    witnesses: Witnesses

    def submit(self, envelope: bytes, blobs: Sequence[bytes], patience_s: float = 0.0) -> Bundle:
        """Log a signed document; the first one founds the federation.

        Witnesses that do not attend are waited for ``patience_s``. Raises as
        :func:`founding.found` and :meth:`Meeting.submit`.
        """
        if self.meeting.stands:
            return self.meeting.submit(envelope, blobs, patience_s)
        publisher = founding.found(
            self.log, self.keys, self.configuration, envelope, now_ms, self.witnesses
        )
        self.meeting.stand(publisher)
        return publisher.bundle_for(0, 0)

    def find_charter(self, digest: bytes) -> Accepted[Charter]:
        """Return a logged charter that can be run now.

        Refused(NOT_FOUND), Malformed(UNEXPECTED_TYPE). PeerError(NOT_WITNESSED) when no city could
        be given it, nor a roster that follows.
        """
        publisher = self.meeting.publisher
        charter = publisher.find(digest).of(Charter)
        publisher.publish(charter.envelope, PATIENCE_S)
        return charter

    def logged_charter(self, digest: bytes) -> Accepted[Charter]:
        """Return a logged charter, whoever was given it; raises as :meth:`find_charter`."""
        return self.meeting.publisher.find(digest).of(Charter)

    def conduct(self, task: Task) -> Closure | None:
        """Run a charter to its end or until it is to stop, in the calling thread."""
        return self.conduct_over(self.meeting.mailbox, task)

    def conduct_over(self, mailbox: Mailbox, task: Task) -> Closure | None:
        """As :meth:`conduct`, with the cities that attend ``mailbox``."""
        # only runs need Flower: commands beside a served home start sooner
        from federation.rounds.flower import ExchangeGrid, conduct  # noqa: PLC0415

        grid = ExchangeGrid(mailbox, task.charter.digest, task.stop)
        app = self.app(task.charter, task.report, task.stop, returning=task.taken_up)
        return conduct(grid, app)

    def app(
        self,
        charter: Accepted[Charter],
        report: Report,
        stop: "Future[Stop]",
        *,
        returning: bool = False,
    ) -> Callable[[Carrier], Conductor]:
        """Return what conducts a charter's run over whichever carrier it is given."""

        def conductor(carrier: Carrier) -> Conductor:
            desk = Desk(
                carrier=carrier,
                publisher=self.meeting.publisher,
                runs=self.runs,
                key=self.keys.coordinator,
                clock_ms=now_ms,
                report=report,
                stop=stop,
                returning=returning,
            )
            return Conductor(charter, desk, self.meeting.blobs)

        return conductor


@contextmanager
def open_coordinator(home: Home) -> Iterator[Coordinator]:
    """Open a home alone: Misconfigured(IN_USE) while another process has it.

    Misconfigured(LOG_MISSING) when there is no log: one is begun by ``init`` only;
    Misconfigured(PERMISSIONS) when another account may touch a file of the home.
    """
    home.check_files()
    with home.exclusive():
        configuration, keys = home.configuration(), home.keys()
        timings = Timings()
        log = TimedLog(home.log_file, timings)
        engine = open_database(home.exchange_file)
        runs = open_run_store(home.runs_file)
        mailbox = Mailbox()
        witnesses = MailboxWitnesses(mailbox)
        meeting = Meeting(
            authority=keys.authority,
            mailbox=mailbox,
            blobs=BlobStore(engine, runs.sum_of),
            invitations=InvitationBook(engine),
            clock_ms=now_ms,
        )
        publisher = founding.open_publisher(log, keys, now_ms, witnesses)
        if publisher is not None:
            meeting.stand(publisher)
        try:
            yield Coordinator(home, configuration, keys, log, runs, meeting, timings, witnesses)
        finally:
            log.close()
            engine.dispose()
            runs.close()


@contextmanager
def reading(home: Home) -> Iterator[Publisher]:
    """Open a home's log to look things up, beside whoever serves it.

    Refused(NO_MEMBERSHIP) before the federation is founded.
    """
    home.check_files()
    log = LogStore(home.log_file)
    try:
        publisher = founding.open_publisher(log, home.keys(), now_ms)
        if publisher is None:
            raise Refused(Reason.NO_MEMBERSHIP, "the federation is not founded yet")
        yield publisher
    finally:
        log.close()


def _affordable(limits: LimitSettings) -> LimitSettings:
    """The limits, with no more connections than leave files for the log."""
    room = room_for_files(limits.connections + OWN_FILES) - OWN_FILES
    if room >= limits.connections:
        return limits
    structlog.get_logger().warning("fewer_connections", condition="open_files")
    return limits.model_copy(update={"connections": max(room, 1)})


@asynccontextmanager
async def serving(
    coordinator: Coordinator, carrier: LocalSocket | None = None
) -> AsyncIterator[ExchangeServer]:
    """Serve the exchange port, the control socket and, if configured, figures inside the block.

    ``carrier``: where runs are offered to carriers other than the exchange, if they are.
    """
    meeting, keys = coordinator.meeting, coordinator.keys
    socket = coordinator.home.socket  # before anything listens: the path may be too long
    signal = HeadSignal(asyncio.get_running_loop())
    identity = ServerIdentity(keys.authority, coordinator.configuration.hosts)
    credentials = server_credentials(keys.authority.pem, identity.current, identity.renewed)
    ready = readiness(meeting, coordinator.log, coordinator.runs)
    keeper = HealthKeeper(ready)
    registry = coordinator.timings.registry
    calls = CallMeasures(registry, keeper.stir)
    configuration = coordinator.configuration
    exchange = await start_server(
        meeting,
        signal,
        configuration.listen,
        credentials,
        _affordable(configuration.limits),
        (calls,),
    )
    keeper.announce_to(exchange.set_serving)

    async def stand(publisher: Publisher) -> None:
        publisher.subscribe(lambda _: signal.notify())
        await keeper.refresh()

    one_at_a_time = asyncio.Lock()  # a federation is founded once

    async def submit(envelope: bytes, blobs: Sequence[bytes]) -> Bundle:
        async with one_at_a_time:
            stood = meeting.stands
            try:
                bundle = await asyncio.to_thread(coordinator.submit, envelope, blobs, PATIENCE_S)
            except StorageFault:
                keeper.stir()
                raise
            if not stood:
                await stand(meeting.publisher)
        structlog.get_logger().info("submitted", leaf_index=bundle.leaf_index)
        return bundle

    if meeting.stands:
        await stand(meeting.publisher)
    watched = (coordinator.timings, keeper.stir)
    runs = await _taken_up(coordinator, observed(coordinator.conduct, *watched))
    async with AsyncExitStack() as standing:
        standing.push_async_callback(exchange.stop, GRACE_S)
        control = ControlService(submit, runs)
        standing.push_async_callback((await start_control(socket, control)).stop, 0)
        if carrier is not None:

            def conduct_over(mailbox: Mailbox) -> Conduct:
                return observed(partial(coordinator.conduct_over, mailbox), *watched)

            offered = CarriageService(coordinator.find_charter, runs, conduct_over)
            standing.push_async_callback((await start_carriage(carrier, offered)).stop, 0)
        keeping = [
            asyncio.create_task(asyncio.to_thread(_prepare_runs)),
            asyncio.create_task(keeper.run()),
            asyncio.create_task(ready.keep_beating()),
            asyncio.create_task(keep_folding(coordinator.home.databases)),
        ]
        _show_figures(coordinator, runs, identity, ready)
        try:
            with listening(coordinator.configuration.metrics, registry, ready):
                yield exchange
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)


def _prepare_runs() -> None:
    """Load Flower beside what is served, so that the first run does not wait for it."""
    import federation.rounds.flower  # noqa: F401, PLC0415

    settle()


async def _taken_up(coordinator: Coordinator, conduct: Conduct) -> Runs:
    """Return the coordinator's runs; those that were on when it ended go on."""
    find, logged = coordinator.find_charter, coordinator.logged_charter
    runs = Runs(coordinator.runs, find, conduct, logged)
    if coordinator.meeting.stands:
        await asyncio.to_thread(runs.take_up)
    return runs


def _show_figures(
    coordinator: Coordinator, runs: Runs, identity: ServerIdentity, ready: Readiness
) -> None:
    watched = Watched(
        *(coordinator.home, coordinator.log, coordinator.runs, coordinator.meeting, ready),
        active_run=lambda: active[0] if (active := runs.active()) else None,
        server_certificate=lambda: load_certificate(identity.current[1]),
        authority=coordinator.keys.authority.certificate,
    )
    coordinator.timings.registry.register(StateCollector(watched.opened, MEASURES))
