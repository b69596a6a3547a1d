"""Every command, option and argument of ``labor-node`` says what it is for."""

from collections.abc import Iterator

import click
import pytest
from support.office import typed
from typer.main import get_command

from node.cli import app


def commands(command: click.Command, *path: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, *path, name)
    yield " ".join(path), command


ALL = dict(commands(get_command(app)))


@pytest.mark.parametrize("path", ALL)
def test_help_tells_of_everything(path: str) -> None:
    shown = " ".join(typed(*path.split(), "--help").stdout.split())
    assert ALL[path].help
    for parameter in ALL[path].params:
        told = getattr(parameter, "help", None)
        assert told, f"{path}: {parameter.name}"
        assert told.split()[0] in shown


def test_the_commands_are_those_an_office_needs() -> None:
    assert {path for path, command in ALL.items() if not isinstance(command, click.Group)} == {
        "init",
        "enrol",
        "import",
        "policy show",
        "policy set",
        "policy publish",
        "consent list",
        "consent show",
        "consent approve",
        "consent refuse",
        "serve",
        "status",
        "doctor",
        "alarms",
        "believe",
        "match",
        "budget",
        "egress list",
        "outbox list",
        "model show",
        "statistics list",
        "statistics show",
    }
