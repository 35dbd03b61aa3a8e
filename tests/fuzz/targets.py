"""What is fuzzed: every topic's decoder with what comes behind it, the rules of headers, and HTTP.

A target takes the bytes of one odd record and returns when it was dealt with in one of the stated ways: used, a dead
letter, an error reply, dropped. Anything that is raised is a fault of ours.
"""

import json
import math
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

from consumers.decoding.purchases import PurchaseDecoder
from consumers.ingest.catalogue import Catalogue
from consumers.ingest.dead_letters import headers_of, original_timestamp_ms
from consumers.ingest.odd_events import OddEvents
from consumers.ingest.purchases import Ingest
from consumers.loop.answering import Reply
from consumers.observability.metrics import Metrics
from consumers.releases.announcement import UnreadableAnnouncement, read_announcement
from serving.cli import dead_letters
from serving.http_api.server import Probes, start_http
from serving.kafka_api.reply_addresses import ReplyTopics
from serving.kafka_api.responder import KafkaResponder, Ownership
from serving.protocol.request_body import RequestRules
from tests.builders.small_shop import SOURCE, open_shop
from tests.fuzz.odd_records import odd_record, odd_request

Target = Callable[[bytes], None]
_PHONES = PurchaseDecoder(b"a secret of the shop")
_STATED = {200, 400, 404, 405, 408, 414, 431, 501, 505}
_HTTP_TIMEOUT_S = 20  # the server itself closes after 10 s without a byte


class Letters:
    """A dead-letter topic that only looks whether each letter could be sent."""

    def __init__(self) -> None:
        self.reasons: set[str] = set()

    def deliver(self, letters):
        for letter in letters:
            assert all(isinstance(value, bytes | None) for _, value in headers_of(letter))
            self.reasons.add(letter.reason)


class Targets:
    """All of them, on a shop without a model in a folder of their own; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._open = ExitStack()
        self.shop = open_shop(folder, with_model=False)
        self._open.callback(self.shop.store.close)
        self.letters = Letters()
        self._offset = self.shop.store.next_offset(SOURCE[3])
        self._ingest = Ingest(
            self.shop.store,
            _PHONES,
            self.letters,
            6,
            self.shop.metrics,
            lambda _applied: None,
            odd=OddEvents(say=_looked_at),
        )
        self._catalogue = Catalogue(self.shop.store, self.letters, self.shop.metrics, "cluster", "catalog")
        self._responders = [_responder(self.shop, unknown) for unknown in ("refuse", "ignore")]
        server = start_http("127.0.0.1", 0, Metrics().registry, Probes(lambda: 0.0, list, list))
        self._open.callback(server.close)
        where = urlsplit(server.url)
        self._http = (str(where.hostname), int(where.port or 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._open.close()

    def by_name(self) -> dict[str, Target]:
        return {name: getattr(self, name) for name in NAMES}

    def purchases(self, data: bytes) -> None:
        """Decoded, stored or buried, and the next offset moves on in any case."""
        self._ingest.take([odd_record(data, "purchases", self._offset)])
        self._offset += 1
        assert self.shop.store.next_offset(SOURCE[3]) == self._offset

    def catalogue(self, data: bytes) -> None:
        """Listed, withdrawn or buried."""
        self._catalogue.take([odd_record(data, "catalog")])

    def requests(self, data: bytes) -> None:
        """What goes out is JSON or a dead letter, whether unknown fields are refused or ignored."""
        record = odd_record(data, "requests")
        for outgoing in chain.from_iterable(responder.respond([record]) for responder in self._responders):
            if isinstance(outgoing, Reply):
                body = json.loads(outgoing.value)
                assert all(0 <= item["score"] <= 1 for item in body.get("recommendations", ()))
                assert all(isinstance(value, bytes) for _, value in outgoing.headers)
            else:
                self.letters.deliver([outgoing])

    def announcements(self, data: bytes) -> None:
        """Understood or called unreadable; what is understood names no path."""
        with suppress(UnreadableAnnouncement):
            _, announcement = read_announcement(odd_record(data, "models"))
            assert announcement is None or "/" not in announcement.uri

    def replay(self, data: bytes) -> None:
        """What `dead-letters list` and `replay` make of a record that is no letter of ours."""
        letter = odd_record(data, "dead")
        json.dumps(dead_letters._about(letter))
        dead_letters._first_origin(letter).encode()
        assert 0 <= original_timestamp_ms(letter) < 10**19

    def http(self, data: bytes) -> None:
        """An answer of HTTP or none, never one that another made up; the server goes on."""
        answer = self._sent(odd_request(data))
        if answer.startswith(b"HTTP/"):  # HTTP/0.9 knows no status
            assert int(answer.split()[1]) in _STATED, answer[:100]
        assert b"Traceback" not in answer
        assert b"\r\nSet-Cookie" not in answer
        assert self._sent(b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 ")

    def _sent(self, raw: bytes) -> bytes:
        with socket.create_connection(self._http, timeout=_HTTP_TIMEOUT_S) as connection:
            answer = b""
            with suppress(ConnectionError):  # the server may have heard enough
                connection.sendall(raw)
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
                while chunk := connection.recv(65536):
                    answer += chunk
            return answer


NAMES = ("purchases", "catalogue", "requests", "announcements", "replay", "http")


def _looked_at(event: str, **words: object) -> None:
    """A line of the log holds plain words only."""
    assert f"{event} {words}".isprintable()


def _responder(shop, unknown_fields) -> KafkaResponder:
    return KafkaResponder(
        recommender=shop.recommender,
        rules=RequestRules(default_k=3, max_k=100, decoder=_PHONES, unknown_fields=unknown_fields),
        addresses=ReplyTopics("replies", lambda topic: topic == "replies", lambda _: 6),
        ownership=Ownership(lambda _key: 0, lambda partition: partition == 0, lambda _: 42),
        metrics=shop.metrics,
        products=shop.store.products(),
        price=shop.store.price_of,
        max_age_ms=10_000,
        error_header="error",
        now_s=lambda: math.nextafter(1_700_000_000, math.inf),
    )
