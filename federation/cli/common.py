"""What every command shares on top of ``federation/terminal.py``: homes, passphrases, envelopes.

Must not know: what any command does.
"""

from pathlib import Path
from typing import Annotated

import typer

from federation.crypto.envelope import Envelope, replay_identity
from federation.errors import Misconfigured, Reason
from federation.founding import PublicKeyFile
from federation.permissions import require_private
from federation.terminal import (
    Commands,
    complaints,
    console,
    group,
    new_file,
    read_file,
    replace_file,
    say,
    write_new,
)
from federation.wire.codec import decode_envelope

__all__ = [
    "DAY_MS",
    "Commands",
    "HomeOption",
    "PassphraseFile",
    "ask_passphrase",
    "complaints",
    "console",
    "digest_of",
    "group",
    "merged",
    "new_file",
    "parse_digest",
    "read_envelope",
    "read_file",
    "read_public_key",
    "replace_file",
    "say",
    "write_new",
]

DAY_MS = 86_400_000

HomeOption = Annotated[
    Path,
    typer.Option("--home", envvar="LABORFED_HOME", help="The coordinator's folder."),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="File with the key's passphrase; asked for when left out."),
]


def ask_passphrase(file: Path | None, question: str, *, twice: bool = False) -> bytes:
    """Return the passphrase: a file's first line, or asked for without an echo.

    Never from arguments or environment, where other processes could read it. ``/dev/fd/3`` is a
    file too: a passphrase from a password manager need not touch the disk. Misconfigured
    (PERMISSIONS) when another account may read the file.
    """
    if file is not None:
        require_private(file)
        lines = read_file(file).splitlines()
        return lines[0] if lines else b""
    answer: str = typer.prompt(question, hide_input=True, confirmation_prompt=twice)
    return answer.encode()


def read_public_key(path: Path) -> PublicKeyFile:
    """Return an administrator's public key; Misconfigured names the file that holds none."""
    try:
        return PublicKeyFile.from_json(read_file(path))
    except Misconfigured as error:
        told = error.message if str(path) in error.message else f"{path}: {error.message}"
        raise Misconfigured(error.reason, told) from None


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
