"""A doctor's examination: small checks asked in turn, each with a verdict, a sentence, a remedy.

Lives here: how checks are asked and told, and those that any program needs. Must not know: what a
home holds. A check changes nothing.
"""

import importlib.metadata
import json
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Generic, TypeVar

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from federation.errors import LaborfedError

S = TypeVar("S")
DAY_MS: Final = 86_400_000
#: Free disk below which writing will soon fail, and below which a person should look, bytes.
LEAST_FREE: Final = 200 * 2**20
LITTLE_FREE: Final = 2 * 2**30
PROGRAM: Final = "laborfed"


class Verdict(StrEnum):
    """What came of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """A verdict, the sentence that explains it and, unless all is well, what to do."""

    verdict: Verdict
    sentence: str
    remedy: str = ""


def fine(sentence: str) -> Finding:
    """All is well."""
    return Finding(Verdict.OK, sentence)


def warn(sentence: str, remedy: str) -> Finding:
    """It works now; somebody should look."""
    return Finding(Verdict.WARN, sentence, remedy)


def fail(sentence: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(Verdict.FAIL, sentence, remedy)


@dataclass(frozen=True)
class Check(Generic[S]):
    """One question to a subject.

    ``remedy`` is told when it raises a :class:`LaborfedError`, which is a failure; ``needs`` names
    checks before it without which it cannot be asked.
    """

    name: str
    ask: Callable[[S], Finding]
    remedy: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """A check's name and what was found."""

    check: str
    finding: Finding


def examine(checks: Sequence[Check[S]], subject: S) -> Iterator[Result]:
    """Ask every check in order; who needs one that failed or was skipped is skipped."""
    found: dict[str, Verdict] = {}
    for check in checks:
        failed = [name for name in check.needs if found[name] is Verdict.FAIL]
        skipped = [name for name in check.needs if found[name] is Verdict.SKIPPED]
        if failed or skipped:
            finding = Finding(Verdict.SKIPPED, f"needs {', '.join(failed or skipped)}")
        else:
            finding = _asked(check, subject)
        found[check.name] = finding.verdict
        yield Result(check.name, finding)


def _asked(check: Check[S], subject: S) -> Finding:
    try:
        return check.ask(subject)
    except LaborfedError as error:
        return fail(str(error), check.remedy)
    except OSError as error:
        return fail(f"{error.filename or 'a file'}: {error.strerror}", check.remedy)


def told(results: Iterable[Result], say: Callable[[str], None], *, as_json: bool) -> bool:
    """Tell the results as they come, or as one JSON object; return whether none failed."""
    heard: list[Result] = []
    for result in results:
        heard.append(result)
        if not as_json:
            _tell(result, say)
    healthy = all(result.finding.verdict is not Verdict.FAIL for result in heard)
    if as_json:
        checks = [{"check": r.check, **asdict(r.finding)} for r in heard]
        say(json.dumps({"healthy": healthy, "checks": checks}, ensure_ascii=False, indent=2))
    else:
        say("nothing is broken" if healthy else "something is broken: see FAIL above")
    return healthy


def _tell(result: Result, say: Callable[[str], None]) -> None:
    finding = result.finding
    say(f"{finding.verdict:8} {result.check}: {finding.sentence}")
    if finding.remedy:
        say(f"{'':8} → {finding.remedy}")


# what any program needs


def disk(path: Path, least: int = LEAST_FREE, little: int = LITTLE_FREE) -> Finding:
    """Whether the disk that holds ``path`` has room."""
    free = shutil.disk_usage(path).free
    sentence = f"{free / 2**20:,.0f} MiB are free where {path} lies"
    if free < least:
        return fail(sentence, "make room: what cannot be written is refused until then")
    if free < little:
        return warn(sentence, "make room before writing fails")
    return fine(sentence)


def versions(requirements: Iterable[str], python: str, running: str | None = None) -> Finding:
    """Whether the installed libraries and Python are those this program was resolved with.

    ``requirements``: PEP 508; ``python``: a version specifier; ``running``: this Python's version.
    """
    running = running or platform.python_version()
    wrong = [] if SpecifierSet(python).contains(running) else [f"Python {running}, not {python}"]
    for line in requirements:
        needed = Requirement(line)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            found = importlib.metadata.version(needed.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{needed.name} is missing")
            continue
        if not needed.specifier.contains(found, prereleases=True):
            wrong.append(f"{needed.name} {found}, not {needed.specifier}")
    if wrong:
        return fail("; ".join(wrong), "install from the lock file again")
    return fine(f"Python {running} and every library are as resolved")


def own_requirements() -> tuple[list[str], str]:
    """Return what the installed program says it needs: libraries, and which Python."""
    about = importlib.metadata.metadata(PROGRAM)
    return importlib.metadata.requires(PROGRAM) or [], about["Requires-Python"]


def lifetime(what: str, ends_ms: int, now_ms: int, soon_ms: int, remedy: str) -> Finding:
    """Whether something that expires lasts, and longer than ``soon_ms``."""
    days = (ends_ms - now_ms) / DAY_MS
    if days <= 0:
        return fail(f"{what} expired {-days:.1f} days ago", remedy)
    sentence = f"{what} lasts {days:.1f} more days"
    return warn(sentence, remedy) if ends_ms - now_ms < soon_ms else fine(sentence)
