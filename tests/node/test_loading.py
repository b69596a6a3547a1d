"""What a command or an idle node does not hold in memory, because nothing has asked for it yet."""

import subprocess
import sys

import pytest

# libraries of the first charter, run or ranking; Flower is needed as soon as a city serves
LATER = {"alembic", "dp_accounting", "opendp", "scipy"}
RUNNING = {"flwr", *LATER}


@pytest.mark.parametrize(
    ("program", "spared"),
    [
        ("from node.cli import app; app(['--help'], standalone_mode=False)", RUNNING),
        ("from federation.cli import app; app(['--help'], standalone_mode=False)", RUNNING),
        ("import node.app", LATER),
    ],
)
def test_only_what_is_needed_is_loaded(program: str, spared: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules, sep='\\n')"],
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    loaded = set(done.stdout.splitlines())
    assert "federation.errors" in loaded
    assert not loaded & spared
