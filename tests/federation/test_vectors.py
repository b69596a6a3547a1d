"""Vectors beside a database are on disk whole, in places of their own, or not there at all."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import disk

from federation.errors import Reason, StorageFault
from federation.vectors import SUFFIX, Place, VectorFile


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    return tmp_path / f"some.sqlite{SUFFIX}"


@pytest.fixture
def vectors(tmp_path: Path) -> VectorFile:
    return VectorFile(tmp_path / "some.sqlite")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(st.binary(max_size=40), max_size=4), max_size=4))
def test_every_vector_comes_back_from_its_place(
    vectors: VectorFile, rounds: list[list[bytes]]
) -> None:
    kept = [
        (raw, place)
        for sent in rounds
        for raw, place in zip(sent, vectors.append(sent), strict=True)
    ]
    assert [vectors.read(place) for _, place in kept] == [raw for raw, _ in kept]


def test_the_file_is_private_and_another_process_reads_on(
    vectors: VectorFile, tmp_path: Path, beside: Path
) -> None:
    (first,) = vectors.append([b"first"])
    assert beside.stat().st_mode & 0o777 == 0o600
    (second,) = VectorFile(tmp_path / "some.sqlite").append([b"second"])
    assert (vectors.read(first), vectors.read(second)) == (b"first", b"second")


def test_threads_write_over_nothing(vectors: VectorFile) -> None:
    sent = [bytes([number]) * 1_000 for number in range(64)]
    with ThreadPoolExecutor(8) as threads:
        places = list(threads.map(lambda raw: vectors.append([raw])[0], sent))
    assert [vectors.read(place) for place in places] == sent


def test_a_full_disk_leaves_nothing_of_a_round(vectors: VectorFile, beside: Path) -> None:
    (kept,) = vectors.append([b"kept"])
    with disk.full(), pytest.raises(StorageFault) as caught:
        vectors.append([b"one", bytes(2 * disk.FULL_BYTES)])
    assert caught.value.reason is Reason.STORAGE
    assert beside.read_bytes() == b"kept"
    (after,) = vectors.append([b"after"])
    assert (vectors.read(kept), vectors.read(after)) == (b"kept", b"after")


def test_what_is_left_of_a_file_cut_short_is_given_as_it_is(
    vectors: VectorFile, beside: Path
) -> None:
    (place,) = vectors.append([b"vector"])
    beside.write_bytes(b"vec")
    assert vectors.read(place) == b"vec"


def test_a_file_that_is_gone_is_a_fault(vectors: VectorFile) -> None:
    with pytest.raises(StorageFault, match=SUFFIX) as caught:
        vectors.read(Place(0, 1))
    assert caught.value.reason is Reason.STORAGE
