"""One bar over all steps: it only goes forward, and says what is left once it can know."""

import pytest

from serving.reports.whole_progress import WholeProgress, spoken


class Shown:
    """Stands where the bar is drawn."""

    def __init__(self):
        self.calls = []

    def show(self, what, done, detail=""):
        self.calls.append((what, round(done, 3), detail))


def test_steps_add_up_by_their_weights_and_what_is_left_follows_from_the_speed_so_far():
    shown, now = Shown(), [0.0]
    whole = WholeProgress(shown, "evaluating", {"a": 1.0, "b": 3.0}, clock_s=lambda: now[0])
    whole.show("a", 0.0)
    now[0] = 60.0
    whole.show("a", 1.0)
    whole.show("b", 1.0)

    assert shown.calls == [("evaluating", 0.0, "a"), ("evaluating", 0.25, "a, 3 min left"), ("evaluating", 1.0, "")]


def test_a_step_that_is_left_out_or_unknown_never_takes_the_bar_back():
    shown = Shown()
    whole = WholeProgress(shown, "evaluating", {"a": 1.0, "b": 1.0, "c": 2.0})
    for what, done in (("b", 1.0), ("a", 0.5), ("something else", 0.1), ("c", 0.5)):
        whole.show(what, done)

    assert [share for _, share, _ in shown.calls] == [0.5, 0.5, 0.5, 0.75]


@pytest.mark.parametrize(("seconds", "told"), [(0.2, "1 s"), (42, "42 s"), (150, "2 min"), (9000, "2.5 h")])
def test_times_are_told_in_the_unit_that_fits(seconds, told):
    assert spoken(seconds) == told
