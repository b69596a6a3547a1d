"""What every command shares: errors told to people, passphrases, envelope files, the home option.

Must not know: what any command does.
"""

import os
import secrets
from pathlib import Path
from typing import Annotated, Any

import click
import typer
from rich.console import Console
from typer.core import TyperGroup

from federation.crypto.envelope import Envelope, replay_identity
from federation.errors import LaborfedError, Misconfigured, Reason
from federation.wire.codec import decode_envelope

DAY_MS = 86_400_000
MAX_FILE_BYTES = 16 * 1024 * 1024

console = Console(highlight=False, soft_wrap=True)
complaints = Console(stderr=True, highlight=False, soft_wrap=True)

HomeOption = Annotated[
    Path,
    typer.Option("--home", envvar="LABORFED_HOME", help="The coordinator's folder."),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="File with the key's passphrase; asked for when left out."),
]


class Commands(TyperGroup):
    """A group of commands that ends with a sentence and code 1 where the system says no."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except LaborfedError as error:
            complaints.print(f"error: {error}", markup=False, style="red")
            raise typer.Exit(1) from None


def group(help_text: str) -> typer.Typer:
    """Return a group of commands."""
    return typer.Typer(help=help_text, no_args_is_help=True, cls=Commands)


def say(text: str = "") -> None:
    """Print one line as it is: square brackets in data are no markup."""
    console.print(text, markup=False)


def ask_passphrase(file: Path | None, question: str, *, twice: bool = False) -> bytes:
    """Return the passphrase: a file's first line, or asked for without an echo.

    Never from arguments or environment, where other processes could read it.
    """
    if file is not None:
        lines = read_file(file).splitlines()
        return lines[0] if lines else b""
    answer: str = typer.prompt(question, hide_input=True, confirmation_prompt=twice)
    return answer.encode()


def read_file(path: Path) -> bytes:
    """Return a file's bytes; Misconfigured when it cannot be read or is larger than 16 MiB."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise Misconfigured(Reason.CONFIGURATION, f"{path} is larger than any of our files")
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(
            Reason.CONFIGURATION, f"{path} cannot be read: {error.strerror}"
        ) from None


def write_new(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a new file; Misconfigured when it exists or cannot be written."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise Misconfigured(
            Reason.CONFIGURATION, f"{path} cannot be written: {error.strerror}"
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file's content, whole or not at all."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write_new(beside, data)
    beside.replace(path)


def read_envelope(path: Path) -> Envelope:
    """Return the envelope in a file; Malformed(NOT_DECODABLE) when it holds none."""
    return decode_envelope(read_file(path))


def merged(envelopes: list[Envelope]) -> Envelope:
    """Return one envelope with the signatures of all copies; Misconfigured when they differ."""
    first = envelopes[0]
    if any(replay_identity(other) != replay_identity(first) for other in envelopes):
        raise Misconfigured(Reason.CONFIGURATION, "the files are not copies of one document")
    signatures = {s.key_id: s for envelope in envelopes for s in envelope.signatures}
    return Envelope(first.payload_type, first.payload, tuple(signatures.values()))


def parse_digest(text: str) -> bytes:
    """Return a document digest written as 64 hexadecimal digits; Misconfigured otherwise."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 32:
        raise Misconfigured(
            Reason.CONFIGURATION, f"{text} is neither a file nor 64 hexadecimal digits"
        )
    return value


def digest_of(file_or_digest: str) -> bytes:
    """Return the document digest of an envelope file, or the one that was written out."""
    path = Path(file_or_digest)
    return replay_identity(read_envelope(path)) if path.is_file() else parse_digest(file_or_digest)
