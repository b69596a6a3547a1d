"""Nothing passes the gate unasked, uncharged, unwritten or twice."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import Connection, event
from support.cities import CitySide, charter_of, opened
from support.federation import Federation

from federation.acceptance import Accepted
from federation.crypto.envelope import verified_key_ids
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.exchanged import Consent, Contribution, Refusal, Vote
from federation.documents.runs import DropRecord
from federation.documents.types import PayloadType
from federation.errors import Reason, Refused, StorageFault
from federation.log.checkpoint import Checkpoint
from federation.wire.codec import decode_envelope
from node.gate import COORDINATOR, PASSAGES, Charge
from node.privacy import ledger
from node.records import Grade
from node.store import cells, egress
from node.store.answers import Question

NONCE, CANDIDATE, REQUEST = digest(b"attempt"), digest(b"candidate"), digest(b"request")


def nothing(_: Connection) -> None:
    """Commit nothing beside."""


@dataclass
class Guarded:
    """A gate whose charter is reserved, and what may be asked of it."""

    city: CitySide
    charter: Accepted[Charter]

    def consent(self, **changes: Any) -> Consent:
        consent = Consent(
            charter_digest=self.charter.digest,
            attempt_nonce=NONCE,
            membership_digest=self.city.federation.trust.current_digest,
            city=self.city.division,
            agreement_key=digest(b"key"),
            consented_ms=self.city.federation.clock(),
        )
        return replace(consent, **changes)

    def contribution(self, **changes: Any) -> Contribution:
        contribution = Contribution(
            charter_digest=self.charter.digest,
            attempt_nonce=NONCE,
            membership_digest=self.city.federation.trust.current_digest,
            roster_digest=digest(b"roster"),
            round=1,
            kind="training",
            parameters_digest=CANDIDATE,
            modulus_bits=32,
            length=6,
            city=self.city.division,
            masked=bytes(24),
        )
        return replace(contribution, **changes)

    def vote(self, **changes: Any) -> Vote:
        vote = Vote(
            charter_digest=self.charter.digest,
            attempt_nonce=NONCE,
            roster_digest=digest(b"roster"),
            candidate_digest=CANDIDATE,
            city=self.city.division,
            not_worse=True,
        )
        return replace(vote, **changes)

    def charge(self, kind: str = "round", key: bytes = NONCE, number: int = 1) -> Charge:
        return self.city.gate.charge(self.charter.digest, kind, key, number, nothing)

    @property
    def departures(self) -> list[egress.Departure]:
        with self.city.store.read() as connection:
            return egress.of_charter(connection, self.charter.digest)


@pytest.fixture
def guarded(federation: Federation, home: CitySide) -> Guarded:
    charter = federation.publish(federation.by_administrators(charter_of(federation))).of(Charter)
    home.catch_up()
    made = Guarded(home, charter)
    home.gate.consent(charter, made.consent(), REQUEST)
    return made


def test_what_passes_is_signed_entered_and_kept(guarded: Guarded) -> None:
    charge = guarded.charge()
    raw = guarded.city.gate.contribute(guarded.contribution(), charge, REQUEST)
    envelope = decode_envelope(raw)
    key = guarded.city.federation.cities[guarded.city.division].signing.public
    assert verified_key_ids(envelope, {key.key_id: key}) == {key.key_id}
    last = guarded.departures[-1]
    assert last.envelope_digest == digest(raw)
    assert last.payload_type == PayloadType.CONTRIBUTION
    assert (last.grade, last.bytes, last.destination) == (Grade.PUBLIC, len(raw), COORDINATOR)
    assert last.budget_touch == charge.touch
    question = Question(NONCE, 1, "training")
    assert guarded.city.gate.answered(question, REQUEST) == raw
    with pytest.raises(Refused) as caught:
        guarded.city.gate.answered(question, digest(b"another request"))
    assert caught.value.reason is Reason.ANSWERED


def test_consents_and_refusals_are_entered_without_a_charge(guarded: Guarded) -> None:
    refusal = Refusal(
        charter_digest=guarded.charter.digest,
        attempt_nonce=b"",
        city=guarded.city.division,
        reason="policy.refused",
        message="no",
    )
    raw = guarded.city.gate.refuse(refusal)
    assert [d.payload_type for d in guarded.departures] == [
        PayloadType.CONSENT,
        PayloadType.REFUSAL,
    ]
    assert [d.budget_touch for d in guarded.departures] == [None, None]
    assert guarded.departures[-1].envelope_digest == digest(raw)


def test_only_what_depends_on_no_record_passes_without_a_charge() -> None:
    """A new document must be put into the table on purpose, and this list with it."""
    free = {kind for kind, passage in PASSAGES.items() if not passage.charged}
    assert free == {Consent, Refusal, Checkpoint}
    assert {kind for kind, passage in PASSAGES.items() if passage.charged} == {Contribution, Vote}
    assert all(passage.grade is Grade.PUBLIC for passage in PASSAGES.values())


Pay = Callable[[Guarded], Charge]
Act = Callable[[Guarded, Charge], bytes]


def contribute(**changes: Any) -> Act:
    return lambda g, paid: g.city.gate.contribute(g.contribution(**changes), paid, REQUEST)


def vote(**changes: Any) -> Act:
    return lambda g, paid: g.city.gate.vote(g.vote(**changes), paid, nothing)


def forged(number: int, **changes: Any) -> Pay:
    """A charge that nobody spent."""

    def make(guarded: Guarded) -> Charge:
        plain = Charge(guarded.charter.digest, "round", NONCE, 1, number)
        return replace(plain, **changes)

    return make


def spent(kind: str = "round", key: bytes = NONCE, number: int = 1) -> Pay:
    return lambda guarded: guarded.charge(kind, key, number)


EVALUATED: dict[str, Any] = {
    "kind": "evaluation",
    "round": 3,
    "length": 2,
    "masked": bytes(8),
    "vote": b"vote",
}


OTHER_CANDIDATE = digest(b"another candidate")


@pytest.mark.parametrize(
    ("pay", "act"),
    [
        pytest.param(forged(1), contribute(), id="a contribution without a touched event"),
        pytest.param(spent(number=2), contribute(), id="paid for another round"),
        pytest.param(spent(key=CANDIDATE), contribute(), id="paid for another attempt"),
        pytest.param(
            spent("evaluation"), contribute(), id="a training round paid as an evaluation"
        ),
        pytest.param(
            spent(key=CANDIDATE, number=3),
            contribute(**EVALUATED),
            id="an evaluation paid as a round",
        ),
        pytest.param(
            spent("evaluation", CANDIDATE, 3),
            contribute(**{**EVALUATED, "parameters_digest": OTHER_CANDIDATE}),
            id="an evaluation of another candidate",
        ),
        pytest.param(
            forged(1, kind="evaluation", key=CANDIDATE), vote(), id="a vote that nobody paid"
        ),
        pytest.param(
            spent("evaluation", CANDIDATE, 3),
            vote(candidate_digest=OTHER_CANDIDATE),
            id="a vote on another candidate",
        ),
        pytest.param(
            spent(key=CANDIDATE, number=3), vote(), id="a vote paid as a round of that very name"
        ),
    ],
)
def test_nothing_leaves_uncharged(guarded: Guarded, pay: Pay, act: Act) -> None:
    charge = pay(guarded)
    before = guarded.city.footprint
    with pytest.raises(Refused) as caught:
        act(guarded, charge)
    assert caught.value.reason is Reason.BUDGET
    assert guarded.city.footprint == before


def test_a_guessed_charge_is_no_charge(guarded: Guarded) -> None:
    """The right number for the right round, before anybody spent it."""
    spent_number = guarded.charge().touch
    guessed = forged(spent_number + 1, round=2)(guarded)
    with pytest.raises(Refused) as caught:
        guarded.city.gate.contribute(guarded.contribution(round=2), guessed, REQUEST)
    assert caught.value.reason is Reason.BUDGET


def test_a_charge_of_one_charter_pays_for_no_other(
    guarded: Guarded, federation: Federation
) -> None:
    other = federation.publish(
        federation.by_administrators(charter_of(federation, nonce=b"2" * 16))
    ).of(Charter)
    guarded.city.catch_up()
    charge = guarded.charge()
    contribution = guarded.contribution(charter_digest=other.digest)
    with pytest.raises(Refused) as caught:
        guarded.city.gate.contribute(contribution, charge, REQUEST)
    assert caught.value.reason is Reason.BUDGET


def test_one_charge_pays_for_one_answer(guarded: Guarded) -> None:
    charge = guarded.charge()
    guarded.city.gate.contribute(guarded.contribution(), charge, REQUEST)
    before = guarded.city.footprint
    for request in (REQUEST, digest(b"another request")):
        with pytest.raises(Refused) as caught:
            guarded.city.gate.contribute(guarded.contribution(masked=b"x" * 24), charge, request)
        assert caught.value.reason is Reason.ANSWERED
    assert guarded.city.footprint == before


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(
            DropRecord(
                charter_digest=digest(b"charter"),
                attempt_nonce=NONCE,
                roster_digest=b"",
                round=1,
                cities=("310000",),
                reason="round.late",
                recorded_ms=1,
            ),
            id="a document that is not in the table",
        ),
        pytest.param("contribution", id="a charged one by the uncharged way"),
        pytest.param("vote", id="a vote by the uncharged way"),
    ],
)
def test_no_other_document_leaves(guarded: Guarded, document: Any) -> None:
    if isinstance(document, str):
        document = getattr(guarded, document)()
    before = guarded.city.footprint
    with pytest.raises(Refused) as caught:
        guarded.city.gate.refuse(document)
    assert caught.value.reason in (Reason.POLICY, Reason.BUDGET)
    assert guarded.city.footprint == before
    assert guarded.city.refusals == {}


def test_what_commits_beside_an_answer_goes_with_it(guarded: Guarded) -> None:
    """The optimiser's state and a kept evaluation stand or fall with the charge and the vote."""

    def put(connection: Connection) -> None:
        cells.put(connection, "beside", b"1")

    with pytest.raises(Refused):
        guarded.city.gate.charge(guarded.charter.digest, "no such kind", NONCE, 1, put)
    unpaid = Charge(guarded.charter.digest, "evaluation", CANDIDATE, 3, 1)
    with pytest.raises(Refused):
        guarded.city.gate.vote(guarded.vote(), unpaid, put)
    with guarded.city.store.read() as connection:
        assert cells.get(connection, "beside") is None
    guarded.city.gate.charge(guarded.charter.digest, "round", NONCE, 1, put)
    with guarded.city.store.read() as connection:
        assert cells.get(connection, "beside") == b"1"


def answers(guarded: Guarded) -> list[tuple[str, Callable[[], object]]]:
    gate, charge = guarded.city.gate, guarded.charge()
    evaluated = guarded.charge("evaluation", CANDIDATE, 3)
    consent = guarded.consent(attempt_nonce=digest(b"next"))
    refusal = Refusal(
        charter_digest=guarded.charter.digest,
        attempt_nonce=b"",
        city=guarded.city.division,
        reason="policy.refused",
        message="no",
    )
    return [
        ("consent", lambda: gate.consent(guarded.charter, consent, REQUEST)),
        ("charge", lambda: guarded.charge("round", NONCE, 2)),
        ("contribute", lambda: gate.contribute(guarded.contribution(), charge, REQUEST)),
        ("vote", lambda: gate.vote(guarded.vote(), evaluated, nothing)),
        ("refuse", lambda: gate.refuse(refusal)),
    ]


def test_no_bytes_are_returned_before_the_commit(guarded: Guarded) -> None:
    """The last thing that can fail is the commit itself: then nobody has seen anything."""
    for name, act in answers(guarded):
        before, counted = guarded.city.footprint, guarded.city.refusals
        engine = guarded.city.store.engine

        def full(_: Connection) -> None:
            raise StorageFault(Reason.STORAGE, "the disk is full")

        event.listen(engine, "commit", full)
        try:
            with pytest.raises(StorageFault):
                act()
        finally:
            event.remove(engine, "commit", full)
        assert guarded.city.footprint == before, name
        assert guarded.city.refusals == counted, name
        act()
        assert (guarded.city.footprint, guarded.city.refusals) != (before, counted), name


def test_the_entry_is_there_when_the_bytes_are(guarded: Guarded) -> None:
    """Another connection, as another process would have it, sees the entry of what was returned."""
    charge = guarded.charge()
    raw = guarded.city.gate.contribute(guarded.contribution(), charge, REQUEST)
    guarded.city.restart()
    assert (digest(raw),) in guarded.city.footprint["egress"]
    assert isinstance(opened(raw), Contribution)


def test_a_closed_charter_is_charged_for_nothing_more(
    guarded: Guarded, federation: Federation
) -> None:
    with guarded.city.store.write() as connection:
        ledger.close(connection, guarded.charter.digest)
    before = guarded.city.footprint
    with pytest.raises(Refused) as caught:
        guarded.charge()
    assert caught.value.reason is Reason.CHARTER_CLOSED
    consent = guarded.consent(attempt_nonce=digest(b"next"))
    with pytest.raises(Refused) as caught:
        guarded.city.gate.consent(guarded.charter, consent, REQUEST)
    assert caught.value.reason is Reason.CHARTER_CLOSED
    assert guarded.city.footprint == before
