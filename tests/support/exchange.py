"""A real exchange on loopback, over real TLS and files: cities, administrators, one server."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc
from cryptography.hazmat.primitives.asymmetric import ec

from federation import founding
from federation.crypto import certificates
from federation.crypto.envelope import sign
from federation.crypto.keys import SealingKey, SigningKey
from federation.documents.membership import Administrator, City, Membership
from federation.documents.runs import DropRecord
from federation.documents.types import Document
from federation.exchange.blobs import BlobStore
from federation.exchange.client import ExchangeClient
from federation.exchange.database import open_database
from federation.exchange.feed import HeadSignal
from federation.exchange.invitation import Invitation
from federation.exchange.invitations import InvitationBook
from federation.exchange.mailbox import Mailbox
from federation.exchange.meeting import Meeting
from federation.exchange.server import ExchangeServer, start_server
from federation.exchange.witnesses import MailboxWitnesses
from federation.home import Configuration, Home, Keys
from federation.log.store import LogStore
from federation.publication import Publisher
from federation.wire.channel import Endpoint, Identity, server_credentials
from federation.wire.codec import encode_document, encode_envelope
from federation.wire.limits import DEFAULTS, LimitSettings

DAY_MS = 86_400_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(eq=False)
class Site:
    """A city's own keys."""

    division: str
    signing: SigningKey = field(default_factory=SigningKey.generate)
    sealing: SealingKey = field(default_factory=SealingKey.generate)
    tls: ec.EllipticCurvePrivateKey = field(default_factory=certificates.generate_tls_key)

    @property
    def city(self) -> City:
        return City(
            division=self.division,
            name=f"city {self.division}",
            signing_key=self.signing.public.raw,
            sealing_key=self.sealing.public,
            tls_key_digest=certificates.tls_key_digest(self.tls),
        )

    def identity(self, authority: certificates.Authority, at_ms: int | None = None) -> Identity:
        chain = authority.issue_city(self.tls, self.division, at_ms or now_ms())
        return certificates.tls_key_pem(self.tls), chain


@dataclass(eq=False)
class RunningExchange:
    """What a test holds of it."""

    keys: Keys
    configuration: Configuration
    people: Sequence[SigningKey]
    sites: dict[str, Site]
    meeting: Meeting
    invitations: InvitationBook
    server: ExchangeServer

    @property
    def publisher(self) -> Publisher:
        return self.meeting.publisher

    @property
    def mailbox(self) -> Mailbox:
        return self.meeting.mailbox

    @property
    def endpoint(self) -> Endpoint:
        address = f"127.0.0.1:{self.server.port}"
        return Endpoint(address, self.configuration.hosts[0], self.keys.authority.pem)

    def client(self, division: str) -> ExchangeClient:
        identity = self.sites[division].identity(self.keys.authority)
        return ExchangeClient.connect(self.endpoint, identity)

    def signed(self, document: Document, *keys: SigningKey) -> bytes:
        return encode_envelope(sign(*encode_document(document), *keys))

    def log_something(self, number: int) -> int:
        """Log one more statement of the coordinator's; return its index."""
        record = DropRecord(
            charter_digest=bytes(32),
            attempt_nonce=number.to_bytes(32, "big"),
            roster_digest=b"",
            round=1,
            cities=("440300",),
            reason="round.late",
            recorded_ms=now_ms(),
        )
        return self.publisher.publish_document(record, self.keys.coordinator).leaf_index

    def next_membership(self, change: Membership) -> None:
        self.publisher.publish(self.signed(change, *self.people))

    def approve(self, fingerprint: str) -> None:
        """What administrators do: compare, sign and log the membership with the city in it."""
        asking = [one for one in self.invitations.asking() if one.fingerprint == fingerprint]
        trust, now = self.publisher.trust, now_ms()
        following = founding.with_city(
            trust.current,
            trust.current_digest,
            asking[0].city,
            issued_ms=now,
            expires_ms=now + 365 * DAY_MS,
        )
        self.next_membership(following)

    def invitation(self, division: str, *, expires_ms: int | None = None) -> Invitation:
        expires = expires_ms or now_ms() + DAY_MS
        code = self.invitations.invite(division, f"city {division}", expires)
        return self._invitation(division, code)

    def _invitation(self, division: str, code: str) -> Invitation:
        key = certificates.generate_tls_key()
        chain = self.keys.authority.issue_bootstrap(key, division, now_ms(), certificates.LIFETIME)
        pin = self.publisher.trust.pin
        return Invitation(
            federation="demo",
            address=self.endpoint.address,
            server_name=self.endpoint.server_name,
            tls_authority=self.endpoint.authority.decode(),
            bootstrap_certificate=chain.decode(),
            bootstrap_key=certificates.tls_key_pem(key).decode(),
            membership_digest=pin.membership_digest.hex(),
            log_origin=pin.log_origin,
            log_key=pin.log_key.hex(),
            division=division,
            name=f"city {division}",
            code=code,
            expires_ms=now_ms() + DAY_MS,
        )


@asynccontextmanager
async def running_exchange(
    folder: Path,
    *cities: str | Site,
    settings: LimitSettings = DEFAULTS,
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    kind: type[Meeting] = Meeting,
) -> AsyncIterator[RunningExchange]:
    """Found a federation of these cities in ``folder`` and serve it on a free port.

    ``kind`` is what stands behind the port: another one shows what a city does about it.
    """
    configuration = Configuration(
        federation="demo",
        log_origin="demo/log",
        address="127.0.0.1:0",
        listen="127.0.0.1:0",
        hosts=["exchange.example", "127.0.0.1"],
    )
    home = Home(folder / "home")
    keys = Keys.generate(configuration.federation, now_ms())
    home.create(configuration, keys)
    people = [SigningKey.generate() for _ in range(3)]
    sited = [Site(city) if isinstance(city, str) else city for city in cities]
    sites = {site.division: site for site in sited}
    log, engine = LogStore(home.log_file), open_database(home.exchange_file)
    book = InvitationBook(engine)
    mailbox = Mailbox()
    meeting = kind(
        authority=keys.authority,
        mailbox=mailbox,
        blobs=BlobStore(engine),
        invitations=book,
        clock_ms=now_ms,
    )
    publisher = founding.found(
        log,
        keys,
        configuration,
        founding_envelope(configuration, keys, people, sites),
        now_ms,
        MailboxWitnesses(mailbox),
    )
    meeting.stand(publisher)
    signal = HeadSignal(asyncio.get_running_loop())
    publisher.subscribe(lambda _: signal.notify())
    tls = certificates.generate_tls_key()
    identity = (
        certificates.tls_key_pem(tls),
        keys.authority.issue_server(tls, configuration.hosts, now_ms()),
    )
    credentials = server_credentials(keys.authority.pem, identity, lambda: None)
    server = await start_server(
        meeting, signal, configuration.listen, credentials, settings, interceptors
    )
    await server.set_serving(True)
    try:
        yield RunningExchange(keys, configuration, people, sites, meeting, book, server)
    finally:
        await server.stop(0)
        log.close()
        engine.dispose()


def founding_envelope(
    configuration: Configuration,
    keys: Keys,
    people: Sequence[SigningKey],
    sites: dict[str, Site],
) -> bytes:
    administrators = tuple(
        Administrator(administrator=name, name=name, signing_keys=(key.public.raw,))
        for name, key in zip(("chen", "li", "wang"), people, strict=True)
    )
    now = now_ms()
    first = founding.first_membership(
        configuration,
        keys,
        administrators,
        threshold=2,
        collusion_bound=1,
        issued_ms=now,
        expires_ms=now + 365 * DAY_MS,
    )
    for site in sites.values():
        first = _with(first, site.city)
    return encode_envelope(sign(*encode_document(first), *people[:2]))


def _with(first: Membership, city: City) -> Membership:
    cities = sorted((*first.cities, city), key=lambda one: one.division)
    return replace(first, cities=tuple(cities))
