"""The ``labor-node`` command: for the data office of one city.

Lives here: which commands there are. Must not know: what any of them does.
"""

# isort: off
import federation.blas  # noqa: F401 before NumPy reads the environment

# isort: on
import typer

from federation.process import keep_secrets_in
from federation.terminal import Commands
from node.cli import (
    consents,
    importing,
    joining,
    ledgers,
    matching,
    outbox,
    policies,
    results,
    serving,
)

app = typer.Typer(
    help="Run one city's node: its records stay, models and statistics travel.",
    no_args_is_help=True,
    add_completion=False,
    cls=Commands,
    pretty_exceptions_enable=False,
)
app.command()(joining.init)
app.command()(joining.enrol)
app.command("import")(importing.import_records)
app.add_typer(policies.policy, name="policy")
app.add_typer(consents.consent, name="consent")
app.command()(serving.serve)
app.command()(serving.status)
app.command()(serving.doctor)
app.command()(serving.alarms)
app.command()(serving.believe)
app.command()(matching.match)
app.command()(ledgers.budget)
app.add_typer(ledgers.egress, name="egress")
app.add_typer(outbox.outbox, name="outbox")
app.add_typer(results.model, name="model")
app.add_typer(results.statistics, name="statistics")


def main() -> None:
    """Run the command line."""
    keep_secrets_in()
    app()
