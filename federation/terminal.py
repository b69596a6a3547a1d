"""What both programs share at a terminal: errors told to people, lines, times, files.

Must not know: what any command does, or which program it belongs to.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import click
import typer
from rich.console import Console
from typer.core import TyperGroup

from federation.errors import LaborfedError, Misconfigured, Reason

MAX_FILE_BYTES = 16 * 1024 * 1024

console = Console(highlight=False, soft_wrap=True)
complaints = Console(stderr=True, highlight=False, soft_wrap=True)


class Commands(TyperGroup):
    """A group of commands that ends with a sentence and code 1 where the system says no."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except LaborfedError as error:
            complain(f"error: {error}")
            raise typer.Exit(1) from None


def group(help_text: str) -> typer.Typer:
    """Return a group of commands."""
    return typer.Typer(help=help_text, no_args_is_help=True, cls=Commands)


def say(text: str = "") -> None:
    """Print one line as it is: square brackets in data are no markup."""
    console.print(text, markup=False)


def complain(text: str) -> None:
    """Print one line to standard error, as it is."""
    complaints.print(text, markup=False, style="red")


def time_text(unix_ms: int) -> str:
    """Return Unix milliseconds as people write a time, in UTC."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


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


@contextmanager
def new_file(path: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Make a new file to write to inside the block; when the block fails there is none again.

    Misconfigured when it exists or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise Misconfigured(
            Reason.CONFIGURATION, f"{path} cannot be written: {error.strerror}"
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:
        path.unlink()
        raise


def write_new(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a new file; Misconfigured when it exists or cannot be written."""
    with new_file(path, mode=mode) as file:
        file.write(data)


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file's content, whole or not at all."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write_new(beside, data)
    beside.replace(path)
