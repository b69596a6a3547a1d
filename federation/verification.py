"""What rosters, round records and releases must show beyond acceptance: that they fit together.

Lives here: checks over accepted documents alone, used by cities, conductor and audit alike. Must
not know: stores, runs in progress, or how a sum is computed.
"""

from collections.abc import Iterable

from federation.acceptance import Accepted, Limits, signed_document
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.exchanged import Consent, Contribution, Vote
from federation.documents.releases import ModelRelease, StatisticsRelease
from federation.documents.runs import Roster, RoundRecord
from federation.documents.types import Document, PayloadType
from federation.errors import CallerError, Malformed, Reason, Refused, Untrusted
from federation.trust import Trust


def verify_roster(
    roster: Accepted[Roster], charter: Accepted[Charter], trust: Trust
) -> tuple[Consent, ...]:
    """Return the roster's consents, ascending by city, once every one was verified.

    Each is its city's own, given for this charter, attempt and membership; the n cities are active
    and distinct, n is at least the charter's minimum, and its t, at least the membership's, at most
    n−2. Raises WRONG_BINDING, ROSTER_CONSENT, ROSTER_COLLUSION or ROSTER_TOO_SMALL.
    """
    document, terms = roster.document, charter.document
    _bound("charter_digest", document.charter_digest, charter.digest)
    membership = trust.named(document.membership_digest)
    consents = tuple(_consent(raw, roster, trust) for raw in document.consents)
    cities = [consent.city for consent in consents]
    if cities != sorted(set(cities)):
        raise Refused(
            Reason.ROSTER_CONSENT, "the roster's consents are not of distinct cities, ascending"
        )
    if len({consent.agreement_key for consent in consents}) != len(consents):
        raise Refused(Reason.ROSTER_CONSENT, "two cities of the roster gave one agreement key")
    if not membership.collusion_bound <= terms.collusion_bound <= len(cities) - 2:
        raise Refused(
            Reason.ROSTER_COLLUSION,
            f"{terms.collusion_bound} colluders cannot be borne: membership asks for at least "
            f"{membership.collusion_bound}, {len(cities)} cities bear at most {len(cities) - 2}",
        )
    if len(cities) < terms.min_roster:
        raise Refused(
            Reason.ROSTER_TOO_SMALL, f"{len(cities)} cities, the charter asks {terms.min_roster}"
        )
    return consents


def verify_round_record(
    record: Accepted[RoundRecord],
    roster: Accepted[Roster],
    cities: Iterable[str],
    previous: Accepted[RoundRecord] | None,
) -> None:
    """The record is of the roster's attempt and cities and follows ``previous``, the run's last.

    ``cities`` are those of the roster's consents. Raises WRONG_BINDING, WRONG_ROUND,
    ROSTER_FOREIGN.
    """
    document, attempt = record.document, roster.document
    _bound("roster_digest", document.roster_digest, roster.digest)
    _bound("charter_digest", document.charter_digest, attempt.charter_digest)
    _bound("attempt_nonce", document.attempt_nonce, attempt.attempt_nonce)
    _bound(
        "previous_record_digest",
        document.previous_record_digest,
        previous.digest if previous else b"",
    )
    follows = previous.document.round + 1 if previous else 1
    if document.round != follows or document.round < attempt.first_round:
        raise Refused(
            Reason.WRONG_ROUND, f"round {document.round} is recorded where {follows} is next"
        )
    if previous is not None:
        before = previous.document.next_parameters_digest
        _bound("parameters_digest", document.parameters_digest, before)
    if [c.city for c in document.contributions] != sorted(cities):
        raise Refused(
            Reason.ROSTER_FOREIGN, "the record's contributions are not the roster's cities'"
        )


def verify_contribution(
    raw: bytes,
    record: Accepted[RoundRecord],
    roster: Accepted[Roster],
    trust: Trust,
) -> Contribution:
    """Return a recorded contribution, verified against its record: city, digest and binding.

    Raises WRONG_BINDING, ROSTER_FOREIGN or what steps 1–5 raise.
    """
    contribution = _opened(raw, PayloadType.CONTRIBUTION, roster, trust).of(Contribution).document
    recorded = {c.city: c.digest for c in record.document.contributions}
    if recorded.get(contribution.city) != digest(raw):
        raise Refused(
            Reason.ROSTER_FOREIGN,
            f"the contribution of {contribution.city} is not the recorded one",
        )
    expected = record.document
    for name in ("charter_digest", "attempt_nonce", "roster_digest", "parameters_digest"):
        _bound(name, getattr(contribution, name), getattr(expected, name))
    _bound("membership_digest", contribution.membership_digest, roster.document.membership_digest)
    if (contribution.round, contribution.kind) != (expected.round, expected.kind):
        raise Refused(
            Reason.WRONG_BINDING, f"the contribution is to {contribution.kind} {contribution.round}"
        )
    return contribution


def verify_model_release(
    release: Accepted[ModelRelease],
    charter: Accepted[Charter],
    roster: Accepted[Roster],
    record: Accepted[RoundRecord],
    trust: Trust,
) -> tuple[Vote, ...]:
    """Return the votes: ⌊n/2⌋+1 of the roster's n cities found these very parameters not worse.

    ``record`` is the evaluation's round record, ``roster`` its attempt's. Raises WRONG_BINDING,
    ROSTER_FOREIGN, VOTED_DOWN, or what steps 1–5 raise for a vote.
    """
    document, terms = release.document, charter.document.training
    if terms is None:
        raise Refused(Reason.WRONG_BINDING, "the charter permits no training")
    cities = [c.city for c in record.document.contributions]
    _check_outcome(document, charter, roster, record, "evaluation")
    candidate = digest(document.parameters)
    _bound("parameters_digest", record.document.parameters_digest, candidate)
    _bound("model_digest", document.model_digest, terms.model_digest)
    _bound("taxonomy_digest", document.taxonomy_digest, charter.document.taxonomy_digest)
    if document.model != terms.model or list(document.card.cities) != cities:
        raise Refused(Reason.WRONG_BINDING, "the card does not name the charter's model and cities")
    _check_spent(document.card.epsilon, document.card.delta, charter)
    votes = tuple(_vote(raw, roster, candidate, cities, trust) for raw in document.votes)
    _check_majority(votes, len(cities))
    return votes


def verify_statistics_release(
    release: Accepted[StatisticsRelease],
    charter: Accepted[Charter],
    roster: Accepted[Roster],
    record: Accepted[RoundRecord],
) -> None:
    """The release is of the charter's indicator and terms, over the recorded cities.

    Raises WRONG_BINDING.
    """
    document, terms = release.document, charter.document.statistics
    if terms is None:
        raise Refused(Reason.WRONG_BINDING, "the charter permits no statistics")
    _check_outcome(document, charter, roster, record, "statistics")
    _bound("indicator_digest", document.indicator_digest, terms.indicator_digest)
    cities = tuple(c.city for c in record.document.contributions)
    stated = (document.indicator, document.suppression_threshold, document.cities)
    if stated != (terms.indicator, terms.suppression_threshold, cities):
        raise Refused(
            Reason.WRONG_BINDING, "indicator, suppression threshold or cities are not the charter's"
        )
    _check_spent(document.epsilon, document.delta, charter)


def _check_outcome(
    release: ModelRelease | StatisticsRelease,
    charter: Accepted[Charter],
    roster: Accepted[Roster],
    record: Accepted[RoundRecord],
    kind: str,
) -> None:
    _bound("charter_digest", release.charter_digest, charter.digest)
    _bound("record_digest", release.record_digest, record.digest)
    _bound("charter_digest", record.document.charter_digest, charter.digest)
    _bound("roster_digest", record.document.roster_digest, roster.digest)
    if record.document.kind != kind:
        raise Refused(Reason.WRONG_BINDING, f"the record is of {record.document.kind}, not {kind}")


def _check_spent(epsilon: float, delta: float, charter: Accepted[Charter]) -> None:
    terms = charter.document.privacy
    if epsilon > terms.epsilon or delta > terms.delta:
        raise Refused(
            Reason.WRONG_BINDING, "the release admits to more than the charter's epsilon and delta"
        )


def _check_majority(votes: tuple[Vote, ...], cities: int) -> None:
    if len({vote.city for vote in votes}) != len(votes):
        raise Refused(Reason.ROSTER_FOREIGN, "a city voted twice")
    in_favour, needed = sum(vote.not_worse for vote in votes), cities // 2 + 1
    if in_favour < needed:
        raise Refused(
            Reason.VOTED_DOWN, f"{in_favour} of {cities} cities voted for it, {needed} are needed"
        )


def _consent(raw: bytes, roster: Accepted[Roster], trust: Trust) -> Consent:
    try:
        consent = _opened(raw, PayloadType.CONSENT, roster, trust).of(Consent).document
    except CallerError as error:
        raise Untrusted(Reason.ROSTER_CONSENT, f"a consent: {error.message}") from error
    for name in ("charter_digest", "attempt_nonce", "membership_digest"):
        if getattr(consent, name) != getattr(roster.document, name):
            raise Refused(
                Reason.ROSTER_CONSENT, f"the consent of {consent.city} has another {name}"
            )
    return consent


def _vote(
    raw: bytes,
    roster: Accepted[Roster],
    candidate: bytes,
    cities: list[str],
    trust: Trust,
) -> Vote:
    vote = _opened(raw, PayloadType.VOTE, roster, trust).of(Vote).document
    _bound("charter_digest", vote.charter_digest, roster.document.charter_digest)
    _bound("attempt_nonce", vote.attempt_nonce, roster.document.attempt_nonce)
    _bound("roster_digest", vote.roster_digest, roster.digest)
    _bound("candidate_digest", vote.candidate_digest, candidate)
    if vote.city not in cities:
        raise Refused(Reason.ROSTER_FOREIGN, f"city {vote.city} votes, but is not of the roster")
    return vote


def _opened(
    raw: bytes, kind: PayloadType, roster: Accepted[Roster], trust: Trust
) -> Accepted[Document]:
    """Steps 1–5 under the membership the roster was made in."""
    known = trust.version(roster.document.membership_digest)
    return signed_document(raw, {kind}, trust, known, limits=Limits())


def _bound(name: str, value: bytes, expected: bytes) -> None:
    if value != expected:
        raise Malformed(
            Reason.WRONG_BINDING, f"{name} is {value.hex()[:16]}, not {expected.hex()[:16]}"
        )
