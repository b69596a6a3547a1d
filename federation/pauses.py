"""Short pauses of a serving process: what is loaded once is left out of garbage collections.

Lives here: the one call that a process makes when it has loaded what it serves with. Must not know:
what that is.

A full collection looks at every object that may be part of a cycle, a hundred thousand of them once
everything is imported, and stops all threads meanwhile: two tenths of a second on a slow core, at
whatever call has just made enough new ones.
"""

import gc


def settle() -> None:
    """Leave what is loaded now out of later collections; it stays for as long as it is referred to.

    May be called again when more was loaded, from any thread (``gc.freeze``).
    """
    gc.freeze()
