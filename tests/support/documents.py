"""One valid document of every type, and nested value, for tests that break or bend one field.

Lives here: values only; nobody signed them and they do not fit one another.
"""

from federation.crypto.keys import digest
from federation.crypto.masking import MaskContext
from federation.documents.charter import Charter, PrivacyTerms, StatisticsTerms, TrainingTerms
from federation.documents.exchanged import (
    Consent,
    ConsentRequest,
    Contribution,
    Refusal,
    RoundRequest,
    Vote,
)
from federation.documents.membership import Administrator, City, Membership
from federation.documents.notices import KindNotice, PolicyNotice
from federation.documents.releases import Cell, ModelCard, ModelRelease, StatisticsRelease
from federation.documents.runs import (
    Closure,
    DropRecord,
    RecordedContribution,
    Roster,
    RoundRecord,
)
from federation.documents.types import Document

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
CITIES = ("310000", "330100", "340100")


def named(label: str) -> bytes:
    """Return 32 bytes that a label stands for: a digest, a key or a nonce."""
    return digest(label.encode())


ADMINISTRATOR = Administrator(administrator="li", name="李娜", signing_keys=(named("key of li"),))


def city(division: str, status: str = "active") -> City:
    """Return a member city."""
    return City(
        division=division,
        name=f"City {division}",
        signing_key=named(f"signing {division}"),
        sealing_key=named(f"sealing {division}"),
        tls_key_digest=named(f"tls {division}"),
        status=status,
        key_change_signature=b"",
    )


CITY = city(CITIES[0])
MEMBERSHIP = Membership(
    federation="yangtze",
    version=2,
    previous_digest=named("membership 1"),
    administrators=(
        ADMINISTRATOR,
        Administrator(administrator="wang", name="王伟", signing_keys=(named("key of wang"),)),
    ),
    threshold=2,
    cities=tuple(city(division) for division in CITIES),
    collusion_bound=1,
    witness_quorum=3,
    witnesses=CITIES,
    coordinator_key=named("coordinator"),
    log_origin="yangtze/log",
    log_key=named("log"),
    tls_authority=b"DER certificate",
    issued_ms=NOW_MS,
    expires_ms=NOW_MS + 1,
)
PRIVACY = PrivacyTerms(
    epsilon=8.0,
    delta=1e-6,
    sampling_rate=0.5,
    clipping_norm=1.0,
    noise_multiplier=1.5,
    scale=2**16,
    modulus_bits=32,
    evaluation_noise_multiplier=2.0,
    evaluation_scale=2**10,
)
STATISTICS_PRIVACY = PrivacyTerms(
    epsilon=1.0,
    delta=1e-6,
    sampling_rate=1.0,
    clipping_norm=1.0,
    noise_multiplier=1.5,
    scale=2**16,
    modulus_bits=64,
)
TRAINING = TrainingTerms(
    model="match/v1",
    model_digest=named("model"),
    initial_parameters_digest=named("parameters 1"),
    momentum_q16=58_982,
    step_numerator=1,
    step_shift=10,
    parameter_bound=2**30,
)
STATISTICS = StatisticsTerms(
    indicator="openings", indicator_digest=named("openings"), suppression_threshold=10
)
CHARTER = Charter(
    federation="yangtze",
    nonce=bytes(16),
    purpose="Learn to match",
    kind="training",
    length=6,
    rounds=2,
    max_repeats=2,
    min_roster=3,
    collusion_bound=1,
    round_deadline_s=60,
    not_before_ms=NOW_MS,
    not_after_ms=NOW_MS + 1,
    taxonomy_digest=named("taxonomy"),
    privacy=PRIVACY,
    training=TRAINING,
)
STATISTICS_CHARTER = Charter(
    federation="yangtze",
    nonce=bytes(16),
    purpose="Count openings",
    kind="statistics",
    length=6,
    rounds=1,
    max_repeats=1,
    min_roster=3,
    collusion_bound=1,
    round_deadline_s=60,
    not_before_ms=NOW_MS,
    not_after_ms=NOW_MS + 1,
    taxonomy_digest=named("taxonomy"),
    privacy=STATISTICS_PRIVACY,
    statistics=STATISTICS,
)
CONSENT_REQUEST = ConsentRequest(
    charter_digest=named("charter"),
    attempt=1,
    attempt_nonce=named("attempt"),
    membership_digest=named("membership 2"),
    issued_ms=NOW_MS,
)
CONSENT = Consent(
    charter_digest=named("charter"),
    attempt_nonce=named("attempt"),
    membership_digest=named("membership 2"),
    city=CITIES[0],
    agreement_key=named("agreement key"),
    consented_ms=NOW_MS,
)
ROUND_REQUEST = RoundRequest(
    charter_digest=named("charter"),
    attempt_nonce=named("attempt"),
    membership_digest=named("membership 2"),
    roster_digest=named("roster"),
    round=2,
    kind="training",
    parameters_digest=named("parameters 2"),
    previous_record_digest=named("record 1"),
    issued_ms=NOW_MS,
)
CONTRIBUTION = Contribution(
    charter_digest=named("charter"),
    attempt_nonce=named("attempt"),
    membership_digest=named("membership 2"),
    roster_digest=named("roster"),
    round=2,
    kind="training",
    parameters_digest=named("parameters 2"),
    modulus_bits=32,
    length=6,
    city=CITIES[0],
    masked_digest=named("masked"),
)
MASK_CONTEXT = MaskContext(
    charter_digest=named("charter"),
    attempt_nonce=named("attempt"),
    membership_digest=named("membership 2"),
    roster_digest=named("roster"),
    round=1,
    parameters_digest=named("parameters"),
    kind="training",
    modulus_bits=32,
    length=6,
)
VOTE = Vote(
    charter_digest=named("charter"),
    attempt_nonce=named("attempt"),
    roster_digest=named("roster"),
    candidate_digest=named("parameters 3"),
    city=CITIES[0],
    not_worse=True,
)
REFUSAL = Refusal(
    charter_digest=named("charter"),
    attempt_nonce=named("attempt"),
    city=CITIES[0],
    reason="policy.refused",
    message="this city trains no models at night",
)
ROSTER = Roster(
    charter_digest=named("charter"),
    attempt=1,
    attempt_nonce=named("attempt"),
    membership_digest=named("membership 2"),
    first_round=2,
    previous_record_digest=named("record 1"),
    consents=(b"consent 1", b"consent 2", b"consent 3"),
    rostered_ms=NOW_MS,
)
ROUND_RECORD = RoundRecord(
    charter_digest=named("charter"),
    attempt_nonce=named("attempt"),
    roster_digest=named("roster"),
    round=2,
    kind="training",
    parameters_digest=named("parameters 2"),
    contributions=tuple(RecordedContribution(city=c, digest=named(c)) for c in CITIES),
    sum_digest=named("sum"),
    next_parameters_digest=named("parameters 3"),
    previous_record_digest=named("record 1"),
    closed_ms=NOW_MS,
)
DROP_RECORD = DropRecord(
    charter_digest=named("charter"),
    attempt_nonce=named("attempt"),
    roster_digest=named("roster"),
    round=2,
    cities=CITIES[:2],
    reason="exchange.deadline",
    recorded_ms=NOW_MS,
)
CLOSURE = Closure(
    charter_digest=named("charter"),
    outcome="failed",
    reason="two cities were lost",
    last_record_digest=named("record 1"),
    rounds_completed=1,
    attempts=2,
    closed_ms=NOW_MS,
)
MODEL_CARD = ModelCard(
    cities=CITIES,
    rounds=2,
    attempts=1,
    epsilon=7.5,
    delta=1e-6,
    ndcg_difference=0.01,
    ndcg_difference_half_width=0.002,
    held_out_workers=1000.5,
    method="secure sum",
)
MODEL_RELEASE = ModelRelease(
    federation="yangtze",
    version=2,
    previous_digest=named("release 1"),
    charter_digest=named("charter"),
    record_digest=named("record 3"),
    model="match/v1",
    model_digest=named("model"),
    taxonomy_digest=named("taxonomy"),
    parameters=bytes(48),
    card=MODEL_CARD,
    votes=(b"vote 1", b"vote 2"),
    released_ms=NOW_MS,
)
CELL = Cell(measure="openings", key="4-02", value=42.5, half_width=17.6, suppressed=False)
STATISTICS_RELEASE = StatisticsRelease(
    federation="yangtze",
    charter_digest=named("charter"),
    record_digest=named("record 1"),
    indicator="openings",
    indicator_digest=named("openings"),
    cities=CITIES,
    epsilon=1.0,
    delta=1e-6,
    noise_sd=9.0,
    suppression_threshold=10,
    cells=(
        CELL,
        Cell(measure="openings", key="4-03", value=0.0, half_width=0.0, suppressed=True),
    ),
    method="secure sum",
    released_ms=NOW_MS,
)
POLICY_NOTICE = PolicyNotice(
    federation="yangtze",
    city=CITIES[0],
    version=2,
    epsilon=8.0,
    delta=1e-6,
    kinds=(
        KindNotice(kind="statistics", mode="auto", max_epsilon=1.0, min_roster=4),
        KindNotice(kind="training", mode="ask", max_epsilon=4.0, min_roster=5),
    ),
    issued_ms=NOW_MS,
)
DOCUMENTS: tuple[Document, ...] = (
    MEMBERSHIP,
    CHARTER,
    STATISTICS_CHARTER,
    CONSENT_REQUEST,
    CONSENT,
    ROUND_REQUEST,
    CONTRIBUTION,
    VOTE,
    REFUSAL,
    ROSTER,
    ROUND_RECORD,
    DROP_RECORD,
    CLOSURE,
    MODEL_RELEASE,
    STATISTICS_RELEASE,
    POLICY_NOTICE,
)
