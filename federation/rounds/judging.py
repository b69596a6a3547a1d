"""The conductor's judgement of one city's answer: what it asked for, or the reason it is not.

Lives here: which answer counts for which request. Must not know: the other cities, storage, or what
follows from a missing answer.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from federation.acceptance import Accepted
from federation.crypto.envelope import Body
from federation.crypto.masking import MaskContext
from federation.documents.exchanged import (
    Consent,
    ConsentRequest,
    Contribution,
    Refusal,
    Vote,
)
from federation.documents.types import Document, PayloadType
from federation.errors import Malformed, Reason, Refused, Untrusted
from federation.rounds.terms import check_bare, check_binding, check_vector
from federation.wire.codec import decode_envelope

InRun = Callable[[bytes, PayloadType], Accepted[Document]]


def consent(body: Body, city: str, request: ConsentRequest, in_run: InRun) -> Consent:
    """Return the city's consent to this very request.

    Raises Refused with the city's own reason when it said no, CallerError when the answer is
    something else.
    """
    check_bare(body)
    document = _from(body.envelope, city, PayloadType.CONSENT, in_run).of(Consent).document
    for name in ("charter_digest", "attempt_nonce", "membership_digest"):
        if getattr(document, name) != getattr(request, name):
            raise Malformed(Reason.WRONG_BINDING, f"consent: {name} is not the request's")
    return document


def shared_keys(consents: Mapping[str, Consent]) -> frozenset[str]:
    """Return the cities that gave an agreement key which another of them gave too.

    Every city refuses a roster with two equal keys: two that agree on one would end each run, and
    have the others named as missing.
    """
    times = Counter(consent.agreement_key for consent in consents.values())
    return frozenset(c for c, consent in consents.items() if times[consent.agreement_key] > 1)


def contribution(body: Body, city: str, context: MaskContext, in_run: InRun) -> Contribution:
    """Return the city's contribution, bound to ``context``; vector and vote are checked with it.

    Raises as :func:`consent`.
    """
    accepted = _from(body.envelope, city, PayloadType.CONTRIBUTION, in_run)
    document = accepted.of(Contribution).document
    check_binding(document, context)
    check_vector(document, body.vector)
    if document.kind == "evaluation":
        _check_vote(document.vote, city, context, in_run)
    return document


def _check_vote(raw: bytes, city: str, context: MaskContext, in_run: InRun) -> None:
    vote = _from(raw, city, PayloadType.VOTE, in_run).of(Vote).document
    expected = {
        "charter_digest": context.charter_digest,
        "attempt_nonce": context.attempt_nonce,
        "roster_digest": context.roster_digest,
        "candidate_digest": context.parameters_digest,
    }
    for name, value in expected.items():
        if getattr(vote, name) != value:
            raise Malformed(Reason.WRONG_BINDING, f"vote: {name} is not the candidate's")


def _from(raw: bytes, city: str, wanted: PayloadType, in_run: InRun) -> Accepted[Document]:
    if decode_envelope(raw).payload_type == PayloadType.REFUSAL:
        _raise_refusal(in_run(raw, PayloadType.REFUSAL).of(Refusal), city)
    accepted = in_run(raw, wanted)
    _check_speaker(accepted, city)
    return accepted


def _check_speaker(accepted: Accepted[Document], city: str) -> None:
    # the stream a body came by says who was asked; the signature says who answered
    if accepted.signers != {city}:
        raise Untrusted(Reason.UNKNOWN_SIGNER, f"the answer of {city} speaks for another city")


def _raise_refusal(accepted: Accepted[Refusal], city: str) -> None:
    _check_speaker(accepted, city)
    said = accepted.document
    try:
        reason = Reason(said.reason)
    except ValueError:
        reason = Reason.PROTOCOL
    raise Refused(reason, said.message)
