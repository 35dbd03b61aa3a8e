"""When a broker was last heard, from the client's own statistics."""

import json

from structlog.testing import capture_logs

from consumers.kafka.hearing import BrokerHearing


def statistics(*answers):
    return json.dumps({"name": "c", "brokers": {str(n): {"rx": rx, "state": "UP"} for n, rx in enumerate(answers)}})


def test_silence_grows_until_any_broker_answers():
    now = [100.0]
    hearing = BrokerHearing(30, lambda: now[0])
    hearing.on_statistics(statistics(5, 7))
    now[0] = 131
    hearing.on_statistics(statistics(5, 7))
    silent = hearing.silence_s(), hearing.is_silent
    hearing.on_statistics(statistics(5, 8))

    assert silent == (31, True)
    assert (hearing.silence_s(), hearing.is_silent) == (0, False)


def test_silence_and_its_end_are_said_once():
    now = [0.0]
    hearing = BrokerHearing(30, lambda: now[0])
    with capture_logs() as said:
        for second in range(0, 100, 5):
            now[0] = second
            hearing.turn()
        hearing.on_statistics(statistics(1))
        hearing.turn()
        hearing.turn()

    assert [line["event"] for line in said] == ["kafka_silent", "kafka_heard_again"]


def test_a_silence_that_ended_while_the_loop_was_held_up_is_said():
    now = [0.0]
    hearing = BrokerHearing(30, lambda: now[0])
    hearing.on_statistics(statistics(1))
    with capture_logs() as said:
        now[0] = 45
        hearing.on_statistics(statistics(2))
        hearing.turn()

    assert [line["event"] for line in said] == ["kafka_silent", "kafka_heard_again"]
    assert said[0]["silence_s"] == 45
