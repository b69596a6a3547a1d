"""Any valid document of every type, for property tests.

Lives here: one strategy a document, no wider and no narrower than the document's own rules. Must
not know: what a test does with them.
"""

from hypothesis import strategies as st

from federation.documents import rules
from federation.documents.charter import (
    KINDS,
    MAX_LENGTH,
    MAX_ROUNDS,
    Charter,
    PrivacyTerms,
    StatisticsTerms,
    TrainingTerms,
)
from federation.documents.exchanged import (
    Consent,
    ConsentRequest,
    Contribution,
    Refusal,
    RoundRequest,
    Vote,
)
from federation.documents.membership import Administrator, City, Membership
from federation.documents.notices import MODES, KindNotice, PolicyNotice
from federation.documents.releases import Cell, ModelCard, ModelRelease, StatisticsRelease
from federation.documents.runs import (
    MAX_ROUND,
    OUTCOMES,
    ROUND_KINDS,
    Closure,
    DropRecord,
    RecordedContribution,
    Roster,
    RoundRecord,
)
from federation.documents.types import Document

digests = st.binary(min_size=32, max_size=32)
maybe_digests = digests | st.just(b"")
identifiers = st.from_regex(r"[a-z0-9][a-z0-9._/-]{0,63}", fullmatch=True)
divisions = st.from_regex(r"[1-9][0-9]{5}", fullmatch=True)
times = st.integers(1, rules.MAX_TIME_MS)
rounds = st.integers(1, MAX_ROUND)
versions = st.integers(1, rules.MAX_VERSION)
kinds = st.sampled_from(ROUND_KINDS)
raws = st.binary(min_size=1, max_size=40)


def texts() -> st.SearchStrategy[str]:
    """Printable text, Chinese names among it."""
    return st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=20)


def positives(high: float) -> st.SearchStrategy[float]:
    return st.floats(0, high, exclude_min=True)


def ascending(least: int, most: int) -> st.SearchStrategy[tuple[str, ...]]:
    """Divisions, each once, in order."""
    return st.lists(divisions, min_size=least, max_size=most, unique=True).map(
        lambda listed: tuple(sorted(listed))
    )


def distinct(least: int, most: int) -> st.SearchStrategy[tuple[bytes, ...]]:
    return st.lists(raws, min_size=least, max_size=most, unique=True).map(tuple)


@st.composite
def memberships(draw: st.DrawFn) -> Membership:
    """Every number of people and cities; keys never twice."""
    people = draw(st.lists(identifiers, min_size=1, max_size=3, unique=True).map(sorted))
    listed = draw(ascending(0, 4))
    signing = iter(draw(st.lists(digests, min_size=9, max_size=9, unique=True)))
    tls = iter(draw(st.lists(digests, min_size=4, max_size=4, unique=True)))
    cities = tuple(
        City(
            division=division,
            name=draw(texts()),
            signing_key=next(signing),
            sealing_key=draw(digests),
            tls_key_digest=next(tls),
            status=draw(st.sampled_from(("active", "suspended", "withdrawn"))),
            key_change_signature=draw(st.just(b"") | st.binary(min_size=64, max_size=64)),
        )
        for division in listed
    )
    active = tuple(city.division for city in cities if city.active)
    bound = draw(st.integers(1, 4))
    quorum = (len(active) + bound) // 2 + 1
    witnessed = quorum <= len(active) and draw(st.booleans())
    version, issued_ms = draw(versions), draw(st.integers(1, rules.MAX_TIME_MS - 1))
    return Membership(
        federation=draw(identifiers),
        version=version,
        previous_digest=b"" if version == 1 else draw(digests),
        administrators=tuple(
            Administrator(administrator=one, name=draw(texts()), signing_keys=(next(signing),))
            for one in people
        ),
        threshold=draw(st.integers(1, len(people))),
        cities=cities,
        collusion_bound=bound,
        witness_quorum=quorum if witnessed else 0,
        witnesses=active if witnessed else (),
        coordinator_key=next(signing),
        log_origin=draw(identifiers),
        log_key=next(signing),
        tls_authority=draw(raws),
        issued_ms=issued_ms,
        expires_ms=draw(st.integers(issued_ms + 1, rules.MAX_TIME_MS)),
    )


def _privacy(*, training: bool) -> st.SearchStrategy[PrivacyTerms]:
    return st.builds(
        PrivacyTerms,
        epsilon=positives(100.0),
        delta=positives(1e-3),
        sampling_rate=positives(1.0) if training else st.just(1.0),
        clipping_norm=positives(1e6),
        noise_multiplier=positives(1e6),
        scale=st.integers(1, 2**48),
        modulus_bits=st.sampled_from((32, 64)),
        evaluation_noise_multiplier=positives(1e6) if training else st.just(0.0),
        evaluation_scale=st.integers(1, 2**24) if training else st.just(0),
    )


_training = st.builds(
    TrainingTerms,
    model=identifiers,
    model_digest=digests,
    initial_parameters_digest=digests,
    momentum_q16=st.integers(0, 65_535),
    step_numerator=st.integers(1, 2**20),
    step_shift=st.integers(0, 62),
    parameter_bound=st.integers(1, 2**40),
)
_statistics = st.builds(
    StatisticsTerms,
    indicator=identifiers,
    indicator_digest=digests,
    suppression_threshold=st.integers(0, 10**9),
)


@st.composite
def charters(draw: st.DrawFn) -> Charter:
    """Of either kind."""
    training = draw(st.booleans())
    colluders = draw(st.integers(1, 510))
    begins = draw(st.integers(1, rules.MAX_TIME_MS - 1))
    return Charter(
        federation=draw(identifiers),
        nonce=draw(st.binary(min_size=16, max_size=16)),
        purpose=draw(texts()),
        kind="training" if training else "statistics",
        length=draw(st.integers(1, MAX_LENGTH)),
        rounds=draw(st.integers(1, MAX_ROUNDS if training else 1)),
        max_repeats=draw(st.integers(0, MAX_ROUNDS if training else 1)),
        min_roster=draw(st.integers(colluders + 2, 512)),
        collusion_bound=colluders,
        round_deadline_s=draw(st.integers(1, 86_400)),
        not_before_ms=begins,
        not_after_ms=draw(st.integers(begins + 1, rules.MAX_TIME_MS)),
        taxonomy_digest=draw(digests),
        privacy=draw(_privacy(training=training)),
        training=draw(_training) if training else None,
        statistics=None if training else draw(_statistics),
    )


@st.composite
def contributions(draw: st.DrawFn) -> Contribution:
    """Of either modulus, with a vote where it is an evaluation's."""
    kind = draw(kinds)
    return Contribution(
        charter_digest=draw(digests),
        attempt_nonce=draw(digests),
        membership_digest=draw(digests),
        roster_digest=draw(digests),
        round=draw(rounds),
        kind=kind,
        parameters_digest=draw(digests),
        modulus_bits=draw(st.sampled_from((32, 64))),
        length=draw(st.integers(1, 9)),
        city=draw(divisions),
        masked_digest=draw(digests),
        vote=draw(raws) if kind == "evaluation" else b"",
    )


@st.composite
def round_records(draw: st.DrawFn) -> RoundRecord:
    """Of every kind; only training moves the parameters."""
    kind, number, before = draw(kinds), draw(rounds), draw(digests)
    return RoundRecord(
        charter_digest=draw(digests),
        attempt_nonce=draw(digests),
        roster_digest=draw(digests),
        round=number,
        kind=kind,
        parameters_digest=before,
        contributions=tuple(
            RecordedContribution(city=city, digest=draw(digests)) for city in draw(ascending(3, 5))
        ),
        sum_digest=draw(digests),
        next_parameters_digest=draw(digests) if kind == "training" else before,
        previous_record_digest=draw(maybe_digests if number == 1 else digests),
        closed_ms=draw(times),
    )


_cells = st.booleans().flatmap(
    lambda suppressed: st.builds(
        Cell,
        measure=identifiers,
        key=texts(),
        value=st.just(0.0) if suppressed else st.floats(-1e15, 1e15),
        half_width=st.just(0.0) if suppressed else st.floats(0, 1e15),
        suppressed=st.just(suppressed),
    )
)
_cards = st.builds(
    ModelCard,
    cities=ascending(3, 5),
    rounds=st.integers(1, 1_000),
    attempts=rounds,
    epsilon=positives(100.0),
    delta=positives(1e-3),
    ndcg_difference=st.floats(-1e9, 1e9),
    ndcg_difference_half_width=st.floats(0, 1e9),
    held_out_workers=st.floats(-1e12, 1e12),
    method=texts(),
)

documents: dict[type[Document], st.SearchStrategy[Document]] = {
    Membership: memberships(),
    Charter: charters(),
    ConsentRequest: st.builds(
        ConsentRequest,
        charter_digest=digests,
        attempt=rounds,
        attempt_nonce=digests,
        membership_digest=digests,
        issued_ms=times,
    ),
    Consent: st.builds(
        Consent,
        charter_digest=digests,
        attempt_nonce=digests,
        membership_digest=digests,
        city=divisions,
        agreement_key=digests,
        consented_ms=times,
    ),
    Roster: st.builds(
        Roster,
        charter_digest=digests,
        attempt=rounds,
        attempt_nonce=digests,
        membership_digest=digests,
        first_round=rounds,
        previous_record_digest=digests,
        consents=distinct(3, 5),
        rostered_ms=times,
    ),
    RoundRequest: st.builds(
        RoundRequest,
        charter_digest=digests,
        attempt_nonce=digests,
        membership_digest=digests,
        roster_digest=digests,
        round=rounds,
        kind=kinds,
        parameters_digest=digests,
        previous_record_digest=digests,
        issued_ms=times,
    ),
    Contribution: contributions(),
    Vote: st.builds(
        Vote,
        charter_digest=digests,
        attempt_nonce=digests,
        roster_digest=digests,
        candidate_digest=digests,
        city=divisions,
        not_worse=st.booleans(),
    ),
    Refusal: st.builds(
        Refusal,
        charter_digest=maybe_digests,
        attempt_nonce=maybe_digests,
        city=divisions,
        reason=identifiers,
        message=texts(),
    ),
    RoundRecord: round_records(),
    DropRecord: st.builds(
        DropRecord,
        charter_digest=digests,
        attempt_nonce=digests,
        roster_digest=maybe_digests,
        round=rounds,
        cities=ascending(1, 4),
        reason=identifiers,
        recorded_ms=times,
    ),
    Closure: st.builds(
        Closure,
        charter_digest=digests,
        outcome=st.sampled_from(OUTCOMES),
        reason=texts(),
        last_record_digest=maybe_digests,
        rounds_completed=st.integers(0, MAX_ROUND),
        attempts=st.integers(0, MAX_ROUND),
        closed_ms=times,
    ),
    ModelRelease: st.builds(
        ModelRelease,
        federation=identifiers,
        version=versions,
        previous_digest=digests,
        charter_digest=digests,
        record_digest=digests,
        model=identifiers,
        model_digest=digests,
        taxonomy_digest=digests,
        parameters=st.integers(1, 4).flatmap(lambda n: st.binary(min_size=8 * n, max_size=8 * n)),
        card=_cards,
        votes=distinct(2, 4),
        released_ms=times,
    ),
    StatisticsRelease: st.builds(
        StatisticsRelease,
        federation=identifiers,
        charter_digest=digests,
        record_digest=digests,
        indicator=identifiers,
        indicator_digest=digests,
        cities=ascending(3, 5),
        epsilon=positives(100.0),
        delta=positives(1e-3),
        noise_sd=positives(1e12),
        suppression_threshold=st.integers(0, 10**9),
        cells=st.lists(
            _cells, min_size=1, max_size=4, unique_by=lambda cell: (cell.measure, cell.key)
        ).map(tuple),
        method=texts(),
        released_ms=times,
    ),
    PolicyNotice: st.builds(
        PolicyNotice,
        federation=identifiers,
        city=divisions,
        version=versions,
        epsilon=positives(100.0),
        delta=positives(1e-3),
        kinds=st.lists(
            st.builds(
                KindNotice,
                kind=st.sampled_from(KINDS),
                mode=st.sampled_from(MODES),
                max_epsilon=positives(100.0),
                min_roster=st.integers(3, 512),
            ),
            max_size=2,
            unique_by=lambda notice: notice.kind,
        ).map(lambda found: tuple(sorted(found, key=lambda notice: notice.kind))),
        issued_ms=times,
    ),
}
