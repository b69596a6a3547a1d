"""An entry that many followers wait for is proven once, for all who ask while it is being proven.

Lives here: who shares whose work. Must not know: what an entry is, or gRPC.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Sharing(Generic[Made]):
    """Runs ``make(index, kept_size)`` in a thread, once for those who ask for the same meanwhile.

    Belongs to one event loop. Nothing is kept: who asks later has it made anew.
    """

    def __init__(self, make: Callable[[int, int], Made]) -> None:
        self._make = make
        self._under_way: dict[tuple[int, int], asyncio.Task[Made]] = {}

    async def get(self, index: int, kept_size: int) -> Made:
        """Return what ``make`` returns; raise what it raises."""
        key = index, kept_size
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(self._make, index, kept_size))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._end(key, done))
        # one who leaves does not end it for the others
        return await asyncio.shield(task)

    def _end(self, key: tuple[int, int], task: asyncio.Task[Made]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # all who asked may have left
