"""Why there are no partitions yet: said after some seconds, rarely, and with how long it can take."""

from structlog.testing import capture_logs

from consumers.loop.joining import Joining, session_s


def test_a_worker_without_partitions_says_why_and_for_how_long():
    now, assigned = [0.0], []
    joining = Joining(lambda: bool(assigned), "shop", 45, clock_s=lambda: now[0])
    with capture_logs() as said:
        for second in range(31):
            now[0] = second
            joining.turn()
        assigned.append(True)
        now[0] = 60
        joining.turn()

    assert [(line["event"], line["since_s"], line["at_most_s"]) for line in said] == [
        ("waiting_for_partitions", 3, 42),
        ("waiting_for_partitions", 23, 22),
    ]
    assert "45 s after its last sign (session.timeout.ms)" in said[0]["message"]
    assert "group_instance_id" in said[0]["action"]


def test_the_session_is_the_one_that_is_set():
    assert session_s({"session.timeout.ms": "6000"}, "classic") == 6
    assert session_s({}, "classic") == session_s({"session.timeout.ms": "6000"}, "consumer") == 45
