"""Errors over gRPC: the class, reason and sentence raised on one side are those on the other."""

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import LocalError, PeerError, Reason, StorageFault, TooLarge
from federation.wire import channel


@given(
    st.sampled_from(sorted(channel.FAULTS)), st.sampled_from(list(Reason)), st.text(max_size=200)
)
def test_an_error_arrives_as_it_was_raised(fault: str, reason: Reason, sentence: str) -> None:
    raised = channel.FAULTS[fault](reason, sentence)
    arrived = channel.from_status(*channel.to_status(raised, reveal=True))
    assert type(arrived) is type(raised)
    assert (arrived.reason, arrived.message) == (raised.reason, raised.message)


@given(st.sampled_from(sorted(channel.FAULTS)), st.sampled_from(list(Reason)))
def test_a_fault_of_this_side_keeps_its_reason_and_hides_its_sentence(
    fault: str, reason: Reason
) -> None:
    raised = channel.FAULTS[fault](reason, "row 7 says 440301199001011234")
    _, sentence, _ = channel.to_status(raised, reveal=False)
    assert ("1990" in sentence) == (not isinstance(raised, LocalError))


def test_an_unforeseen_exception_tells_nothing_even_on_this_machine() -> None:
    code, sentence, metadata = channel.to_status(KeyError("440301199001011234"), reveal=True)
    assert code is grpc.StatusCode.INTERNAL
    assert "1990" not in sentence
    assert metadata == ()


@pytest.mark.parametrize(
    ("code", "cls", "reason"),
    [
        pytest.param(
            grpc.StatusCode.UNAVAILABLE, PeerError, Reason.UNREACHABLE, id="nobody answers"
        ),
        pytest.param(
            grpc.StatusCode.DEADLINE_EXCEEDED, PeerError, Reason.DEADLINE, id="the time is up"
        ),
        pytest.param(
            grpc.StatusCode.RESOURCE_EXHAUSTED, TooLarge, Reason.TOO_LARGE, id="a message too large"
        ),
        pytest.param(grpc.StatusCode.INTERNAL, PeerError, Reason.PROTOCOL, id="a broken peer"),
        pytest.param(grpc.StatusCode.UNIMPLEMENTED, PeerError, Reason.PROTOCOL, id="another API"),
    ],
)
def test_a_status_without_a_reason_means(
    code: grpc.StatusCode, cls: type[Exception], reason: Reason
) -> None:
    error = channel.from_status(code, "said so", ())
    assert type(error) is cls
    assert error.reason is reason
    assert "said so" in error.message


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param((("laborfed-fault", "Refused"),), id="a fault without a reason"),
        pytest.param(
            (("laborfed-fault", "SystemExit"), ("laborfed-reason", "log.corrupt")),
            id="a class that is no error of ours",
        ),
        pytest.param(
            (("laborfed-fault", "Refused"), ("laborfed-reason", "no.such")), id="an unknown reason"
        ),
        pytest.param(
            (("laborfed-fault", "Refused"), ("laborfed-reason", "log.corrupt")),
            id="a class that contradicts the status",
        ),
    ],
)
def test_metadata_is_not_believed_that_names(metadata: tuple[tuple[str, str], ...]) -> None:
    error = channel.from_status(grpc.StatusCode.INTERNAL, "x", metadata)
    assert type(error) is PeerError
    assert error.reason is Reason.PROTOCOL


def test_a_sentence_is_cut_before_trailers_overflow() -> None:
    error = StorageFault(Reason.STORAGE, "界" * 5000)
    _, sentence, _ = channel.to_status(error, reveal=True)
    assert len(sentence.encode()) <= 4096
