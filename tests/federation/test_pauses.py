"""What a serving process leaves for the garbage collector to look at."""

import subprocess
import sys

# In a process of its own: how many objects are left out, and how many are still looked at.
SERVING = """
import gc
from federation import coordinator
coordinator._prepare_runs()
print(gc.get_freeze_count(), len(gc.get_objects()))
"""


def test_a_coordinator_leaves_what_it_has_loaded_out_of_collections() -> None:
    run = subprocess.run(
        [sys.executable, "-c", SERVING], capture_output=True, text=True, check=True, timeout=60
    )
    left_out, looked_at = map(int, run.stdout.split())
    assert left_out > 50_000
    assert looked_at < left_out / 100
