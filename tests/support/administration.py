"""Three administrators and a coordinator's home, made by the commands that people type.

Lives here: typing commands, and what must hold of every refusal. Must not know: what a command
does.
"""

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from federation.cli import app
from federation.errors import Reason

PROGRAM = Path(sys.executable).with_name("labor-federation")
PEOPLE = {"chen": "陈晨", "li": "李娜", "wang": "王伟"}


def typed(*arguments: object, answers: str | None = None) -> Result:
    """Type a command, answering what it asks with the lines of ``answers``."""
    return CliRunner().invoke(app, [str(a) for a in arguments], input=answers)


def done(*arguments: object, answers: str | None = None) -> str:
    """Type a command that must succeed; return what it prints."""
    result = typed(*arguments, answers=answers)
    assert result.exit_code == 0, result.output
    return result.stdout


@dataclass(frozen=True)
class Desk:
    """Everything in ``folder``: administrators' keys and passphrases, the home, drafts."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def membership(self) -> Path:
        """The draft that ``init`` writes."""
        return self.home / "membership-1.envelope"

    def key(self, person: str) -> Path:
        return self.folder / f"{person}.pem"

    def public(self, person: str) -> Path:
        return self.folder / f"{person}.pub"

    def passphrase(self, person: str) -> Path:
        return self.folder / f"{person}.passphrase"

    def make_key(self, person: str, name: str = "") -> None:
        """A key with a passphrase from a file."""
        self.passphrase(person).touch(mode=0o600)
        self.passphrase(person).write_text(f"the passphrase of {person}\n", encoding="utf-8")
        done(
            *("admin", "key", "new", "--id", person, "--name", name or PEOPLE[person]),
            *("--out", self.key(person), "--passphrase-file", self.passphrase(person)),
        )

    def init(self, *more: object, people: tuple[str, ...] = tuple(PEOPLE)) -> tuple[object, ...]:
        """The arguments that begin the home; ``more`` comes last and wins."""
        keys = [part for person in people for part in ("--admin-key", self.public(person))]
        return (
            *("init", "--home", self.home, "--name", "demo", *keys),
            *("--address", "127.0.0.1:7443", "--listen", "127.0.0.1:0", *more),
        )

    def begin(self) -> None:
        """Three keys, and a home whose membership 1 nobody has signed."""
        for person in PEOPLE:
            self.make_key(person)
        done(*self.init())

    def sign(self, file: Path, *people: str) -> None:
        for person in people:
            done(
                *("sign", file, "--key", self.key(person), "--yes"),
                *("--passphrase-file", self.passphrase(person)),
            )

    def submit(self, *files: Path) -> str:
        return done("submit", *files, "--home", self.home)

    def found(self) -> None:
        """A founded federation, signed by two of three."""
        self.begin()
        self.sign(self.membership, "chen", "li")
        self.submit(self.membership)

    def refused(self, reason: Reason, *arguments: object, answers: str | None = None) -> str:
        """Type a command that must be refused with a sentence, code 1 and nothing changed."""
        before = contents(self.folder)
        result = typed(*arguments, answers=answers)
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit), result.exception
        sentence = result.stderr.strip().splitlines()[-1]
        assert sentence.startswith("error: ")
        assert sentence.endswith(f"[{reason}]"), sentence
        assert contents(self.folder) == before
        return sentence


def contents(folder: Path) -> dict[Path, object]:
    """What every file under ``folder`` says, and its mode: of a database its rows."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]
    return {
        path: (stat.S_IMODE(path.stat().st_mode), _said(path))
        for path in files
        if not path.name.endswith(("-wal", "-shm"))
    }


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _said(path: Path) -> object:
    if path.suffix not in (".sqlite", ".db"):
        return path.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        try:
            return list(connection.iterdump())
        except sqlite3.DatabaseError:  # damaged on purpose
            return path.read_bytes()


@contextmanager
def served(home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A coordinator in its own process; yields it and the host:port it listens on."""
    process = subprocess.Popen(
        [PROGRAM, "serve", "--home", home, "--log-format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, _ready(process)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _ready(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready "):
            return line.split()[1]
    raise AssertionError(process.communicate()[1])
