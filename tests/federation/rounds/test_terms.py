"""What a charter means for a round: kinds, lengths, noise, clamps and cost."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from support.cities import charter_of, statistics_charter_of
from support.documents import MASK_CONTEXT
from support.federation import Federation

from federation.crypto.envelope import Body
from federation.crypto.keys import digest
from federation.crypto.masking import MaskContext
from federation.documents.charter import Charter
from federation.documents.exchanged import Contribution, RoundRequest
from federation.errors import Malformed, Reason
from federation.privacy.accounting import compose
from federation.privacy.events import EVALUATION, ROUND
from federation.rounds import terms


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)


@pytest.fixture
def training(federation: Federation) -> Charter:
    return charter_of(federation, rounds=40, max_repeats=5, length=2_000)


@pytest.fixture
def statistics(federation: Federation) -> Charter:
    return statistics_charter_of(federation)


def test_a_training_ends_with_its_evaluation_and_statistics_are_one_round(
    training: Charter, statistics: Charter
) -> None:
    assert [terms.kind_of_round(training, n) for n in (1, 40, 41)] == [
        "training",
        "training",
        "evaluation",
    ]
    assert terms.last_round(training) == 41
    assert terms.kind_of_round(statistics, 1) == "statistics"
    assert terms.last_round(statistics) == 1
    for charter, beyond in ((training, (0, -1, 42)), (statistics, (0, 2))):
        for number in beyond:
            with pytest.raises(Malformed) as caught:
                terms.kind_of_round(charter, number)
            assert caught.value.reason is Reason.WRONG_ROUND


def test_lengths_messages_and_budgets_follow_the_kind(training: Charter) -> None:
    found = {
        kind: (
            terms.length_of_kind(training, kind),
            terms.message_type(kind),
            terms.budget_kind(kind),
        )
        for kind in ("training", "evaluation", "statistics")
    }
    assert found == {
        "training": (2_000, "train", ROUND),
        "evaluation": (2, "evaluate", EVALUATION),
        "statistics": (2_000, "train", ROUND),
    }


def test_a_training_charter_is_charged_for_rounds_repeats_and_one_evaluation(
    training: Charter,
) -> None:
    privacy = replace(training.privacy, sampling_rate=0.05, evaluation_noise_multiplier=20.0)
    charter = replace(training, privacy=privacy)
    events = terms.charter_events(charter)
    assert set(events) == {ROUND, EVALUATION}
    assert (events[ROUND].count, events[ROUND].sampling) == (45, 0.05)
    assert (events[EVALUATION].count, events[EVALUATION].sampling) == (1, 1.0)
    assert events[EVALUATION].sigma_eff == pytest.approx(0.99 * 20.0 * 1024 / 1025)
    clipped = privacy.scale * privacy.clipping_norm
    assert events[ROUND].sigma_eff == pytest.approx(
        0.99 * privacy.noise_multiplier * clipped / (clipped + math.sqrt(2_000))
    )
    assert terms.round_event(charter, 45) == events[ROUND]


def test_a_statistics_charter_has_no_evaluation(statistics: Charter) -> None:
    events = terms.charter_events(statistics)
    assert set(events) == {ROUND}
    assert events[ROUND].count == statistics.rounds + statistics.max_repeats


def test_more_repeats_cost_more(statistics: Charter) -> None:
    delta = statistics.privacy.delta
    costs = [
        compose(terms.charter_events(replace(statistics, max_repeats=n)).values(), delta)
        for n in (0, 1)
    ]
    assert costs[0] < costs[1]


def test_the_honest_citys_noise_sums_to_the_charters(training: Charter) -> None:
    """n − t honest shares make σ·C·s together; an evaluation has it all in every city."""
    whole = training.privacy.noise_multiplier * training.privacy.scale
    for roster in (3, 4, 9):
        share = terms.noise_sd(training, "training", roster)
        honest = roster - training.collusion_bound
        assert share * math.sqrt(honest) == pytest.approx(whole)
    alone = terms.noise_sd(training, "evaluation", 4)
    assert alone == training.privacy.evaluation_noise_multiplier * math.sqrt(2) * 1_024
    assert terms.noise_sd(training, "evaluation", 9) == alone


@pytest.mark.parametrize(("bits", "roster"), [(32, 3), (32, 4), (64, 3), (64, 512)])
def test_a_roster_at_its_clamps_and_ten_deviations_just_fits_the_modulus(
    training: Charter, bits: int, roster: int
) -> None:
    charter = replace(training, privacy=replace(training.privacy, modulus_bits=bits))
    bound = terms.contribution_bound(charter, "training", roster)
    noise = math.ceil(10 * terms.noise_sd(charter, "training", roster))
    assert roster * (bound + noise) <= 2 ** (bits - 1) - 1 < roster * (bound + noise + 1)


def request_of(**changes: object) -> RoundRequest:
    request = RoundRequest(
        charter_digest=digest(b"charter"),
        attempt_nonce=digest(b"nonce"),
        membership_digest=digest(b"membership"),
        roster_digest=digest(b"roster"),
        round=41,
        kind="evaluation",
        parameters_digest=digest(b"parameters"),
        previous_record_digest=digest(b"record"),
        issued_ms=1,
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def test_masks_are_bound_to_all_that_a_request_names(training: Charter) -> None:
    assert terms.mask_context(request_of(), training) == MaskContext(
        charter_digest=digest(b"charter"),
        attempt_nonce=digest(b"nonce"),
        membership_digest=digest(b"membership"),
        roster_digest=digest(b"roster"),
        round=41,
        parameters_digest=digest(b"parameters"),
        kind="evaluation",
        modulus_bits=32,
        length=2,
    )


def mask_context_of(**changes: object) -> MaskContext:
    return replace(MASK_CONTEXT, **changes)  # type: ignore[arg-type]


def contribution_of(context: MaskContext, vector: bytes = b"") -> Contribution:
    return Contribution(**vars(context), city="310000", masked_digest=digest(vector))


CHANGED: dict[str, object] = {
    "charter_digest": digest(b"other"),
    "attempt_nonce": digest(b"other"),
    "membership_digest": digest(b"other"),
    "roster_digest": digest(b"other"),
    "round": 40,
    "parameters_digest": digest(b"other"),
    "kind": "statistics",
}


@pytest.mark.parametrize("field", [*CHANGED, "modulus_bits", "length"])
def test_a_contribution_with_another_field_is_not_the_request_s(
    training: Charter, field: str
) -> None:
    request = request_of(kind="training", round=1)
    context = terms.mask_context(request, training)
    contribution = contribution_of(context)
    terms.check_binding(contribution, context)
    changes: dict[str, object] = {
        **CHANGED,
        "modulus_bits": 64,
        "length": context.length + 1,
    }
    other = replace(contribution, **{field: changes[field]})  # type: ignore[arg-type]
    with pytest.raises(Malformed, match=field) as caught:
        terms.check_binding(other, context)
    assert caught.value.reason is Reason.WRONG_BINDING


def test_every_field_of_the_context_is_checked() -> None:
    assert {*CHANGED, "modulus_bits", "length"} == set(MaskContext.__dataclass_fields__)


VECTOR = bytes(range(24))  # six integers of 32 bits, three of 64


@pytest.mark.parametrize(("bits", "length"), [(32, 6), (64, 3)])
def test_a_contribution_comes_with_the_vector_that_it_names(bits: int, length: int) -> None:
    context = mask_context_of(modulus_bits=bits, length=length)
    terms.check_vector(contribution_of(context, VECTOR), VECTOR)


@pytest.mark.parametrize(
    ("named", "came", "length"),
    [
        pytest.param(VECTOR, VECTOR[::-1], 6, id="altered"),
        pytest.param(VECTOR, VECTOR[:-4], 6, id="cut short"),
        pytest.param(VECTOR, VECTOR + bytes(4), 6, id="with more behind it"),
        pytest.param(VECTOR, b"", 6, id="left out"),
        # the digest holds: it is the contribution that names another length
        pytest.param(VECTOR, VECTOR, 5, id="longer than it says"),
        pytest.param(VECTOR, VECTOR, 7, id="shorter than it says"),
        pytest.param(b"", b"", 6, id="empty, and named so"),
    ],
)
def test_a_contribution_does_not_come_with_a_vector(named: bytes, came: bytes, length: int) -> None:
    contribution = contribution_of(mask_context_of(length=length), named)
    with pytest.raises(Malformed) as caught:
        terms.check_vector(contribution, came)
    assert caught.value.reason is Reason.WRONG_BINDING


def test_nothing_is_attached_to_what_names_no_vector() -> None:
    terms.check_bare(Body(b"envelope"))
    with pytest.raises(Malformed) as caught:
        terms.check_bare(Body(b"envelope", b"\0"))
    assert caught.value.reason is Reason.NOT_DECODABLE
