"""What counts as a city's answer: its own word, to this very request, and nothing like it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.cities import START, Coordinator, PaperCity, charter_of, opened
from support.federation import CityKeys, Federation, envelope
from support.runs import Run

from federation.acceptance import Accepted
from federation.crypto.envelope import Body
from federation.crypto.keys import digest
from federation.documents.exchanged import ConsentRequest, Contribution, Refusal, RoundRequest
from federation.documents.types import Document, PayloadType
from federation.errors import LaborfedError, Reason, Refused
from federation.rounds import judging, terms
from federation.rounds.aggregate import to_bytes
from federation.wire.codec import decode_body, encode_body

ONE, OTHER = "310000", "330100"


class Bench:
    """A coordinator that asks four cities and judges what one of them says."""

    def __init__(self, federation: Federation) -> None:
        self.federation = federation
        papers = {
            division: PaperCity(federation, division, number)
            for number, division in enumerate(sorted(federation.cities), start=1)
        }
        start = to_bytes(START)
        self.coordinator = Coordinator(
            federation, charter_of(federation), papers, {digest(start): start}
        )
        self.request: ConsentRequest = self.coordinator.consent_request()
        self.coordinator.start()

    @property
    def run(self) -> Run:
        return Run(self.federation, self.coordinator.charter, self.coordinator.nonce)

    def in_run(self, raw: bytes, expected: PayloadType) -> Accepted[Document]:
        return self.federation.publisher.acceptance.in_run(raw, expected, self.federation.clock())

    def consent(self, raw: bytes) -> object:
        return judging.consent(decode_body(raw), ONE, self.request, self.in_run)

    def contribution(self, raw: bytes, request: RoundRequest) -> Contribution:
        context = terms.mask_context(request, self.coordinator.charter.document)
        return judging.contribution(decode_body(raw), ONE, context, self.in_run)

    def refusal(self, city: str, reason: str) -> bytes:
        refusal = Refusal(
            charter_digest=self.coordinator.charter.digest,
            attempt_nonce=self.coordinator.nonce,
            city=city,
            reason=reason,
            message="not today",
        )
        return self.federation.by_city(refusal, city)

    def evaluated(self, **vote: Any) -> tuple[bytes, RoundRequest]:
        """Return an evaluation's contribution with a vote changed as told, and its request."""
        candidate = START + 7
        request = self.coordinator.round_request(
            round=3,
            kind="evaluation",
            parameters_digest=digest(to_bytes(candidate)),
            previous_record_digest=digest(b"record"),
        )
        said = self.run.vote(self.coordinator.roster, ONE, to_bytes(candidate), **vote)
        return self.with_vote(request, said), request

    def with_vote(self, request: RoundRequest, vote: bytes) -> bytes:
        context = terms.mask_context(request, self.coordinator.charter.document)
        vector = bytes(8)
        contribution = Contribution(
            **vars(context), city=ONE, masked_digest=digest(vector), vote=vote
        )
        return encode_body(Body(self.federation.by_city(contribution, ONE), vector))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Federation(tmp_path))


def test_a_consent_to_this_request_counts(bench: Bench) -> None:
    assert bench.consent(bench.coordinator.consents[ONE]) == opened(bench.coordinator.consents[ONE])


def changed(**changes: Any) -> Callable[[Bench], bytes]:
    return lambda bench: bench.run.consent(ONE, **changes)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(
            lambda b: b.coordinator.consents[OTHER], Reason.UNKNOWN_SIGNER, id="of another city"
        ),
        pytest.param(
            changed(charter_digest=digest(b"other")), Reason.WRONG_BINDING, id="to another charter"
        ),
        pytest.param(
            changed(attempt_nonce=digest(b"other")), Reason.WRONG_BINDING, id="to another attempt"
        ),
        pytest.param(
            changed(membership_digest=digest(b"other")), Reason.WRONG_BINDING, id="among others"
        ),
        pytest.param(changed(consented_ms=2**42), Reason.NOT_YET_VALID, id="of tomorrow"),
        pytest.param(changed(city=OTHER), Reason.UNKNOWN_SIGNER, id="in another's name"),
        pytest.param(
            lambda b: envelope(opened(b.coordinator.consents[ONE]), CityKeys.of(ONE, 2).signing),
            Reason.UNKNOWN_SIGNER,
            id="under a stolen name",
        ),
        pytest.param(
            lambda b: (
                b.coordinator.consents[ONE][:-1] + bytes([b.coordinator.consents[ONE][-1] ^ 1])
            ),
            Reason.BAD_SIGNATURE,
            id="with a damaged signature",
        ),
        pytest.param(
            lambda b: decode_body(b.coordinator.ask()[ONE]).envelope,
            Reason.UNEXPECTED_TYPE,
            id="that is a contribution",
        ),
        pytest.param(
            lambda b: encode_body(Body(b.coordinator.consents[ONE], b"\0")),
            Reason.NOT_DECODABLE,
            id="with a vector attached",
        ),
        pytest.param(
            lambda b: b.coordinator.ask()[ONE],
            Reason.NOT_DECODABLE,
            id="that is a contribution with its vector",
        ),
        pytest.param(lambda b: b"", Reason.NOT_DECODABLE, id="that is empty"),
        pytest.param(lambda b: b"\xff" * 40, Reason.NOT_DECODABLE, id="that is noise"),
        pytest.param(
            lambda b: b.refusal(OTHER, "policy.refused"), Reason.UNKNOWN_SIGNER, id="refused for it"
        ),
    ],
)
def test_no_consent_is(bench: Bench, answer: Callable[[Bench], bytes], reason: Reason) -> None:
    raw = answer(bench)
    with pytest.raises(LaborfedError) as caught:
        bench.consent(raw)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("policy.awaiting_person", Reason.AWAITING_PERSON),
        ("round.keys_lost", Reason.KEYS_LOST),
        ("made.up", Reason.PROTOCOL),
    ],
)
def test_a_city_s_refusal_is_heard_with_its_own_reason(
    bench: Bench, said: str, heard: Reason
) -> None:
    request = bench.coordinator.round_request()
    raw = bench.refusal(ONE, said)
    judges: list[Callable[[], object]] = [
        lambda: bench.consent(raw),
        lambda: bench.contribution(raw, request),
    ]
    for judge in judges:
        with pytest.raises(Refused, match="not today") as caught:
            judge()
        assert caught.value.reason is heard


def test_a_contribution_to_this_request_counts(bench: Bench) -> None:
    request = bench.coordinator.round_request()
    raw = bench.coordinator.ask()[ONE]
    assert bench.contribution(raw, request) == opened(raw)


def with_vector(change: Callable[[bytes], bytes]) -> Callable[[Bench], bytes]:
    """A city's genuine contribution whose vector was changed after it was signed."""

    def make(bench: Bench) -> bytes:
        came = decode_body(bench.coordinator.ask()[ONE])
        return encode_body(came._replace(vector=change(came.vector)))

    return make


def with_the_vector_of_another(bench: Bench) -> bytes:
    answers = bench.coordinator.ask()
    own, other = decode_body(answers[ONE]), decode_body(answers[OTHER])
    return encode_body(Body(own.envelope, other.vector))


def signed_with(vector: bytes) -> Callable[[Bench], bytes]:
    """A contribution that names a vector of another length than it says, by its right digest."""

    def make(bench: Bench) -> bytes:
        contribution = opened(bench.coordinator.ask()[ONE])
        assert isinstance(contribution, Contribution)
        named = replace(contribution, masked_digest=digest(vector))
        return encode_body(Body(bench.federation.by_city(named, ONE), vector))

    return make


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(with_vector(lambda v: v[:-1] + bytes([v[-1] ^ 1])), id="altered on the way"),
        pytest.param(with_vector(lambda v: v[:-4]), id="cut short on the way"),
        pytest.param(with_vector(lambda v: v + bytes(4)), id="with more behind it"),
        pytest.param(with_vector(lambda _: b""), id="left out"),
        pytest.param(with_the_vector_of_another, id="of another city"),
        pytest.param(signed_with(bytes(20)), id="shorter than the contribution says"),
        pytest.param(signed_with(bytes(28)), id="longer than the contribution says"),
        pytest.param(signed_with(b""), id="empty by its own digest"),
    ],
)
def test_a_contribution_does_not_count_with_a_vector(
    bench: Bench, answer: Callable[[Bench], bytes]
) -> None:
    raw = answer(bench)
    with pytest.raises(LaborfedError, match="vector") as caught:
        bench.contribution(raw, bench.coordinator.round_request())
    assert caught.value.reason is Reason.WRONG_BINDING


@pytest.mark.parametrize(
    "changes",
    [
        {"attempt_nonce": digest(b"other")},
        {"roster_digest": digest(b"other")},
        {"parameters_digest": digest(b"other")},
        {"round": 2},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_contribution_to_another_request_does_not_count(
    bench: Bench, changes: dict[str, Any]
) -> None:
    raw = bench.coordinator.ask()[ONE]
    request = bench.coordinator.round_request(previous_record_digest=digest(b"r"))
    with pytest.raises(LaborfedError) as caught:
        bench.contribution(raw, replace(request, **changes))
    assert caught.value.reason is Reason.WRONG_BINDING


def test_a_contribution_of_another_city_does_not_count(bench: Bench) -> None:
    raw = bench.coordinator.ask()[OTHER]
    with pytest.raises(LaborfedError) as caught:
        bench.contribution(raw, bench.coordinator.round_request())
    assert caught.value.reason is Reason.UNKNOWN_SIGNER


def test_an_evaluation_counts_with_its_vote(bench: Bench) -> None:
    raw, request = bench.evaluated()
    assert bench.contribution(raw, request).vote


@pytest.mark.parametrize(
    "field", ["charter_digest", "attempt_nonce", "roster_digest", "candidate_digest"]
)
def test_an_evaluation_with_another_vote_does_not_count(bench: Bench, field: str) -> None:
    raw, request = bench.evaluated(**{field: digest(b"other")})
    with pytest.raises(LaborfedError, match=field) as caught:
        bench.contribution(raw, request)
    assert caught.value.reason is Reason.WRONG_BINDING


def others_vote(bench: Bench, candidate: bytes) -> bytes:
    return bench.run.vote(bench.coordinator.roster, OTHER, candidate)


@pytest.mark.parametrize(
    ("vote", "reason"),
    [
        pytest.param(others_vote, Reason.UNKNOWN_SIGNER, id="of another city"),
        pytest.param(lambda b, c: b"vote", Reason.NOT_DECODABLE, id="that is none"),
        pytest.param(
            lambda b, c: b.coordinator.consents[ONE], Reason.UNEXPECTED_TYPE, id="but a consent"
        ),
        pytest.param(
            lambda b, c: b.refusal(ONE, "policy.refused"), Reason.POLICY, id="but a refusal"
        ),
    ],
)
def test_an_evaluation_does_not_count_with_a_vote(
    bench: Bench, vote: Callable[[Bench, bytes], bytes], reason: Reason
) -> None:
    _, request = bench.evaluated()
    raw = bench.with_vote(request, vote(bench, to_bytes(START + 7)))
    with pytest.raises(LaborfedError) as caught:
        bench.contribution(raw, request)
    assert caught.value.reason is reason
