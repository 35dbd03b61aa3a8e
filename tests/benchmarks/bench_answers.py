"""How much slower than a bare echo real answers are, one and thousands in flight, and what processor time they cost.

The service (worker, trained model) and an echo process with replies of equal size are asked in turn on one official
broker, after a warm-up of both. Bars, real purchases and the made-up shop: the echo's processor time >= 15 and 12 % of
ours; >= 35 and 25 % of its answers a second; one in flight, real, p50 <= 1.75 x and p99 <= 2 x the echo's.
Asked are three models: one of real purchases, where there are some (ALSOBOUGHT_DATA), and one of a made-up shop with
50,000 products, ranked with the second stage and by the index alone.
"""

import argparse
import statistics
import time

import psutil

from serving.runtime.logs import set_up_logging
from tests.benchmarks.figures import Figures
from tests.benchmarks.options import Options
from tests.benchmarks.setting import introduce, java_broker, real_data, scratch
from tests.benchmarks.trials import ECHO, OURS, Trial, trials, warm_up_options
from tests.benchmarks.verdicts import Verdicts

REAL, LARGE, INDEX_ALONE = MODELS = ("real", "large", "large, index alone")
_P50, _P99, _PER_S, _CPU = "p50 ms, one in flight", "p99 ms, one in flight", "answers/s", "CPU µs each"
_ECHO_MORE = 4
# of each model: the echo's share of our processor time and our share of its answers/s, in %; None = no bar
_BARS: dict[str, tuple[float | None, float | None]] = {REAL: (15, 35), LARGE: (12, 25), INDEX_ALONE: (None, None)}
_P50_TIMES, _P99_TIMES = 1.75, 2.0  # one in flight, real
_MEMORY_MB = 300  # of the service, real


def main() -> None:
    options = Options(__doc__)
    options.add_argument("--model", choices=MODELS, action="append", help="ask only this one; may be given again")
    options.size("--products", 50_000, 300, "of the made-up shop")
    options.size("--events", 200_000, 4000, "made-up purchases")
    options.size("--rounds", 5, 1)
    options.size("--singles", 400, 30, "requests of a round with one in flight")
    options.size("--answers", 8000, 600, "requests of a round with thousands in flight")
    warm_up_options(options)
    chosen = options.chosen()
    set_up_logging("console", "error")
    for model in chosen.model or ((LARGE,) if chosen.little else MODELS):
        compare(model, chosen, Verdicts.of(chosen))


def compare(model: str, chosen: argparse.Namespace, verdicts: Verdicts) -> None:
    """Ask about one of MODELS and print the figures."""
    data = real_data() if model == REAL else None
    if model == REAL and data is None:
        verdicts.not_measured(f"answers, {REAL}", "there is no real data, see ALSOBOUGHT_DATA")
        return
    introduce(
        "Answers beside a bare echo",
        purchases="online_retail" if data else f"made up, {chosen.events:,} events",
        rounds=chosen.rounds,
        answers_at_a_time=chosen.batch,
    )
    figures, memory = Figures(OURS, ECHO), Memory()
    with (
        scratch() as folder,
        java_broker(folder) as broker,
        trials(broker, folder, data, chosen, second_stage=model != INDEX_ALONE) as both,
    ):
        for _ in range(chosen.rounds):
            for name, trial in both.items():
                figures.add(name, **_single(trial, chosen.singles))
            for name, trial in both.items():
                # processor time is counted in hundredths of a second: the echo needs more requests to fill some
                count = chosen.answers * (_ECHO_MORE if name == ECHO else 1)
                figures.add(name, **_many(trial, count, chosen.in_flight))
            memory.look(both[OURS].pid)
    figures.show(yardstick=ECHO)
    print(f"the service's memory at its greatest: {memory.resident_mb:.0f} MB resident, {memory.own_mb:.0f} MB its own "
          "and its share of what it shares")  # fmt: skip
    judge(model, figures, memory, verdicts)


class Memory:
    """The greatest memory of the service after a round, in MB: resident, and its share (PSS)."""

    def __init__(self) -> None:
        self.resident_mb = self.own_mb = 0.0

    def look(self, pid: int) -> None:
        used = psutil.Process(pid).memory_full_info()
        self.resident_mb = max(self.resident_mb, used.rss / 2**20)
        self.own_mb = max(self.own_mb, used.pss / 2**20)


def judge(model: str, figures: Figures, memory: Memory, verdicts: Verdicts) -> None:
    """The figures of one model beside its bars."""
    echos_cpu, ours_per_s = _BARS[model]
    for question, values, bar in (
        ("the echo's CPU as a share of ours", figures.ratios(_CPU, ECHO, OURS), echos_cpu),
        ("answers/s as a share of the echo's", figures.ratios(_PER_S, OURS, ECHO), ours_per_s),
    ):
        shares = [100 * value for value in values]
        if bar is None:
            verdicts.told(f"{model}: {question}", shares, " %")
        else:
            verdicts.at_least(f"{model}: {question}", shares, bar, " %")
    for what, times in ((_P50, _P50_TIMES), (_P99, _P99_TIMES)):
        question = f"{model}: one in flight, {what.split()[0]} beside the echo's"
        if model == REAL:
            verdicts.at_most(question, figures.ratios(what, OURS, ECHO), times, " x")
        else:
            verdicts.told(question, figures.ratios(what, OURS, ECHO), " x")
    question = f"{model}: memory of the worker, resident"
    if model == REAL:
        verdicts.at_most(question, memory.resident_mb, _MEMORY_MB, " MB")
    else:
        verdicts.told(question, memory.resident_mb, " MB")


def _single(trial: Trial, count: int) -> dict[str, float]:
    taken_ms = [1000 * taken for taken in trial.asker.latencies_s(count)]
    cuts = statistics.quantiles(taken_ms, n=100)
    return {_P50: cuts[49], _P99: cuts[98]}


def _many(trial: Trial, count: int, in_flight: int) -> dict[str, float]:
    process = psutil.Process(trial.pid)
    begin, begin_cpu = time.perf_counter(), _cpu_s(process)
    trial.asker.replies(count, in_flight)
    return {
        _PER_S: count / (time.perf_counter() - begin),
        _CPU: 1e6 * (_cpu_s(process) - begin_cpu) / count,
    }


def _cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


if __name__ == "__main__":
    main()
