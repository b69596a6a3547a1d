"""Attacks on rounds: what a city is asked to answer, on which parameters, and how often.

Lives here: this group's lines and what they forge. Must not know: how a case is judged.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from support.cities import START, Coordinator, charter_of, figures_of
from support.federation import CityKeys, envelope

from attacks.asking import (
    Change,
    Changes,
    closed,
    continued,
    dropped,
    joined,
    on_round,
    unchanged,
)
from attacks.case import Act, Attack, By, Guard, Strike
from attacks.charters import OPEN_RUN
from attacks.envelopes import DATED_INSIDE, KNOWN_FIELDS, NO_STRANGER, UNKNOWN_FIELD, VERIFIED
from attacks.stages import DAY_S, NEXT, CityStage
from federation.crypto.envelope import Body
from federation.crypto.keys import digest
from federation.documents.exchanged import RoundRequest
from federation.documents.runs import RecordedContribution
from federation.errors import Reason
from federation.rounds.aggregate import sum_to_bytes, to_bytes
from federation.rounds.terms import contribution_bound
from federation.wire.codec import encode_body

PARTICIPANT = "node/participant.py"
ATTEMPTS = "node/attempts.py"
REPLAY = "node/replay.py"
AGGREGATE = "federation/rounds/aggregate.py"
ORDER = "if request.round != (roster.first_round if first else self.answered + 1):"
KIND = "if request.kind != terms.kind_of_round(self.charter.document, request.round):"


def other_attempt(_: Coordinator) -> Changes:
    return {"attempt_nonce": digest(b"no such attempt")}


def other_membership(_: Coordinator) -> Changes:
    return {"membership_digest": digest(b"no such membership")}


def unlogged_roster(_: Coordinator) -> Changes:
    return {"roster_digest": digest(b"no roster")}


def record_for_a_roster(coordinator: Coordinator) -> Changes:
    return {"roster_digest": coordinator.records[-1].digest}


def unlogged_record(_: Coordinator) -> Changes:
    return {"previous_record_digest": digest(b"no record")}


def first_round_again(_: Coordinator) -> Changes:
    return {"round": 1, "previous_record_digest": b"", "last_sum": b""}


def round_left_out(_: Coordinator) -> Changes:
    return {"round": 3, "kind": "evaluation"}


def evaluation_too_early(_: Coordinator) -> Changes:
    return {"kind": "evaluation"}


def statistics_of_a_training(_: Coordinator) -> Changes:
    return {"kind": "statistics"}


def other_parameters(_: Coordinator) -> Changes:
    return {"parameters_digest": digest(to_bytes(START + 1))}


def start_once_more(_: Coordinator) -> Changes:
    return {"parameters_digest": digest(to_bytes(START))}


def other_sum(coordinator: Coordinator) -> Changes:
    sent = bytearray(coordinator.sums[-1])
    sent[0] ^= 1
    return {"last_sum": bytes(sent)}


def sum_with_more_behind_it(coordinator: Coordinator) -> Changes:
    return {"last_sum": coordinator.sums[-1] + bytes(4)}


def sum_cut_short(coordinator: Coordinator) -> Changes:
    return {"last_sum": coordinator.sums[-1][:-4]}


def lost_sum(coordinator: Coordinator) -> Changes:
    coordinator.blobs.clear()
    return {"last_sum": b""}


def made_in_a_day(coordinator: Coordinator) -> Changes:
    return {"issued_ms": coordinator.federation.clock() + DAY_S * 1_000}


def rerecorded(coordinator: Coordinator, **changes: Any) -> Changes:
    """Log a second record of round 1, made up, and name it."""
    genuine = coordinator.records[-1].document
    record = coordinator.publish(replace(genuine, **changes))
    return {"previous_record_digest": record.digest}


def my_contribution_exchanged(coordinator: Coordinator) -> Changes:
    mine, *others = coordinator.records[-1].document.contributions
    other = RecordedContribution(city=mine.city, digest=digest(b"other"))
    return rerecorded(coordinator, contributions=(other, *others))


def my_contribution_left_out(coordinator: Coordinator) -> Changes:
    listed = coordinator.records[-1].document.contributions
    return rerecorded(coordinator, contributions=listed[1:])


def record_of_another_attempt(coordinator: Coordinator) -> Changes:
    return rerecorded(coordinator, attempt_nonce=digest(b"another attempt"))


def record_of_another_charter(coordinator: Coordinator) -> Changes:
    return rerecorded(coordinator, charter_digest=digest(b"another charter"))


def record_of_other_beginnings(coordinator: Coordinator) -> Changes:
    return rerecorded(coordinator, parameters_digest=digest(b"other parameters"))


def record_of_other_ends(coordinator: Coordinator) -> Changes:
    made_up = digest(to_bytes(START))
    return {
        **rerecorded(coordinator, next_parameters_digest=made_up),
        "parameters_digest": made_up,
    }


def recorded_sum(coordinator: Coordinator, total: np.ndarray[Any, np.dtype[np.int64]]) -> Changes:
    """Log a record of a sum that no city contributed to, and keep the sum."""
    raw = sum_to_bytes(total, coordinator.charter.document.privacy.modulus_bits)
    coordinator.blobs[digest(raw)] = raw
    return {**rerecorded(coordinator, sum_digest=digest(raw)), "last_sum": b""}


def huge_sum(coordinator: Coordinator) -> Changes:
    """It would carry the parameters beyond the charter's bound."""
    return recorded_sum(coordinator, np.full(6, 2**45, dtype=np.int64))


def wrapping_sum(coordinator: Coordinator) -> Changes:
    """It would make the optimiser's integers wrap."""
    return recorded_sum(coordinator, np.full(6, 2**63 - 1, dtype=np.int64))


def longer_sum(coordinator: Coordinator) -> Changes:
    return recorded_sum(coordinator, np.zeros(7, dtype=np.int64))


def after_the_window(coordinator: Coordinator) -> Changes:
    coordinator.federation.clock.pass_(30 * DAY_S)
    return {}


# ── the first round ─────────────────────────────────────────────────────────────────────────────


def first_round(stage: CityStage) -> Strike:
    """The first round of a run."""
    coordinator = stage.coordinator()
    coordinator.start()
    return stage.asks(coordinator.round_body())


def parameters_that_were_exchanged(stage: CityStage) -> Strike:
    """The exchange serves other bytes than the charter names."""
    strike = first_round(stage)
    stage.blobs[digest(to_bytes(START))] = to_bytes(START + 1)
    return strike


def parameters_beyond_the_bound(stage: CityStage) -> Strike:
    return _beginning_on(stage, np.full(6, 2**62, dtype=np.int64))


def more_parameters_than_the_charter_has(stage: CityStage) -> Strike:
    return _beginning_on(stage, np.zeros(7, dtype=np.int64))


def _beginning_on(stage: CityStage, parameters: np.ndarray[Any, np.dtype[np.int64]]) -> Strike:
    """The first round of a charter of six parameters that names these."""
    raw = to_bytes(parameters)
    stage.blobs[digest(raw)] = raw
    plain = charter_of(stage.federation)
    assert plain.training is not None
    training = replace(plain.training, initial_parameters_digest=digest(raw))
    coordinator = stage.coordinator(replace(plain, training=training))
    coordinator.start()
    request = RoundRequest(
        charter_digest=coordinator.charter.digest,
        attempt_nonce=coordinator.nonce,
        membership_digest=coordinator.roster.document.membership_digest,
        roster_digest=coordinator.roster.digest,
        round=1,
        kind="training",
        parameters_digest=digest(raw),
        previous_record_digest=b"",
        issued_ms=stage.federation.clock(),
    )
    return stage.asks(coordinator.sign(request))


def round_without_a_consent(stage: CityStage) -> Strike:
    """The city restarted: the keys of its consent died with the process."""
    coordinator = stage.coordinator()
    coordinator.start()
    stage.home.restart()
    return stage.asks(coordinator.round_body())


def counts(stage: CityStage) -> Strike:
    """The round of a statistics charter."""
    coordinator = stage.counting()
    coordinator.start()
    return stage.asks(coordinator.round_body())


def counts_about_parameters(stage: CityStage) -> Strike:
    coordinator = stage.counting()
    coordinator.start()
    request = coordinator.round_request(parameters_digest=digest(b"something"))
    return stage.asks(coordinator.sign(request))


# ── the second round, forged or asked twice ─────────────────────────────────────────────────────


def second_round(stage: CityStage, **charter: Any) -> Coordinator:
    coordinator = stage.coordinator(**charter)
    coordinator.start()
    coordinator.complete_round()
    return coordinator


def asked_differently_again(stage: CityStage) -> Strike:
    coordinator = second_round(stage)
    stage.home.answer(coordinator.round_body())
    stage.federation.clock.pass_(1)
    return stage.asks(coordinator.round_body())


def of_the_attempt_before(stage: CityStage) -> Strike:
    coordinator = second_round(stage)
    before = coordinator.round_body()
    coordinator.start()
    return stage.asks(before)


@functools.cache
def of_64_bits(change: Change = unchanged) -> Act:
    """Return the act of asking for the second round of a charter whose integers have 64 bits."""

    def act(stage: CityStage) -> Strike:
        privacy = replace(charter_of(stage.federation).privacy, modulus_bits=64)
        coordinator = second_round(stage, privacy=privacy)
        return stage.asks(coordinator.round_body(**change(coordinator)))

    act.__name__ = "the second round in 64 bits" if change is unchanged else change.__name__
    return act


def on_wide_round(name: str, change: Change, reason: Reason, guard: Guard) -> Attack:
    """Return an attack by a sum that no 32 bits hold."""
    act, twin = of_64_bits(change), of_64_bits()
    return Attack(name, By.COORDINATOR, act, reason, guard, CityStage, twin)


def attached_to_the_first(stage: CityStage) -> Strike:
    coordinator = stage.coordinator()
    coordinator.start()
    return stage.asks(coordinator.round_body(bytes(24)))


def attached_to_joining(stage: CityStage) -> Strike:
    coordinator = stage.coordinator()
    request = coordinator.sign(coordinator.consent_request())
    return stage.asks(encode_body(Body(request, bytes(24))))


def attached_with_more(coordinator: Coordinator, request: RoundRequest) -> bytes:
    """A field beside envelope and vector that this version does not know."""
    sent = encode_body(Body(coordinator.sign(request), coordinator.sums[-1]))
    return sent + UNKNOWN_FIELD


def forged(forge: Callable[[Coordinator, RoundRequest], bytes]) -> Act:
    """Return the act of asking for the second round by a request that is not the coordinator's."""

    def act(stage: CityStage) -> Strike:
        coordinator = second_round(stage)
        return stage.asks(forge(coordinator, coordinator.round_request()))

    return act


def overflowing_records(stage: CityStage) -> Strike:
    """What a city's records come to does not fit the modulus: it is clamped, nobody's sum wraps."""
    coordinator = stage.coordinator()
    coordinator.start()
    stage.home.work.figures["training"] = np.full(6, 2**62, dtype=np.int64)
    bound = contribution_bound(coordinator.charter.document, "training", 4)
    others = [figures_of(number)["training"] for number in (2, 3, 4)]
    expected = np.sum(others, axis=0) + bound + 1  # the first draw of noise adds 1

    def play() -> None:
        assert coordinator.total(coordinator.ask()).tolist() == expected.tolist()

    return play


ANSWERED = Guard("node/store/answers.py", "if row.request_digest != request_digest:", "if False:")
ATTEMPT_OF = Guard(ATTEMPTS, "if self.nonce != request.attempt_nonce:", "if False:")
SENT = Guard(ATTEMPTS, "if mine != self.sent:", "if False:")
RIGHT_KIND = Guard(ATTEMPTS, KIND, "if False:")
LEADS_HERE = Guard(
    REPLAY, "if reached.parameters_digest != request.parameters_digest:", "if False:"
)
STEP_HOLDS = "if made != record.next_parameters_digest:"
MADE_UP, ROUND_ONES = (
    "a round on made-up parameters",
    "the second round on the first one's parameters",
)
SUM_HOLDS = Guard(
    REPLAY,
    "if digest(total) != record.sum_digest:",
    "if False:",
    backed_by=(Guard(REPLAY, STEP_HOLDS, "if False:"), LEADS_HERE),
    stops_too=(MADE_UP, ROUND_ONES, "a recorded step that the recorded sum does not make"),
)
NAMES_NONE = Guard(
    PARTICIPANT,
    "if not (isinstance(request, RoundRequest) and request.previous_record_digest):",
    "if False:",
)
PARAMETER_BOUND = Guard(
    AGGREGATE,
    "    _check_parameters(parameters, terms)\n    return State(parameters, velocity)",
    "    return State(parameters, velocity)",
)

ROUNDS: list[Attack] = [
    on_round(
        "a round of an attempt the city never joined", other_attempt, Reason.KEYS_LOST, ATTEMPT_OF
    ),
    Attack(
        "a round of the attempt before",
        By.COORDINATOR,
        of_the_attempt_before,
        Reason.KEYS_LOST,
        ATTEMPT_OF,
        CityStage,
        continued(),
    ),
    Attack(
        "a round after the city's keys died with its process",
        By.COORDINATOR,
        round_without_a_consent,
        Reason.KEYS_LOST,
        Guard(
            PARTICIPANT,
            "        if attempt is None:\n",
            "        if False:\n",
            # of the other charter the city holds no key either
            stops_too=("other terms after the consent",),
        ),
        CityStage,
        first_round,
    ),
    on_round(
        "a round under another membership than the attempt's",
        other_membership,
        Reason.WRONG_BINDING,
        Guard(ATTEMPTS, "if self.membership_digest != request.membership_digest:", "if False:"),
    ),
    on_round(
        "a round record passed off as the roster",
        record_for_a_roster,
        Reason.UNEXPECTED_TYPE,
        Guard(
            "federation/acceptance/door.py", "if not isinstance(self.document, cls):", "if False:"
        ),
    ),
    on_round(
        "the first round once more, asked otherwise", first_round_again, Reason.ANSWERED, ANSWERED
    ),
    Attack(
        "a second, different request for an answered round",
        By.COORDINATOR,
        asked_differently_again,
        Reason.ANSWERED,
        ANSWERED,
        CityStage,
        continued(),
    ),
    on_round(
        "a round out of order",
        round_left_out,
        Reason.WRONG_ROUND,
        Guard(
            ATTEMPTS,
            ORDER,
            "if False:",
            backed_by=(
                Guard(
                    REPLAY,
                    "raise Refused(Reason.WRONG_ROUND, "
                    'f"no accepted record of round {number} leads here")',
                    "break",
                ),
            ),
            stops_too=(
                "a round before the one its roster begins with",
                "a round after another run's record",
            ),
        ),
    ),
    on_round(
        "an evaluation where a training round is due",
        evaluation_too_early,
        Reason.WRONG_ROUND,
        RIGHT_KIND,
    ),
    on_round(
        "statistics asked for under a training charter",
        statistics_of_a_training,
        Reason.WRONG_ROUND,
        RIGHT_KIND,
    ),
    on_round(MADE_UP, other_parameters, Reason.WRONG_SUM, LEADS_HERE),
    on_round(ROUND_ONES, start_once_more, Reason.WRONG_SUM, LEADS_HERE),
    on_round(
        "a sum that is not the recorded one",
        other_sum,
        Reason.WRONG_SUM,
        SUM_HOLDS,
    ),
    on_round(
        "the recorded sum with an integer more behind it",
        sum_with_more_behind_it,
        Reason.WRONG_SUM,
        SUM_HOLDS,
    ),
    on_round("the recorded sum with an integer less", sum_cut_short, Reason.WRONG_SUM, SUM_HOLDS),
    Attack(
        "a sum attached to the first round",
        By.COORDINATOR,
        attached_to_the_first,
        Reason.NOT_DECODABLE,
        NAMES_NONE,
        CityStage,
        first_round,
    ),
    Attack(
        "a vector attached to a request to join",
        By.COORDINATOR,
        attached_to_joining,
        Reason.NOT_DECODABLE,
        NAMES_NONE,
        CityStage,
        joined(),
    ),
    Attack(
        "a field that this version does not read, beside a request and its sum",
        By.COORDINATOR,
        forged(attached_with_more),
        Reason.NOT_DECODABLE,
        KNOWN_FIELDS,
        CityStage,
        continued(),
    ),
    on_round(
        "a recorded step that the recorded sum does not make",
        record_of_other_ends,
        Reason.WRONG_SUM,
        Guard(
            REPLAY,
            STEP_HOLDS,
            "if False:",
            backed_by=(LEADS_HERE,),
            stops_too=(MADE_UP, ROUND_ONES),
        ),
    ),
    on_round(
        "a record that began on other parameters",
        record_of_other_beginnings,
        Reason.WRONG_SUM,
        Guard(REPLAY, "if record.parameters_digest != reached.parameters_digest:", "if False:"),
    ),
    on_round(
        "another contribution recorded in the city's name",
        my_contribution_exchanged,
        Reason.WRONG_SUM,
        SENT,
    ),
    on_round(
        "the city's contribution left out of the record",
        my_contribution_left_out,
        Reason.WRONG_SUM,
        SENT,
    ),
    on_round(
        "a round after another attempt's record",
        record_of_another_attempt,
        Reason.WRONG_BINDING,
        Guard(
            ATTEMPTS,
            "if record.attempt_nonce != self.nonce or record.round != self.answered:",
            "if record.round != self.answered:",
        ),
    ),
    on_round(
        "a round after another run's record",
        record_of_another_charter,
        Reason.WRONG_ROUND,
        Guard(
            REPLAY,
            "record.charter_digest == charter_digest\n        and record.round",
            "record.round",
        ),
    ),
    on_wide_round(
        "a recorded sum that carries parameters beyond the charter's bound",
        huge_sum,
        Reason.OUT_OF_BOUND,
        PARAMETER_BOUND,
    ),
    on_wide_round(
        "a recorded sum that would make integers wrap",
        wrapping_sum,
        Reason.OUT_OF_BOUND,
        Guard(
            AGGREGATE,
            '    _check(total, MOST_PRODUCT, "the sum")\n',
            "",
            backed_by=(
                Guard(AGGREGATE, '    _check(velocity, most, "the velocity")\n', ""),
                PARAMETER_BOUND,
            ),
            stops_too=("a recorded sum that carries parameters beyond the charter's bound",),
        ),
    ),
    on_round(
        "a recorded sum of another length",
        longer_sum,
        Reason.OUT_OF_BOUND,
        Guard(AGGREGATE, "if len(raw) != length * modulus_bits // 8:", "if False:"),
    ),
    Attack(
        "more initial parameters than the charter has",
        By.COORDINATOR,
        more_parameters_than_the_charter_has,
        Reason.OUT_OF_BOUND,
        Guard(AGGREGATE, "if len(raw) != 8 * length:", "if False:"),
        CityStage,
        first_round,
    ),
    Attack(
        "crafted initial parameters beyond the charter's bound",
        By.COORDINATOR,
        parameters_beyond_the_bound,
        Reason.OUT_OF_BOUND,
        Guard(
            AGGREGATE,
            "    _check_parameters(parameters, terms)\n    return State(parameters, np.zeros",
            "    return State(parameters, np.zeros",
        ),
        CityStage,
        first_round,
    ),
    Attack(
        "other initial parameters than the charter names",
        By.COORDINATOR,
        parameters_that_were_exchanged,
        Reason.WRONG_SUM,
        Guard(AGGREGATE, "if digest(raw) != terms.initial_parameters_digest:", "if False:"),
        CityStage,
        first_round,
    ),
    Attack(
        "a statistics round about parameters of the coordinator's",
        By.COORDINATOR,
        counts_about_parameters,
        Reason.WRONG_SUM,
        Guard(PARTICIPANT, "if request.parameters_digest != terms.NO_PARAMETERS:", "if False:"),
        CityStage,
        counts,
    ),
    on_round("a round dated tomorrow", made_in_a_day, Reason.NOT_YET_VALID, DATED_INSIDE),
    on_round(
        "a round after the city was dropped",
        dropped,
        Reason.DROPPED,
        Guard(PARTICIPANT, "if charter.digest in self._dropped:", "if False:"),
    ),
    on_round("a round after the run was closed", closed, Reason.CHARTER_CLOSED, OPEN_RUN),
    on_round(
        "a round after the charter's window",
        after_the_window,
        Reason.CHARTER_WINDOW,
        Guard(
            PARTICIPANT,
            "if not bounds.not_before_ms <= self._clock_ms() < bounds.not_after_ms:",
            "if False:",
        ),
    ),
    Attack(
        "a round that another city asks for",
        By.CITY,
        forged(lambda c, r: c.federation.by_city(r, NEXT)),
        Reason.UNKNOWN_SIGNER,
        NO_STRANGER,
        CityStage,
        continued(),
    ),
    Attack(
        "a round that a stranger asks for",
        By.OUTSIDER,
        forged(lambda _c, r: envelope(r, CityKeys.of("999999").signing)),
        Reason.UNKNOWN_SIGNER,
        NO_STRANGER,
        CityStage,
        continued(),
    ),
    Attack(
        "a request altered on the way",
        By.OUTSIDER,
        forged(lambda c, r: c.sign(r).replace(r.kind.encode(), b"troining")),
        Reason.BAD_SIGNATURE,
        VERIFIED,
        CityStage,
        continued(),
    ),
    Attack(
        "records that overflow the modulus",
        By.CITY,
        overflowing_records,
        None,
        Guard(
            "node/contribution.py",
            "self.noise(np.clip(exact, -bound, bound), sd)",
            "self.noise(exact, sd)",
            does=True,
        ),
        CityStage,
        first_round,
    ),
]
