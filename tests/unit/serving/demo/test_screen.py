"""What the demo shows where nobody looks at a terminal: plain lines that say everything."""

import io

import pytest
from rich.console import Console

from serving.demo.screen import Offer, Screen

TEAPOT = Offer("Glass teapot", 0.913, "item2vec", ("Earl Grey tea",))
BOWL = Offer("Sugar bowl", 0.85, "item2vec", ("Earl Grey tea", "Milk jug"))
TENT = Offer("Two-person tent", 0.1, "popular")


@pytest.fixture
def shown():
    return io.StringIO()


@pytest.fixture
def screen(shown):
    return Screen(Console(file=shown, force_terminal=False, width=40))


def lines(shown):
    return shown.getvalue().splitlines()


def test_purchases_are_told_at_each_quarter(screen, shown):
    for done in range(0, 1001, 10):
        screen.purchases(done, 1000)

    assert lines(shown) == [
        "purchases: 25 % (250 of 1,000)",
        "purchases: 50 % (500 of 1,000)",
        "purchases: 75 % (750 of 1,000)",
        "purchases: 100 % (1,000 of 1,000)",
    ]


def test_learning_is_told_at_each_quarter_and_each_time_anew(screen, shown):
    for _ in range(2):
        for step in range(11):
            screen.learning(step / 10)
        screen.stop_progress()

    assert lines(shown) == ["learning: 25 %", "learning: 50 %", "learning: 75 %", "learning: 100 %"] * 2


def test_a_jump_to_the_end_is_one_line(screen, shown):
    screen.learning(1.0)
    screen.learning(1.0)

    assert lines(shown) == ["learning: 100 %"]


def test_answers_stand_below_the_last_purchases_with_score_and_reason(screen, shown):
    screen.answers("ada-0017", ["Milk jug", "Earl Grey tea"], [BOWL, TEAPOT, TENT])

    assert lines(shown) == [
        "ada-0017 bought last: Milk jug, Earl Grey tea",
        "   1. Sugar bowl       0.85  because of Earl Grey tea, Milk jug",
        "   2. Glass teapot     0.91  because of Earl Grey tea",
        "   3. Two-person tent  0.10  popular",
    ]


def test_a_customer_without_purchases_or_offers_is_shown_too(screen, shown):
    screen.answers("ben-0002", [], [])

    assert lines(shown) == ["ben-0002 bought last: nothing yet"]


def test_after_a_purchase_each_change_is_named(screen, shown):
    screen.before_after("ada-0017", "Camping stove", before=[BOWL, TEAPOT], after=[TENT, BOWL])

    assert lines(shown) == [
        "ada-0017 has just bought: Camping stove",
        "   1. Two-person tent  0.10  popular  [new]",
        "   2. Sugar bowl       0.85  because of Earl Grey tea, Milk jug  [down 1]",
        "  no longer offered: Glass teapot",
    ]


def test_an_answer_that_did_not_change_says_so(screen, shown):
    screen.before_after("ada-0017", "Sugar bowl", before=[BOWL], after=[BOWL])

    assert lines(shown)[1:] == [
        "   1. Sugar bowl  0.85  because of Earl Grey tea, Milk jug",
        "  no longer offered: none",
    ]


def test_the_end_says_where_everything_is_and_the_kcat_line_is_whole(screen, shown):
    kcat = "echo '{}' | kcat -P -b 127.0.0.1:1 -t recommendation-requests -k ada-0017 -H reply=[x]"

    screen.closing(broker="127.0.0.1:1", metrics="http://127.0.0.1:2/metrics", ask="alsobought ask ada-0017", kcat=kcat)

    assert lines(shown) == [
        "It runs.",
        "broker:  127.0.0.1:1",
        "metrics: http://127.0.0.1:2/metrics",
        "ask for yourself:",
        "  alsobought ask ada-0017",
        "or with any Kafka client, such as kcat:",
        f"  {kcat}",
        "Ctrl-C to stop",
    ]


def test_a_demo_that_ends_by_itself_asks_for_no_ctrl_c(screen, shown):
    screen.closing(broker="b", metrics="m", ask="a", kcat="k", stays=False)

    assert "Ctrl-C" not in shown.getvalue()


def test_square_brackets_in_a_title_are_no_markup(screen, shown):
    screen.answers("ada-0017", ["[bold]Tea[/bold]"], [])

    assert lines(shown) == ["ada-0017 bought last: [bold]Tea[/bold]"]


def test_without_a_terminal_there_is_no_control_character(screen, shown):
    screen.purchases(1, 1)
    screen.answers("ada-0017", ["Tea\x1b[31m"], [BOWL])
    screen.before_after("ada-0017", "Tea", [BOWL], [TENT])
    screen.closing(broker="b", metrics="m", ask="a", kcat="k")

    assert all(character.isprintable() or character == "\n" for character in shown.getvalue())


@pytest.mark.parametrize("width", [60, 80, 120])
def test_on_a_terminal_tables_fit_its_width(shown, width):
    screen = Screen(Console(file=shown, force_terminal=True, width=width, color_system=None, legacy_windows=False))

    screen.answers("ada-0017", ["Earl Grey tea"] * 3, [BOWL, TEAPOT, TENT])
    screen.before_after("ada-0017", "Camping stove", [BOWL, TEAPOT], [TENT, BOWL])

    assert max(len(line) for line in lines(shown)) <= width
    assert "Sugar bowl" in shown.getvalue()
