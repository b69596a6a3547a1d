"""Nothing passes the gate unasked, uncharged, unwritten or twice."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attacks.budget import CANDIDATE, NONCE, REQUEST, VECTOR, GateStage, nothing
from sqlalchemy import Connection, event
from support.cities import opened

from federation.crypto.envelope import verified_key_ids
from federation.crypto.keys import digest
from federation.documents.exchanged import Consent, Contribution, Refusal, Vote
from federation.documents.notices import PolicyNotice
from federation.documents.types import PayloadType
from federation.errors import Malformed, Reason, Refused, StorageFault
from federation.log.checkpoint import Checkpoint
from federation.wire.codec import decode_envelope
from node.gate import COORDINATOR, PASSAGES, Charge
from node.privacy import ledger
from node.records import Grade
from node.store import cells, egress
from node.store.answers import Question


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[GateStage]:
    """A gate whose charter is reserved."""
    with GateStage(tmp_path) as stage:
        yield stage


def departures(guarded: GateStage) -> list[egress.Departure]:
    with guarded.home.store.read() as connection:
        return egress.of_charter(connection, guarded.charter.digest)


def test_what_passes_is_signed_entered_and_kept(guarded: GateStage) -> None:
    charge = guarded.charge()
    sent = guarded.home.gate.contribute(guarded.contribution(), VECTOR, charge, REQUEST)
    assert sent.vector == VECTOR
    envelope = decode_envelope(sent.envelope)
    key = guarded.federation.cities[guarded.home.division].signing.public
    assert verified_key_ids(envelope, {key.key_id: key}) == {key.key_id}
    last = departures(guarded)[-1]
    assert last.envelope_digest == digest(sent.envelope)
    assert last.payload_type == PayloadType.CONTRIBUTION
    size = len(sent.envelope) + len(VECTOR)
    assert (last.grade, last.bytes, last.destination) == (Grade.PUBLIC, size, COORDINATOR)
    assert last.budget_touch == charge.touch
    question = Question(NONCE, 1, "training")
    assert guarded.home.gate.answered(question, REQUEST) == sent
    with pytest.raises(Refused) as caught:
        guarded.home.gate.answered(question, digest(b"another request"))
    assert caught.value.reason is Reason.ANSWERED


def test_consents_and_refusals_are_entered_without_a_charge(guarded: GateStage) -> None:
    refusal = Refusal(
        charter_digest=guarded.charter.digest,
        attempt_nonce=b"",
        city=guarded.home.division,
        reason="policy.refused",
        message="no",
    )
    raw = guarded.home.gate.refuse(refusal)
    assert [d.payload_type for d in departures(guarded)] == [
        PayloadType.CONSENT,
        PayloadType.REFUSAL,
    ]
    assert [d.budget_touch for d in departures(guarded)] == [None, None]
    assert departures(guarded)[-1].envelope_digest == digest(raw)


def test_only_what_depends_on_no_record_passes_without_a_charge() -> None:
    """A new document must be put into the table on purpose, and this list with it."""
    free = {kind for kind, passage in PASSAGES.items() if not passage.charged}
    assert free == {Consent, Refusal, Checkpoint, PolicyNotice}
    assert {kind for kind, passage in PASSAGES.items() if passage.charged} == {Contribution, Vote}
    assert all(passage.grade is Grade.PUBLIC for passage in PASSAGES.values())


def test_one_charge_pays_for_one_answer(guarded: GateStage) -> None:
    charge = guarded.charge()
    guarded.home.gate.contribute(guarded.contribution(), VECTOR, charge, REQUEST)
    other = guarded.contribution(masked_digest=digest(b"x" * 24))
    before = guarded.home.footprint
    for request in (REQUEST, digest(b"another request")):
        with pytest.raises(Refused) as caught:
            guarded.home.gate.contribute(other, b"x" * 24, charge, request)
        assert caught.value.reason is Reason.ANSWERED
    assert guarded.home.footprint == before


@pytest.mark.parametrize(
    "vector",
    [VECTOR[:-1] + b"x", VECTOR[:-4], VECTOR + bytes(4), b""],
    ids=["altered", "cut short", "with more behind it", "left out"],
)
def test_no_contribution_leaves_with_another_vector_than_it_names(
    guarded: GateStage, vector: bytes
) -> None:
    charge = guarded.charge()
    before = guarded.home.footprint
    with pytest.raises(Malformed) as caught:
        guarded.home.gate.contribute(guarded.contribution(), vector, charge, REQUEST)
    assert caught.value.reason is Reason.WRONG_BINDING
    assert guarded.home.footprint == before
    assert guarded.home.gate.contribute(guarded.contribution(), VECTOR, charge, REQUEST)


def test_a_vector_that_is_another_on_disk_is_not_sent_again(guarded: GateStage) -> None:
    guarded.home.gate.contribute(guarded.contribution(), VECTOR, guarded.charge(), REQUEST)
    path = guarded.folder / "home" / "node.db-vectors"
    path.write_bytes(bytes(23) + b"x")
    with pytest.raises(StorageFault, match="damaged"):
        guarded.home.gate.answered(Question(NONCE, 1, "training"), REQUEST)


def test_what_commits_beside_an_answer_goes_with_it(guarded: GateStage) -> None:
    """The optimiser's state and a kept evaluation stand or fall with the charge and the vote."""

    def put(connection: Connection) -> None:
        cells.put(connection, "beside", b"1")

    with pytest.raises(Refused):
        guarded.home.gate.charge(guarded.charter.digest, "no such kind", NONCE, 1, put)
    unpaid = Charge(guarded.charter.digest, "evaluation", CANDIDATE, 3, 1)
    with pytest.raises(Refused):
        guarded.home.gate.vote(guarded.vote(), unpaid, put)
    with guarded.home.store.read() as connection:
        assert cells.get(connection, "beside") is None
    guarded.home.gate.charge(guarded.charter.digest, "round", NONCE, 1, put)
    with guarded.home.store.read() as connection:
        assert cells.get(connection, "beside") == b"1"


def answers(guarded: GateStage) -> list[tuple[str, Callable[[], object]]]:
    gate, charge = guarded.home.gate, guarded.charge()
    evaluated = guarded.charge("evaluation", CANDIDATE, 3)
    consent = guarded.consent(attempt_nonce=digest(b"next"))
    refusal = Refusal(
        charter_digest=guarded.charter.digest,
        attempt_nonce=b"",
        city=guarded.home.division,
        reason="policy.refused",
        message="no",
    )
    return [
        ("consent", lambda: gate.consent(guarded.charter, consent, REQUEST)),
        ("charge", lambda: guarded.charge("round", NONCE, 2)),
        ("contribute", lambda: gate.contribute(guarded.contribution(), VECTOR, charge, REQUEST)),
        ("vote", lambda: gate.vote(guarded.vote(), evaluated, nothing)),
        ("refuse", lambda: gate.refuse(refusal)),
    ]


def test_no_bytes_are_returned_before_the_commit(guarded: GateStage) -> None:
    """The last thing that can fail is the commit itself: then nobody has seen anything."""
    for name, act in answers(guarded):
        before, counted = guarded.home.footprint, guarded.home.refusals
        engine = guarded.home.store.engine

        def full(_: Connection) -> None:
            raise StorageFault(Reason.STORAGE, "the disk is full")

        event.listen(engine, "commit", full)
        try:
            with pytest.raises(StorageFault):
                act()
        finally:
            event.remove(engine, "commit", full)
        assert guarded.home.footprint == before, name
        assert guarded.home.refusals == counted, name
        act()
        assert (guarded.home.footprint, guarded.home.refusals) != (before, counted), name


def test_the_entry_is_there_when_the_bytes_are(guarded: GateStage) -> None:
    """Another connection, as another process would have it, sees the entry of what was returned."""
    charge = guarded.charge()
    sent = guarded.home.gate.contribute(guarded.contribution(), VECTOR, charge, REQUEST)
    guarded.home.restart()
    assert (digest(sent.envelope),) in guarded.home.footprint["egress"]
    assert isinstance(opened(sent.envelope), Contribution)
    assert guarded.home.gate.answered(Question(NONCE, 1, "training"), REQUEST) == sent


def test_a_closed_charter_is_charged_for_nothing_more(guarded: GateStage) -> None:
    with guarded.home.store.write() as connection:
        ledger.close(connection, guarded.charter.digest)
    before = guarded.home.footprint
    with pytest.raises(Refused) as caught:
        guarded.charge()
    assert caught.value.reason is Reason.CHARTER_CLOSED
    consent = guarded.consent(attempt_nonce=digest(b"next"))
    with pytest.raises(Refused) as caught:
        guarded.home.gate.consent(guarded.charter, consent, REQUEST)
    assert caught.value.reason is Reason.CHARTER_CLOSED
    assert guarded.home.footprint == before
