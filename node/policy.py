"""What a city permits to leave: ``policy.toml``, and the one function that applies it to a charter.

Pure: facts in, decision out. It must never see a record, a count or anything derived from them:
its reasons cross the network and may depend on policy, budget and documents only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from federation.documents.charter import Charter
from federation.errors import Reason
from node.config import Settings, parse_toml, read_text
from node.privacy.ledger import Allowance
from node.store.runs import DecisionState


class Mode(StrEnum):
    """What to do with a charter that keeps every rule."""

    AUTO = "auto"
    ASK = "ask"
    REFUSE = "refuse"


class Verdict(StrEnum):
    """What the node does with a charter now."""

    ACCEPT = "accept"
    ASK = "ask"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Decision:
    """A verdict; a refusal or a question carries the reason and sentence others may read."""

    verdict: Verdict
    reason: Reason | None
    sentence: str


class Budget(Settings):
    """ε and δ per worker and calendar year, all charters together."""

    epsilon: Annotated[float, Field(gt=0, le=64)] = 8.0
    delta: Annotated[float, Field(gt=0, le=1e-3)] = 1e-6


class KindRules(Settings):
    """Rules for one kind of run.

    ``subjects``: identifiers of the models or indicators allowed, ``purposes``: exact texts
    allowed; empty allows any. ``max_epsilon``: ε of one charter at its own δ.
    """

    mode: Mode = Mode.ASK
    max_epsilon: Annotated[float, Field(gt=0, le=64)] = 4.0
    min_roster: Annotated[int, Field(ge=3, le=512)] = 4
    min_collusion_bound: Annotated[int, Field(ge=1, le=510)] = 1
    purposes: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()


class Policy(Settings):
    """A city's whole policy. Everything left out is asked of a person."""

    budget: Budget = Budget()
    training: KindRules = KindRules()
    statistics: KindRules = KindRules(max_epsilon=1.0)

    @property
    def allowance(self) -> Allowance:
        """The yearly budget as the ledger takes it."""
        return Allowance(self.budget.epsilon, self.budget.delta)


@dataclass(frozen=True)
class Case:
    """A charter and what accounting says of it.

    cost: ε of the charter at its own δ; year_after: ε of the calendar year at the policy's δ if it
    is accepted; person: what a person of this city decided, None when nobody was asked.
    """

    charter: Charter
    cost: float
    year_after: float
    now_ms: int
    person: DecisionState | None = None

    @property
    def subject(self) -> str:
        """The model or the indicator the charter is about."""
        if self.charter.training is not None:
            return self.charter.training.model
        return self.charter.statistics.indicator if self.charter.statistics is not None else ""


def load_policy(path: Path) -> Policy:
    """Read ``policy.toml``. Raises Misconfigured(CONFIGURATION) naming every key that is wrong."""
    return parse_toml(read_text(path), Policy, str(path))


def rules_for(policy: Policy, charter: Charter) -> KindRules:
    """The rules of a charter's kind."""
    return policy.training if charter.training is not None else policy.statistics


def decide(policy: Policy, case: Case) -> Decision:
    """Apply a policy to a charter: every rule of the table, then the kind's mode, then a person.

    A person can refuse anything but approve only what keeps the rules.
    """
    for reason, rule in RULES:
        sentence = rule(policy, case)
        if sentence is not None:
            return Decision(Verdict.REFUSE, reason, sentence)
    if case.person is DecisionState.REFUSED:
        return Decision(Verdict.REFUSE, Reason.POLICY, "a person of this city refused this charter")
    if rules_for(policy, case.charter).mode is Mode.AUTO or case.person is DecisionState.APPROVED:
        return Decision(Verdict.ACCEPT, None, "the policy of this city allows this charter")
    return Decision(Verdict.ASK, Reason.AWAITING_PERSON, "a person of this city must decide")


def _window(_policy: Policy, case: Case) -> str | None:
    if case.charter.not_before_ms <= case.now_ms < case.charter.not_after_ms:
        return None
    return "the charter's window is not open"


def _mode(policy: Policy, case: Case) -> str | None:
    if rules_for(policy, case.charter).mode is not Mode.REFUSE:
        return None
    return f"this city takes no part in {case.charter.kind}"


def _subject(policy: Policy, case: Case) -> str | None:
    allowed = rules_for(policy, case.charter).subjects
    if not allowed or case.subject in allowed:
        return None
    return f"this city does not allow {case.subject}"


def _purpose(policy: Policy, case: Case) -> str | None:
    allowed = rules_for(policy, case.charter).purposes
    return None if not allowed or case.charter.purpose in allowed else "purpose is not allowed"


def _roster(policy: Policy, case: Case) -> str | None:
    least = rules_for(policy, case.charter).min_roster
    if case.charter.min_roster >= least:
        return None
    return f"min_roster is {case.charter.min_roster}, this city asks for {least}"


def _collusion(policy: Policy, case: Case) -> str | None:
    least = rules_for(policy, case.charter).min_collusion_bound
    if case.charter.collusion_bound >= least:
        return None
    return f"collusion_bound is {case.charter.collusion_bound}, this city asks for {least}"


def _delta(policy: Policy, case: Case) -> str | None:
    if case.charter.privacy.delta <= policy.budget.delta:
        return None
    return f"delta is {case.charter.privacy.delta:g}, this city allows {policy.budget.delta:g}"


def _honest_cost(_policy: Policy, case: Case) -> str | None:
    promised = case.charter.privacy.epsilon
    if case.cost <= promised:
        return None
    return f"its mechanisms cost ε {case.cost:.4g}, the charter promises {promised:.4g}"


def _charter_cost(policy: Policy, case: Case) -> str | None:
    most = rules_for(policy, case.charter).max_epsilon
    if case.cost <= most:
        return None
    return f"it costs ε {case.cost:.4g}, this city allows {most:.4g} for one charter"


def _year(policy: Policy, case: Case) -> str | None:
    if case.year_after <= policy.budget.epsilon:
        return None
    return f"the year would reach ε {case.year_after:.4g} of {policy.budget.epsilon:.4g}"


Rule = Callable[[Policy, Case], str | None]

# In this order; the first broken rule is the one that is named.
RULES: tuple[tuple[Reason, Rule], ...] = (
    (Reason.CHARTER_WINDOW, _window),
    (Reason.POLICY, _mode),
    (Reason.POLICY, _subject),
    (Reason.POLICY, _purpose),
    (Reason.ROSTER_TOO_SMALL, _roster),
    (Reason.ROSTER_COLLUSION, _collusion),
    (Reason.POLICY, _delta),
    (Reason.INVALID_DOCUMENT, _honest_cost),
    (Reason.POLICY, _charter_cost),
    (Reason.BUDGET, _year),
)
