"""A verdict is printed, and judged by the median of the rounds."""

from tests.benchmarks.verdicts import Verdicts, read_verdicts


def test_a_verdict_is_the_medians(tmp_path, capsys):
    verdicts = Verdicts("bench_x", tmp_path / "file")
    verdicts.at_least("share", [1.0, 5.0, 9.0], 5, " %")
    verdicts.at_least("share", [1.0, 4.9, 9.0], 5, " %")
    verdicts.all_of("swaps", 19, 20, "longest 12 ms")
    verdicts.not_measured("real", "no data")

    assert capsys.readouterr().out.splitlines() == [
        "verdict: share: 5 % (1 … 9), bar ≥ 5 %: met",
        "verdict: share: 4.9 % (1 … 9), bar ≥ 5 %: NOT MET",
        "verdict: swaps: 19 of 20; longest 12 ms, bar 20 of 20: NOT MET",
        "verdict: real: not measured: no data: not measured",
    ]
    assert [verdict.met for verdict in read_verdicts(tmp_path / "file")] == [True, False, False, None]
