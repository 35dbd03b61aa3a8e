"""The verdict on a scenario: sequences and answers beside the oracle, no request without its reply."""

from collections.abc import Sequence
from pathlib import Path

from tests.kafka.brokers.broker import eventually
from tests.kafka.chaos.asking import Asking
from tests.kafka.chaos.scenario import Scenario
from tests.kafka.support import oracle
from tests.kafka.support.answers import wrong_answers
from tests.kafka.support.records import Read

_CATCH_UP_S = 120.0


def wrong(scenario: Scenario, records: Sequence[Read], database: Path, asking: Asking) -> list[str]:
    """Wait until the file has all purchases; tell how it compares, and return all that is wrong."""
    sequences = wrong_sequences(scenario, records, database)
    answers = wrong_answers(asking.replies, records)
    scenario.tell(
        f"{len(asking.replies):,} answers of {asking.sent:,} requests checked, {len(answers)} wrong, "
        f"{asking.repeated} given twice",
        f"slowest answer {max(asking.latencies_s, default=0):.1f} s, "
        f"longest time without any {asking.longest_gap_s:.1f} s",
    )
    lost = [f"{asking.unanswered} requests were not answered"] if asking.unanswered else []
    refused = [f"{asking.refused} requests were refused by the broker"] if asking.refused else []
    return sequences + answers + lost + refused


def wrong_sequences(scenario: Scenario, records: Sequence[Read], database: Path) -> list[str]:
    """The same of the sequences alone."""
    eventually(lambda: oracle.positions(database) == oracle.ends(records), "all records are stored", _CATCH_UP_S)
    stored, expected = oracle.stored(database), oracle.expected(records)
    differ = [name for name in stored.keys() | expected.keys() if stored.get(name) != expected.get(name)]
    scenario.tell(
        f"{len(records):,} records, {len(expected) - len(differ):,} of {len(expected):,} sequences as they must be"
    )
    return [f"the sequence of {name} is not the oracle's" for name in differ]
