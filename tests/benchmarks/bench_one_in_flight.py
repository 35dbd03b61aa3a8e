"""Where the time of one lone request goes, from the asker's send to its receive, beside an echo measured the same way.

The service and the echo note when they had the request and when they let go of the reply, the asker when it sent and
received, and the broker when it wrote either (LogAppendTime): the steps add up to the whole. The broker's clock counts
milliseconds, so that its steps are known on average only, half a millisecond taken for what it cuts off. The parts of
the service's own step are those of its metric stage_seconds. Bar: all that is not Kafka's takes at most 1 ms.
"""

import statistics
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise

from serving.runtime.logs import set_up_logging
from tests.benchmarks.asking import Asked
from tests.benchmarks.options import Options
from tests.benchmarks.setting import introduce, java_broker, real_data, scratch, table
from tests.benchmarks.traced_worker import Marks, TracedService, read_marks
from tests.benchmarks.trials import ECHO, OURS, TOPICS, Trial, trials, warm_up_options
from tests.benchmarks.verdicts import Verdicts
from tests.kafka.support.service import Service

_STEPS = (
    "asker: produce",
    "asker's producer, broker: in the log",
    "broker, worker's consumer: polled",
    "loop: before the responder",
    "responder",
    "loop: replies produced",
    "worker's producer, broker: in the log",
    "broker, asker's consumer: received",
)
_OWN = slice(3, 6)  # the steps that are not Kafka's
_STAGE = "alsobought_stage_seconds_sum{stage="
_CUT_OFF_S = 0.0005
_WHOLE = "all"


def main() -> None:
    options = Options(__doc__)
    options.size("--products", 5000, 300, "of the made-up shop, where there are no real data")
    options.size("--events", 100_000, 3000, "made-up purchases")
    options.size("--rounds", 5, 1)
    options.size("--singles", 400, 40, "requests of a round to each")
    options.add_argument("--property", action="append", default=[], metavar="NAME=VALUE", help="for all clients")
    warm_up_options(options)
    chosen = options.chosen()
    set_up_logging("console", "error")
    data = None if chosen.little else real_data()
    properties = dict(given.split("=", 1) for given in chosen.property)
    introduce("One request in flight, step by step", purchases="online_retail" if data else "made up",
              requests_a_round=chosen.singles, rounds=chosen.rounds, properties=properties or "as shipped")  # fmt: skip
    asked: dict[str, list[Asked]] = {OURS: [], ECHO: []}
    stages: dict[str, float] = {}
    appended = {"message.timestamp.type": "LogAppendTime"}
    with scratch() as folder, java_broker(folder) as broker:
        for topic in (TOPICS.requests, TOPICS.replies):
            broker.create_topic(topic, 6, appended)
        with trials(
            broker, folder, data, chosen, kind=TracedService, properties=properties,
            echo_marks=folder / "echo.json", topic_config=appended,
        ) as both:  # fmt: skip
            for trial in both.values():
                trial.asker.traced(20)
            for _ in range(chosen.rounds):
                for name, trial in both.items():
                    before = _stages(trial)
                    asked[name] += trial.asker.traced(chosen.singles)
                    for stage, seconds in _stages(trial).items():
                        stages[stage] = stages.get(stage, 0.0) + seconds - before[stage]
        steps = {
            OURS: _steps(asked[OURS], read_marks(folder / "service" / "marks.json")),
            ECHO: _steps(asked[ECHO], read_marks(folder / "echo.json")),
        }
    show(steps, {stage: seconds / len(asked[OURS]) for stage, seconds in stages.items()})
    judge(steps, chosen.singles, Verdicts.of(chosen))


def judge(steps: Mapping[str, list[tuple[float, ...]]], singles: int, verdicts: Verdicts) -> None:
    """Ours and Kafka's part, each round by round."""
    own, kafkas = [], []
    for at in range(0, len(steps[OURS]), singles):
        ours, echo = (steps[name][at : at + singles] for name in (OURS, ECHO))
        own.append(1000 * statistics.median(sum(row[_OWN]) for row in ours))
        kafkas.append(sum(map(_kafkas, ours)) / sum(map(_kafkas, echo)))
    verdicts.at_most("one in flight: what the worker takes from poll to produce, p50", own, 1, " ms")
    verdicts.told("one in flight: Kafka's steps beside the same steps of an echo, mean", kafkas, " x")


def _kafkas(row: tuple[float, ...]) -> float:
    return sum(row) - sum(row[_OWN])


def _stages(trial: Trial) -> dict[str, float]:
    """Seconds that the service has spent in each stage so far."""
    if trial.service is None:
        return {}
    return {name.removeprefix(_STAGE).strip('"}'): value for name, value in _metrics(trial.service).items()}


def _metrics(service: Service) -> Mapping[str, float]:
    return {name: value for name, value in service.metrics().items() if name.startswith(_STAGE)}


def _steps(asked: Sequence[Asked], marks: Sequence[Marks]) -> list[tuple[float, ...]]:
    """Seconds of each step, for each request; the warm-up, which comes first, is left out."""
    to_monotonic = time.monotonic() - time.time()
    found = []
    for one, mark in zip(asked, marks[len(marks) - len(asked) :], strict=True):
        in_log, reply_in_log = (
            ms / 1000 + _CUT_OFF_S + to_monotonic for ms in (mark.appended_ms, one.reply_appended_ms)
        )
        points = (one.begun, one.produced, in_log, mark.polled, mark.responding, mark.responded, mark.produced,
                  reply_in_log, one.received)  # fmt: skip
        found.append(tuple(after - before for before, after in pairwise(points)))
    return found


def show(steps: Mapping[str, list[tuple[float, ...]]], stages: Mapping[str, float]) -> None:
    """Means of the steps, which add up; then p50 and p99 of what one clock has seen."""
    means = {name: [1000 * statistics.fmean(step) for step in zip(*rows, strict=True)] for name, rows in steps.items()}
    rows = []
    for at, step in enumerate(_STEPS):
        ours, echo = means[OURS][at], means[ECHO][at]
        rows.append((step, f"{ours:.2f}", f"{echo:.2f}", f"{ours - echo:+.2f}"))
        if step == "responder":
            rest = ours - 1000 * sum(stages.values())
            rows += [(f"  {stage}", f"{1000 * seconds:.2f}", "", "") for stage, seconds in stages.items() if seconds]
            rows.append(("  the rest", f"{rest:.2f}", "", ""))
    ours, echo = (sum(means[name]) for name in (OURS, ECHO))
    rows.append((_WHOLE, f"{ours:.2f}", f"{echo:.2f}", f"{ours - echo:+.2f}"))
    table(("step, mean ms", *steps, "more"), rows)
    whole = {name: statistics.quantiles([1000 * sum(row) for row in rows_], n=100) for name, rows_ in steps.items()}
    own = {name: statistics.quantiles([1000 * sum(row[_OWN]) for row in rows_], n=100) for name, rows_ in steps.items()}
    table(("ms", "p50", "p99"), [
        (f"{name}: {what}", f"{cuts[name][49]:.2f}", f"{cuts[name][98]:.2f}")
        for what, cuts in (("send to receive", whole), ("poll to produce", own)) for name in steps
    ])  # fmt: skip


if __name__ == "__main__":
    main()
