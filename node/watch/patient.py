"""A node's home as its doctor sees it: every part opened when first asked for, and only to be read.

Lives here: opening. Must not know: what a good part looks like.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from federation.acceptance import read_kept, restore_trust
from federation.crypto import certificates
from federation.documents.types import PayloadType
from federation.errors import Misconfigured, Reason
from federation.exchange.client import ExchangeClient
from federation.log.checkpoint import Checkpoint
from federation.publication import ProvenHead
from federation.trust import Trust
from federation.watch.checks import LEAST_FREE, own_requirements
from federation.watch.reach import Way
from node.config import FILE, NodeConfig, load_config
from node.identity import CERTIFICATE, Association, Home, Identity
from node.store import documents
from node.store.engine import open_to_read

ALARMS: Final = "labor-node alarms says what happened; ask the administrators before going on"


@dataclass(eq=False)
class Patient:
    """A home under examination. ``now_ms``: the time; ``least_free``: bytes a disk must have."""

    path: Path
    now_ms: int
    least_free: int = LEAST_FREE
    requirements: tuple[list[str], str] | None = None

    @property
    def needed(self) -> tuple[list[str], str]:
        """Libraries and Python that the program was resolved with."""
        return self.requirements or own_requirements()

    @cached_property
    def config(self) -> NodeConfig:
        """The configuration."""
        return load_config(self.path)

    @property
    def has_home(self) -> bool:
        """Whether the folder is a node's home."""
        return (self.path / FILE).is_file()

    @cached_property
    def home(self) -> Home:
        """The home, its permissions not asked for."""
        return Home(self.path, self.config)

    @cached_property
    def identity(self) -> Identity:
        """The keys."""
        return self.home.identity()

    @cached_property
    def association(self) -> Association:
        """What was pinned at enrolment; Misconfigured(NOT_APPROVED) before."""
        found = self.home.association()
        if found is None:
            raise Misconfigured(Reason.NOT_APPROVED, "this node has joined no federation")
        return found

    @property
    def certificate(self) -> bytes:
        """The certificate, PEM; Misconfigured(NOT_APPROVED) before it came."""
        found = self.home.certificate()
        if found is None:
            raise Misconfigured(Reason.NOT_APPROVED, "this node has no certificate yet")
        return found

    @contextmanager
    def store(self) -> Iterator[Connection]:
        """Read the store, on a connection that can change nothing."""
        store = open_to_read(self.home.database)
        try:
            with store.read() as connection:
                yield connection
        finally:
            store.close()

    @cached_property
    def trust(self) -> Trust:
        """The memberships that the store holds, each verified again."""
        with self.store() as connection:
            held = documents.of_type(connection, PayloadType.MEMBERSHIP)
        placed = [(one.envelope, one.leaf_index) for one in held if one.leaf_index is not None]
        return restore_trust(self.association.pin, placed)

    @cached_property
    def kept(self) -> Checkpoint | None:
        """The kept checkpoint, its signature verified; None before the first entry was read."""
        with self.store() as connection:
            note = documents.kept_checkpoint(connection)
        return None if note is None else read_kept(note, self.trust)

    @cached_property
    def way(self) -> Way:
        """The way to the coordinator."""
        keys = self.config.locate(self.path, "keys")
        endpoint = self.home.endpoint(self.association)
        return Way(endpoint, keys / "tls.pem", self.path / CERTIFICATE)

    @cached_property
    def head(self) -> ProvenHead:
        """The log's head as the coordinator shows it now; raises what the call raises."""

        async def ask() -> ProvenHead:
            identity = certificates.tls_key_pem(self.identity.tls), self.certificate
            async with ExchangeClient.connect(self.way.endpoint, identity) as client:
                return await client.checkpoint(0 if self.kept is None else self.kept.size)

        return asyncio.run(ask())
