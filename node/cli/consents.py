"""Charters that await a person of this city, and the person's answer.

Must not know: policy rules, budgets, or what follows from an answer.
"""

from collections.abc import Iterator
from typing import Annotated

import typer

from federation.errors import Reason, Refused
from federation.readable import lines_of
from federation.terminal import group, say, time_text
from federation.wire.codec import decode_envelope
from node.awaiting import Awaiting, approve, awaiting, refuse
from node.cli.common import HomeOption, Office, chosen, now_ms, opened
from node.policy import Verdict
from node.store import feed

consent = group("Charters that a person of this city must decide on.")

DigestArgument = Annotated[
    str, typer.Argument(metavar="DIGEST", help="The charter's digest, or its first 8 digits.")
]
PersonOption = Annotated[str, typer.Option(help="Who decides; kept with the decision.")]


@consent.command("list")
def list_awaiting(home: HomeOption) -> None:
    """Show what awaits a person: purpose, kind, cost, smallest roster, window."""
    with opened(home) as office, office.store.read() as connection:
        found = awaiting(connection, office.policy, now_ms())
        budget = office.policy.budget.epsilon
    for asked in found:
        for line in _lines(asked, budget):
            say(line)
    if not found:
        say("no charter awaits a person")


@consent.command("show")
def show(digest: DigestArgument, home: HomeOption) -> None:
    """Show a charter that awaits a person, every field of it."""
    with opened(home) as office:
        asked = _read(office, digest)
        with office.store.read() as connection:
            stored = feed.by_identity(connection, asked.digest)
    if stored is None:
        raise Refused(Reason.CHARTER_UNKNOWN, f"this city knows no charter {digest}")
    for line in lines_of(decode_envelope(stored.envelope)):
        say(line)


@consent.command("approve")
def approve_one(digest: DigestArgument, person: PersonOption, home: HomeOption) -> None:
    """Approve a charter: this city takes part when the coordinator asks next.

    The whole cost is reserved then. What the policy forbids cannot be approved. Works while the
    node serves.
    """
    with opened(home) as office:
        asked = _read(office, digest)
        with office.store.write() as connection:
            approve(connection, asked, person, now_ms())
    say(f"approved by {person}: {asked.digest.hex()}")
    say("this city consents when the coordinator asks next")


@consent.command("refuse")
def refuse_one(digest: DigestArgument, person: PersonOption, home: HomeOption) -> None:
    """Refuse a charter for good; nothing is reserved and nothing leaves for it."""
    with opened(home) as office:
        asked = _read(office, digest)
        with office.store.write() as connection:
            refuse(connection, asked, person, now_ms())
    say(f"refused by {person}: {asked.digest.hex()}")


def _read(office: Office, typed: str) -> Awaiting:
    """The charter a person means; read first, as costs take too long for the write lock."""
    with office.store.read() as connection:
        found = {a.digest: a for a in awaiting(connection, office.policy, now_ms())}
    return found[chosen(typed, list(found), "charter awaiting a person with digest")]


def _lines(asked: Awaiting, budget: float) -> Iterator[str]:
    charter, case = asked.charter, asked.case
    rounds = f"{charter.rounds} rounds, at most {charter.max_repeats} repeated"
    yield asked.digest.hex()
    yield f"  purpose: {charter.purpose}"
    yield f"  kind:    {charter.kind} of {case.subject}, {rounds}"
    yield (
        f"  cost:    ε {case.cost:.4g} at δ {charter.privacy.delta:g} per worker;"
        f" the year would stand at ε {case.year_after:.4g} of {budget:.4g}"
    )
    yield (
        f"  roster:  at least {charter.min_roster} cities,"
        f" up to {charter.collusion_bound} colluding"
    )
    yield f"  window:  {time_text(charter.not_before_ms)} to {time_text(charter.not_after_ms)}"
    yield f"  asked:   {time_text(asked.asked_ms)}"
    yield f"  policy:  {_prospect(asked)}"


def _prospect(asked: Awaiting) -> str:
    if asked.closed:
        return "the run has ended: nothing is left to decide"
    if asked.approved.verdict is Verdict.ACCEPT:
        return "keeps every rule: a person decides"
    return f"forbids it whatever a person says: {asked.approved.sentence}"
