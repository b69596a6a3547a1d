"""Submitting what administrators signed, to a serving coordinator or straight into its home.

Must not know: what a document says beyond which bytes it names.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from federation.cli.common import HomeOption, merged, read_envelope, read_file, say
from federation.control import control_client
from federation.coordinator import open_coordinator
from federation.crypto.envelope import Envelope, replay_identity
from federation.documents.charter import Charter
from federation.home import Home
from federation.log.bundle import Bundle
from federation.wire.codec import decode_document, encode_envelope


def submit(
    files: Annotated[
        list[Path],
        typer.Argument(help="A signed document; copies that were signed apart are put together."),
    ],
    home: HomeOption,
    blob: Annotated[
        list[Path] | None,
        typer.Option(help="Public bytes it names; found beside the document when left out."),
    ] = None,
) -> None:
    """Have a signed document logged: membership 1 founds the federation, a charter permits a run.

    Goes through the control socket while the coordinator serves, straight into the home otherwise.
    """
    envelope = merged([read_envelope(file) for file in files])
    blobs = [read_file(path) for path in blob or _blobs_beside(files[0], envelope)]
    bundle = _submit(Home(home), encode_envelope(envelope), blobs)
    say(f"logged: entry {bundle.leaf_index}, {envelope.payload_type}")
    say(f"digest: {replay_identity(envelope).hex()}")


def parameters_file(folder: Path, digest: bytes) -> Path:
    """Return where a charter's initial parameters lie beside its draft."""
    return folder / f"{digest.hex()}.parameters"


def _blobs_beside(file: Path, envelope: Envelope) -> list[Path]:
    document = decode_document(envelope.payload_type, envelope.payload)
    if not isinstance(document, Charter) or document.training is None:
        return []
    path = parameters_file(file.parent, document.training.initial_parameters_digest)
    return [path] if path.is_file() else []


def _submit(home: Home, envelope: bytes, blobs: list[bytes]) -> Bundle:
    if home.in_use():
        return asyncio.run(_through_socket(home, envelope, blobs))
    with open_coordinator(home) as coordinator:
        return coordinator.submit(envelope, blobs)


async def _through_socket(home: Home, envelope: bytes, blobs: list[bytes]) -> Bundle:
    async with control_client(home.socket) as client:
        return await client.submit(envelope, blobs)
