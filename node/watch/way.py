"""The examination of the way to the coordinator, and of what answers at its end.

Lives here: a node's checks that use the network. Must not know: the home's own parts, or how a step
of the way is tried (``federation.watch.reach``).
"""

from federation.acceptance import Acceptance, Limits
from federation.errors import LaborfedError, Reason
from federation.log.checkpoint import verify_checkpoint
from federation.watch.checks import Finding, fail, fine, warn
from node.watch.patient import ALARMS, Patient


def name(patient: Patient) -> Finding:
    """The coordinator's name is known."""
    return patient.way.name()


def connection(patient: Patient) -> Finding:
    """The coordinator's port answers."""
    return patient.way.connection()


def tls(patient: Patient) -> Finding:
    """Both sides take each other's certificates."""
    return patient.way.tls()


def admission(patient: Patient) -> Finding:
    """The coordinator answers this city's calls."""
    try:
        patient.head  # noqa: B018 the call is made here
    except LaborfedError as error:
        if error.reason is Reason.TLS_IDENTITY:
            return fail(
                f"the coordinator does not admit this city: {error.message}",
                "its membership does not name this node's TLS key as an active city's: ask the"
                " administrators",
            )
        if error.reason is not Reason.NOT_FOUND:  # a shorter log answered: see the next check
            return fail(str(error), "see the coordinator's own doctor: labor-federation doctor")
    return fine("the coordinator answers this city")


def log(patient: Patient) -> Finding:
    """The coordinator's log extends what this node has seen of it."""
    before = 0 if patient.kept is None else patient.kept.size
    door = Acceptance(patient.trust, patient.kept, Limits(), _Nothing())
    try:
        head = patient.head
        # how fresh it is asks the clock, which has a check of its own
        shown = door.head(head.checkpoint, head.consistency_path, _signed_ms(patient))
    except LaborfedError as error:
        return fail(f"the coordinator's log does not extend what this node kept: {error}", ALARMS)
    return fine(f"the log of {shown.size} extends the kept checkpoint of {before}")


def clock(patient: Patient) -> Finding:
    """This clock and the coordinator's agree."""
    off_s = (patient.now_ms - _signed_ms(patient)) / 1000
    allowed = patient.config.clock_skew_s
    sentence = f"this clock is {abs(off_s):.1f} s {'ahead of' if off_s > 0 else 'behind'}"
    sentence += " the coordinator's"
    if abs(off_s) > allowed:
        return fail(f"{sentence}, {allowed} s are allowed", "set both clocks by a time service")
    if abs(off_s) > allowed / 2:
        return warn(f"{sentence}, {allowed} s are allowed", "set both clocks by a time service")
    return fine(sentence)


class _Nothing:
    """A head carries no document that could be held."""

    def holds(self, replay_identity: bytes) -> bool:
        return False

    def latest_release_version(self) -> int:
        return 0

    def latest_notice_version(self, city: str) -> int:
        return 0


def _signed_ms(patient: Patient) -> int:
    """When the coordinator signed the head it showed, by its clock."""
    trust = patient.trust
    note = patient.head.checkpoint
    return verify_checkpoint(note, trust.pin.log_origin, trust.log_key).unix_ms
