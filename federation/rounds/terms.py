"""What a charter means for one round: its kind, length, message, noise width and clamp.

Lives here: pure readings of the charter that both sides must agree on. Must not know: records,
transport, or the order of stages.
"""

import math

from federation.crypto.envelope import Body
from federation.crypto.keys import digest
from federation.crypto.masking import MaskContext
from federation.documents.charter import Charter
from federation.documents.exchanged import Contribution, RoundRequest
from federation.errors import Malformed, Reason
from federation.privacy.events import (
    EVALUATION,
    ROUND,
    MechanismEvent,
    city_sd,
    evaluation_event,
    gaussian_event,
)

EVALUATION_LENGTH = 2  # Σ paired differences, worker count
# One worker moves the evaluation's two sums by at most 1 each before scaling.
EVALUATION_NORM = math.sqrt(2.0)
# Noise beyond ten standard deviations has probability below 1e-22: what the clamp leaves free.
FREE_SDS = 10
# What a statistics round names as its parameters: it has none.
NO_PARAMETERS = digest(b"")
QUERY, TRAIN, EVALUATE = "query", "train", "evaluate"  # Flower's message categories


def last_round(charter: Charter) -> int:
    """Number of the last round: a training charter has its evaluation after its rounds."""
    return charter.rounds + (charter.kind == "training")


def kind_of_round(charter: Charter, number: int) -> str:
    """``training``, ``evaluation`` or ``statistics``; Malformed(WRONG_ROUND) beyond the last."""
    if not 1 <= number <= last_round(charter):
        raise Malformed(Reason.WRONG_ROUND, f"this charter has no round {number}")
    return charter.kind if number <= charter.rounds else "evaluation"


def length_of_kind(charter: Charter, kind: str) -> int:
    """How many integers one contribution has."""
    return EVALUATION_LENGTH if kind == "evaluation" else charter.length


def message_type(kind: str) -> str:
    """Flower's message type of a round's request."""
    return EVALUATE if kind == "evaluation" else TRAIN


def budget_kind(kind: str) -> str:
    """Which of :func:`charter_events` an answer of this kind is charged to."""
    return EVALUATION if kind == "evaluation" else ROUND


def round_event(charter: Charter, count: int) -> MechanismEvent:
    """The mechanism of ``count`` training or statistics rounds."""
    terms = charter.privacy
    return gaussian_event(
        terms.noise_multiplier,
        sampling=terms.sampling_rate,
        scale=terms.scale,
        clipping_norm=terms.clipping_norm,
        length=charter.length,
        count=count,
    )


def charter_events(charter: Charter) -> dict[str, MechanismEvent]:
    """Everything a run can reveal of one worker, by budget kind: what a city reserves."""
    events = {ROUND: round_event(charter, charter.rounds + charter.max_repeats)}
    if charter.kind == "training":
        terms = charter.privacy
        events[EVALUATION] = evaluation_event(
            terms.evaluation_noise_multiplier, terms.evaluation_scale
        )
    return events


def noise_sd(charter: Charter, kind: str, roster: int) -> float:
    """Width of one city's noise in integer units.

    The evaluation is at full strength, as a city's vote is seen singly (design §7.5). Raises
    Malformed(INVALID_DOCUMENT) when a share of a sum would be below 8 units.
    """
    terms = charter.privacy
    if kind == "evaluation":
        return terms.evaluation_noise_multiplier * EVALUATION_NORM * terms.evaluation_scale
    return city_sd(
        terms.noise_multiplier, terms.clipping_norm, terms.scale, roster, charter.collusion_bound
    )


def contribution_bound(charter: Charter, kind: str, roster: int) -> int:
    """Largest |integer| a city may put in before noise, so that no sum of a roster wraps.

    (2^(b−1) − 1)/n − 10·sd; Malformed(OUT_OF_BOUND) when the modulus leaves no room at all.
    """
    share = ((1 << (charter.privacy.modulus_bits - 1)) - 1) // roster
    bound = share - math.ceil(FREE_SDS * noise_sd(charter, kind, roster))
    if bound < 1:
        raise Malformed(
            Reason.OUT_OF_BOUND,
            f"{charter.privacy.modulus_bits} bits leave no room for {roster} cities and the noise",
        )
    return bound


def mask_context(request: RoundRequest, charter: Charter) -> MaskContext:
    """Everything a contribution to this request and its masks are bound to."""
    return MaskContext(
        charter_digest=request.charter_digest,
        attempt_nonce=request.attempt_nonce,
        membership_digest=request.membership_digest,
        roster_digest=request.roster_digest,
        round=request.round,
        parameters_digest=request.parameters_digest,
        kind=request.kind,
        modulus_bits=charter.privacy.modulus_bits,
        length=length_of_kind(charter, request.kind),
    )


def check_binding(contribution: Contribution, context: MaskContext) -> None:
    """Raise Malformed(WRONG_BINDING) naming the first field that is not the request's."""
    for name, expected in vars(context).items():
        if getattr(contribution, name) != expected:
            raise Malformed(Reason.WRONG_BINDING, f"contribution: {name} is not the request's")


def check_bare(body: Body) -> None:
    """Raise Malformed(NOT_DECODABLE) when a vector comes with an envelope that names none."""
    if body.vector:
        raise Malformed(Reason.NOT_DECODABLE, "a vector is attached to what names none")


def check_vector(contribution: Contribution, vector: bytes) -> None:
    """Raise Malformed(WRONG_BINDING) unless ``vector`` is the one that the contribution names."""
    size = contribution.length * contribution.modulus_bits // 8
    if len(vector) != size or digest(vector) != contribution.masked_digest:
        raise Malformed(
            Reason.WRONG_BINDING, "contribution: the vector is not the one that it names"
        )
