"""The real coordinator's process, and our clients' processes beside it.

Lives here: how they are started. Must not know: what is measured.
"""

import os
import sys
from pathlib import Path

import federation
from deploy.study.demo.founding import FEDERATION
from deploy.study.demo.processes import Service

TESTS = Path(__file__).parents[2]
ROOT = Path(federation.__file__).parents[1]


def coordinator(home: Path, log: Path) -> Service:
    """Start ``labor-federation serve`` and wait until it listens."""
    service = Service.of("the coordinator", log, FEDERATION, "serve", "--home", home)
    service.wait_for("ready")
    return service


def client(module: str, *arguments: str | Path, log: Path) -> Service:
    """Start ``python -m benchmarks.load.MODULE``."""
    path = os.pathsep.join((str(TESTS), str(ROOT)))
    python = ("env", f"PYTHONPATH={path}", sys.executable)
    argv = [*python, "-m", f"benchmarks.load.{module}", *map(str, arguments)]
    return Service(module, argv, log)
