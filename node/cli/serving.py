"""Serving, and seeing how the node stands.

Must not know: what is served, or how a state comes about.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from federation.errors import Reason, Refused
from federation.log.conflict import Told
from federation.terminal import say, time_text, write_new
from federation.watch.checks import examine, told
from federation.watch.eventlog import LogFormat
from federation.wire.local import local_socket
from node import distrust
from node.cli.common import SHOWN_DIGITS, AsJson, HomeOption, now_ms, opened, say_json
from node.identity import open_home
from node.lock import claimed
from node.presence import State
from node.status import Status, gather
from node.store import documents, feed, runs


def serve(
    home: HomeOption,
    log_format: Annotated[
        LogFormat | None, typer.Option(help="On stderr; console on a terminal if left out.")
    ] = None,
    participant_socket: Annotated[
        Path | None,
        typer.Option(help="Take requests here from other carriers than the exchange, as Flower."),
    ] = None,
    participant_group: Annotated[
        str | None,
        typer.Option(help="Who may connect there besides this account: a group's members."),
    ] = None,
) -> None:
    """Attend the federation until SIGTERM or SIGINT: follow its log, answer its runs.

    Prints a `ready` line on stdout whenever the node's standing with the coordinator changes;
    events go to stderr, one line each. Nothing personal is ever logged. One process serves a home.
    """
    open_home(home)
    # the whole run-time is loaded here and not before: every other command starts sooner
    from node import app  # noqa: PLC0415

    app.serve(home, say, log_format, local_socket(participant_socket, participant_group))


def status(
    home: HomeOption,
    as_json: AsJson = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="End with code 0 if it serves, 1 if in vain, 3 if it does not.",
        ),
    ] = False,
) -> None:
    """Show how the node stands: enrolment, connection, log, records, model, budget, alarms."""
    now = now_ms()
    with opened(home) as office, office.store.read() as connection:
        found = gather(connection, office.home, office.policy, now)
    if as_json:
        say_json({**asdict(found), "enrolled": found.enrolled})
    else:
        for line in _lines(found, now):
            say(line)
    if check:
        raise typer.Exit(_code(found, now))


def doctor(home: HomeOption, as_json: AsJson = False) -> None:
    """Examine the home and the way to the coordinator, and say what is wrong and what to do.

    Changes nothing, and works while the node serves. Ends with code 1 when anything is broken.
    """
    # what reads models and talks to the coordinator is loaded here and not before, as for serve
    from node.watch.doctor import CHECKS  # noqa: PLC0415
    from node.watch.patient import Patient  # noqa: PLC0415

    if not told(examine(CHECKS, Patient(home, now_ms())), say, as_json=as_json):
        raise typer.Exit(1)


def alarms(
    home: HomeOption,
    evidence: Annotated[
        Path | None,
        typer.Option(help="Write conflicting heads of the log here, for anybody to verify."),
    ] = None,
) -> None:
    """Show what a person must look at, and which logged entries this node would not believe.

    Evidence is both signed heads of each conflict: labor-federation log evidence FILE checks them.
    """
    with opened(home) as office, office.store.read() as connection:
        raised, refused = runs.alarms_raised(connection), feed.refused(connection)
        counted = documents.refusals_by_reason(connection)
        verdict, conflicts = distrust.verdict(connection), distrust.every(connection)
    if evidence is not None:
        _write_evidence(evidence, conflicts)
    if verdict is not None:
        say("THE LOG IS NOT BELIEVED: this node takes part in nothing; see labor-node believe")
    for alarm in raised:
        where = f" (charter {alarm.charter_digest.hex()[:SHOWN_DIGITS]}, round {alarm.round})"
        say(f"ALARM {time_text(alarm.at_ms)}  {alarm.sentence}{where if alarm.attempt else ''}")
    for entry in refused:
        say(
            f"not believed: entry {entry.leaf_index}, {time_text(entry.refused_ms)}:"
            f" {entry.sentence} [{entry.reason}]"
        )
    for reason, count in sorted(counted.items()):
        say(f"refused so far: {count} × {reason}")
    if not raised and not refused:
        say("no alarms")


def believe(
    home: HomeOption,
    person: Annotated[str, typer.Option(help="Who decides; kept as an alarm with the decision.")],
) -> None:
    """Believe the log again, from the head this node keeps, after its heads had conflicted.

    For when administrators have found out why, and the log shows the history this node knows again:
    where it does not, belief ends at once as before. The node must not be serving.
    """
    place, now = open_home(home), now_ms()
    with opened(home) as office, claimed(place.lock), office.store.write() as connection:
        verdict = distrust.verdict(connection)
        if verdict is None:
            raise Refused(Reason.NOT_FOUND, "this node believes the log")
        distrust.lift(connection)
        sentence = f"{person} had the log believed again, which was not because: {verdict}"
        runs.raise_alarm(connection, runs.Alarm(now, b"", b"", 0, sentence))
    say(f"believed again by {person}; next: labor-node serve --home {home}")


def _write_evidence(path: Path, conflicts: list[Told]) -> None:
    if not conflicts:
        raise Refused(Reason.NOT_FOUND, "this node was shown no conflicting heads")
    told = [asdict(conflict) for conflict in conflicts]
    write_new(path, json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n")
    say(f"evidence: {path}, {len(told)} conflict(s)")


def _lines(found: Status, now: int) -> Iterator[str]:
    yield f"city:        {found.division} {found.name}"
    yield f"federation:  {_federation(found, now)}"
    yield f"serving:     {'yes' if found.serving else 'no'}"
    yield f"coordinator: {_presence(found)}"
    yield f"log:         {found.next_index} entries read, {found.refused_entries} not believed"
    yield f"membership:  {_membership(found)}"
    yield f"records:     {', '.join(f'{n} {kind}' for kind, n in found.records.items())}"
    yield f"model:       {'released' if found.model_active else 'the public start'}"
    yield f"awaiting:    {found.pending_decisions} charter(s) await a person"
    yield (
        f"budget:      ε {found.budget.left:.4g} left of {found.budget.allowance.epsilon:.4g}"
        f" in {found.budget.year}"
    )
    yield f"alarms:      {len(found.alarms)}" + (", see labor-node alarms" if found.alarms else "")


def _code(found: Status, now: int) -> int:
    """The exit code of ``status --check``, as service managers read it (LSB 5.0 §20.2)."""
    if not found.serving:
        return 3
    expired = found.certificate_until_ms is None or found.certificate_until_ms <= now
    distrusted = found.presence is not None and found.presence.state is State.DISTRUSTED
    return 1 if expired or distrusted else 0


def _federation(found: Status, now: int) -> str:
    if found.federation is None or found.certificate_until_ms is None:
        return "none joined: labor-node enrol INVITATION"
    until = time_text(found.certificate_until_ms)
    ended = " (EXPIRED: ask for a new invitation)" if found.certificate_until_ms <= now else ""
    return f"{found.federation}, certificate until {until}{ended}"


def _presence(found: Status) -> str:
    if found.presence is None or found.presence_ms is None:
        return "never reached"
    said = found.presence
    why = f": {said.sentence} [{said.reason}]" if said.reason else ""
    # what a process that is gone wrote last is history
    when = "since" if found.serving else "when last served,"
    return f"{said.state} {when} {time_text(found.presence_ms)}{why}"


def _membership(found: Status) -> str:
    if found.membership_version is None:
        return "none received yet"
    cities = found.active_cities
    return f"version {found.membership_version}, {len(cities)} cities: {', '.join(cities)}"
