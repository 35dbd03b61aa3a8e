"""From a request record to an open request: address, deadline and what is asked, or why there is none.

The usual request takes the plain path; anything unusual takes the full one, which alone knows what is wrong and in
which words. Promise: what the plain path opens, the full path opens the same.
"""

import math
from collections.abc import Mapping

import msgspec

from consumers.decoding.fields import InvalidRecord
from consumers.ingest.dead_letters import DeadLetter
from consumers.kafka.records import Record
from serving.kafka_api.reply_addresses import Address, AddressRefused, ReplyTopics
from serving.protocol.deadlines import EARLIEST_MS, moment_ms
from serving.protocol.plain_requests import plain_body, plain_request
from serving.protocol.request_body import Body, RequestRules, read_body, salvaged
from serving.recommendation.request import Request


class OpenRequest(msgspec.Struct, frozen=True, gc=False):
    """A request on its way to an answer."""

    record: Record
    address: Address
    request: Request
    deadline_ms: float  # since 1970, infinite = none
    ignored: tuple[str, ...] = ()  # fields that are not known


class Refused(msgspec.Struct, frozen=True):
    """A request that gets an error where its answer would have gone."""

    record: Record
    address: Address
    profile_id: str | None
    failure: InvalidRecord


class Expired(msgspec.Struct, frozen=True, gc=False):
    """A request that nobody waits for any more."""


Opened = OpenRequest | Refused | DeadLetter | Expired
_EXPIRED = Expired()


class RequestOpener(msgspec.Struct, frozen=True, gc=False):
    """Opens the requests of a batch."""

    rules: RequestRules
    addresses: ReplyTopics
    max_age_ms: int

    def opened(self, record: Record, now_ms: float) -> Opened:
        """What becomes of a request at this moment, in milliseconds since 1970."""
        return self.plain(record, now_ms) or self.full(record, now_ms)

    def plain(self, record: Record, now_ms: float) -> OpenRequest | Expired | None:
        """The request if it is a usual one, else None."""
        body = plain_body(record.value)
        if body is None:
            return None
        request = plain_request(body, self.rules)
        address = self.addresses.plain_address(record.headers, body.correlation_id, body.reply_topic)
        if request is None or address is None:
            return None
        deadline_ms = self._too_old_ms(record)
        return OpenRequest(record, address, request, deadline_ms) if now_ms <= deadline_ms else _EXPIRED

    def full(self, record: Record, now_ms: float) -> Opened:
        """The same for whatever a record holds."""
        headers = record.header_values() if record.headers else {}
        failure: InvalidRecord | None = None
        try:
            body = read_body(record.value)
        except InvalidRecord as error:
            body, failure = salvaged(record.value), error
        deadline_ms, wrong_deadline = self._deadline_ms(record, headers, body)
        failure = failure or wrong_deadline
        if now_ms > deadline_ms:
            return _EXPIRED
        try:
            address = self.addresses.address(headers, body.correlation_id, body.reply_topic)
        except AddressRefused as error:
            return DeadLetter(record, "reply_topic", str(error))
        if failure is None:
            try:
                request = self.rules.check(body, headers)
                return OpenRequest(record, address, request, deadline_ms, ignored=body.unknown)
            except InvalidRecord as error:
                failure = error
        return Refused(record, address, body.profile_id, failure)

    def deadline_ms(self, record: Record) -> float:
        """When nobody waits any more, in milliseconds since 1970; infinite when only the body says it.

        It is worked out from what is there undecoded: of a flood most requests are dropped by it.
        """
        named: bytes | None = None
        for name, value in record.headers:
            if name == "deadline_ms":
                named = value
        if named:
            return self._moment_ms(record, named)[0]
        return math.inf if b"deadline_ms" in (record.value or b"") else self._too_old_ms(record)

    def _deadline_ms(
        self, record: Record, headers: Mapping[str, bytes], body: Body
    ) -> tuple[float, InvalidRecord | None]:
        """When nobody waits any more, in milliseconds since 1970, and what is wrong with how the request says it."""
        for said in (headers.get("deadline_ms"), body.deadline_ms):
            if said is not None and said not in (b"", ""):
                return self._moment_ms(record, said)
        return self._too_old_ms(record), None

    def _moment_ms(self, record: Record, said: bytes | str | float) -> tuple[float, InvalidRecord | None]:
        try:
            return moment_ms(said), None
        except ValueError as error:
            return self._too_old_ms(record), InvalidRecord("out_of_range", "deadline_ms", f"deadline_ms {error}")

    def _too_old_ms(self, record: Record) -> float:
        """A record whose timestamp is no time in milliseconds is as good as new: nobody can tell how old it is."""
        return record.timestamp_ms + self.max_age_ms if record.timestamp_ms >= EARLIEST_MS else math.inf
