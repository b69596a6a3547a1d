"""A city's data office: a home on disk and the commands typed there."""

from pathlib import Path

import structlog
from click.testing import Result
from typer.testing import CliRunner

from node.cli import app
from node.identity import Home, create_home, open_home

DIVISION = "310000"


class Office:
    """A home and its command line, run inside the test's process."""

    home: Home

    def __init__(self, path: Path, division: str = DIVISION) -> None:
        self.home = create_home(path, division, "上海市")

    @classmethod
    def at(cls, path: Path) -> "Office":
        """The office of a home that was made before."""
        office = cls.__new__(cls)
        office.home = open_home(path)
        return office

    def type(self, *words: str) -> Result:
        """Run ``labor-node words… --home HOME``."""
        return typed(*words, "--home", str(self.home.path))

    def told(self, *words: str) -> str:
        """Run a command that must succeed; return what it printed."""
        result = self.type(*words)
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        return result.stdout

    def refused(self, *words: str) -> str:
        """Run a command that must be refused with a sentence; return the sentence."""
        return sentence(self.type(*words))


def typed(*words: str) -> Result:
    """Run ``labor-node words…``."""
    try:
        return CliRunner().invoke(app, words)
    finally:
        structlog.reset_defaults()  # serve's events went to a standard error that is gone now


def sentence(result: Result) -> str:
    """Return the one ``error:`` line of a command that was refused, and nothing but refused."""
    assert result.exit_code == 1, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("error: "), result.output
    return line
