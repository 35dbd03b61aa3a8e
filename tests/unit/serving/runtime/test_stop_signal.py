"""A signal asks to stop; a second one kills, unless somebody depends on the end."""

import os
import signal

import pytest

from serving.runtime.stop_signal import stop_signal

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def handlers():
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_asks_to_stop(number):
    before = handlers()
    with stop_signal() as stopping:
        asked_before = stopping()
        os.kill(os.getpid(), number)

        assert (asked_before, stopping()) == (False, True)

    assert handlers() == before


def test_a_second_signal_of_any_kind_would_kill():
    with stop_signal():
        os.kill(os.getpid(), signal.SIGTERM)

        assert handlers() == [signal.SIG_DFL] * 3


def test_a_second_signal_is_ignored_where_somebody_depends_on_the_end():
    with stop_signal(second_kills=False) as stopping:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

        assert stopping()


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signal() as stopping:
            os.kill(os.getpid(), signal.SIGHUP)

            assert not stopping()
    finally:
        signal.signal(signal.SIGHUP, before)
