"""``labor-study demo``: options, signals, staying up, and the code it ends with.

Must not know: what the demonstration consists of.
"""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from deploy.study.demo.failure import StepFailed
from deploy.study.demo.founding import Ground
from deploy.study.demo.places import fresh
from deploy.study.demo.processes import Services, Shell
from deploy.study.demo.story import Story, what_next
from deploy.study.demo.telling import Teller
from federation.terminal import console

CHECK_S = 2.0  # between two looks whether all processes are still there


def demo(
    out: Annotated[Path, typer.Option(help="Folder to make; an earlier demo's is emptied.")],
    once: Annotated[bool, typer.Option("--once", help="Stop everything at the end.")] = False,
    workers: Annotated[int, typer.Option(min=100, help="Workers of a city, at least.")] = 6_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the synthetic market.")] = 1,
) -> None:
    """Found a federation of four cities on this machine, train a model across them, check it all.

    Ends with code 0 only if every city accepted the releases, every entry of the log was re-derived
    and no private value of any record stands in the bytes that crossed the wire.
    """
    teller = Teller(console)
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        with fresh(out) as places, Services() as services:
            ground = Ground(places, Shell(places.commands, teller.command), services)
            summary = Story(ground, teller, workers, seed).tell()
            if not once:
                teller.step("Everything stays up until Ctrl-C. What to try next:")
                for line in what_next(places):
                    teller.say(line)
                _stay(services)
            teller.say("stopping every process")
    except StepFailed as failure:
        teller.complain(["", *failure.lines()])
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        teller.say("interrupted: every process was stopped")
        raise typer.Exit(130) from None
    if summary.faults:
        raise typer.Exit(1)


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stay(services: Services) -> None:
    """Stay until interrupted; StepFailed when a process ends by itself."""
    never = threading.Event()
    try:
        while not never.wait(CHECK_S):
            services.check()
    except KeyboardInterrupt:
        return
