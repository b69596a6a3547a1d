"""Witnesses over the mailbox: who is asked what, whose word counts, and when waiting ends."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from support.federation import signing_key
from support.witnesses import Streams, streams

from federation.crypto.keys import SigningKey, digest
from federation.errors import Reason
from federation.heads import Asking, Gathered
from federation.log.checkpoint import Checkpoint, cosignature, sign_checkpoint
from federation.log.merkle import Proof
from federation.log.witnessing import WitnessReply, WitnessRequest
from federation.wire.codec import decode_witness_request, encode_witness_reply

CITIES = ("310000", "330100", "340100", "440300")
KEYS = {city: signing_key(city) for city in CITIES}


@dataclass
class Scripted:
    """A witness that does what its list says, and keeps what it was asked."""

    city: str
    replies: list[WitnessReply | SigningKey]

    def __post_init__(self) -> None:
        self.asked: list[WitnessRequest] = []

    def __call__(self, body: bytes) -> bytes:
        request = decode_witness_request(body)
        self.asked.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, SigningKey):
            text = request.checkpoint.split(b"\n\n")[0].decode() + "\n"
            reply = WitnessReply(cosignature=cosignature(text, self.city, reply))
        return encode_witness_reply(reply)


@pytest.fixture
def attending() -> Iterator[Streams]:
    with streams(answer_s=0.2) as opened:
        yield opened


def head(size: int) -> Checkpoint:
    return Checkpoint("log.example", size, digest(b"root %d" % size), 1)


def prove(old: int) -> Proof:
    return (digest(b"from %d" % old),)


def gather(attending: Streams, size: int = 9, needed: int = 3, patience_s: float = 0.0) -> Gathered:
    note = sign_checkpoint(head(size), signing_key("log"))
    keys = {city: key.public for city, key in KEYS.items()}
    return attending.witnesses.gather(
        Asking(
            note=note,
            text=head(size).text,
            size=size,
            witnesses=keys,
            needed=needed,
            prove=prove,
            patience_s=patience_s,
        )
    )


def attend(attending: Streams, replies: Mapping[str, list[WitnessReply | SigningKey]]) -> None:
    for city, said in replies.items():
        attending.attend(city, Scripted(city, said))


def willing(*cities: str) -> dict[str, list[WitnessReply | SigningKey]]:
    return {city: [KEYS[city]] * 9 for city in cities}


def test_all_are_asked_and_enough_suffice(attending: Streams) -> None:
    attend(attending, willing(*CITIES))
    found = gather(attending)
    assert len(found.lines) >= 3
    assert found.lines.keys() <= set(CITIES)


def test_who_is_away_is_named_and_not_waited_for(attending: Streams) -> None:
    attend(attending, willing(*CITIES[:2]))
    found = gather(attending)
    assert (set(found.lines), found.faults) == (
        set(CITIES[:2]),
        {CITIES[2]: "does not attend", CITIES[3]: "does not attend"},
    )
    # nothing lies waiting for them
    mailbox = attending.mailbox
    assert mailbox.unsent(mailbox.attend(CITIES[2], lambda: None)) == []


def test_patience_is_for_those_who_are_away(attending: Streams) -> None:
    attend(attending, willing(*CITIES[:2]))
    later = threading.Timer(0.3, lambda: attend(attending, willing(CITIES[2])))
    later.start()
    assert set(gather(attending, patience_s=60.0).lines) == set(CITIES[:3])
    later.join()


def test_who_attends_and_says_nothing_is_named(attending: Streams) -> None:
    silent = threading.Event()

    def say_nothing(body: bytes) -> bytes:
        silent.wait()
        return b""

    attend(attending, willing(*CITIES[:2]))
    attending.attend(CITIES[2], say_nothing)
    found = gather(attending)
    silent.set()
    assert found.faults[CITIES[2]] == "no answer in time"


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (KEYS[CITIES[0]], "the note bears no signature by 330100"),
        (WitnessReply(cosignature=b"what is this"), "note: "),
        (WitnessReply(reason=Reason.STALE_CHECKPOINT, message="too old"), "too old [log.stale"),
        (WitnessReply(proofs_from=(10,)), "has seen 10 entries already"),
    ],
    ids=["another's key", "no line", "refusal", "newer"],
)
def test_what_does_not_count_is_told(
    attending: Streams, reply: WitnessReply | SigningKey, told: str
) -> None:
    attend(attending, willing(CITIES[0]))
    attend(attending, {CITIES[1]: [reply]})
    found = gather(attending, needed=2)
    assert set(found.lines) == {CITIES[0]}
    assert told in found.faults[CITIES[1]]


def test_a_damaged_co_signature_does_not_spoil_the_note(attending: Streams) -> None:
    line = cosignature(head(8).text, CITIES[1], KEYS[CITIES[1]])
    attend(attending, willing(CITIES[0]))
    attend(attending, {CITIES[1]: [WitnessReply(cosignature=line)]})
    found = gather(attending, needed=2)
    assert set(found.lines) == {CITIES[0]}
    assert Reason.BAD_SIGNATURE in found.faults[CITIES[1]]


def test_proofs_a_witness_lacks_are_given_to_it(attending: Streams) -> None:
    witness = Scripted(CITIES[0], [WitnessReply(proofs_from=(3, 6)), KEYS[CITIES[0]]])
    attending.attend(CITIES[0], witness)
    assert set(gather(attending, needed=1).lines) == {CITIES[0]}
    guessed, named = (request.proofs for request in witness.asked)
    assert guessed == {7: prove(7), 8: prove(8)}
    assert named == {3: prove(3), 6: prove(6)}


def test_a_witness_that_never_has_enough_is_given_up(attending: Streams) -> None:
    witness = Scripted(CITIES[0], [WitnessReply(proofs_from=(n,)) for n in range(1, 9)])
    attending.attend(CITIES[0], witness)
    found = gather(attending, needed=1)
    assert found.faults == {
        CITIES[0]: "asks for other proofs each time",
        **dict.fromkeys(CITIES[1:], "does not attend"),
    }
    assert len(witness.asked) == 3


def test_what_was_co_signed_last_is_proven_from(attending: Streams) -> None:
    witness = Scripted(CITIES[0], [KEYS[CITIES[0]]] * 2)
    attending.attend(CITIES[0], witness)
    gather(attending, size=4, needed=1)
    gather(attending, size=9, needed=1)
    assert set(witness.asked[1].proofs) == {4, 7, 8}


def test_a_co_signature_that_came_late_is_remembered(attending: Streams) -> None:
    """Enough had signed; the slow one's answer still tells which head it holds now."""
    slow = threading.Event()
    witness = Scripted(CITIES[1], [KEYS[CITIES[1]]] * 2)

    def waits(body: bytes) -> bytes:
        slow.wait()
        return witness(body)

    attend(attending, willing(CITIES[0]))
    attending.attend(CITIES[1], waits)
    assert set(gather(attending, size=4, needed=1).lines) == {CITIES[0]}
    noted = threading.Event()
    (late,) = attending.witnesses.open_questions()
    late.add_done_callback(lambda _: noted.set())  # called after the one that takes note
    slow.set()
    assert noted.wait(timeout=10)
    gather(attending, size=9, needed=2)
    assert set(witness.asked[1].proofs) == {4, 7, 8}
