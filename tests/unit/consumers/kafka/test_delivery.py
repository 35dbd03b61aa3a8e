"""Delivery reports: each record is heard of once, whatever becomes of it, and nothing else is waited for."""

from confluent_kafka import KafkaError

from consumers.kafka.delivery import DeliveryReports, Untaken
from tests.builders.topics import records_on

PRODUCE = 0


def test_all_that_was_sent_is_delivered_and_there(clients, topic):
    reports = DeliveryReports(clients.producer())
    for number in range(300):
        reports.send(number, topic=topic, value=str(number).encode())

    assert reports.why_not_all(10) == ""
    assert (reports.delivered, reports.waiting, reports.untaken) == (300, 0, [])
    assert sorted(int(record.value) for record in records_on(clients, topic)) == list(range(300))


def test_one_that_the_client_itself_refuses_is_reported_as_the_others_are(clients, topic):
    reports = DeliveryReports(clients.producer(message_max_bytes="2000"))
    reports.send("small", topic=topic, value=b"x")
    reports.send("large", topic=topic, value=b"x" * 5000)

    assert reports.wait(10) == 0
    (untaken,) = reports.untaken
    assert (reports.delivered, untaken.mark, untaken.too_large) == (1, "large", True)


def test_one_that_the_broker_refuses_is_said_with_its_reason(clients, broker, topic):
    broker.fail_next(PRODUCE, [KafkaError.TOPIC_AUTHORIZATION_FAILED])
    reports = DeliveryReports(clients.producer())
    reports.send("it", topic=topic, value=b"x")

    why = reports.why_not_all(10)

    assert reports.untaken == [Untaken("it", why, too_large=False)]
    assert "uthorization" in why


def test_what_is_not_reported_in_time_is_still_waited_for_and_said(clients, topic):
    producer = clients.producer(linger_ms="500")
    reports = DeliveryReports(producer)
    reports.send(None, topic=topic, value=b"x")

    assert reports.wait(0.01) == 1
    assert reports.why_not_all(0.01) == "no report within 0.01 s"
    assert reports.why_not_all(10) == ""
