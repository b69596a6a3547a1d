"""Being there for the coordinator: follow the log, answer requests, renew, and come back.

Lives here: one session's four tasks and what happens between sessions. Must not know: what
requests ask, what documents mean, or where records are.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Executor
from dataclasses import dataclass, field

import grpc
import structlog

from federation.crypto import certificates
from federation.errors import LaborfedError, Misconfigured, PeerError, Reason, Untrusted
from federation.exchange.client import ExchangeClient
from federation.exchange.feed import wake_on
from federation.log.witnessing import WITNESS
from federation.watch import eventlog
from node.documents import AcceptedDocuments
from node.enrolment import checked_certificate
from node.identity import Association, Home, Identity
from node.outbox import Outbox
from node.presence import Presence, State

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0
RENEWAL_CHECK_S = 60.0
FOUNDING_LOOK_S = 1.0  # a thread that waits for the first membership lets go this often
GOODBYE_S = 1.0  # in which the refusal to co-sign still leaves, before this node cuts itself off

# Blocking: a message type and a body in, the answer's bytes out.
Answer = Callable[[str, bytes], bytes]
Cosign = Callable[[bytes], bytes]


@dataclass
class Backoff:
    """Pauses that double up to a bound, each shortened at random by up to half."""

    jitter: random.Random
    _pause_s: float = field(default=FIRST_PAUSE_S, init=False)

    def next_s(self) -> float:
        """The pause to make now, seconds."""
        pause = self._pause_s * self.jitter.uniform(0.5, 1.0)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        return pause

    def reset(self) -> None:
        """Begin with short pauses again."""
        self._pause_s = FIRST_PAUSE_S


class Connection:
    """Keeps one city attending. Belongs to one event loop; :meth:`fetch_blob` is for threads.

    ``report`` is called in the loop at every change of presence; requests are answered in
    ``threads``.
    """

    def __init__(
        self,
        home: Home,
        *,
        identity: Identity,
        association: Association,
        documents: AcceptedDocuments,
        outbox: Outbox,
        threads: Executor,
        report: Callable[[Presence], None],
        clock_ms: Callable[[], int],
        jitter: random.Random,
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    ) -> None:
        self._home = home
        self._identity = identity
        self._endpoint = home.endpoint(association)
        self._documents = documents
        self._outbox = outbox
        self._threads = threads
        self._report = report
        self._clock_ms = clock_ms
        self._backoff = Backoff(jitter)
        self._interceptors = interceptors
        self._client: ExchangeClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._log = structlog.get_logger().bind(city=identity.division)

    async def run(self, answer: Answer, cosign: Cosign) -> None:
        """Attend until cancelled, session after session; returns only when the log is broken.

        ``cosign`` answers requests to a witness, beside those that may wait for a document.
        """
        loop = self._loop = asyncio.get_running_loop()
        broken = asyncio.Event()
        self._documents.on_distrust(lambda: wake_on(loop, broken.set))
        while self._documents.distrust is None:
            try:
                await self._session(answer, cosign, broken)
            except LaborfedError as error:
                self._note(error)
            if self._documents.distrust is None:
                await asyncio.sleep(self._backoff.next_s())
        self._report(Presence(State.DISTRUSTED, Reason.INCONSISTENT, self._documents.distrust))

    def fetch_blob(self, wanted: bytes) -> bytes:
        """Return public bytes by their SHA-256. Raises PeerError(UNREACHABLE) while away."""
        client, loop = self._client, self._loop
        if client is None or loop is None:
            raise PeerError(Reason.UNREACHABLE, "the coordinator is away")
        try:
            return asyncio.run_coroutine_threadsafe(client.blob(wanted), loop).result()
        except CancelledError:
            raise PeerError(Reason.UNREACHABLE, "the connection was closed") from None

    def _note(self, error: LaborfedError) -> None:
        if error.reason is Reason.ROLLED_BACK:
            self._documents.suspect(f"the coordinator's log is behind this node's: {error.message}")
        self._log.warning("coordinator_away", **eventlog.said_of(error))
        self._report(Presence(State.AWAY, error.reason, error.message))

    async def _session(self, answer: Answer, cosign: Cosign, broken: asyncio.Event) -> None:
        """One connection: raises what ended it."""
        credentials = certificates.tls_key_pem(self._identity.tls), self._valid_certificate()
        client = ExchangeClient.connect(self._endpoint, credentials, self._interceptors)
        async with client:
            self._client = client
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._follow(client))
                    group.create_task(self._attend(client, answer, cosign))
                    group.create_task(self._leave(broken))
                    group.create_task(self._renew(client))
                    group.create_task(self._outbox.serve(client))
            except BaseExceptionGroup as failures:
                # the first failure ends the session; the others are its cancellations
                raise failures.exceptions[0] from failures.exceptions[0].__cause__
            finally:
                self._client = None

    async def _follow(self, client: ExchangeClient) -> None:
        documents = self._documents
        async for bundle in client.follow(documents.next_index, documents.kept_size):
            await asyncio.to_thread(documents.absorb, bundle)

    async def _leave(self, broken: asyncio.Event) -> None:
        await broken.wait()
        await asyncio.sleep(GOODBYE_S)
        raise Untrusted(Reason.INCONSISTENT, self._documents.distrust or "")

    async def _attend(self, client: ExchangeClient, answer: Answer, cosign: Cosign) -> None:
        loop = asyncio.get_running_loop()

        async def handle(message_type: str, body: bytes) -> bytes:
            if message_type == WITNESS:
                return await asyncio.to_thread(cosign, body)
            return await loop.run_in_executor(self._threads, answer, message_type, body)

        # who knows no membership would refuse whatever is asked: a run must not miss this city
        while not await asyncio.to_thread(self._documents.wait_founded, FOUNDING_LOOK_S):
            pass
        await client.attend(handle, self._attending)
        raise PeerError(Reason.UNREACHABLE, "the coordinator ended the stream")

    def _attending(self) -> None:
        self._backoff.reset()
        self._log.info("coordinator_connected")
        self._report(Presence(State.CONNECTED))

    async def _renew(self, client: ExchangeClient) -> None:
        while True:
            certificate = certificates.load_certificate(self._valid_certificate())
            due_s = (certificates.renewal_ms(certificate) - self._clock_ms()) / 1000
            if due_s <= 0:
                await self._renew_once(client)
            await asyncio.sleep(min(due_s, RENEWAL_CHECK_S) if due_s > 0 else RENEWAL_CHECK_S)

    async def _renew_once(self, client: ExchangeClient) -> None:
        request = certificates.certificate_request(self._identity.tls, self._identity.division)
        try:
            pem = checked_certificate(await client.renew(request), self._identity)
        except LaborfedError as error:
            self._log.warning("renewal_failed", **eventlog.said_of(error))
            return
        self._home.save_certificate(pem)
        self._log.info("certificate_renewed")

    def _valid_certificate(self) -> bytes:
        pem = self._home.certificate()
        if pem is None:
            raise Misconfigured(Reason.NOT_APPROVED, "this node is not enrolled yet")
        if certificates.expires_ms(certificates.load_certificate(pem)) <= self._clock_ms():
            raise Misconfigured(
                Reason.EXPIRED,
                "the node's certificate has expired: ask for an invitation and enrol again",
            )
        return pem
