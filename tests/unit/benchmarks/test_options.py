"""With --little every size is the little one, unless it is given."""

from tests.benchmarks.options import Options


def test_a_size_is_the_little_one_unless_it_is_given():
    options = Options("")
    options.size("--events", 1000, 10)
    options.size("--share", 0.5, 0)

    assert options.chosen([]).events == 1000
    assert options.chosen(["--little"]).events == 10
    assert options.chosen(["--little"]).share == 0.0
    assert options.chosen(["--little", "--events", "7"]).events == 7
