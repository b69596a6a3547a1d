"""A federation of many cities without nodes, and signed charters for them to publish.

Lives here: keys, homes and files that client processes read. Must not know: what is measured.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

from support.exchange import DAY_MS, Site, founding_envelope

from deploy.study.demo.founding import free_port
from federation import drafting
from federation.codes import divisions
from federation.coordinator import now_ms, open_coordinator
from federation.crypto.certificates import tls_key_pem
from federation.crypto.envelope import sign
from federation.crypto.keys import SigningKey
from federation.documents.charter import Charter
from federation.documents.membership import Membership
from federation.home import Configuration, Home, Keys
from federation.indicators.declaration import catalogue
from federation.wire.channel import Endpoint, Identity
from federation.wire.codec import encode_document, encode_envelope

PEOPLE, THRESHOLD = 3, 2


@dataclass(frozen=True)
class Member:
    """One city as a client process needs it: PEM texts, and the seed of its signing key (hex)."""

    division: str
    tls_key: str
    certificate: str
    seed: str
    envelopes: tuple[str, ...] = ()

    @property
    def identity(self) -> Identity:
        """What it shows in TLS."""
        return self.tls_key.encode(), self.certificate.encode()

    @property
    def signing(self) -> SigningKey:
        """Its signing key."""
        return SigningKey.from_seed(bytes.fromhex(self.seed))


@dataclass(frozen=True)
class Plan:
    """What a client process is told, in a file: the coordinator, its log, cities, seconds."""

    address: str
    server_name: str
    authority: str
    log_origin: str
    log_key: str
    members: tuple[Member, ...]
    seconds: float
    publish_every_s: float

    @property
    def endpoint(self) -> Endpoint:
        """Where the coordinator is."""
        return Endpoint(self.address, self.server_name, self.authority.encode())

    def save(self, path: Path) -> Path:
        """Write the plan, readable by this account alone."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """Read what :meth:`save` wrote."""
        read = json.loads(path.read_text(encoding="utf-8"))
        members = tuple(
            Member(**{**one, "envelopes": tuple(one["envelopes"])}) for one in read.pop("members")
        )
        return cls(members=members, **read)


@dataclass(frozen=True)
class Founded:
    """A founded federation that nobody serves yet; ``people`` are administrators' private keys."""

    home: Home
    people: tuple[SigningKey, ...]
    members: tuple[Member, ...]
    membership: Membership

    def plan(self, members: Sequence[Member], seconds: float, publish_every_s: float) -> Plan:
        """Return what a process with these cities is told."""
        configuration, keys = self.home.configuration(), self.home.keys()
        return Plan(
            address=configuration.address,
            server_name=configuration.hosts[0],
            authority=keys.authority.pem.decode(),
            log_origin=configuration.log_origin,
            log_key=keys.log.public.raw.hex(),
            members=tuple(members),
            seconds=seconds,
            publish_every_s=publish_every_s,
        )

    def charters(self, count: int) -> list[str]:
        """Return ``count`` signed statistics charters, no two alike, in hexadecimal."""
        first = statistics_charter(self.membership)
        return [signed_again(first, self.people[:THRESHOLD]).hex() for _ in range(count)]


def found(folder: Path, count: int) -> Founded:
    """Found a federation of ``count`` cities in the empty ``folder``."""
    address = f"127.0.0.1:{free_port()}"
    configuration = Configuration.checked(
        {
            "federation": "load",
            "log_origin": "load/log",
            "address": address,
            "listen": address,
            "hosts": ["127.0.0.1"],
        },
        "benchmark",
    )
    home, keys = Home(folder / "coordinator"), Keys.generate(configuration.federation, now_ms())
    home.create(configuration, keys)
    seeds = {code: secrets.token_bytes(32) for code in islice(divisions.load(), count)}
    sites = {code: Site(code, SigningKey.from_seed(seed)) for code, seed in seeds.items()}
    people = tuple(SigningKey.generate() for _ in range(PEOPLE))
    with open_coordinator(home) as coordinator:
        coordinator.submit(founding_envelope(configuration, keys, people, sites), ())
        membership = coordinator.meeting.publisher.trust.current
    members = tuple(
        Member(
            code,
            tls_key_pem(site.tls).decode(),
            site.identity(keys.authority)[1].decode(),
            seeds[code].hex(),
        )
        for code, site in sites.items()
    )
    return Founded(home, people, members, membership)


def statistics_charter(membership: Membership) -> Charter:
    """Return an unsigned charter that counts something once."""
    now = now_ms()
    frame = drafting.Frame(
        purpose="Load",
        epsilon=1.0,
        delta=1e-6,
        min_roster=3,
        round_deadline_s=60,
        not_before_ms=now,
        not_after_ms=now + DAY_MS,
    )
    indicator = next(iter(catalogue().values()))
    return drafting.statistics_charter(membership, frame, indicator, 0)


def signed_again(charter: Charter, keys: Sequence[SigningKey]) -> bytes:
    """Return the envelope of a charter like this one under a nonce of its own."""
    other = replace(charter, nonce=secrets.token_bytes(16))
    return encode_envelope(sign(*encode_document(other), *keys))
