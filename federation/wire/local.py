"""Unix sockets on one machine: where they lie, who may connect, and gRPC's two ends on them.

Lives here: paths, modes and channels. Must not know: which services listen, or what they carry.
"""

import grp
import os
from dataclasses import dataclass
from pathlib import Path

import grpc

from federation.errors import Misconfigured, Reason
from federation.wire.channel import ErrorTranslation
from federation.wire.limits import MAX_MESSAGE_BYTES, MAX_STREAMS

# A Unix socket's path has 108 bytes including the closing zero (unix(7), sun_path).
MAX_SOCKET_PATH = 107

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
)


@dataclass(frozen=True)
class LocalSocket:
    """A socket that its owner may connect to (mode 0600), and ``group`` too if given (0660)."""

    path: Path
    group: str | None = None


def local_socket(path: Path | None, group: str | None) -> LocalSocket | None:
    """Return the socket two options describe, if any; Misconfigured for a group without one."""
    if path is None and group is not None:
        raise Misconfigured(Reason.CONFIGURATION, f"group {group} is given a socket without a path")
    return None if path is None else LocalSocket(path, group)


def socket_path(path: Path) -> Path:
    """Return ``path`` made absolute; Misconfigured when it is too long for a socket."""
    absolute = path.resolve()
    if len(os.fsencode(absolute)) > MAX_SOCKET_PATH:
        raise Misconfigured(
            Reason.CONFIGURATION, f"{absolute} is too long for a socket: use a shorter folder"
        )
    return absolute


def local_server(*interceptors: grpc.aio.ServerInterceptor, reveal: bool) -> grpc.aio.Server:
    """Return a server without a port. ``reveal`` as :class:`ErrorTranslation`'s."""
    translation = ErrorTranslation(reveal=reveal)
    return grpc.aio.server(
        interceptors=[translation, *interceptors],
        options=[*_OPTIONS, ("grpc.max_concurrent_streams", MAX_STREAMS)],
    )


async def start_local(server: grpc.aio.Server, socket: LocalSocket) -> None:
    """Listen on ``socket``; a file that a dead process left there is replaced.

    Misconfigured, and the server stopped, when the folder is missing, the group unknown, or
    anything else than a socket is there.
    """
    try:
        _bind(server, socket)
    except Misconfigured:
        await server.stop(0)
        raise
    await server.start()


def _bind(server: grpc.aio.Server, socket: LocalSocket) -> None:
    path = socket_path(socket.path)
    if path.exists() and not path.is_socket():
        raise Misconfigured(Reason.CONFIGURATION, f"{path} exists and is no socket")
    try:
        group = -1 if socket.group is None else grp.getgrnam(socket.group).gr_gid
    except KeyError:
        raise Misconfigured(Reason.CONFIGURATION, f"there is no group {socket.group}") from None
    before = os.umask(0o177)  # nobody else connects in the moment before the mode is set
    try:
        server.add_insecure_port(f"unix:{path}")
        os.chown(path, -1, group)
        path.chmod(0o600 if socket.group is None else 0o660)
    except (RuntimeError, OSError) as error:
        raise Misconfigured(Reason.CONFIGURATION, f"cannot listen on {path}: {error}") from None
    finally:
        os.umask(before)


def local_channel(path: Path) -> grpc.aio.Channel:
    """Return a channel, connected when first used, to a socket of this machine."""
    # the authority would else be the path, which gRPC's own servers refuse
    options = (*_OPTIONS, ("grpc.default_authority", "localhost"))
    return grpc.aio.insecure_channel(f"unix:{socket_path(path)}", options=options)
