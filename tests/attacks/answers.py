"""Attacks of cities on the coordinator and on each other: what they answer in a run.

Lives here: this group's lines and what they forge. Must not know: how a case is judged. Whatever a
city does here, the run goes on without it and everything logged holds in an audit.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from support.conducting import Fault, Request
from support.federation import DIVISIONS
from support.runs import agreement_key

from attacks.case import Act, Attack, By, Guard, Strike
from attacks.envelopes import PARSED, VERIFIED, document_of
from attacks.rosters import SMALL_ORDER
from attacks.stages import DeskStage
from federation.crypto.envelope import Body
from federation.crypto.keys import digest
from federation.documents.exchanged import Consent, ConsentRequest, Contribution, RoundRequest, Vote
from federation.errors import Reason
from federation.exchange.mailbox import Mailbox
from federation.wire.codec import decode_body, encode_body

FIRST, SECOND, THIRD = DIVISIONS[:3]
EVALUATION = 3  # the round after the charter's two
JUDGING = "federation/rounds/judging.py"
TERMS = "federation/rounds/terms.py"
MAILBOX = "federation/exchange/mailbox.py"
BOUND = Guard(TERMS, "if getattr(contribution, name) != expected:", "if False:")
SPEAKER = Guard(JUDGING, "if accepted.signers != {city}:", "if False:")
VOTE_BOUND = Guard(JUDGING, "if getattr(vote, name) != value:", "if False:")
ALTERED, ANOTHERS, SHORT = (
    "a contribution whose vector is altered on the way",
    "another city's vector under one's own contribution",
    "a contribution of fewer values than it says",
)
LEAVES = "a contribution that leaves with another vector than it names"
VECTOR = "if len(vector) != size or digest(vector) != contribution.masked_digest:"
VECTOR_HOLDS = Guard(TERMS, VECTOR, "if len(vector) != size:", stops_too=(LEAVES,))
VECTOR_SIZED = Guard(TERMS, VECTOR, "if digest(vector) != contribution.masked_digest:")
VECTOR_CHECKED = Guard(TERMS, VECTOR, "if False:", stops_too=(ALTERED, ANOTHERS, SHORT, LEAVES))

Misdeed = Callable[[DeskStage], Fault]


def misbehaves(number: int, misdeed: Misdeed) -> Act:
    """Return the act of a run whose round ``number`` (0: the consent) one city answers wrongly."""

    def act(stage: DeskStage) -> Strike:
        stage.cities.faults[stage.attacker, number] = misdeed(stage)
        return stage.conducts()

    return act


def honest_run(stage: DeskStage) -> Strike:
    """A run in which no city misbehaves."""
    return stage.conducts()


def flipped(raw: bytes) -> bytes:
    """The envelope with one bit of its last signature flipped."""
    return raw[:-1] + bytes([raw[-1] ^ 1])


def in_anothers_name(stage: DeskStage) -> Fault:
    return lambda _city, request: stage.cities.honest(FIRST, request)


def changed_body(stage: DeskStage, change: Callable[[Body], Body]) -> Fault:
    """An honest answer of which envelope or vector is another when it arrives."""

    def answer(city: str, request: Request) -> bytes:
        return encode_body(change(decode_body(stage.cities.honest(city, request))))

    return answer


def altered(stage: DeskStage) -> Fault:
    return changed_body(stage, lambda b: Body(flipped(b.envelope), b.vector))


def altered_vector(stage: DeskStage) -> Fault:
    return changed_body(stage, lambda b: Body(b.envelope, flipped(b.vector)))


def longer_vector(stage: DeskStage) -> Fault:
    return changed_body(stage, lambda b: Body(b.envelope, b.vector + bytes(4)))


def no_vector(stage: DeskStage) -> Fault:
    return changed_body(stage, lambda b: Body(b.envelope))


def vector_of_another_city(stage: DeskStage) -> Fault:
    """Whose own contribution stays as it was signed: their sum would be another."""

    def answer(city: str, request: Request) -> bytes:
        own, other = (decode_body(stage.cities.honest(c, request)) for c in (city, FIRST))
        return encode_body(Body(own.envelope, other.vector))

    return answer


def fewer_values_than_it_says(stage: DeskStage) -> Fault:
    """The city itself names the shorter vector: its digest is the right one."""

    def answer(city: str, request: Request) -> bytes:
        short = decode_body(stage.cities.honest(city, request)).vector[:-4]
        return resigned(stage, city, request, short, masked_digest=digest(short))

    return answer


def with_a_vector(stage: DeskStage) -> Fault:
    return changed_body(stage, lambda b: Body(b.envelope, bytes(24)))


def resigned(
    stage: DeskStage, city: str, request: Request, vector: bytes | None = None, **changes: Any
) -> bytes:
    """An honest contribution with fields changed and signed again, with its vector or another."""
    whole = stage.cities.honest(city, request)
    contribution = document_of(whole)
    assert isinstance(contribution, Contribution)
    envelope = stage.federation.by_city(replace(contribution, **changes), city)
    return encode_body(Body(envelope, decode_body(whole).vector if vector is None else vector))


def nonsense(_: DeskStage) -> Fault:
    return lambda _city, _request: b"\x0a\xff nonsense"


def changed_request(stage: DeskStage, **changes: Any) -> Fault:
    """Answer, correctly, another request than was asked."""

    def answer(city: str, request: Request) -> bytes:
        assert isinstance(request, RoundRequest)
        return stage.cities.contribution(city, replace(request, **changes))

    return answer


def of_the_next_round(stage: DeskStage) -> Fault:
    return changed_request(stage, round=2, previous_record_digest=bytes(32))


def about_other_parameters(stage: DeskStage) -> Fault:
    return changed_request(stage, parameters_digest=bytes(32))


def of_the_round_before(stage: DeskStage) -> Fault:
    """Round 2 answered with the very bytes that answered round 1."""

    def answer(city: str, request: Request) -> bytes:
        assert isinstance(request, RoundRequest)
        first = stage.cities.requests[1]
        assert isinstance(first, RoundRequest)
        return stage.cities.contribution(city, first)

    return answer


def of_another_attempts_roster(stage: DeskStage) -> Fault:
    return lambda city, request: resigned(stage, city, request, roster_digest=bytes(32))


def refusing_in_anothers_name(stage: DeskStage) -> Fault:
    return lambda _city, request: stage.cities.refusal(FIRST, request, Reason.BUDGET)


def consent_with(stage: DeskStage, **changes: Any) -> Fault:
    """Consent, with fields changed."""

    def answer(city: str, request: Request) -> bytes:
        assert isinstance(request, ConsentRequest)
        consent = document_of(stage.cities.consent(city, request))
        assert isinstance(consent, Consent)
        return stage.federation.by_city(replace(consent, **changes), city)

    return answer


def to_another_charter(stage: DeskStage) -> Fault:
    return consent_with(stage, charter_digest=bytes(32))


def with_a_key_of_small_order(stage: DeskStage) -> Fault:
    return consent_with(stage, agreement_key=bytes(32))


def two_agree_on_one_key(stage: DeskStage) -> Strike:
    """Every honest city refuses a roster with equal keys; two liars would end each run by it."""
    shared = agreement_key("shared", bytes(32)).public
    for city in (stage.attacker, THIRD):
        stage.cities.faults[city, 0] = consent_with(stage, agreement_key=shared)
    return stage.conducts()


def vote_with(stage: DeskStage, voter: str | None = None, **changes: Any) -> Fault:
    """Contribute to the evaluation with a vote that has fields changed, or another's."""

    def answer(city: str, request: Request) -> bytes:
        contribution = document_of(stage.cities.honest(city, request))
        assert isinstance(contribution, Contribution)
        vote = document_of(contribution.vote)
        assert isinstance(vote, Vote)
        by = voter or city
        cast = stage.federation.by_city(replace(vote, city=by, **changes), by)
        return resigned(stage, city, request, vote=cast)

    return answer


def vote_for_another_candidate(stage: DeskStage) -> Fault:
    return vote_with(stage, candidate_digest=bytes(32))


def vote_of_another_city(stage: DeskStage) -> Fault:
    return vote_with(stage, voter=FIRST)


def forged_vote(stage: DeskStage) -> Fault:
    def answer(city: str, request: Request) -> bytes:
        contribution = document_of(stage.cities.honest(city, request))
        assert isinstance(contribution, Contribution)
        return resigned(stage, city, request, vote=flipped(contribution.vote))

    return answer


def by_city(name: str, number: int, misdeed: Misdeed, reason: Reason, guard: Guard) -> Attack:
    """Return an attack of one city on the run it takes part in."""
    act = misbehaves(number, misdeed)
    return Attack(name, By.CITY, act, reason, guard, DeskStage, honest_run)


# ── the mailbox ─────────────────────────────────────────────────────────────────────────────────


class MailStage:
    """A mailbox in which one city is asked; ``state`` is what was answered."""

    def __init__(self, _folder: Path) -> None:
        self.mailbox = Mailbox()
        self.asked = self.mailbox.ask(FIRST, "train", b"question")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.asked.cancel()

    @property
    def state(self) -> object:
        answered = self.asked.done() and not self.asked.cancelled()
        return self.asked.result() if answered else None


def awaited_answer(stage: MailStage) -> Strike:
    """The answer that is waited for."""
    return lambda: _handed_in(stage, FIRST, b"answer", counts=True)


def _handed_in(stage: MailStage, city: str, body: bytes, *, counts: bool) -> None:
    assert stage.mailbox.answer(city, 1, body) is counts


def to_anothers_question(stage: MailStage) -> Strike:
    def strike() -> None:
        _handed_in(stage, SECOND, b"forged", counts=False)
        assert stage.state is None

    return strike


def too_late(stage: MailStage) -> Strike:
    def strike() -> None:
        stage.mailbox.cancel(stage.asked)
        _handed_in(stage, FIRST, b"late", counts=False)
        assert stage.state is None

    return strike


def twice(stage: MailStage) -> Strike:
    def strike() -> None:
        _handed_in(stage, FIRST, b"answer", counts=True)
        _handed_in(stage, FIRST, b"another", counts=False)
        assert stage.state == b"answer"

    return strike


def by_mail(name: str, act: Act, guard: Guard) -> Attack:
    """Return an attack of a city by an answer that is discarded."""
    return Attack(name, By.CITY, act, None, guard, MailStage, awaited_answer)


FORGETS = Guard(
    MAILBOX, "            self._pending.pop(number, None)", "            pass", does=True
)
LATE = "a late answer"

ANSWERS: list[Attack] = [
    by_city(
        "another city's contribution as one's own",
        1,
        in_anothers_name,
        Reason.UNKNOWN_SIGNER,
        SPEAKER,
    ),
    by_city(
        "a consent in another city's name", 0, in_anothers_name, Reason.UNKNOWN_SIGNER, SPEAKER
    ),
    by_city(
        "a refusal in another city's name",
        1,
        refusing_in_anothers_name,
        Reason.UNKNOWN_SIGNER,
        SPEAKER,
    ),
    by_city(
        "another city's vote as one's own",
        EVALUATION,
        vote_of_another_city,
        Reason.UNKNOWN_SIGNER,
        SPEAKER,
    ),
    by_city("a contribution altered on the way", 1, altered, Reason.BAD_SIGNATURE, VERIFIED),
    by_city(ALTERED, 1, altered_vector, Reason.WRONG_BINDING, VECTOR_HOLDS),
    by_city(ANOTHERS, 1, vector_of_another_city, Reason.WRONG_BINDING, VECTOR_HOLDS),
    by_city(SHORT, 1, fewer_values_than_it_says, Reason.WRONG_BINDING, VECTOR_SIZED),
    by_city(
        "a contribution whose vector is longer than it says",
        1,
        longer_vector,
        Reason.WRONG_BINDING,
        VECTOR_CHECKED,
    ),
    by_city(
        "a contribution without its vector", 1, no_vector, Reason.WRONG_BINDING, VECTOR_CHECKED
    ),
    by_city(
        "a consent with a vector attached",
        0,
        with_a_vector,
        Reason.NOT_DECODABLE,
        Guard(JUDGING, "    check_bare(body)\n", ""),
    ),
    by_city("an answer that is no envelope", 1, nonsense, Reason.NOT_DECODABLE, PARSED),
    by_city("a contribution to the next round", 1, of_the_next_round, Reason.WRONG_BINDING, BOUND),
    by_city(
        "the contribution to the round before, replayed",
        2,
        of_the_round_before,
        Reason.WRONG_BINDING,
        BOUND,
    ),
    by_city(
        "a contribution about other parameters",
        1,
        about_other_parameters,
        Reason.WRONG_BINDING,
        BOUND,
    ),
    by_city(
        "a contribution masked for another roster",
        1,
        of_another_attempts_roster,
        Reason.WRONG_BINDING,
        BOUND,
    ),
    by_city(
        "a consent to another charter than asked",
        0,
        to_another_charter,
        Reason.WRONG_BINDING,
        Guard(JUDGING, "if getattr(document, name) != getattr(request, name):", "if False:"),
    ),
    by_city(
        "a consent whose key nobody can mask with",
        0,
        with_a_key_of_small_order,
        Reason.INVALID_DOCUMENT,
        SMALL_ORDER,
    ),
    Attack(
        "two cities agree on one key to make the others refuse their roster",
        By.CITY,
        two_agree_on_one_key,
        Reason.ROSTER_CONSENT,
        Guard(JUDGING, "if times[consent.agreement_key] > 1)", "if times[b''] > 1)"),
        DeskStage,
        honest_run,
    ),
    by_city(
        "a vote for another candidate",
        EVALUATION,
        vote_for_another_candidate,
        Reason.WRONG_BINDING,
        VOTE_BOUND,
    ),
    by_city("a forged vote", EVALUATION, forged_vote, Reason.BAD_SIGNATURE, VERIFIED),
    by_mail(
        "an answer to a question that another city was asked",
        to_anothers_question,
        Guard(MAILBOX, "if pending is None or pending.city != city:", "if pending is None:"),
    ),
    by_mail(LATE, too_late, FORGETS),
    by_mail(
        "a second answer to one question",
        twice,
        Guard(
            MAILBOX,
            "            del self._pending[request_id]",
            "            pass",
            backed_by=(FORGETS,),
            stops_too=(LATE,),
        ),
    ),
]
