"""How a benchmark starts a process of its own: this interpreter, these packages, nothing else's."""

import os
import sys
from pathlib import Path

import federation

TESTS = Path(__file__).parents[1]
ROOT = Path(federation.__file__).parents[1]


def python_with_tests() -> list[str]:
    """Return the words that start this Python with the product and ``benchmarks`` importable.

    ``env`` becomes the interpreter, so that the process id is the interpreter's.
    """
    return ["env", f"PYTHONPATH={os.pathsep.join((str(TESTS), str(ROOT)))}", sys.executable]
