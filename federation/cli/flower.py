"""Carrying runs over Flower's stock deployment: the bundle that its SuperLink is given.

Lives here: the bundle's one file. Must not know: Flower, or the apps that the file names.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from federation.cli.common import group, say, write_new
from federation.errors import Misconfigured, Reason
from federation.wire.local import socket_path

flower = group("Runs carried by Flower's stock SuperLink and SuperNodes (docs/flower.md).")

# It holds no code: both apps are those of the package installed beside SuperLink and SuperNode.
BUNDLE = """\
[project]
name = "laborfed-carrier"
version = "{version}"
description = "Carries the messages of a laborfed run; the apps are the installed package's."
license = "Apache-2.0"
dependencies = []

[tool.flwr.app]
publisher = "laborfed"

[tool.flwr.app.components]
serverapp = "deploy.flower.server_app:app"
clientapp = "deploy.flower.client_app:app"

[tool.flwr.app.config]
carrier-socket = "{socket}"
charter = ""
"""


@flower.command("export")
def export(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder for the bundle.")],
    carrier_socket: Annotated[
        Path, typer.Option(help="Where labor-federation serve --carrier-socket listens.")
    ],
) -> None:
    """Write the Flower app that `flwr run` takes: a pyproject.toml and no code."""
    text = BUNDLE.format(version=version("laborfed"), socket=socket_path(carrier_socket))
    try:
        out.mkdir(parents=True)
    except OSError as error:
        raise Misconfigured(
            Reason.CONFIGURATION, f"{out} cannot be made: {error.strerror}"
        ) from None
    write_new(out / "pyproject.toml", text.encode())
    say(f"written: {out / 'pyproject.toml'}")
    say(f"next:    flwr run {out} SUPERLINK --run-config 'charter=\"DIGEST\"'")
