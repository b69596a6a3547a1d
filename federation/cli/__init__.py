"""The ``labor-federation`` command: for administrators and for whoever runs the coordinator.

Lives here: which commands there are. Must not know: what any of them does.
"""

# isort: off
import federation.blas  # noqa: F401 before NumPy reads the environment

# isort: on
import typer

from federation.cli import (
    administrators,
    charters,
    examining,
    flower,
    members,
    running,
    serving,
    submitting,
)
from federation.cli.common import Commands
from federation.process import keep_secrets_in

app = typer.Typer(
    help="Found, run and audit a federation of cities' labor-information nodes.",
    no_args_is_help=True,
    add_completion=False,
    cls=Commands,
    pretty_exceptions_enable=False,
)
app.add_typer(administrators.admin, name="admin")
app.command()(members.init)
app.add_typer(charters.charter, name="charter")
app.command()(administrators.sign)
app.command()(submitting.submit)
app.command()(members.invite)
app.add_typer(members.enrol, name="enrol")
app.add_typer(members.membership, name="membership")
app.command()(members.cities)
app.add_typer(running.run, name="run")
app.add_typer(flower.flower, name="flower")
app.command()(serving.audit)
app.add_typer(serving.log, name="log")
app.command()(serving.serve)
app.command()(examining.doctor)


def main() -> None:
    """Run the command line."""
    keep_secrets_in()
    app()
