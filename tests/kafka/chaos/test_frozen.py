"""Frozen, not dead: a process that stands still, a network that holds or drops, clocks that jump, folders that go away.

Nothing is lost or doubled by any of it, every answer is from its customer's own whole history, and when it is over
answers come again by themselves.
"""

import json
import os
import signal
import time

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.chaos.asking import Asking
from tests.kafka.chaos.scenario import Scenario, slowest
from tests.kafka.chaos.verdict import wrong
from tests.kafka.support import load, oracle
from tests.kafka.support.faketime import Clock
from tests.kafka.support.proxy import Proxy
from tests.kafka.support.running_shop import make_topics, named_topics, running_shop
from tests.kafka.support.service import LOOKS_OFTEN, Service
from tests.kafka.support.shop_client import ShopClient

pytestmark = pytest.mark.needs_real_broker(one=True)

CROWD = load.Crowd(customers=150, stay=1500)
SESSION_S = 3.0
QUICK = {
    "session.timeout.ms": "3000",
    "heartbeat.interval.ms": "300",
    "topic.metadata.refresh.interval.ms": "1000",
    "reconnect.backoff.max.ms": "500",
}
PATIENT = {"request_max_age_ms": "7200000", "kafka_properties": json.dumps(QUICK)}


def ready(service: Service) -> tuple[int, str]:
    status, text = service.get("/ready")
    return status, text


def by_a_model(asking: Asking, moment_s: float) -> bool:
    """Whether a request that was sent after this moment was answered by a model."""
    return asking.answered_since(moment_s) and asking.replies[-1].json["model_version"] is not None


@pytest.mark.chaos(weight=1, least_s=1)
def test_a_worker_stopped_for_longer_than_its_session(scenario: Scenario, broker, shop_topics, start_service, shop):
    topics, chance = shop_topics(), scenario.chance
    workers = [start_service(topics, role="worker", name=name, **PATIENT) for name in ("one", "two")]
    recoveries_s: list[float] = []
    with (
        load.Selling(broker, topics.purchases, seed=chance.randrange(10**6), crowd=CROWD, per_s=200) as selling,
        Asking(broker, topics, selling.somebody) as asking,
    ):
        for _ in scenario.rounds():
            frozen = chance.choice(workers)
            os.kill(frozen.process.pid, signal.SIGSTOP)
            time.sleep(SESSION_S + chance.uniform(1, 3))
            os.kill(frozen.process.pid, signal.SIGCONT)
            let_go = time.monotonic()
            both = lambda: sorted(worker.metric("alsobought_partitions_owned") for worker in workers) == [3, 3]  # noqa: E731
            eventually(both, "both share the partitions again", 60)
            eventually(lambda: asking.answered_since(let_go), "requests are answered again", 60)  # noqa: B023
            recoveries_s.append(time.monotonic() - let_go)
        for worker in workers[1:]:
            assert worker.stop() == 0
    records = shop.read_all(topics.purchases)

    scenario.tell(f"stood still {len(recoveries_s)} times; shared and answered again in {slowest(recoveries_s)}")
    assert wrong(scenario, records, workers[0].database, asking) == []


@pytest.mark.chaos(weight=1, least_s=1)
def test_a_network_that_holds_or_drops(scenario: Scenario, java_cluster, tmp_path):
    silence_s, chance = 5.0, scenario.chance
    seen: dict[str, int] = {"held": 0, "dropped": 0}
    recoveries_s: list[float] = []
    with Proxy() as proxy:
        broker = java_cluster(proxy_port=proxy.port)
        proxy.target = broker.behind_proxy
        topics = named_topics("proxied")
        make_topics(broker, topics)
        settings = {**PATIENT, "kafka_silence_s": f"{silence_s:g}", "late_answer_s": "3600"}
        service = Service(broker, topics, tmp_path / "service", group="proxied", role="worker", settings=settings)
        service.environment["ALSOBOUGHT_BOOTSTRAP_SERVERS"] = f"127.0.0.1:{proxy.port}"
        try:
            with (
                ShopClient(broker) as client,
                load.Selling(broker, topics.purchases, seed=chance.randrange(10**6), crowd=CROWD, per_s=100) as selling,
                Asking(broker, topics, selling.somebody) as asking,
            ):
                service.start()
                for number in scenario.rounds(least=2):
                    how = ("held", "dropped")[number % 2]
                    with proxy.holding() if how == "held" else proxy.cutting():
                        eventually(lambda: ready(service)[0] == 503, f"not ready while {how}", 20 + silence_s)
                        assert "Kafka was not heard" in ready(service)[1]
                        service.run_for(min(max(scenario.seconds / 4, 2), 60))
                    seen[how] += 1
                    freed = time.monotonic()
                    eventually(lambda: asking.answered_since(freed), "requests are answered again", 120)  # noqa: B023
                    eventually(lambda: ready(service)[0] == 200, "it is ready again", 60)
                    recoveries_s.append(time.monotonic() - freed)
            with ShopClient(broker) as client:
                records = client.read_all(topics.purchases)
            scenario.tell(
                f"held {seen['held']} times, dropped {seen['dropped']} times; ready in {slowest(recoveries_s)}"
            )
            assert wrong(scenario, records, service.database, asking) == []
            said = [line["event"] for line in service.log_lines()]
            assert said.count("kafka_silent") == sum(seen.values())
        except BaseException as problem:
            problem.add_note(service.log_tail())
            raise
        finally:
            service.kill()


@pytest.mark.chaos(weight=1, least_s=1)
def test_clocks_that_jump_an_hour_either_way(scenario: Scenario, broker, tmp_path):
    clock = Clock(tmp_path / "clock")
    jumps = 0
    with running_shop(broker, tmp_path, kafka_properties=json.dumps(QUICK)) as shop:  # requests are late after 10 s
        service, topics = shop.service, shop.topics
        service.stop()
        service.environment |= clock.environment
        service.start()
        with (
            load.Selling(
                broker, topics.purchases, seed=scenario.chance.randrange(10**6), crowd=CROWD, per_s=200
            ) as selling,
            Asking(broker, topics, selling.somebody) as asking,
        ):
            for _ in scenario.rounds(least=2):
                for offset_s in (3600, -3600, 0):
                    clock.set(offset_s)
                    jumps += 1
                    jumped = time.monotonic()
                    eventually(lambda: asking.answered_since(jumped), "requests are answered", 30)  # noqa: B023
                    service.run_for(1)
                    assert ready(service)[0] == 200
        records = shop.client.read_all(topics.purchases)
        scenario.tell(f"{jumps} jumps of an hour")
        assert wrong(scenario, records, service.database, asking) == []
        assert service.metric("alsobought_requests_expired_total") == 0


@pytest.mark.parametrize("which", ["purchases", "requests", "both"])
@pytest.mark.chaos(weight=1, least_s=1)
def test_partitions_added_while_it_runs(scenario: Scenario, broker, tmp_path, which):
    with running_shop(broker, tmp_path, partitions=3, pace=LOOKS_OFTEN, **PATIENT) as shop:
        service, topics = shop.service, shop.topics
        crowd = load.Crowd(customers=60)
        shop.client.send(topics.purchases, *load.purchases(400, seed=1, crowd=crowd))
        grown = [topics.purchases] * (which != "requests") + [topics.requests] * (which != "purchases")
        for topic in grown:
            broker.add_partitions(topic, 5)
        word = "partitions_added" if which == "both" else "topics_no_longer_fit"
        eventually(lambda: any(line["event"] == word for line in service.log_lines()), "it says so", 30)
        with ShopClient(broker) as client:  # knows of the new partitions from the start
            client.send(topics.purchases, *load.purchases(400, seed=2, crowd=crowd))
            records = client.read_all(topics.purchases)
            eventually(lambda: oracle.positions(service.database) == oracle.ends(records), "all is stored", 60)
            bodies = [{"profile_id": f"c-{number}"} for number in range(60)]
            replies = [client.ask(topics.requests, body, topics.replies).json for body in bodies]
    in_time = sorted(records, key=lambda record: record.timestamp_ms)  # a customer's are in two partitions now
    stored, expected = oracle.stored(service.database), oracle.expected(in_time)
    owned = {reply["profile_id"]: {item["product_id"] for item in reply["recommendations"]} for reply in replies}
    scenario.tell(f"{which} from 3 to 5 partitions; {len(replies)} customers asked")

    assert {name: sorted(bought) for name, bought in stored.items()} == {
        name: sorted(bought) for name, bought in expected.items()
    }
    assert {name: offered & set(expected.get(name, ())) for name, offered in owned.items()} == {
        name: set() for name in owned
    }


@pytest.mark.chaos(weight=1, least_s=1)
def test_the_models_folder_gone_and_back(scenario: Scenario, broker, tmp_path):
    learning = {"train_min_new_events": "100", "train_max_wait_s": "100000", "vector_size": "16", "epochs": "2"}
    recoveries_s: list[float] = []
    with running_shop(broker, tmp_path, role="both", **learning, **PATIENT) as shop:
        service, topics = shop.service, shop.topics
        models, away = service.data_dir / "models", service.data_dir / "away"
        shop.client.send(topics.purchases, *load.purchases(1500, seed=1, crowd=CROWD))
        eventually(lambda: service.metric("alsobought_model_version") > 0, "a model answers", 120)
        with (
            load.Selling(broker, topics.purchases, seed=2, crowd=CROWD, per_s=50) as selling,
            Asking(broker, topics, selling.somebody) as asking,
        ):
            for number in scenario.rounds(least=2):
                models.rename(away)
                if number % 2:
                    service.kill()
                    service.start(wait=False)
                    service.wait_ready(120)
                service.run_for(scenario.chance.uniform(1, 8))
                for version in away.iterdir():
                    models.mkdir(exist_ok=True)
                    version.rename(models / version.name)
                away.rmdir()
                back = time.monotonic()
                eventually(lambda: by_a_model(asking, back), "a model answers again", 120)  # noqa: B023
                recoveries_s.append(time.monotonic() - back)
        records = shop.client.read_all(topics.purchases)
        scenario.tell(f"{len(recoveries_s)} times; a model answered {slowest(recoveries_s)} after it was back")
        assert wrong(scenario, records, service.database, asking) == []
