"""Attacks on rosters: who is in an attempt, with which keys, and how many.

Lives here: this group's lines and what they forge. Must not know: how a case is judged.
"""

from dataclasses import replace

from support.cities import Coordinator
from support.federation import CityKeys, Federation, Reader, envelope
from support.runs import Run

from attacks.asking import (
    Changes,
    consent_in,
    consent_of,
    on_repeat,
    on_roster,
    rostered,
    with_consents,
)
from attacks.case import Attack, By, Guard, Strike
from attacks.door import at_door, next_bundle, roster_bundle
from attacks.envelopes import ENOUGH, NO_STRANGER, VERIFIED
from attacks.stages import HOME, LAST, NEXT, THIRD, CityStage
from federation.crypto.keys import digest
from federation.errors import Reason
from federation.log.bundle import Bundle

ATTEMPTS = "node/attempts.py"
VERIFICATION = "federation/verification.py"
STEPS = "federation/acceptance/steps.py"
CONSENT_FIELDS = "if getattr(consent, name) != getattr(roster.document, name):"
MINE = "if document.attempt_nonce != self.nonce or self.consent not in document.consents:"
BEARABLE = "if not membership.collusion_bound <= terms.collusion_bound <= len(cities) - 2:"
ASCENDING = "if cities != sorted(set(cities)):"
REPEATS = "number = max(roster.attempt, before + 1)"


def forged_consent(coordinator: Coordinator) -> Changes:
    thief = CityKeys.of(NEXT, generation=2)
    forged = consent_in(consent_of(coordinator, NEXT))
    return with_consents(coordinator, **{NEXT: envelope(forged, thief.signing)})


def altered_consent(coordinator: Coordinator) -> Changes:
    genuine = coordinator.consents[NEXT]
    at = genuine.index(NEXT.encode()) + len(NEXT) + 4  # inside the agreement key
    altered = genuine[:at] + bytes([genuine[at] ^ 1]) + genuine[at + 1 :]
    return with_consents(coordinator, **{NEXT: altered})


def without_mine(coordinator: Coordinator) -> Changes:
    others = tuple(coordinator.consents[c] for c in (NEXT, THIRD, LAST))
    return {"consents": others}


def mine_of_another_key(coordinator: Coordinator) -> Changes:
    return with_consents(coordinator, **{HOME: consent_of(coordinator, HOME)})


def under_the_minimum(coordinator: Coordinator) -> Changes:
    return {"consents": tuple(coordinator.consents[c] for c in (HOME, NEXT, THIRD))}


def doubled_city(coordinator: Coordinator) -> Changes:
    first, second, *others = with_consents(coordinator)["consents"]
    again = digest(b"another agreement key")
    doubled = consent_of(coordinator, NEXT, agreement_key=again)
    return {"consents": (first, second, doubled, *others)}


def one_key_for_two(coordinator: Coordinator) -> Changes:
    theirs = consent_in(coordinator.consents[THIRD])
    again = consent_of(coordinator, NEXT, agreement_key=theirs.agreement_key)
    return with_consents(coordinator, **{NEXT: again})


def key_without_secrets(coordinator: Coordinator) -> Changes:
    small_order = consent_of(coordinator, NEXT, agreement_key=bytes(32))
    return with_consents(coordinator, **{NEXT: small_order})


def made_up_cities(coordinator: Coordinator) -> Changes:
    """Three strangers beside one member would pass n ≥ 4 and t ≤ n − 2 if they counted."""
    strangers = ("500100", "510100", "520100")
    made_up = (consent_of(coordinator, division) for division in strangers)
    return {"consents": (coordinator.consents[HOME], *made_up)}


def consent_of_another_attempt(coordinator: Coordinator) -> Changes:
    stale = consent_of(coordinator, NEXT, attempt_nonce=digest(b"another attempt"))
    return with_consents(coordinator, **{NEXT: stale})


def consent_to_another_charter(coordinator: Coordinator) -> Changes:
    other = consent_of(coordinator, NEXT, charter_digest=digest(b"another charter"))
    return with_consents(coordinator, **{NEXT: other})


def consent_among_others(coordinator: Coordinator) -> Changes:
    other = consent_of(coordinator, NEXT, membership_digest=digest(b"another"))
    return with_consents(coordinator, **{NEXT: other})


def out_of_order(coordinator: Coordinator) -> Changes:
    return {"consents": with_consents(coordinator)["consents"][::-1]}


def of_another_attempt(_: Coordinator) -> Changes:
    return {"attempt_nonce": digest(b"another attempt")}


def for_another_charter(_: Coordinator) -> Changes:
    return {"charter_digest": digest(b"another charter")}


def of_a_suspended_city(coordinator: Coordinator) -> Changes:
    """It consented and was suspended; the new attempt lists it all the same."""
    federation = coordinator.federation
    suspended = tuple(
        replace(c, status="suspended") if c.division == LAST else c
        for c in federation.membership.cities
    )
    federation.publish_membership(cities=suspended)
    coordinator.tell()
    del coordinator.cities[LAST]
    coordinator.gather()
    return with_consents(coordinator, **{LAST: consent_of(coordinator, LAST)})


def with_more_colluders_feared(coordinator: Coordinator) -> Changes:
    """The administrators raise t after the charter was signed: its rosters are too few now."""
    coordinator.federation.publish_membership(collusion_bound=2)
    coordinator.tell()
    coordinator.gather()
    return {}


def of_an_older_membership(federation: Federation, reader: Reader) -> Bundle:
    run = Run(federation, federation.publish_charter())
    roster = run.roster()
    federation.publish_membership()
    reader.catch_up()
    return next_bundle(federation, reader, federation.by_coordinator(roster))


def second_roster(stage: CityStage) -> Strike:
    coordinator = stage.coordinator()
    coordinator.start()
    coordinator.complete_round()
    fewer = tuple(coordinator.consents[c] for c in (HOME, NEXT, THIRD))
    coordinator.publish_roster(consents=fewer)
    return stage.asks(coordinator.sign(coordinator.round_request()))


def too_many_attempts(coordinator: Coordinator) -> Changes:
    return {"attempt": coordinator.charter.document.max_repeats + 2}


def repeats_all_called_the_first(coordinator: Coordinator) -> Changes:
    """Each new roster calls itself attempt 1: only who counts the log's rosters notices."""
    coordinator.gather()
    coordinator.publish_roster(attempt=1)
    return {"attempt": 1}


def continuing_another_record(_: Coordinator) -> Changes:
    return {"previous_record_digest": digest(b"another record")}


def beginning_a_round_later(_: Coordinator) -> Changes:
    return {"first_round": 3}


def first_round_again_in_a_new_attempt(coordinator: Coordinator) -> Changes:
    """A new attempt whose record exchanges what the city contributed in the one before."""
    record = coordinator.records[-1].document
    mine, *others = record.contributions
    changed = replace(mine, digest=digest(b"other"))
    log = coordinator.publish(replace(record, contributions=(changed, *others)))
    coordinator.records[-1] = log.of(type(record))
    return {}


SUSPENDED = "a roster that counts a suspended city"
NOT_ME = "a roster without the city it is shown to"
SMALL_ORDER = Guard(
    STEPS, "        check_agreement_key(document.agreement_key)\n", "        pass\n"
)
NO_STRANGERS_WORD = replace(
    NO_STRANGER,
    backed_by=(ENOUGH,),
    # to the signers' table a suspended city is a stranger
    stops_too=(*NO_STRANGER.stops_too, SUSPENDED),
)
FOREIGN = Guard(
    ATTEMPTS,
    MINE,
    "if False:",
    stops_too=(
        "a roster with another key of the city it is shown to",
        "a roster of another attempt",
    ),
)


def unbound(name: str) -> Guard:
    """The line that binds consents to their roster, blind to one field."""
    return Guard(VERIFICATION, CONSENT_FIELDS, f'if name != "{name}" and {CONSENT_FIELDS[3:]}')


ROSTERS: list[Attack] = [
    on_roster(
        "a consent signed with a stolen name's other key",
        forged_consent,
        Reason.ROSTER_CONSENT,
        NO_STRANGERS_WORD,
    ),
    on_roster(
        "a consent whose agreement key was changed on the way",
        altered_consent,
        Reason.ROSTER_CONSENT,
        VERIFIED,
    ),
    on_roster(
        NOT_ME,
        without_mine,
        Reason.ROSTER_FOREIGN,
        FOREIGN,
    ),
    on_roster(
        "a roster with another key of the city it is shown to",
        mine_of_another_key,
        Reason.ROSTER_FOREIGN,
        Guard(ATTEMPTS, MINE, "if document.attempt_nonce != self.nonce:", stops_too=(NOT_ME,)),
    ),
    on_roster(
        "a roster shrunken below the charter's minimum",
        under_the_minimum,
        Reason.ROSTER_TOO_SMALL,
        Guard(VERIFICATION, "if len(cities) < terms.min_roster:", "if False:"),
    ),
    on_roster(
        "a roster with one city twice",
        doubled_city,
        Reason.ROSTER_CONSENT,
        Guard(VERIFICATION, ASCENDING, "if cities != sorted(cities):"),
    ),
    on_roster(
        "a roster out of order",
        out_of_order,
        Reason.ROSTER_CONSENT,
        Guard(VERIFICATION, ASCENDING, "if len(set(cities)) != len(cities):"),
    ),
    on_roster(
        "two cities of a roster with one agreement key",
        one_key_for_two,
        Reason.ROSTER_CONSENT,
        Guard(
            VERIFICATION,
            "if len({consent.agreement_key for consent in consents}) != len(consents):",
            "if False:",
        ),
    ),
    on_roster(
        "an agreement key of small order, with which secrets are known to all",
        key_without_secrets,
        Reason.ROSTER_CONSENT,
        SMALL_ORDER,
    ),
    on_roster(
        "more made-up cities than the charter bears",
        made_up_cities,
        Reason.ROSTER_CONSENT,
        NO_STRANGERS_WORD,
    ),
    on_roster(
        "a consent that was given for another attempt",
        consent_of_another_attempt,
        Reason.ROSTER_CONSENT,
        unbound("attempt_nonce"),
    ),
    on_roster(
        "a consent that was given to another charter's terms",
        consent_to_another_charter,
        Reason.ROSTER_CONSENT,
        unbound("charter_digest"),
    ),
    on_roster(
        "a consent that was given under another membership",
        consent_among_others,
        Reason.ROSTER_CONSENT,
        unbound("membership_digest"),
    ),
    on_roster(
        "a roster of another attempt",
        of_another_attempt,
        Reason.ROSTER_FOREIGN,
        Guard(ATTEMPTS, MINE, "if self.consent not in document.consents:"),
    ),
    on_roster(
        "a roster for another charter",
        for_another_charter,
        Reason.WRONG_BINDING,
        Guard(
            VERIFICATION,
            '    _bound("charter_digest", document.charter_digest, charter.digest)\n',
            "",
        ),
    ),
    on_roster(
        SUSPENDED,
        of_a_suspended_city,
        Reason.ROSTER_CONSENT,
        Guard(
            "federation/signers.py",
            "[(c.signing_key, c.division) for c in membership.cities if c.active], 1, 1",
            "[(c.signing_key, c.division) for c in membership.cities], 1, 1",
        ),
    ),
    on_roster(
        "a roster with a smaller t than membership now asks for",
        with_more_colluders_feared,
        Reason.ROSTER_COLLUSION,
        Guard(VERIFICATION, BEARABLE, "if not terms.collusion_bound <= len(cities) - 2:"),
    ),
    at_door(
        "a roster made in a membership that was replaced",
        By.COORDINATOR,
        of_an_older_membership,
        Reason.WRONG_BINDING,
        5,
        Guard(
            STEPS,
            "if isinstance(document, Roster) and document.membership_digest != known.digest:",
            "if False:",
        ),
        twin=roster_bundle,
    ),
    Attack(
        "a second roster for one attempt",
        By.COORDINATOR,
        second_roster,
        Reason.ROSTER_FOREIGN,
        Guard(ATTEMPTS, "if self.rostered.digest != roster.digest:", "if False:"),
        CityStage,
        rostered(),
    ),
    on_repeat(
        "an attempt after the charter's last repeat",
        too_many_attempts,
        Reason.REPEATS_EXHAUSTED,
        Guard(ATTEMPTS, REPEATS, "number = before + 1"),
    ),
    on_repeat(
        "repeats beyond the charter, each called the first attempt",
        repeats_all_called_the_first,
        Reason.REPEATS_EXHAUSTED,
        Guard(ATTEMPTS, REPEATS, "number = roster.attempt"),
    ),
    on_repeat(
        "a roster that continues another record",
        continuing_another_record,
        Reason.WRONG_BINDING,
        Guard(
            ATTEMPTS,
            "if first and request.previous_record_digest != roster.previous_record_digest:",
            "if False:",
        ),
    ),
    on_repeat(
        "a round before the one its roster begins with",
        beginning_a_round_later,
        Reason.WRONG_ROUND,
        Guard(
            ATTEMPTS,
            "if request.round != (roster.first_round if first else self.answered + 1):",
            "if not first and request.round != self.answered + 1:",
        ),
    ),
    on_repeat(
        "a new attempt on a record that exchanges the city's last contribution",
        first_round_again_in_a_new_attempt,
        Reason.WRONG_SUM,
        Guard(
            "node/participant.py",
            "if exchanged(connection, self._city, record):",
            "if False:",
        ),
    ),
]
