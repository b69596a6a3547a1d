"""What the operating system is told of a process that holds keys, seen from outside."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer

from federation.cli import app as federation_app
from node.cli import app as node_app

# Runs a program's own entry point with a command that waits, so that it can be looked at.
WAITING = """
import sys
from {package} import app, main
@app.command("wait")
def wait() -> None:
    import federation.process
    print(federation.process.is_dumpable(), flush=True)
    sys.stdin.read()
sys.argv = ["program", "wait"]
main()
"""
PROGRAMS = ("federation.cli", "node.cli")
SECRETS = re.compile(r"passphrase|password|secret|code|token|private", re.IGNORECASE)


def waiting(package: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WAITING.format(package=package)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
    )


@pytest.mark.parametrize("package", PROGRAMS)
def test_no_program_leaves_a_core_dump(tmp_path: Path, package: str) -> None:
    with waiting(package, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "False\n"
        limits = Path(f"/proc/{process.pid}/limits").read_text(encoding="ascii")
        assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)
        process.send_signal(signal.SIGABRT)
        # the raw status says whether the system dumped it, wherever a dump would go
        _, status = os.waitpid(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert os.WTERMSIG(status) == signal.SIGABRT
    assert not os.WCOREDUMP(status)
    assert list(tmp_path.iterdir()) == []


def commands(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return [(path, command)]
    inner = (command.get_command(click.Context(command), name) for name in command.commands)
    return [row for one in inner if one for row in commands(one, f"{path} {one.name}")]


EVERY = [
    row
    for name, app in (("labor-federation", federation_app), ("labor-node", node_app))
    for row in commands(typer.main.get_command(app), name)
]


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[path for path, _ in EVERY])
def test_no_command_takes_a_secret_from_its_arguments_or_its_environment(
    path: str, command: click.Command
) -> None:
    for parameter in command.params:
        if SECRETS.search(str(parameter.name)):
            assert str(parameter.name).endswith("_file"), f"{path} --{parameter.name}"
            assert parameter.envvar is None
