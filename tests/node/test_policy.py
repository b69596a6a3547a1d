"""Policy as a case table: one changed fact, the verdict and the reason it must give."""

from dataclasses import replace

import pytest

from federation.documents.charter import Charter, PrivacyTerms, StatisticsTerms, TrainingTerms
from federation.errors import Reason
from node.policy import Case, KindRules, Mode, Policy, Verdict, decide
from node.store.runs import DecisionState

START, END = 1_700_000_000_000, 1_700_100_000_000
PRIVACY = PrivacyTerms(
    epsilon=3.0,
    delta=1e-6,
    sampling_rate=0.05,
    clipping_norm=1.0,
    noise_multiplier=1.5,
    scale=65536,
    modulus_bits=32,
    evaluation_noise_multiplier=20.0,
    evaluation_scale=1024,
)
CHARTER = Charter(
    federation="delta",
    nonce=bytes(16),
    purpose="match model of the year",
    kind="training",
    length=2000,
    rounds=40,
    max_repeats=5,
    min_roster=4,
    collusion_bound=1,
    round_deadline_s=60,
    not_before_ms=START,
    not_after_ms=END,
    taxonomy_digest=bytes(32),
    privacy=PRIVACY,
    training=TrainingTerms(
        model="match-1",
        model_digest=bytes(32),
        initial_parameters_digest=bytes(32),
        momentum_q16=58_982,
        step_numerator=1,
        step_shift=8,
        parameter_bound=2**30,
    ),
)
STATISTICS = replace(
    CHARTER,
    kind="statistics",
    rounds=1,
    max_repeats=1,
    training=None,
    statistics=StatisticsTerms(
        indicator="supply", indicator_digest=bytes(32), suppression_threshold=20
    ),
    privacy=replace(
        PRIVACY, sampling_rate=1.0, evaluation_noise_multiplier=0.0, evaluation_scale=0
    ),
)
CASE = Case(CHARTER, cost=2.9, year_after=5.0, now_ms=START)
ASKING = Policy()
AUTO = Policy(training=KindRules(mode=Mode.AUTO))
ACCEPT, ASK, REFUSE = Verdict.ACCEPT, Verdict.ASK, Verdict.REFUSE
APPROVED, REFUSED = DecisionState.APPROVED, DecisionState.REFUSED


def rules(**changes: object) -> Policy:
    return Policy(training=KindRules.model_validate({"mode": Mode.AUTO, **changes}))


@pytest.mark.parametrize(
    ("policy", "case", "verdict", "reason"),
    [
        pytest.param(ASKING, CASE, ASK, Reason.AWAITING_PERSON, id="by default a person is asked"),
        pytest.param(
            ASKING,
            replace(CASE, person=DecisionState.PENDING),
            ASK,
            Reason.AWAITING_PERSON,
            id="a question stays open",
        ),
        pytest.param(ASKING, replace(CASE, person=APPROVED), ACCEPT, None, id="a person approves"),
        pytest.param(
            ASKING, replace(CASE, person=REFUSED), REFUSE, Reason.POLICY, id="a person refuses"
        ),
        pytest.param(AUTO, CASE, ACCEPT, None, id="auto accepts"),
        pytest.param(
            AUTO,
            replace(CASE, person=REFUSED),
            REFUSE,
            Reason.POLICY,
            id="a person refuses what auto would accept",
        ),
        pytest.param(
            AUTO,
            Case(STATISTICS, cost=0.5, year_after=1.0, now_ms=START),
            ASK,
            Reason.AWAITING_PERSON,
            id="the other kind has rules of its own",
        ),
        pytest.param(
            rules(mode=Mode.REFUSE),
            replace(CASE, person=APPROVED),
            REFUSE,
            Reason.POLICY,
            id="no person approves a kind that is refused",
        ),
        pytest.param(
            AUTO, replace(CASE, now_ms=END), REFUSE, Reason.CHARTER_WINDOW, id="window is over"
        ),
        pytest.param(
            AUTO,
            replace(CASE, now_ms=START - 1),
            REFUSE,
            Reason.CHARTER_WINDOW,
            id="window is not open yet",
        ),
        pytest.param(
            rules(subjects=("match-2",)), CASE, REFUSE, Reason.POLICY, id="another model is allowed"
        ),
        pytest.param(rules(subjects=("match-1",)), CASE, ACCEPT, None, id="this model is allowed"),
        pytest.param(
            rules(purposes=("other",)), CASE, REFUSE, Reason.POLICY, id="another purpose is allowed"
        ),
        pytest.param(
            rules(min_roster=5), CASE, REFUSE, Reason.ROSTER_TOO_SMALL, id="roster too small"
        ),
        pytest.param(
            rules(min_collusion_bound=2),
            CASE,
            REFUSE,
            Reason.ROSTER_COLLUSION,
            id="too few colluders tolerated",
        ),
        pytest.param(
            AUTO,
            replace(CASE, charter=replace(CHARTER, privacy=replace(PRIVACY, delta=2e-6))),
            REFUSE,
            Reason.POLICY,
            id="delta above the city's",
        ),
        pytest.param(
            AUTO,
            replace(CASE, cost=3.1),
            REFUSE,
            Reason.INVALID_DOCUMENT,
            id="mechanisms cost more than the charter promises",
        ),
        pytest.param(
            rules(max_epsilon=2.8), CASE, REFUSE, Reason.POLICY, id="dearer than one charter may be"
        ),
        pytest.param(
            AUTO, replace(CASE, year_after=8.01), REFUSE, Reason.BUDGET, id="the year is used up"
        ),
        pytest.param(AUTO, replace(CASE, year_after=8.0), ACCEPT, None, id="exactly the year's"),
        pytest.param(
            AUTO,
            replace(CASE, year_after=8.01, person=APPROVED),
            REFUSE,
            Reason.BUDGET,
            id="no person approves beyond the budget",
        ),
    ],
)
def test_policy(policy: Policy, case: Case, verdict: Verdict, reason: Reason | None) -> None:
    decision = decide(policy, case)
    assert (decision.verdict, decision.reason) == (verdict, reason)
    assert decision.sentence
