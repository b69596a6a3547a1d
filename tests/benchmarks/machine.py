"""The machine and the versions that figures were taken with.

Must not know: the figures.
"""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

OURS = ("laborfed", "flwr", "grpcio", "cryptography", "numpy", "SQLAlchemy", "protobuf")


def machine() -> dict[str, str]:
    """Return what the figures depend on, by name; nothing that says whose machine it is."""
    return {
        "processor": f"{os.cpu_count()} × {_row('/proc/cpuinfo', 'model name')}",
        "memory": _row("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def versions() -> dict[str, str]:
    """Return the versions of what our own processes are made of."""
    return {name: version(name) for name in OURS}


def _row(file: str, name: str) -> str:
    rows: Mapping[str, str] = dict(
        (part.strip() for part in line.split(":", 1))
        for line in Path(file).read_text(encoding="utf-8").splitlines()
        if ":" in line
    )
    return rows.get(name, "unknown")
