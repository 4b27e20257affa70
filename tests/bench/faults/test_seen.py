"""What a client saw is counted as it happened."""

import pytest

from bench.faults.seen import Event, Seen, quiet

SEEN = Seen(
    (
        Event("request", 0.0, 0.1),
        Event("request", 1.0, 6.0, "ReadTimeout"),
        Event("request", 1.1, 1.2, "status 503"),
        Event("request", 1.2, 1.3, "status 503"),
        Event("stream", 0.0, 2.0, "ReadError"),
        Event("stream", 2.5, 2.6, "status 503", opened=False),
        Event("stream", 3.0, 9.0),
    )
)


def test_a_stream_that_never_began_is_a_failed_request_and_not_a_cut_stream() -> None:
    assert (SEEN.failed, len(SEEN.requests)) == (4, 5)
    assert (SEEN.cut, len(SEEN.streams)) == (1, 2)


def test_an_outage_lasts_until_its_last_failure_has_ended() -> None:
    assert SEEN.seconds(since=0.5) == pytest.approx(5.5)
    assert Seen((Event("request", 0, 1),)).seconds(since=0) == 0


def test_failures_are_listed_by_class_the_most_frequent_first() -> None:
    assert SEEN.classes() == "3 x status 503, 1 x ReadTimeout, 1 x ReadError"


def test_silence_and_running_streams_are_no_recovery() -> None:
    assert quiet(SEEN.events, now=9.0, seconds=9.5) is False
    assert quiet(SEEN.events, now=20.0, seconds=5.0) is False, "nothing was answered"
    streams = [Event("stream", 15.0, 19.0)]
    assert quiet([*SEEN.events, *streams], now=20.0, seconds=5.0) is False
    answered = [Event("request", 19.0, 19.1)]
    assert quiet([*SEEN.events, *answered], now=20.0, seconds=5.0) is True
    assert quiet([*SEEN.events, *answered], now=20.0, seconds=15.0) is False
