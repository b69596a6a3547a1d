"""The doctor's command.

Must not know: what is examined, or what a good home looks like.
"""

from typing import Annotated

import typer

from federation.cli.common import HomeOption, say
from federation.coordinator import now_ms
from federation.watch.checks import examine, told
from federation.watch.doctor import CHECKS
from federation.watch.patient import Patient


def doctor(
    home: HomeOption,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
) -> None:
    """Examine the coordinator's home, and say what is wrong and what to do.

    Changes nothing, and works while the coordinator serves. Ends with code 1 when anything is
    broken.
    """
    if not told(examine(CHECKS, Patient(home, now_ms())), say, as_json=as_json):
        raise typer.Exit(1)
