"""Every command says what it is for and names everything it takes."""

from collections.abc import Iterator

import click
import pytest
import typer
from support.administration import done, typed

from federation.cli import app

Command = tuple[tuple[str, ...], click.Command]


def walked(path: tuple[str, ...], command: click.Command) -> Iterator[Command]:
    yield path, command
    if isinstance(command, click.Group):
        for name, nested in command.commands.items():
            yield from walked((*path, name), nested)


COMMANDS = dict(walked((), typer.main.get_command(app)))


def test_the_commands_are_these() -> None:
    leaves = {" ".join(path) for path, one in COMMANDS.items() if not hasattr(one, "commands")}
    assert leaves == {
        "admin key new",
        "admin key show",
        "init",
        "charter draft training",
        "charter draft statistics",
        "sign",
        "submit",
        "invite",
        "enrol list",
        "enrol approve",
        "membership show",
        "membership witnesses",
        "cities",
        "run start",
        "run resume",
        "run stop",
        "flower export",
        "run show",
        "audit",
        "log show",
        "log evidence",
        "serve",
        "doctor",
    }


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_names_what_a_command_takes(path: tuple[str, ...]) -> None:
    # a wide terminal: no option's name is broken in two
    shown = done(*path, "--help")
    command = COMMANDS[path]
    assert command.help is not None
    assert command.help.splitlines()[0].rstrip(".") in " ".join(shown.split())
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in shown
            assert parameter.help
    for name in getattr(command, "commands", {}):
        assert name in shown


@pytest.mark.parametrize(
    "path",
    [path for path, one in COMMANDS.items() if not hasattr(one, "commands")],
    ids=" ".join,
)
def test_an_unknown_option_is_refused_by_every_command(path: tuple[str, ...]) -> None:
    result = typed(*path, "--no-such-option")
    assert result.exit_code == 2
    assert "no-such-option" in result.output
