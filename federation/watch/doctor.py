"""The examination of a coordinator's home: one small function a check, their order as a table.

Lives here: what a good home looks like. Must not know: how findings are told. Nothing here changes
anything, and all of it runs beside a serving process.
"""

import socket
import stat
from typing import Final

from federation.crypto.certificates import expires_ms
from federation.crypto.envelope import replay_identity
from federation.errors import StorageFault
from federation.log import database
from federation.log.store import LogStore
from federation.rounds.openness import OpenRuns
from federation.watch.checks import (
    DAY_MS,
    Check,
    Finding,
    disk,
    fail,
    fine,
    lifetime,
    own_requirements,
    versions,
    warn,
)
from federation.watch.patient import Patient
from federation.wire.codec import decode_envelope

RESTORE: Final = "stop the coordinator and ask every city for the checkpoint it keeps: see audit"
PATIENCE_S: Final = 5.0
MEMBERSHIP_SOON_MS: Final = 30 * DAY_MS
AUTHORITY_SOON_MS: Final = 365 * DAY_MS
_OTHERS: Final = 0o077


def configuration(patient: Patient) -> Finding:
    """config.toml is valid."""
    return fine(f"config.toml is valid: {patient.configuration.federation}")


def permissions(patient: Patient) -> Finding:
    """No other account can read keys or write the log."""
    keys = patient.path / "keys"
    private = (patient.path, keys, *sorted(keys.glob("*.pem")), *patient.home.databases)
    for path in private:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            return fail(f"{path} has mode {mode:04o}, open to others", f"chmod go= {path}")
    patient.home.check_files()
    return fine("keys and databases are closed to other accounts")


def keys(patient: Patient) -> Finding:
    """The keys can be read and belong together."""
    patient.keys  # noqa: B018 read here
    return fine("the coordinator's, the log's and the authority's keys can be read")


def databases(patient: Patient) -> Finding:
    """SQLite finds the databases whole."""
    for path in patient.home.databases:
        try:
            wrong = database.quick_check(path)
        except StorageFault as error:
            wrong = [error.message]
        if wrong:
            return fail(f"{path.name} is damaged: {wrong[0]}", RESTORE)
    return fine("log, runs and exchange are whole")


def head(patient: Patient) -> Finding:
    """The head's root is what the stored subtrees give, and no entry is missing or beyond."""
    with patient.log() as log:
        found = log.check_head()
        counted = sum(log.count_by_type().values())
    if counted != found.size:
        return fail(f"{counted} entries lie under a head of {found.size}", RESTORE)
    return fine(f"{found.size} entries, their subtrees give the head's root")


def membership(patient: Patient) -> Finding:
    """The federation is founded and its membership lasts."""
    with patient.log() as log:
        if log.head().size == 0:
            return warn("the federation is not founded yet", "have membership 1 signed and submit")
    with patient.publisher() as publisher:
        current = publisher.trust.current
    return lifetime(
        f"membership {current.version}",
        current.expires_ms,
        patient.now_ms,
        MEMBERSHIP_SOON_MS,
        "have the next membership signed: while none is in force nothing else is logged",
    )


def own_keys(patient: Patient) -> Finding:
    """The keys here are those that membership names."""
    with patient.log() as log:
        if log.head().size == 0:
            return fine("no membership names any keys yet")
    with patient.publisher() as publisher:
        current = publisher.trust.current
    wrong = [
        name
        for name, named, held in (
            ("coordinator", current.coordinator_key, patient.keys.coordinator.public.raw),
            ("log", current.log_key, patient.keys.log.public.raw),
            ("TLS authority", current.tls_authority, patient.keys.authority.der),
        )
        if named != held
    ]
    if wrong:
        return fail(
            f"membership {current.version} names another {' and '.join(wrong)} key than those here",
            "restore the keys; cities refuse what other keys sign",
        )
    return fine(f"membership {current.version} names the keys that are here")


def authority(patient: Patient) -> Finding:
    """The TLS authority lasts."""
    return lifetime(
        "the TLS authority",
        expires_ms(patient.keys.authority.certificate),
        patient.now_ms,
        AUTHORITY_SOON_MS,
        "plan a new federation's founding: its authority cannot be renewed in place",
    )


def journal(patient: Patient) -> Finding:
    """Every run's documents are in the log, in their order; the last may still be missing."""
    with patient.log() as log, patient.runs() as runs:
        for charter in runs.charters():
            *earlier, last = [_index(log, raw) for raw in runs.documents(charter)]
            logged = [*earlier, *([] if last is None else [last])]
            if None in logged or logged != sorted(logged, key=lambda index: index or 0):
                return fail(
                    f"run {charter.hex()[:16]} kept documents that the log lacks or has otherwise",
                    RESTORE,
                )
    return fine("what runs kept is in the log")


def _index(log: LogStore, raw: bytes) -> int | None:
    return log.index_of(replay_identity(decode_envelope(raw)))


def open_runs(patient: Patient) -> Finding:
    """No run waits to be taken up again."""
    with patient.runs() as runs:
        waiting = OpenRuns(runs).now()
    if not waiting:
        return fine("no run is open")
    named = ", ".join(charter.hex()[:16] for charter in waiting)
    if patient.serving:
        return fine(f"{len(waiting)} run(s) are open: {named}")
    return warn(
        f"{len(waiting)} run(s) are open and nobody serves: {named}",
        "labor-federation serve, then labor-federation run start CHARTER takes one up again",
    )


def control_socket(patient: Patient) -> Finding:
    """The operator's socket answers while the coordinator serves."""
    path = patient.home.socket
    if not patient.serving:
        return fine("nobody serves; the socket's path is short enough")
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(PATIENCE_S)
        try:
            plain.connect(str(path))
        except OSError as error:
            return fail(f"{path} does not answer: {error.strerror}", "start the coordinator again")
    if stat.S_IMODE(path.stat().st_mode) & _OTHERS:
        return fail(f"{path} is open to others", f"chmod go= {path}")
    return fine(f"{path} answers")


def port(patient: Patient) -> Finding:
    """The exchange port answers while the coordinator serves, and is free while it does not."""
    listen = patient.configuration.listen
    host, _, number = listen.rpartition(":")
    host = host.strip("[]")
    if int(number) == 0:
        return fine(f"{listen}: any free port is taken")
    if patient.serving:
        return _answers(host, int(number), listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, int(number)), family=family):
            return fine(f"{listen} is free")
    except OSError as error:
        return fail(
            f"{listen} cannot be listened on: {error.strerror}",
            "stop what listens there, or change listen in config.toml",
        )


def _answers(host: str, number: int, listen: str) -> Finding:
    wildcard = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 compared, not bound
    try:
        with socket.create_connection((wildcard.get(host, host), number), PATIENCE_S):
            return fine(f"{listen} takes connections")
    except OSError as error:
        return fail(
            f"{listen} takes no connections: {error.strerror or error}",
            "start the coordinator again",
        )


def free_disk(patient: Patient) -> Finding:
    """There is room to write."""
    return disk(patient.path, patient.least_free)


def libraries(patient: Patient) -> Finding:
    """Libraries and Python are as resolved."""
    return versions(*(patient.requirements or own_requirements()))


_READABLE = ("configuration", "permissions", "databases")

CHECKS: Final[tuple[Check[Patient], ...]] = (
    Check("configuration", configuration, "mend config.toml; labor-federation init makes a home"),
    Check("permissions", permissions, "restore the missing file", ("configuration",)),
    Check("keys", keys, "restore the file from a backup, closed to others", ("configuration",)),
    Check("databases", databases, RESTORE, ("configuration", "permissions")),
    Check("head", head, RESTORE, _READABLE),
    Check("membership", membership, RESTORE, (*_READABLE, "keys", "head")),
    Check("own_keys", own_keys, RESTORE, (*_READABLE, "keys", "head")),
    Check("authority", authority, RESTORE, ("configuration", "keys")),
    Check("journal", journal, RESTORE, (*_READABLE, "head")),
    Check("open_runs", open_runs, RESTORE, _READABLE),
    Check("socket", control_socket, "use a shorter home folder", ("configuration",)),
    Check("port", port, "change listen in config.toml", ("configuration",)),
    Check("disk", free_disk, "make room", ("configuration",)),
    Check("libraries", libraries, "install from the lock file again"),
)
