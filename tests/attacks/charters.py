"""Attacks on charters: who permits a run, on which terms, and for how long.

Lives here: this group's lines and what they forge. Must not know: how a case is judged.
"""

from typing import Any

from support.cities import Coordinator, charter_of
from support.federation import Federation, Reader, envelope, signing_key

from attacks.asking import Changes, closed, dropped, joined, on_joining
from attacks.case import Act, Attack, By, Guard, Strike
from attacks.door import at_door, charter_bundle, next_bundle
from attacks.envelopes import DATED_INSIDE, ENOUGH, NO_STRANGER
from attacks.membership import PEOPLE_COUNT
from attacks.stages import DAY_S, CityStage
from federation.crypto.keys import digest
from federation.documents.charter import PrivacyTerms
from federation.errors import Reason
from federation.log.bundle import Bundle
from node.policy import Budget, KindRules, Mode, Policy

PARTICIPANT = "node/participant.py"
POLICY = "node/policy.py"
OPEN_RUN = Guard(PARTICIPANT, "if charter.digest in self._closed:", "if False:")


def by_one_administrator(federation: Federation, reader: Reader) -> Bundle:
    raw = federation.by_administrators(federation.charter(), "admin-a")
    return next_bundle(federation, reader, raw)


def by_one_administrator_with_two_keys(federation: Federation, reader: Reader) -> Bundle:
    second = signing_key("second key of admin-a")
    first, *others = federation.membership.administrators
    both = type(first)(
        administrator=first.administrator,
        name=first.name,
        signing_keys=(*first.signing_keys, second.public.raw),
    )
    federation.publish_membership(administrators=(both, *others))
    reader.catch_up()
    raw = envelope(federation.charter(), federation.administrators["admin-a"], second)
    return next_bundle(federation, reader, raw)


def by_the_coordinator(federation: Federation, reader: Reader) -> Bundle:
    return next_bundle(federation, reader, federation.by_coordinator(federation.charter()))


def of_another_federation(federation: Federation, reader: Reader) -> Bundle:
    raw = federation.by_administrators(federation.charter(federation="pearl"))
    return next_bundle(federation, reader, raw)


def whose_window_is_over(federation: Federation, reader: Reader) -> Bundle:
    raw = federation.by_administrators(federation.charter())
    federation.clock.pass_(31 * DAY_S)
    return next_bundle(federation, reader, raw)


def unknown(_: Coordinator) -> Changes:
    return {"charter_digest": digest(b"no such charter")}


def a_roster(coordinator: Coordinator) -> Changes:
    coordinator.start()
    return {"charter_digest": coordinator.roster.digest}


def membership_of_yesterday(coordinator: Coordinator) -> Changes:
    old = coordinator.federation.trust.current_digest
    coordinator.federation.publish_membership()
    coordinator.tell()
    return {"membership_digest": old}


def attempt_consented_to(coordinator: Coordinator) -> Changes:
    coordinator.gather()
    return {"attempt_nonce": coordinator.nonce}


def made_tomorrow(coordinator: Coordinator) -> Changes:
    return {"issued_ms": coordinator.federation.clock() + DAY_S * 1_000}


def unwilling(budget: float = 8.0, *, delta: float = 1e-6, **changes: Any) -> Act:
    """Return the act of asking a city whose policy has other rules for training."""
    rules: dict[str, Any] = {"mode": Mode.AUTO, "max_epsilon": 8.0, "min_roster": 3, **changes}
    policy = Policy(budget=Budget(epsilon=budget, delta=delta), training=KindRules(**rules))

    def act(stage: CityStage) -> Strike:
        stage.home.policy = policy
        return joined()(stage)

    return act


def before_a_person_decided(stage: CityStage) -> Strike:
    """The question is put to a person, and stays open however often the coordinator asks."""
    ask = unwilling(mode=Mode.ASK)(stage)
    ask()
    return ask


def promising_too_little(stage: CityStage) -> Strike:
    """The charter states a smaller ε than its noise is worth."""
    plain = charter_of(stage.federation)
    values = {n: getattr(plain.privacy, n) for n in PrivacyTerms.__dataclass_fields__}
    coordinator = stage.coordinator(privacy=PrivacyTerms(**{**values, "epsilon": 1.0}))
    return stage.asks(coordinator.sign(coordinator.consent_request()))


def second_charter(stage: CityStage) -> Strike:
    """One charter costs ε 2.28, two 3.35; the year has 3."""
    unwilling(budget=3.0)(stage)()
    second = stage.coordinator(nonce=b"2" * 16)
    request = second.consent_request(attempt_nonce=digest(b"of the second"))
    return stage.asks(second.sign(request))


def other_terms_after_the_consent(stage: CityStage) -> Strike:
    """The city consented to one charter; its round is asked for under a laxer one."""
    coordinator = stage.coordinator()
    coordinator.start()
    laxer = charter_of(stage.federation, nonce=b"2" * 16, max_repeats=900)
    other = stage.federation.publish(stage.federation.by_administrators(laxer))
    coordinator.tell()
    request = coordinator.round_request(charter_digest=other.digest)
    return stage.asks(coordinator.sign(request))


def by_policy(name: str, act: Act, reason: Reason, guard: Guard) -> Attack:
    """Return an attack by a charter that administrators signed and a city does not want."""
    return Attack(name, By.COORDINATOR, act, reason, guard, CityStage, joined())


CHARTERS: list[Attack] = [
    at_door(
        "a charter signed by one of the two administrators needed",
        By.MINORITY,
        by_one_administrator,
        Reason.TOO_FEW_SIGNERS,
        3,
        ENOUGH,
        twin=charter_bundle,
    ),
    at_door(
        "a charter signed by one administrator with two keys",
        By.MINORITY,
        by_one_administrator_with_two_keys,
        Reason.TOO_FEW_SIGNERS,
        3,
        PEOPLE_COUNT,
        twin=charter_bundle,
    ),
    at_door(
        "a charter that the coordinator signed itself",
        By.COORDINATOR,
        by_the_coordinator,
        Reason.UNKNOWN_SIGNER,
        3,
        NO_STRANGER,
        twin=charter_bundle,
    ),
    at_door(
        "a charter of another federation with the same administrators",
        By.COORDINATOR,
        of_another_federation,
        Reason.WRONG_FEDERATION,
        5,
        Guard(
            "federation/acceptance/steps.py",
            "if named != known.membership.federation:",
            "if False:",
        ),
        twin=charter_bundle,
    ),
    at_door(
        "a charter that is logged after its window",
        By.COORDINATOR,
        whose_window_is_over,
        Reason.EXPIRED,
        9,
        Guard(
            "federation/acceptance/steps.py",
            "if deadline is not None and getattr(document, deadline) <= now_ms:",
            "if False:",
        ),
        twin=charter_bundle,
    ),
    on_joining(
        "a charter that the log does not hold",
        unknown,
        Reason.CHARTER_UNKNOWN,
        Guard(
            PARTICIPANT, "raise Refused(Reason.CHARTER_UNKNOWN,", "raise Refused(Reason.DEADLINE,"
        ),
    ),
    on_joining(
        "a roster passed off as the charter",
        a_roster,
        Reason.UNEXPECTED_TYPE,
        Guard(
            "federation/acceptance/door.py", "if not isinstance(self.document, cls):", "if False:"
        ),
    ),
    on_joining("a charter whose run is closed", closed, Reason.CHARTER_CLOSED, OPEN_RUN),
    on_joining(
        "a run that the city was dropped from",
        dropped,
        Reason.DROPPED,
        Guard(PARTICIPANT, "if charter.digest in self._dropped:", "if False:"),
    ),
    on_joining(
        "a run in a membership that was replaced",
        membership_of_yesterday,
        Reason.WRONG_BINDING,
        Guard(
            PARTICIPANT,
            "if request.membership_digest != self._documents.trust.current_digest:",
            "if False:",
        ),
    ),
    on_joining(
        "an attempt that was consented to, asked otherwise",
        attempt_consented_to,
        Reason.ANSWERED,
        Guard("node/store/answers.py", "if row.request_digest != request_digest:", "if False:"),
    ),
    on_joining(
        "a request to join dated tomorrow", made_tomorrow, Reason.NOT_YET_VALID, DATED_INSIDE
    ),
    Attack(
        "other terms after the consent",
        By.COORDINATOR,
        other_terms_after_the_consent,
        Reason.KEYS_LOST,
        Guard(
            PARTICIPANT,
            "attempt = self._attempts.get(request.charter_digest)",
            "attempt = next(iter(self._attempts.values()), None)",
        ),
        CityStage,
        joined(),
    ),
    Attack(
        "a charter that promises less ε than its noise costs",
        By.COORDINATOR,
        promising_too_little,
        Reason.INVALID_DOCUMENT,
        Guard(POLICY, "if case.cost <= promised:", "if True:"),
        CityStage,
        joined(),
    ),
    by_policy(
        "a charter for what the city's policy forbids",
        unwilling(mode=Mode.REFUSE),
        Reason.POLICY,
        Guard(POLICY, "if rules_for(policy, case.charter).mode is not Mode.REFUSE:", "if True:"),
    ),
    by_policy(
        "a charter for a model that the city's policy does not name",
        unwilling(subjects=("other",)),
        Reason.POLICY,
        Guard(POLICY, "if not allowed or case.subject in allowed:", "if True:"),
    ),
    by_policy(
        "a charter dearer than the city's policy allows",
        unwilling(max_epsilon=0.1),
        Reason.POLICY,
        Guard(POLICY, "if case.cost <= most:", "if True:"),
    ),
    by_policy(
        "a charter with a larger δ than the city's policy allows",
        unwilling(delta=1e-9, budget=20.0),
        Reason.POLICY,
        Guard(POLICY, "if case.charter.privacy.delta <= policy.budget.delta:", "if True:"),
    ),
    by_policy(
        "a charter with less company than the city's policy asks for",
        unwilling(min_roster=4),
        Reason.ROSTER_TOO_SMALL,
        Guard(POLICY, "if case.charter.min_roster >= least:", "if True:"),
    ),
    by_policy(
        "a charter with a smaller t than the city's policy asks for",
        unwilling(min_collusion_bound=2),
        Reason.ROSTER_COLLUSION,
        Guard(POLICY, "if case.charter.collusion_bound >= least:", "if True:"),
    ),
    by_policy(
        "a charter that a person must see first",
        before_a_person_decided,
        Reason.AWAITING_PERSON,
        Guard(
            POLICY,
            "if rules_for(policy, case.charter).mode is Mode.AUTO or case.person is",
            "if rules_for(policy, case.charter).mode is not Mode.REFUSE or case.person is",
        ),
    ),
    Attack(
        "a second charter that the year's budget cannot bear",
        By.COORDINATOR,
        second_charter,
        Reason.BUDGET,
        Guard(
            POLICY,
            "if case.year_after <= policy.budget.epsilon:",
            "if True:",
            backed_by=(
                Guard("node/privacy/ledger.py", "if total > allowance.epsilon:", "if False:"),
            ),
        ),
        CityStage,
        joined(),
    ),
]
