"""Ratios are of one round to the same round."""

import math

from tests.benchmarks.figures import Figures


def test_a_slow_round_of_both_leaves_the_ratio_alone():
    figures = Figures("ours", "echo")
    for ours, echo in ((10, 5), (100, 50), (30, 15)):
        figures.add("ours", ms=ours)
        figures.add("echo", ms=echo)

    assert figures.ratios("ms", "ours", "echo") == [2, 2, 2]


def test_the_spread_of_a_ratio_is_shown(capsys):
    figures = Figures("ours", "echo")
    for ours in (2, 3, 8):
        figures.add("ours", ms=ours)
        figures.add("echo", ms=2)
    figures.show(yardstick="echo")

    assert capsys.readouterr().out.splitlines()[3].split()[-4:] == ["1.5", "1", "…", "4"]


def test_a_yardstick_of_nothing_gives_no_error():
    figures = Figures("ours", "echo")
    figures.add("ours", ms=1)
    figures.add("echo", ms=0)

    assert figures.ratios("ms", "ours", "echo") == [math.inf]
