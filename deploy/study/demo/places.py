"""The demonstration's folder: what lies where, and beginning it afresh.

Must not know: what is put there. Deletes nothing that a demonstration did not make.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.study.demo.failure import StepFailed
from federation.errors import LaborfedError
from federation.home import Home, hold_lock

MARKER = ".labor-study-demo"
ELSEWHERE = "labor-study-demo-"  # a coordinator's home outside, where the path is too long
MARKED = "This folder was made by labor-study demo, which deletes all of it when it begins again.\n"


@dataclass(frozen=True)
class Places:
    """Every file of a demonstration lies under ``folder``."""

    folder: Path

    @property
    def market(self) -> Path:
        """The synthetic cities' files, and the truth that no node reads."""
        return self.folder / "market"

    @property
    def administrators(self) -> Path:
        """Administrators' keys, each with its passphrase: on real machines of their own."""
        return self.folder / "administrators"

    @property
    def federation(self) -> Path:
        """The coordinator's home."""
        return self.folder / "federation"

    @property
    def drafts(self) -> Path:
        """Documents on their way from draft to signatures, and invitations."""
        return self.folder / "drafts"

    @property
    def logs(self) -> Path:
        """What each process printed."""
        return self.folder / "logs"

    @property
    def summary(self) -> Path:
        """The figures, for scripts."""
        return self.folder / "summary.json"

    @property
    def baselines(self) -> Path:
        """Parameters of the baselines, trained on all cities' files side by side."""
        return self.folder / "baselines.npz"

    @property
    def commands(self) -> Path:
        """Every command that was run, with its output."""
        return self.logs / "commands.log"

    def records(self, division: str) -> Path:
        """One city's own files."""
        return self.market / division

    def node(self, division: str) -> Path:
        """One city's node."""
        return self.folder / "cities" / division

    def wire(self, division: str) -> Path:
        """The recording of what one city's node sent and received."""
        return self.folder / "wire" / f"{division}.bin"

    def log_of(self, name: str) -> Path:
        """The log of one process."""
        return self.logs / f"{name}.log"


@contextmanager
def fresh(folder: Path) -> Iterator[Places]:
    """Empty ``folder`` and hold it for one demonstration.

    Raises StepFailed when it holds anything that no demonstration made, or one runs in it now.
    """
    marker = folder / MARKER
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not marker.exists())):
        raise StepFailed(f"{folder} is not a demonstration's folder and is left as it is")
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(hold_lock(marker))
        except LaborfedError:
            raise StepFailed(f"a demonstration is running in {folder} already") from None
        _empty(folder, marker)
        marker.write_text(MARKED, encoding="utf-8")
        places = Places(folder)
        _make(places)
        yield places


def _empty(folder: Path, marker: Path) -> None:
    for found in folder.iterdir():
        if found.is_symlink():
            _forget_elsewhere(found.resolve())
            found.unlink()
        elif found.is_dir():
            shutil.rmtree(found)
        elif found != marker:
            found.unlink()


def _forget_elsewhere(home: Path) -> None:
    """Delete a home that :func:`_make` laid elsewhere, and nothing else a link may lead to."""
    if home.parent == Path(tempfile.gettempdir()).resolve() and home.name.startswith(ELSEWHERE):
        shutil.rmtree(home, ignore_errors=True)


def _make(places: Places) -> None:
    for made in (places.administrators, places.drafts, places.logs, places.wire("").parent):
        made.mkdir(mode=0o700)
    try:
        _ = Home(places.federation).socket
    except LaborfedError:
        # a socket's path has 107 bytes at most: the home lies elsewhere, under the same name here
        places.federation.symlink_to(tempfile.mkdtemp(prefix=ELSEWHERE))
