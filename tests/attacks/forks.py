"""Cases played in forks of this process, in which functions have been given broken code.

Lives here: the forking, the exchange of code and the cases. Must not know: which line is broken.

The packages are loaded once; a fork compiles the broken source and puts its code into the one
function that holds the line, wherever that function is already held. Nothing outside it changes.
"""

import gc
import json
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, TypeVar

import pytest

from attacks.case import ROOT, Guard
from attacks.copies import MEMORY
from attacks.test_attacks import ATTACKS, TWINS, test_stopped, test_the_honest_twin_is_let_through

Case = Callable[[Path], None]
Job = TypeVar("Job")
CASES: Mapping[str, Case] = {
    **{attack.name: partial(test_stopped, attack) for attack in ATTACKS},
    **{
        f"{twin.replace('_', ' ')} ({stage})": partial(test_the_honest_twin_is_let_through, *pair)
        for (stage, twin), pair in TWINS.items()
    },
}


class Breaking:
    """Every function that is held in this process, and the breaking of some in a fork of it."""

    def __init__(self) -> None:
        # looked for once: a fork that looked through all objects would copy their memory
        self._held: dict[str, list[FunctionType]] = {}
        for one in gc.get_objects():
            if isinstance(one, FunctionType) and one.__code__.co_filename.startswith(str(ROOT)):
                file = Path(one.__code__.co_filename).relative_to(ROOT)
                name = f"{file}:{one.__code__.co_firstlineno}"
                self._held.setdefault(name, []).append(one)

    def broken(self, guard: Guard) -> None:
        """Break a guard's lines in this process, for good."""
        texts = {e.file: (ROOT / e.file).read_text(encoding="utf-8") for e in guard.edits}
        for edit in guard.edits:
            texts[edit.file] = texts[edit.file].replace(edit.line, edit.broken)
        for file, text in texts.items():
            self._exchange(file, text, [e for e in guard.edits if e.file == file])

    def _exchange(self, file: str, text: str, edits: Sequence[Guard]) -> None:
        """Give the functions that hold the edits the code that the broken text compiles to."""
        new = {code.co_qualname: code for code in _codes(compile(text, ROOT / file, "exec"))}
        for edit in edits:
            for one in self._held[edit.called_as or edit.where]:
                one.__code__ = new[one.__code__.co_qualname]


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner)


def failures(cases: Sequence[str]) -> list[str]:
    """Play cases here; return the names of those that failed."""
    return [name for name in cases if told(CASES[name])]


def told(case: Case) -> str:
    """Play a case in a folder of its own; return what went wrong, nothing when it held."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as folder:
        try:
            case(Path(folder))
        except (Exception, pytest.fail.Exception):  # noqa: BLE001 whatever it is, the case failed
            return traceback.format_exc()
    return ""


def forked(
    jobs: Sequence[Job], play: Callable[[Job], Any], at_once: int
) -> Iterator[tuple[Job, Any]]:
    """Play each job in a fork of its own; yield it with what ``play`` returned, in JSON's types.

    A fork that dies returns None.
    """
    waiting, running = list(jobs), dict[int, tuple[Job, Any]]()
    gc.freeze()  # a collection in a fork would copy what is only looked at
    while waiting or running:
        while waiting and len(running) < at_once:
            job, out = waiting.pop(0), tempfile.TemporaryFile()  # noqa: SIM115 outlives the loop
            child = os.fork()
            if not child:
                _end(job, play, out)
            running[child] = (job, out)
        child, _ = os.wait()
        job, out = running.pop(child)
        out.seek(0)
        said = out.read()
        out.close()
        yield job, json.loads(said) if said else None


def _end(job: Job, play: Callable[[Job], Any], out: Any) -> None:
    """In the fork: play, say what came of it, end. What the packages print is left out."""
    code, said = 1, os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    try:
        out.write(json.dumps(play(job)).encode())
        out.flush()
        code = 0
    except BaseException:  # noqa: BLE001 the boundary: a fork must not go on as its parent
        os.write(said, traceback.format_exc().encode())
    finally:
        os._exit(code)
