"""A federation in one folder whose runs can be carried in several ways, and what its rounds summed.

Lives here: founding without a command line, so that a copy for each carrier is cheap; what cities
compute and the noise they add, both the same in every copy. Must not know: any carrier.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from support.cities import (
    START,
    WILLING,
    GivenWork,
    charter_of,
    figures_of,
    statistics_charter_of,
)
from support.federation import DAY_MS, DIVISIONS, Charters, Clock

from deploy.study.demo.founding import free_port
from federation import founding
from federation.coordinator import Coordinator, now_ms, open_coordinator
from federation.crypto.envelope import replay_identity, sign
from federation.crypto.keys import SigningKey, digest
from federation.documents.charter import Charter
from federation.documents.membership import Administrator, Membership
from federation.documents.runs import Closure, RoundRecord
from federation.documents.types import Document
from federation.home import Configuration, Home, Keys
from federation.indicators.declaration import catalogue
from federation.log.store import LogStore
from federation.rounds.aggregate import sum_to_bytes, to_bytes
from federation.rounds.store import open_run_store
from federation.wire.codec import decode_document, decode_envelope, encode_document, encode_envelope
from node.app import Node, Parts, open_node
from node.identity import Association, create_home, open_home, replace_file
from node.policyfile import policy_text

FEDERATION = "yangtze"
#: Rounds of the training charter, its evaluation counted too, and of the statistics charter.
TRAINING_ROUNDS, STATISTICS_ROUNDS = 3, 1
#: The charters whose runs every carrier carries; a third, "short", waits SHORT_S for answers.
CARRIED = ("statistics", "training")
SHORT_S = 5
INDICATOR = catalogue()["supply-demand/occupation"]
MODULUS_BITS = 32  # of every charter here
T = TypeVar("T", bound=Document)
Integers = NDArray[np.int64]
Sums = dict[tuple[str, int], tuple[bytes, bytes]]


def of_kind(sums: Sums, kind: str) -> Sums:
    """Return the sums of one charter's rounds."""
    return {key: of for key, of in sums.items() if key[0] == kind}


def fixed_noise(values: Integers, sd: float) -> Integers:
    """Add noise that follows from the values and the width, so that every carrier sees the same."""
    seed = digest(values.tobytes() + str(sd).encode())
    drawn = np.random.default_rng(int.from_bytes(seed)).normal(0.0, sd, values.size)
    return values + np.rint(drawn).astype(np.int64)


def exact_counts(cities: Sequence[str]) -> bytes:
    """Return the statistics run's sum as it would be without noise."""
    numbers = sum(DIVISIONS.index(division) + 1 for division in cities)
    counts = np.arange(INDICATOR.length, dtype=np.int64) * numbers
    return sum_to_bytes(counts, MODULUS_BITS)


class Learning(GivenWork):
    """Figures that follow from the parameters, so that no round repeats another."""

    def training(self, charter_digest: bytes, charter: Charter, parameters: Integers) -> Integers:
        return super().training(charter_digest, charter, parameters) + parameters // 1_000


def parts_of(division: str) -> Parts:
    """Return what a city computes with here: figures of its own, and noise without chance."""
    number = DIVISIONS.index(division) + 1
    counts = np.arange(INDICATOR.length, dtype=np.int64) * number
    figures = {**figures_of(number), "statistics": counts}
    return Parts(work=lambda _: Learning(figures), noise=fixed_noise)


@dataclass(frozen=True)
class Ground:
    """A federation at rest. ``charters``: digests by name, all signed and logged."""

    folder: Path
    cities: tuple[str, ...]
    charters: dict[str, bytes]

    @property
    def coordinator(self) -> Home:
        """The coordinator's home."""
        return Home(self.folder / "federation")

    def node(self, division: str) -> Path:
        """One city's home."""
        return self.folder / division

    def socket(self, division: str) -> Path:
        """Where a city's participant takes requests from other carriers."""
        return self.folder / f"{division}.sock"

    def copy(self, folder: Path) -> "Ground":
        """Return the same federation, keys and log included, in another folder."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("lock", "*.sock"))
        return Ground(folder, self.cities, self.charters)

    def sums(self) -> Sums:
        """Return every recorded sum: (digest in the record, the bytes kept), by kind and round."""
        runs = open_run_store(self.coordinator.runs_file)
        kinds = {charter_digest: kind for kind, charter_digest in self.charters.items()}
        found: Sums = {}
        for record in self.logged(RoundRecord):
            kept = runs.sum_of(record.sum_digest)
            assert kept is not None
            found[kinds[record.charter_digest], record.round] = record.sum_digest, kept
        return found

    def outcome(self, kind: str) -> str:
        """Return what a charter's run came to; empty while it is open."""
        ends = [c for c in self.logged(Closure) if c.charter_digest == self.charters[kind]]
        return ends[0].outcome if ends else ""

    def logged(self, kind: type[T]) -> list[T]:
        """Return the log's documents of one kind, in order."""
        log = LogStore(self.coordinator.log_file)
        raw = [entry.envelope for entry in log.entries(0, log.head().size)]
        log.close()
        envelopes = [decode_envelope(one) for one in raw]
        documents = [decode_document(one.payload_type, one.payload) for one in envelopes]
        return [one for one in documents if isinstance(one, kind)]


def found(folder: Path, number: int) -> Ground:
    """Found a federation of so many cities, nodes and all, with two charters logged."""
    folder.mkdir()
    people = {name: SigningKey.generate() for name in ("chen", "li", "wang")}
    address = f"127.0.0.1:{free_port()}"
    configuration = Configuration(
        federation=FEDERATION,
        log_origin=f"{FEDERATION}/log",
        address=address,
        listen=address,
        hosts=["127.0.0.1"],
    )
    ground = Ground(folder, DIVISIONS[:number], {})
    keys = Keys.generate(FEDERATION, now_ms())
    ground.coordinator.create(configuration, keys)
    first = _signed(_membership(ground, configuration, keys, people), people)
    for division in ground.cities:
        _enrol(ground, division, configuration, keys, first)
    charters = Charters(Clock(now_ms()))
    drafts = {
        "statistics": _counting(charters),
        "training": charter_of(charters),
        "short": replace(_counting(charters), nonce=b"short deadline..", round_deadline_s=SHORT_S),
    }
    with open_coordinator(ground.coordinator) as coordinator:
        coordinator.submit(first, ())
        for kind, draft in drafts.items():
            raw = _signed(draft, people)
            coordinator.submit(raw, [to_bytes(START)] if draft.training else [])
            ground.charters[kind] = replay_identity(decode_envelope(raw))
        for division in ground.cities:
            with open_node(open_home(ground.node(division))) as node:
                catch_up(node, coordinator)
    return ground


def catch_up(node: Node, coordinator: Coordinator) -> None:
    """Let a node read the log to its head."""
    documents, publisher = node.documents, coordinator.meeting.publisher
    while documents.next_index < publisher.size:
        documents.absorb(publisher.bundle_for(documents.next_index, documents.kept_size))


def _membership(
    ground: Ground, configuration: Configuration, keys: Keys, people: dict[str, SigningKey]
) -> Membership:
    now = now_ms()
    administrators = [
        Administrator(administrator=name, name=name, signing_keys=(key.public.raw,))
        for name, key in people.items()
    ]
    first = founding.first_membership(
        configuration,
        keys,
        administrators,
        threshold=2,
        collusion_bound=1,
        issued_ms=now,
        expires_ms=now + 365 * DAY_MS,
    )
    homes = [create_home(ground.node(d), d, f"city {d}") for d in ground.cities]
    return replace(first, cities=tuple(home.identity().city for home in homes))


def _enrol(
    ground: Ground, division: str, configuration: Configuration, keys: Keys, first: bytes
) -> None:
    home, pin = open_home(ground.node(division)), founding.founding_pin(first)
    home.save_association(
        Association(
            federation=FEDERATION,
            address=configuration.address,
            server_name=configuration.hosts[0],
            tls_authority=keys.authority.pem.decode(),
            membership_digest=pin.membership_digest.hex(),
            log_origin=pin.log_origin,
            log_key=pin.log_key.hex(),
        )
    )
    home.save_certificate(keys.authority.issue_city(home.identity().tls, division, now_ms()))
    replace_file(home.policy, policy_text(WILLING).encode())


def _counting(charters: Charters) -> Charter:
    plain = statistics_charter_of(charters, length=INDICATOR.length)
    assert plain.statistics is not None
    named = replace(
        plain.statistics, indicator=INDICATOR.indicator, indicator_digest=INDICATOR.digest
    )
    return replace(plain, statistics=named)


def _signed(document: Membership | Charter, people: dict[str, SigningKey]) -> bytes:
    return encode_envelope(sign(*encode_document(document), *list(people.values())[:2]))
