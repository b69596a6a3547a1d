"""The mailbox: asked once, answered once, whatever becomes of the streams in between."""

import threading
from concurrent.futures import Future, wait

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import Reason, Refused, TooLarge, TooMany
from federation.exchange.mailbox import MAX_BODY_BYTES, Asked, Attendance, Mailbox
from federation.wire.limits import MAX_PENDING_REQUESTS

CITY, OTHER = "440300", "441900"


def attend(mailbox: Mailbox, city: str = CITY) -> Attendance:
    return mailbox.attend(city, lambda: None)


def test_a_city_that_attends_gets_the_request_and_its_answer_reaches_the_asker() -> None:
    mailbox, woken = Mailbox(), threading.Event()
    attendance = mailbox.attend(CITY, woken.set)
    future = mailbox.ask(CITY, "train", b"question")
    assert woken.is_set()
    (asked,) = mailbox.unsent(attendance)
    assert (asked.message_type, asked.body) == ("train", b"question")
    assert mailbox.unsent(attendance) == []
    assert mailbox.answer(CITY, asked.request_id, b"answer")
    assert future.result(timeout=0) == b"answer"


def test_a_request_to_an_absent_city_waits_for_it() -> None:
    mailbox = Mailbox()
    mailbox.ask(CITY, "query", b"question")
    mailbox.ask(OTHER, "query", b"another's")
    assert [asked.body for asked in mailbox.unsent(attend(mailbox))] == [b"question"]


def test_what_a_broken_stream_left_unanswered_goes_out_again_in_order() -> None:
    mailbox = Mailbox()
    first = attend(mailbox)
    futures = [mailbox.ask(CITY, "train", bytes([n])) for n in range(3)]
    sent = mailbox.unsent(first)
    mailbox.answer(CITY, sent[1].request_id, b"done")
    mailbox.leave(first)
    again = mailbox.unsent(attend(mailbox))
    assert [asked.body for asked in again] == [b"\x00", b"\x02"]
    assert [asked.request_id for asked in again] == [sent[0].request_id, sent[2].request_id]
    assert [future.done() for future in futures] == [False, True, False]


def test_a_second_stream_is_refused_until_the_first_has_ended() -> None:
    mailbox = Mailbox()
    first = attend(mailbox)
    with pytest.raises(Refused) as refused:
        attend(mailbox)
    assert refused.value.reason is Reason.ALREADY_ATTENDING
    mailbox.leave(first)
    second = attend(mailbox)
    mailbox.leave(first)  # the end of an old stream is not that of the new one
    assert mailbox.present() == {CITY}
    mailbox.leave(second)
    assert mailbox.present() == frozenset()


@pytest.mark.parametrize(
    ("city", "number"),
    [
        pytest.param(CITY, 99, id="to a request that never was"),
        pytest.param(OTHER, 1, id="by a city that was not asked"),
        pytest.param(CITY, 2, id="a second time"),
        pytest.param(CITY, 3, id="after the asker gave up"),
    ],
)
def test_an_answer_is_counted_and_discarded_that_comes(city: str, number: int) -> None:
    mailbox = Mailbox()
    attendance = attend(mailbox)
    waiting = mailbox.ask(CITY, "train", b"1")
    mailbox.ask(CITY, "train", b"2")
    withdrawn = mailbox.ask(CITY, "train", b"3")
    mailbox.unsent(attendance)
    mailbox.answer(CITY, 2, b"first word")
    mailbox.cancel(withdrawn)
    assert not mailbox.answer(city, number, b"stray")
    assert mailbox.discarded == 1
    assert not waiting.done()


def test_a_withdrawn_request_is_not_sent_again() -> None:
    mailbox = Mailbox()
    mailbox.cancel(mailbox.ask(CITY, "train", b"question"))
    assert mailbox.unsent(attend(mailbox)) == []


def test_waiting_for_cities_ends_with_the_last_of_them_or_with_the_time() -> None:
    mailbox = Mailbox()
    attend(mailbox)
    assert not mailbox.wait_present([CITY, OTHER], 0.01)
    waited = threading.Thread(target=lambda: met.append(mailbox.wait_present([CITY, OTHER], 30)))
    met: list[bool] = []
    waited.start()
    attend(mailbox, OTHER)
    waited.join()
    assert met == [True]


def test_a_request_larger_than_the_transport_takes_is_refused_at_once() -> None:
    with pytest.raises(TooLarge):
        Mailbox().ask(CITY, "train", bytes(MAX_BODY_BYTES + 1))


def test_few_requests_to_one_city_are_open_at_once() -> None:
    mailbox = Mailbox()
    asked = [mailbox.ask(CITY, "train", b"") for _ in range(MAX_PENDING_REQUESTS)]
    with pytest.raises(TooMany):
        mailbox.ask(CITY, "train", b"")
    mailbox.ask(OTHER, "train", b"")
    mailbox.cancel(asked[0])
    mailbox.ask(CITY, "train", b"")


@given(st.lists(st.sampled_from(["ask", "break", "answer", "cancel"]), max_size=40))
def test_every_request_is_answered_once_however_often_streams_break(steps: list[str]) -> None:
    mailbox = Mailbox()
    attendance = attend(mailbox)
    futures: list[Future[bytes]] = []
    on_the_wire: list[Asked] = []
    for step in steps:
        if step == "ask":
            futures.append(mailbox.ask(CITY, "train", b"%d" % len(futures)))
        elif step == "break":
            mailbox.leave(attendance)
            attendance, on_the_wire = attend(mailbox), []
        elif step == "cancel" and futures:
            mailbox.cancel(futures[-1])
        on_the_wire += mailbox.unsent(attendance)
        if step == "answer" and on_the_wire:
            asked = on_the_wire.pop(0)
            mailbox.answer(CITY, asked.request_id, b"to " + asked.body)
    mailbox.leave(attendance)
    for asked in mailbox.unsent(attend(mailbox)):
        mailbox.answer(CITY, asked.request_id, b"to " + asked.body)
    for number, future in enumerate(futures):
        assert future.cancelled() or future.result(timeout=0) == b"to %d" % number


def test_threads_that_ask_at_once_all_get_their_own_answer() -> None:
    mailbox = Mailbox()
    asking = threading.Barrier(5)
    futures = {}

    def ask(number: int) -> None:
        asking.wait()
        futures[number] = mailbox.ask(CITY, "train", b"%d" % number)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    asking.wait()
    for thread in threads:
        thread.join()
    for asked in mailbox.unsent(attend(mailbox)):
        mailbox.answer(CITY, asked.request_id, asked.body)
    assert not wait(futures.values(), timeout=0).not_done
    assert {n: int(f.result()) for n, f in futures.items()} == {n: n for n in range(4)}
