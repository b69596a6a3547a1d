"""Commands on an administrator's own machine: keys and signatures. They touch no coordinator.

Must not know: homes, networks, or what happens to a signed document.
"""

from pathlib import Path
from typing import Annotated

import typer

from federation.cli.common import (
    PassphraseFile,
    ask_passphrase,
    group,
    new_file,
    read_envelope,
    read_file,
    read_public_key,
    replace_file,
    say,
)
from federation.crypto.envelope import with_signature
from federation.crypto.keys import SigningKey, VerifyingKey
from federation.founding import PublicKeyFile
from federation.readable import lines_of
from federation.wire.codec import encode_envelope

admin = group("An administrator's own key.")
key = group("Make or show a key.")
admin.add_typer(key, name="key")


@key.command("new")
def key_new(
    identifier: Annotated[
        str, typer.Option("--id", help="Short identifier, a-z 0-9 . _ / -; thresholds count it.")
    ],
    name: Annotated[str, typer.Option(help="The person's name, as membership will show it.")],
    out: Annotated[Path, typer.Option(help="Private key file to write; .pub is written beside.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a signing key, encrypted with a passphrase of at least 12 bytes."""
    made = SigningKey.generate()
    public = PublicKeyFile(identifier, name, made.public.raw.hex())
    passphrase = ask_passphrase(passphrase_file, "Passphrase", twice=True)
    beside = out.with_suffix(".pub")
    with new_file(beside) as file:  # both files or none
        file.write(public.to_json().encode())
        made.save(out, passphrase)
    say(f"private key: {out} (stays with {name})")
    say(f"public key:  {beside} (for labor-federation init)")
    say(f"key id:      {made.public.key_id.hex()[:16]}")


@key.command("show")
def key_show(
    public: Annotated[Path, typer.Argument(help="A .pub file.")],
) -> None:
    """Show whose key a public key file holds, to compare by telephone."""
    shown = read_public_key(public)
    raw = bytes.fromhex(shown.signing_key)
    say(f"administrator: {shown.administrator}")
    say(f"name:          {shown.name}")
    say(f"signing key:   {shown.signing_key}")
    say(f"key id:        {VerifyingKey(raw).key_id.hex()[:16]}")


def sign(
    file: Annotated[Path, typer.Argument(help="Envelope file; your signature is added to it.")],
    key_file: Annotated[Path, typer.Option("--key", help="Your private key file.")],
    passphrase_file: PassphraseFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking.")] = False,
) -> None:
    """Show a document whole, then add your signature to it. Works on any machine, offline."""
    envelope = read_envelope(file)
    for line in lines_of(envelope):
        say(line)
    if not yes:
        typer.confirm("Sign this document?", abort=True)
    encrypted = b"ENCRYPTED" in read_file(key_file)
    passphrase = ask_passphrase(passphrase_file, "Passphrase") if encrypted else None
    signed = with_signature(envelope, SigningKey.load(key_file, passphrase))
    replace_file(file, encode_envelope(signed))
    say(f"signed: {file} now bears {len(signed.signatures)} signature(s)")
