"""Serving, auditing and reading the log.

Lives here: the process around the coordinator: its ready line and signals. Must not know: what it
serves.
"""

import asyncio
import json
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import structlog
import typer

from federation import founding
from federation.audit import AuditReport
from federation.audit import audit as audit_log
from federation.cli.common import HomeOption, group, parse_digest, read_file, say
from federation.coordinator import Coordinator, now_ms, open_coordinator, serving
from federation.crypto.keys import VerifyingKey, digest
from federation.errors import Misconfigured, Reason, Refused
from federation.home import Home
from federation.log.conflict import Told, signed_by, told, verdict_on
from federation.log.store import LogStore
from federation.readable import lines_of
from federation.rounds.store import RunStore
from federation.terminal import time_text
from federation.watch import eventlog
from federation.watch.eventlog import LogFormat
from federation.wire.codec import decode_envelope
from federation.wire.local import LocalSocket, local_socket

log = group("The transparency log.")


def serve(
    home: HomeOption,
    log_format: Annotated[
        LogFormat | None, typer.Option(help="On stderr; console on a terminal if left out.")
    ] = None,
    carrier_socket: Annotated[
        Path | None,
        typer.Option(help="Offer runs here to other carriers than the exchange, as Flower."),
    ] = None,
    carrier_group: Annotated[
        str | None,
        typer.Option(help="Who may connect there besides this account: a group's members."),
    ] = None,
) -> None:
    """Serve cities and the control socket until SIGTERM or SIGINT.

    Prints address and authority on stdout, then `ready`. Nothing personal is ever logged.
    """
    place = Home(home)
    eventlog.configure(place.configuration().log_level, log_format)
    with open_coordinator(place) as coordinator:
        asyncio.run(_serve(coordinator, local_socket(carrier_socket, carrier_group)))


async def _serve(coordinator: Coordinator, carrier: LocalSocket | None) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with serving(coordinator, carrier) as exchange:
        listening = f"{coordinator.configuration.listen.rpartition(':')[0]}:{exchange.port}"
        say(f"federation: {coordinator.configuration.federation}")
        say(f"address:    {coordinator.configuration.address}, listening on {listening}")
        say(f"authority:  SHA-256 {digest(coordinator.keys.authority.der).hex()}")
        say(
            f"founded:    {'yes' if coordinator.meeting.stands else 'no, waiting for membership 1'}"
        )
        if carrier is not None:
            say(f"carriers:   {carrier.path}")
        say(f"ready {listening}")
        sys.stdout.flush()
        structlog.get_logger().info("serving", address=listening)
        await stopping.wait()
        structlog.get_logger().info("stopping")


def audit(
    home: HomeOption,
    membership_digest: Annotated[
        str | None, typer.Option(help="Founding membership's digest; the log's own if left out.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint a city kept; must be a head of this log.")
    ] = None,
) -> None:
    """Re-derive everything the log says: tree, signatures, memberships, runs, sums, votes.

    Reads only, and works while the coordinator serves. Ends with code 1 when anything does not
    hold.
    """
    place = Home(home)
    note = read_file(checkpoint) if checkpoint else None
    with closing(LogStore(place.log_file)) as store:
        if store.head().size == 0:
            raise Refused(Reason.NO_MEMBERSHIP, "the federation is not founded yet")
        pin = founding.founding_pin(store.entry(0).envelope)
        if membership_digest and parse_digest(membership_digest) != pin.membership_digest:
            raise Refused(Reason.WRONG_PREVIOUS, "the log begins with another founding membership")
        report = audit_log(store, pin, note, RunStore(place.runs_file))
    _tell(report)
    if not report.ok:
        raise typer.Exit(1)


def _tell(report: AuditReport) -> None:
    say(f"entries: {report.entries}")
    for kind, count in sorted(report.by_type.items()):
        say(f"  {kind}: {count}")
    say(f"heads kept: {report.heads}, co-signed by a witness quorum: {report.cosigned}")
    say(f"sums recomputed from contributions: {report.sums_recomputed}")
    for problem in report.problems:
        where = "log" if problem.leaf_index is None else f"entry {problem.leaf_index}"
        say(f"PROBLEM {where}: {problem.sentence} [{problem.reason}]")
    say("everything holds" if report.ok else f"{len(report.problems)} problem(s)")


@log.command("evidence")
def log_evidence(
    file: Annotated[Path, typer.Argument(help="What labor-node alarms --evidence wrote.")],
    log_key: Annotated[
        str | None,
        typer.Option(help="The log's raw key in hexadecimal, as you know it; the file's if not."),
    ] = None,
) -> None:
    """Check, offline and on nobody's word, that the log signed two heads that cannot both be.

    Ends with code 1 unless every conflict in the file is proven by the signatures alone.
    """
    proven = [_judge(conflict, log_key) for conflict in _conflicts(file)]
    if not all(proven):
        raise typer.Exit(1)


def _conflicts(file: Path) -> list[Told]:
    try:
        return [Told(**one) for one in json.loads(read_file(file))]
    except (ValueError, TypeError):
        raise Misconfigured(Reason.CONFIGURATION, f"{file} holds no evidence") from None


def _judge(conflict: Told, log_key: str | None) -> bool:
    keys = conflict.log_keys if log_key is None else [log_key]
    try:
        signers = [VerifyingKey(bytes.fromhex(key)) for key in keys]
    except ValueError:
        raise Misconfigured(Reason.CONFIGURATION, "a log key is 32 bytes in hexadecimal") from None
    notes = [conflict.kept.encode(), conflict.shown.encode()]
    heads = [signed_by(note, conflict.log_origin, signers) for note in notes]
    for name, note, head in zip(("kept", "shown"), notes, heads, strict=True):
        say(f"{name:6} {told(note)}, {'signed by' if head else 'NOT signed by'} the log")
    verdict = verdict_on(*heads)
    say(verdict.sentence)
    return verdict.proven


@log.command("show")
def log_show(
    home: HomeOption,
    index: Annotated[
        int | None, typer.Argument(help="Show this entry whole; all of them, a line each, else.")
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="How many of the newest entries.")] = 50,
) -> None:
    """Show what is logged. Reads only, and works while the coordinator serves."""
    with closing(LogStore(Home(home).log_file)) as store:
        if index is not None:
            for line in lines_of(decode_envelope(store.entry(index).envelope)):
                say(line)
            return
        head = store.head()
        say(f"{head.origin}: {head.size} entries, root {head.root.hex()}, {time_text(now_ms())}")
        for entry in store.entries(max(0, head.size - last), last):
            kind = entry.payload_type.removeprefix("laborfed/")
            when = time_text(entry.appended_ms)
            say(f"{entry.index:6}  {when}  {kind:24}  {entry.replay_identity.hex()[:16]}")
