"""The log of a training: its start, at most a line in ten seconds, with share and end."""

from structlog.testing import capture_logs

from consumers.observability.training_log import TrainingLog


def test_a_training_says_that_it_began_how_far_it_is_and_when_it_will_be_done():
    now = [0.0]
    log = TrainingLog(lambda: now[0])
    with capture_logs() as said:
        for second in range(26):
            now[0] = second
            log.heard("learning", second / 40, "acme")
        log.heard("", 0.0)

    assert said[0] == {"event": "training_started", "brand": "acme", "log_level": "info"}
    assert [(line["part"], line["share"], line["left_s"]) for line in said[1:]] == [
        ("learning", 0.25, 30),
        ("learning", 0.5, 20),
    ]
    assert said[1]["done_at"].endswith("+00:00")


def test_the_next_training_begins_anew_and_a_short_one_says_little():
    now = [0.0]
    log = TrainingLog(lambda: now[0])
    with capture_logs() as said:
        for _ in range(2):
            for part in ("reading", "learning", "calibrating"):
                now[0] += 1
                log.heard(part, 0.5)
            log.heard("", 0.0)

    assert [line["event"] for line in said] == ["training_started"] * 2
