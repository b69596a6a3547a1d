"""What serving processes leave for the garbage collector to look at, each in its own process."""

import subprocess
import sys

import pytest

# Prints how many objects a full collection looks at before and after.
LOADED = """
import gc, importlib
importlib.import_module({module!r})
from federation.pauses import settle
before = len(gc.get_objects())
settle()
print(before, len(gc.get_objects()))
"""
SERVING = """
import gc
import federation.coordinator as coordinator
coordinator._prepare_runs()
print(gc.get_freeze_count(), len(gc.get_objects()))
"""


def told(program: str) -> tuple[int, int]:
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    first, second = map(int, run.stdout.split())
    return first, second


@pytest.mark.parametrize("module", ["federation.coordinator", "node.app"])
def test_what_is_loaded_is_looked_at_no_more(module: str) -> None:
    before, after = told(LOADED.format(module=module))
    assert before > 50_000
    assert after < before / 100


def test_a_coordinator_leaves_flower_out_once_it_is_loaded() -> None:
    frozen, looked_at = told(SERVING)
    assert frozen > 80_000
    assert looked_at < frozen / 100
