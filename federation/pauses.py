"""Short pauses of a serving process: what is loaded once is left out of garbage collections.

Lives here: the one call that a process makes when it has loaded what it serves with. Must not know:
what that is.

A full collection looks at every object that may be part of a cycle, tens of thousands of them once
everything is imported, and stops all threads meanwhile, at whatever call has just made enough new
ones (``gc.freeze``).
"""

import gc


def settle() -> None:
    """Leave what is loaded now out of later collections; from any thread, and as often as needed.

    What is freed by its references is freed as before. Garbage in cycles stays if it is there now.
    """
    gc.freeze()
