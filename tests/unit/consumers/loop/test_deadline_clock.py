"""A clock that jumps makes nobody late, whether it was set wrong or set right."""

import pytest
from structlog.testing import capture_logs

from consumers.loop.deadline_clock import DeadlineClock


class World:
    """`true_s` is the time; the machine's clock is off from it."""

    def __init__(self, off_s=0.0):
        self.true_s, self.off_s = 1_800_000_000.0, off_s
        self.clock = DeadlineClock(lambda: self.true_s + self.off_s, lambda: self.true_s - 1_799_999_000)

    def after(self, seconds, off_s):
        self.true_s += seconds
        self.off_s = off_s
        self.clock.sent(self.true_s - 0.1)
        return self.clock.now_s() - self.true_s


@pytest.mark.parametrize("jump_s", [3600, -3600, 60, -60])
def test_a_clock_that_is_set_wrong_is_not_followed(jump_s):
    world = World()

    assert world.after(10, jump_s) == pytest.approx(0)
    assert world.after(10, jump_s) == pytest.approx(0)
    assert world.after(10, 0) == pytest.approx(0)


@pytest.mark.parametrize("off_s", [3600, -3600])
def test_a_clock_that_is_set_right_is_followed(off_s):
    assert World(off_s).after(10, 0) == pytest.approx(0)


def test_a_clock_that_drifts_is_followed_at_once():
    world = World()

    assert [world.after(1, off_s) for off_s in (1, 3, 6)] == pytest.approx([1, 3, 6])


def test_a_backlog_is_as_old_as_it_is():
    world = World()
    world.clock.sent(world.true_s - 7200)

    assert world.clock.now_s() == pytest.approx(world.true_s)


def test_a_jump_is_said_once():
    world = World()
    with capture_logs() as said:
        for _ in range(3):
            world.after(1, 3600)

    assert [(line["event"], line["by_s"]) for line in said] == [("clock_jumped", 3600)]
