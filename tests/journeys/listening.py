"""Four cities' nodes in this process, listened to: every message both ways, every agreement key.

Lives here: serving them, and taking masks off with their own keys. The coordinator is a process of
its own; nothing of the nodes is replaced, their keys are only remembered as they are made.
"""

import asyncio
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields

import numpy as np
import pytest
from numpy.typing import NDArray

from deploy.study.capture import recording_interceptors
from deploy.study.demo.founding import Ground
from federation.crypto.keys import AgreementKey
from federation.crypto.masking import MaskContext, apply_masks, decode
from federation.documents.exchanged import Consent, Contribution
from federation.documents.runs import Roster
from federation.documents.types import Document, PayloadType
from federation.rounds.terms import check_vector
from federation.wire.codec import decode_body, decode_document, decode_envelope
from federation.wire.v1 import exchange_pb2
from journeys.canaries import CITIES
from node.app import attend, open_node
from node.identity import open_home

CONNECTED_S = 60.0


@dataclass
class Heard:
    """What crossed the wire, serialised, in either direction; private keys by their public half."""

    messages: list[bytes] = field(default_factory=list)
    keys: dict[bytes, AgreementKey] = field(default_factory=dict)

    def contributions(self) -> list[tuple[Contribution, bytes]]:
        """Return the contributions among the messages, each with its vector."""
        marked = [m for m in self.messages if PayloadType.CONTRIBUTION.encode() in m]
        bodies = [decode_body(exchange_pb2.Answer.FromString(m).body) for m in marked]
        found = []
        for envelope, vector in bodies:
            contribution = opened(envelope)
            assert isinstance(contribution, Contribution)
            check_vector(contribution, vector)
            found.append((contribution, vector))
        return found


@contextmanager
def listening(ground: Ground, patch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """Serve all four nodes in a thread; all are connected inside the block."""
    heard, lines = Heard(), queue.SimpleQueue[str]()
    generate = AgreementKey.generate

    def remembered() -> AgreementKey:
        key = generate()
        heard.keys[key.public] = key
        return key

    patch.setattr(AgreementKey, "generate", remembered)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(
        target=loop.run_until_complete, args=(_serve(ground, heard, lines.put, stop),)
    )
    thread.start()
    try:
        waiting = {f"ready division={city.code} coordinator=connected" for city in CITIES}
        while waiting:
            waiting.discard(lines.get(timeout=CONNECTED_S))
        yield heard
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


async def _serve(ground, heard, say, stop):
    with ExitStack() as nodes:
        homes = [open_home(ground.places.node(city.code)) for city in CITIES]
        opened_nodes = [nodes.enter_context(open_node(home)) for home in homes]
        interceptors = recording_interceptors(heard.messages.append)
        await asyncio.gather(*(attend(node, say, stop, interceptors) for node in opened_nodes))


def opened(raw: bytes) -> Document:
    """Return the document in envelope bytes."""
    envelope = decode_envelope(raw)
    return decode_document(envelope.payload_type, envelope.payload)


def unmasked(
    contribution: Contribution,
    vector: bytes,
    rosters: Mapping[bytes, Document],
    keys: Mapping[bytes, AgreementKey],
) -> NDArray[np.int64]:
    """Return a contribution's integers, its masks taken off with the city's own key."""
    roster = rosters[contribution.roster_digest]
    assert isinstance(roster, Roster)
    public = {consent.city: consent.agreement_key for consent in _consents(roster)}
    own = keys[public.pop(contribution.city)]
    context = MaskContext(**{f.name: getattr(contribution, f.name) for f in fields(MaskContext)})
    nothing = np.zeros(context.length, np.int64)
    masks = apply_masks(nothing, contribution.city, own, public, context)
    hidden = decode(vector, context) - masks
    return hidden.view(f"i{hidden.itemsize}").astype(np.int64)


def _consents(roster: Roster) -> Sequence[Consent]:
    found = [opened(raw) for raw in roster.consents]
    return [consent for consent in found if isinstance(consent, Consent)]


def written(values: NDArray[np.int64]) -> list[bytes]:
    """Return integers as bytes in the widths and orders a number may be written in."""
    return [values.astype(kind).tobytes() for kind in ("<i8", ">i8", "<i4", ">i4")]
