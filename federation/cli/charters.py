"""Drafting charters: an administrator's choices become a document that others can sign.

Must not know: how noise is found, or what becomes of a charter.
"""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from federation import drafting, founding
from federation.cli.common import HomeOption, group, replace_file, say, write_new
from federation.cli.submitting import parameters_file
from federation.coordinator import now_ms, reading
from federation.crypto.envelope import replay_identity
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.errors import Reason, Refused
from federation.home import Home
from federation.indicators.declaration import catalogue
from federation.model.parameters import initial_parameters
from federation.model.recipe import recipe
from federation.privacy.accounting import compose
from federation.publication import Publisher
from federation.rounds.aggregate import to_bytes
from federation.rounds.terms import charter_events
from federation.wire.codec import decode_envelope

charter = group("Charters: signed permission for one run.")
draft = group("Draft a charter, for administrators to sign.")
charter.add_typer(draft, name="draft")

OutOption = Annotated[Path, typer.Option(help="Draft to write, for administrators to sign.")]
PurposeOption = Annotated[str, typer.Option(help="What the run is for, in words cities read.")]
DeltaOption = Annotated[float, typer.Option(help="δ of the promise.")]
RosterOption = Annotated[int, typer.Option(help="Cities that must take part at least.")]
DeadlineOption = Annotated[int, typer.Option(help="Seconds a city has for one round.")]
DaysOption = Annotated[int, typer.Option(min=1, max=90, help="Days in which it may run.")]


class Start(StrEnum):
    """Which parameters training begins with."""

    LATEST = "latest"
    PUBLIC = "public"


@draft.command("training")
def draft_training(
    *,
    home: HomeOption,
    out: OutOption,
    purpose: PurposeOption,
    workers: Annotated[
        int, typer.Option(min=1, help="Public estimate of the workers in all cities together.")
    ],
    epsilon: Annotated[float, typer.Option(help="ε promised to each worker, repeats included.")],
    delta: DeltaOption = 1e-6,
    min_roster: RosterOption = 4,
    round_deadline: DeadlineOption = 60,
    valid_days: DaysOption = 7,
    start: Annotated[
        Start, typer.Option(help="Begin with the latest release, or with the public start.")
    ] = Start.LATEST,
) -> None:
    """Draft a charter that trains the match model; its initial parameters are written beside it."""
    frame = _frame(purpose, epsilon, delta, min_roster, round_deadline, valid_days)
    with reading(Home(home)) as log:
        first = _initial(log, start)
        drafted = drafting.training_charter(log.trust.current, frame, recipe(workers), first)
    beside = parameters_file(out.parent, digest(first))
    _write(out, drafted)
    replace_file(beside, first)
    say(f"parameters: {beside}")


@draft.command("statistics")
def draft_statistics(
    *,
    home: HomeOption,
    out: OutOption,
    purpose: PurposeOption,
    indicator: Annotated[str, typer.Option(help="Identifier in the catalogue.")],
    epsilon: Annotated[float, typer.Option(help="ε promised to each worker, repeats included.")],
    delta: DeltaOption = 1e-6,
    min_roster: RosterOption = 4,
    round_deadline: DeadlineOption = 60,
    valid_days: DaysOption = 7,
    suppress_below: Annotated[
        int, typer.Option(min=0, help="Cells whose noised value is below it are hidden.")
    ] = 20,
) -> None:
    """Draft a charter that sums one indicator over the cities."""
    declared = catalogue().get(indicator)
    if declared is None:
        raise Refused(
            Reason.NOT_FOUND,
            f"the catalogue has no indicator {indicator}; it has {', '.join(catalogue())}",
        )
    frame = _frame(purpose, epsilon, delta, min_roster, round_deadline, valid_days)
    with reading(Home(home)) as log:
        drafted = drafting.statistics_charter(log.trust.current, frame, declared, suppress_below)
    _write(out, drafted)


def _frame(
    purpose: str, epsilon: float, delta: float, min_roster: int, deadline_s: int, valid_days: int
) -> drafting.Frame:
    now = now_ms()
    return drafting.Frame(
        purpose=purpose,
        epsilon=epsilon,
        delta=delta,
        min_roster=min_roster,
        round_deadline_s=deadline_s,
        not_before_ms=now,
        not_after_ms=now + int(timedelta(days=valid_days).total_seconds() * 1000),
    )


def _initial(log: Publisher, start: Start) -> bytes:
    latest = log.latest_release
    if start is Start.LATEST and latest is not None:
        return latest.document.parameters
    return to_bytes(initial_parameters())


def _write(out: Path, drafted: Charter) -> None:
    raw = founding.draft(drafted)
    write_new(out, raw)
    terms = drafted.privacy
    cost = compose(charter_events(drafted).values(), terms.delta)
    say(f"draft:      {out}")
    say(f"digest:     {replay_identity(decode_envelope(raw)).hex()}")
    say(f"cost:       ε {cost:.4g} of {terms.epsilon:.4g} at δ {terms.delta:g} for each worker")
    say(f"noise:      multiplier {terms.noise_multiplier:.4g}")
    say(f"rounds:     {drafted.rounds}, up to {drafted.max_repeats} repeats")
    say(f"next:       labor-federation sign {out}, then: labor-federation submit {out}")
