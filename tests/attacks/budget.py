"""Attacks on the gate and the ledger: answers that nobody paid for, or paid for once too little.

Lives here: this group's lines and what they forge. Must not know: how a case is judged. Who stands
behind them is the coordinator that asks, or a fault of the program it would exploit.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from support.cities import charter_of

from attacks.case import Act, Attack, By, Guard, Strike
from attacks.stages import CityStage
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.exchanged import Consent, Contribution, Vote
from federation.documents.runs import DropRecord
from federation.errors import Reason
from node.gate import Charge
from node.privacy import ledger

GATE = "node/gate.py"
LEDGER = "node/privacy/ledger.py"
NONCE, CANDIDATE, REQUEST = digest(b"attempt"), digest(b"candidate"), digest(b"request")
VECTOR, PAIR = bytes(24), bytes(8)  # of a training round, of an evaluation
OTHER_CANDIDATE = digest(b"another candidate")


def nothing(_: Connection) -> None:
    """Commit nothing beside."""


class GateStage(CityStage):
    """A gate whose charter is reserved, and what may be asked of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        terms = self.federation.by_administrators(charter_of(self.federation))
        self.charter = self.federation.publish(terms).of(Charter)
        self.home.catch_up()
        self.gate = self.home.gate
        self.gate.consent(self.charter, self.consent(), REQUEST)

    def consent(self, **changes: Any) -> Consent:
        """Return the city's consent."""
        consent = Consent(
            charter_digest=self.charter.digest,
            attempt_nonce=NONCE,
            membership_digest=self.federation.trust.current_digest,
            city=self.home.division,
            agreement_key=digest(b"key"),
            consented_ms=self.federation.clock(),
        )
        return replace(consent, **changes)

    def contribution(self, **changes: Any) -> Contribution:
        """Return a contribution to the first round."""
        contribution = Contribution(
            charter_digest=self.charter.digest,
            attempt_nonce=NONCE,
            membership_digest=self.federation.trust.current_digest,
            roster_digest=digest(b"roster"),
            round=1,
            kind="training",
            parameters_digest=CANDIDATE,
            modulus_bits=32,
            length=6,
            city=self.home.division,
            masked_digest=digest(VECTOR),
        )
        return replace(contribution, **changes)

    def vote(self, **changes: Any) -> Vote:
        """Return a vote."""
        vote = Vote(
            charter_digest=self.charter.digest,
            attempt_nonce=NONCE,
            roster_digest=digest(b"roster"),
            candidate_digest=CANDIDATE,
            city=self.home.division,
            not_worse=True,
        )
        return replace(vote, **changes)

    def charge(self, kind: str = "round", key: bytes = NONCE, number: int = 1) -> Charge:
        """Spend an event of the reserved budget."""
        return self.gate.charge(self.charter.digest, kind, key, number, nothing)


Pay = Callable[[GateStage], Charge]
Leave = Callable[[GateStage, Charge], object]
EVALUATED: dict[str, Any] = {
    "kind": "evaluation",
    "round": 3,
    "length": 2,
    "masked_digest": digest(PAIR),
    "vote": b"vote",
}


def paid(pay: Pay, leave: Leave) -> Act:
    """Return the act of letting a document out under a charge."""

    def act(stage: GateStage) -> Strike:
        charge = pay(stage)
        return lambda: leave(stage, charge)

    return act


def contribute(vector: bytes = VECTOR, **changes: Any) -> Leave:
    """Let a contribution and its vector out."""
    return lambda s, charge: s.gate.contribute(s.contribution(**changes), vector, charge, REQUEST)


def vote(**changes: Any) -> Leave:
    """Let a vote out."""
    return lambda s, charge: s.gate.vote(s.vote(**changes), charge, nothing)


def forged(number: int, **changes: Any) -> Pay:
    """A charge that nobody spent."""
    return lambda s: replace(Charge(s.charter.digest, "round", NONCE, 1, number), **changes)


def spent(kind: str = "round", key: bytes = NONCE, number: int = 1) -> Pay:
    """A charge that was spent."""
    return lambda stage: stage.charge(kind, key, number)


def paid_contribution(stage: GateStage) -> Strike:
    """A contribution that was paid for."""
    return paid(spent(), contribute())(stage)


def paid_vote(stage: GateStage) -> Strike:
    """A vote that was paid for."""
    return paid(spent("evaluation", CANDIDATE, 3), vote())(stage)


def guessed(stage: GateStage) -> Strike:
    """The right number for the right round, before anybody spent it."""
    charge = replace(stage.charge(), round=2, touch=stage.charge().touch + 1)
    return lambda: stage.gate.contribute(stage.contribution(round=2), VECTOR, charge, REQUEST)


def of_another_charter(stage: GateStage) -> Strike:
    raw = stage.federation.by_administrators(charter_of(stage.federation, nonce=b"2" * 16))
    other = stage.federation.publish(raw).of(Charter)
    stage.home.catch_up()
    charge = stage.charge()
    changed = stage.contribution(charter_digest=other.digest)
    return lambda: stage.gate.contribute(changed, VECTOR, charge, REQUEST)


def second_answer(request: bytes) -> Act:
    """Return the act of letting another contribution to an answered round out."""

    def act(stage: GateStage) -> Strike:
        charge = stage.charge()
        stage.gate.contribute(stage.contribution(), VECTOR, charge, REQUEST)
        vector = b"x" * 24
        other = stage.contribution(masked_digest=digest(vector))
        return lambda: stage.gate.contribute(other, vector, charge, request)

    return act


def by_the_uncharged_way(make: Callable[[GateStage], Any]) -> Act:
    """Return the act of letting a document out as if it were a refusal."""

    def act(stage: GateStage) -> Strike:
        document = make(stage)
        return lambda: stage.gate.refuse(document)

    return act


def not_in_the_table(stage: GateStage) -> DropRecord:
    """A document that no city has any business with."""
    return DropRecord(
        charter_digest=stage.charter.digest,
        attempt_nonce=NONCE,
        roster_digest=b"",
        round=1,
        cities=("310000",),
        reason="round.late",
        recorded_ms=1,
    )


def after_the_budget_was_closed(stage: GateStage) -> Strike:
    with stage.home.store.write() as connection:
        ledger.close(connection, stage.charter.digest)
    return stage.charge


def one_round_too_many(stage: GateStage) -> Strike:
    """Two rounds and one repeat were reserved: the fourth sum is refused, whatever it is called."""
    for number in (1, 2, 3):
        stage.charge(number=number)
    return lambda: stage.charge(number=4)


def another_kind_of_answer(stage: GateStage) -> Strike:
    return lambda: stage.charge(kind="survey")


def at_gate(
    name: str, act: Act, reason: Reason, guard: Guard, *, twin: Act = paid_contribution
) -> Attack:
    """Return an attack on the gate."""
    return Attack(name, By.COORDINATOR, act, reason, guard, GateStage, twin)


EVAL_AS_ROUND = "an evaluation paid for as a training round"
PAID_FOR = Guard(GATE, "if touch != charge.touch:", "if False:")
SAME_ROUND = (
    "if charge.kind != budget_kind(contribution.kind) or charge.round != contribution.round:"
)
ONCE = Guard(
    GATE,
    "if committed is not answer:",
    "if False:",
)
CHARGED = Guard(GATE, "if passage.charged != (charge is not None):", "if False:")
VOTED = Guard(GATE, "            if charge.kind != EVALUATION:\n", "            if False:\n")

BUDGET: list[Attack] = [
    at_gate(
        "a contribution that nobody paid for",
        paid(forged(1), contribute()),
        Reason.BUDGET,
        PAID_FOR,
    ),
    at_gate("a charge whose number is guessed", guessed, Reason.BUDGET, PAID_FOR),
    at_gate(
        "a contribution paid for in another attempt",
        paid(spent(key=CANDIDATE), contribute()),
        Reason.BUDGET,
        PAID_FOR,
    ),
    at_gate(
        "a contribution paid for in another round",
        paid(spent(number=2), contribute()),
        Reason.BUDGET,
        Guard(
            GATE,
            SAME_ROUND,
            "if charge.kind != budget_kind(contribution.kind):",
        ),
    ),
    at_gate(
        "a training round paid for as an evaluation",
        paid(spent("evaluation"), contribute()),
        Reason.BUDGET,
        Guard(
            GATE, SAME_ROUND, "if charge.round != contribution.round:", stops_too=(EVAL_AS_ROUND,)
        ),
    ),
    at_gate(
        EVAL_AS_ROUND,
        paid(spent(key=CANDIDATE, number=3), contribute(PAIR, **EVALUATED)),
        Reason.BUDGET,
        Guard(
            GATE,
            SAME_ROUND,
            "if charge.kind == EVALUATION != budget_kind(contribution.kind)"
            " or charge.round != contribution.round:",
        ),
    ),
    at_gate(
        "the evaluation of another candidate than was paid for",
        paid(
            spent("evaluation", CANDIDATE, 3),
            contribute(PAIR, **{**EVALUATED, "parameters_digest": OTHER_CANDIDATE}),
        ),
        Reason.BUDGET,
        PAID_FOR,
    ),
    at_gate(
        "a charge of one charter pays for another",
        of_another_charter,
        Reason.BUDGET,
        PAID_FOR,
    ),
    at_gate(
        "a vote that nobody paid for",
        paid(forged(1, kind="evaluation", key=CANDIDATE), vote()),
        Reason.BUDGET,
        PAID_FOR,
        twin=paid_vote,
    ),
    at_gate(
        "a vote on another candidate than was paid for",
        paid(spent("evaluation", CANDIDATE, 3), vote(candidate_digest=OTHER_CANDIDATE)),
        Reason.BUDGET,
        PAID_FOR,
        twin=paid_vote,
    ),
    at_gate(
        "a vote paid for as a training round of that very name",
        paid(spent(key=CANDIDATE, number=3), vote()),
        Reason.BUDGET,
        VOTED,
        twin=paid_vote,
    ),
    at_gate(
        "a contribution that leaves with another vector than it names",
        paid(spent(), contribute(bytes(23) + b"x")),
        Reason.WRONG_BINDING,
        Guard(GATE, "        check_vector(contribution, vector)\n", ""),
    ),
    at_gate(
        "a second contribution under one charge",
        second_answer(REQUEST),
        Reason.ANSWERED,
        ONCE,
    ),
    at_gate(
        "a contribution that leaves as if it were a refusal",
        by_the_uncharged_way(GateStage.contribution),
        Reason.BUDGET,
        CHARGED,
    ),
    at_gate(
        "a vote that leaves as if it were a refusal",
        by_the_uncharged_way(GateStage.vote),
        Reason.BUDGET,
        CHARGED,
        twin=paid_vote,
    ),
    at_gate(
        "a document that has no business to leave",
        by_the_uncharged_way(not_in_the_table),
        Reason.POLICY,
        Guard(
            GATE,
            "passage = PASSAGES.get(type(document))",
            "passage = PASSAGES.get(type(document), PASSAGES[Refusal])",
        ),
    ),
    at_gate(
        "an answer after the charter's budget was closed",
        after_the_budget_was_closed,
        Reason.CHARTER_CLOSED,
        Guard(LEDGER, "    if standing.closed:\n", "    if False:\n"),
    ),
    at_gate(
        "more sums than the charter reserved",
        one_round_too_many,
        Reason.REPEATS_EXHAUSTED,
        Guard(LEDGER, "if standing.touched >= standing.count:", "if False:"),
    ),
    at_gate(
        "an answer of a kind that nothing is reserved for",
        another_kind_of_answer,
        Reason.CHARTER_UNKNOWN,
        Guard(
            LEDGER,
            "    if standing is None:\n",
            "    if False:\n",
        ),
    ),
]
