"""Starting, watching, pausing, closing and listing runs.

Lives here: the commands of ``run``. Must not know: how a run is conducted, or how its events are
drawn; its outcome is read from the log.
"""

import asyncio
import json
from contextlib import aclosing
from dataclasses import asdict
from typing import Annotated

import typer

from federation.cli.common import HomeOption, digest_of, group, say
from federation.cli.watching import Watcher, watcher
from federation.control import control_client
from federation.coordinator import reading
from federation.documents.charter import Charter
from federation.documents.runs import Closure
from federation.errors import Misconfigured, PeerError, Reason
from federation.home import Home
from federation.log.store import LogStore
from federation.overview import Overview, overview
from federation.rounds.desk import Stop
from federation.rounds.events import RunEvent
from federation.rounds.store import RunStore, Standing, open_run_store
from federation.wire.codec import decode_document, decode_envelope

run = group("Runs of charters.")
CharterArgument = Annotated[
    str, typer.Argument(metavar="CHARTER", help="The charter's envelope file, or its digest.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
PAGE = 200  # log entries read at a time while looking for a run's closure


@run.command("start")
def start(charter: CharterArgument, home: HomeOption, as_json: AsJson = False) -> None:
    """Start a charter's run, or go on with it, and watch it to its end.

    Ends with code 0 only if the run ended in a release. Leaving (Ctrl-C) does not stop the run;
    the same command watches it again.
    """
    _watch_to_the_end(Home(home), digest_of(charter), as_json=as_json, begun=False)


@run.command("resume")
def resume(charter: CharterArgument, home: HomeOption, as_json: AsJson = False) -> None:
    """Go on with a run that was paused or ended by a fault, and watch it as `run start` does.

    A run that a killed coordinator left goes on by itself once it serves again: then this only
    watches it.
    """
    _watch_to_the_end(Home(home), digest_of(charter), as_json=as_json, begun=True)


@run.command("stop")
def stop(
    charter: CharterArgument,
    home: HomeOption,
    close: Annotated[
        bool, typer.Option("--close", help="End the run for good; the end is logged.")
    ] = False,
) -> None:
    """Pause a run at its next step; with --close, end it for good.

    A paused run is not taken up by itself. Nothing is logged, and what the cities reserved for it
    stays reserved until it is closed or its charter's window is over.
    """
    digest, place = digest_of(charter), _serving(Home(home))
    how = Stop.CLOSE if close else Stop.PAUSE

    async def call() -> None:
        async with control_client(place.socket) as client:
            await client.stop_run(digest, how)

    asyncio.run(call())
    if close:
        say("the run closes at its next step; then its unused budget returns to the cities")
        return
    say("the run pauses at its next step; nothing is logged")
    say("its cities keep what they reserved until it is closed or its window is over")
    say(f"to go on:  labor-federation run resume {charter}")
    say(f"to end it: labor-federation run stop --close {charter}")


@run.command("show")
def show(
    home: HomeOption,
    charter: Annotated[
        str | None,
        typer.Argument(metavar="[CHARTER]", help="One run; every one if left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show where runs stand. Reads only, and works with and without a serving coordinator."""
    found = _overviews(Home(home), None if charter is None else digest_of(charter))
    for one in found:
        if as_json:
            say(json.dumps(asdict(one), ensure_ascii=False))
        else:
            _tell(one)
    if not found and not as_json:
        say("no run was started")


def closure_of(home: Home, charter_digest: bytes) -> Closure | None:
    """Return the logged end of a charter's run, if it has ended; the newest entries come first."""
    log = LogStore(home.log_file)
    end = log.head().size
    while end > 0:
        begin = max(0, end - PAGE)
        for entry in reversed(log.entries(begin, end - begin)):
            envelope = decode_envelope(entry.envelope)
            document = decode_document(envelope.payload_type, envelope.payload)
            if isinstance(document, Closure) and document.charter_digest == charter_digest:
                return document
        end = begin
    return None


def _watch_to_the_end(home: Home, digest: bytes, *, as_json: bool, begun: bool) -> None:
    place = _serving(home)
    with watcher(as_json) as watching:
        asyncio.run(_watch(place, digest, watching, begun=begun))
    outcome, reason = _outcome(place, digest)
    if as_json:
        say(json.dumps({"outcome": outcome, "reason": reason}, ensure_ascii=False))
    else:
        say(f"outcome: {outcome}" + (f", {reason}" if reason else ""))
    if outcome != "released":
        raise typer.Exit(1)


def _outcome(home: Home, digest: bytes) -> tuple[str, str]:
    closure = closure_of(home, digest)
    if closure is not None:
        return closure.outcome, closure.reason
    stands = _run_store(home).standings().get(digest)
    if stands is not None and stands.standing is Standing.PAUSED:
        return "paused", "run resume goes on with it, run stop --close ends it"
    return "not started", "the charter stays open for another start"


async def _watch(home: Home, charter_digest: bytes, watching: Watcher, *, begun: bool) -> None:
    seen = False
    async with (
        control_client(home.socket) as client,
        aclosing(client.start_run(charter_digest, begun=begun)) as events,
    ):
        try:
            async for event in events:
                seen = True
                watching.show(event)
        except PeerError as error:
            raise _coordinator_ended(charter_digest) if seen else error from None


def _coordinator_ended(charter_digest: bytes) -> PeerError:
    return PeerError(
        Reason.UNREACHABLE,
        "the coordinator ended while the run was watched; what is recorded is kept, and the run "
        "goes on by itself once it serves again. To watch it then: "
        f"labor-federation run resume {charter_digest.hex()}",
    )


def _overviews(home: Home, wanted: bytes | None) -> list[Overview]:
    active = _active(home)
    on, last = active if active is not None else (b"", None)
    runs = _run_store(home)
    with reading(home) as log:
        return [
            overview(log.find(digest).of(Charter), stands, runs, digest == on, last)
            for digest, stands in runs.standings().items()
            if wanted in {None, digest}
        ]


def _active(home: Home) -> tuple[bytes, RunEvent | None] | None:
    """The run that is on, as the serving coordinator tells it; None without one."""
    if not home.in_use():
        return None

    async def call() -> tuple[bytes, RunEvent | None] | None:
        async with control_client(home.socket) as client:
            return await client.active_run()

    try:
        return asyncio.run(call())
    except PeerError:  # it has just begun, or just ended
        return None


def _tell(one: Overview) -> None:
    say(f"{one.charter[:16]}  {one.state}{f' ({one.stage})' if one.stage else ''}  {one.purpose}")
    say(
        f"  {one.kind}, round {one.round}/{one.rounds}, attempt {one.attempt},"
        f" {one.repeats_left} repeat(s) left, ε {one.epsilon:.4g} so far"
    )
    say(f"  cities: {', '.join(one.cities) or '—'}")
    if one.dropped:
        say(f"  dropped: {', '.join(one.dropped)}")
    if one.fault:
        say(f"  ended with: {one.fault}")


def _run_store(home: Home) -> RunStore:
    return open_run_store(home.runs_file)


def _serving(home: Home) -> Home:
    with reading(home):
        pass
    if not home.in_use():
        raise Misconfigured(
            Reason.CONFIGURATION, "no coordinator serves this home: labor-federation serve"
        )
    return home
