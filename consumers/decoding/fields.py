"""What every decoder shares: JSON, text and ids checked, and the error that names the field."""

import re
from typing import TypeVar

import msgspec

from consumers.decoding.foreign_bytes import likely_cause, remedy

T = TypeVar("T")


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


_MISSING = re.compile(r"missing required field `(\w+)`")


class InvalidRecord(Exception):
    """A record that can not be used: `reason` is one word for counters, `field` what to look at."""

    def __init__(self, reason: str, field: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field


def parsed(decoder: "msgspec.json.Decoder[T]", value: bytes | msgspec.Raw, within: str = "") -> T:
    """Decode, or say what is wrong and where; `within` names what the value stands in. Raises `InvalidRecord`."""
    try:
        return decoder.decode(value)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `")
        path = where.removesuffix("`").removeprefix("$").removeprefix(".")
        missing = _MISSING.search(message)
        field = ".".join(part for part in (within, path, missing[1] if missing else "") if part) or "value"
        if missing:
            raise InvalidRecord("missing_field", field, f"{field} is missing") from None
        reason = "out_of_range" if "out of range" in message else "wrong_type"
        words = f"{field}: {message[:1].lower()}{message[1:]}{remedy(field, message)}"
        raise InvalidRecord(reason, field, words) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = likely_cause(bytes(value)) or str(error)[:200]
        raise InvalidRecord("not_json", within or "value", f"the value is no JSON: {why}") from None


def text(value: bytes | None, field: str) -> str | None:
    """A header or key as text. Raises `InvalidRecord` when it is no UTF-8."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidRecord("wrong_type", field, f"{field} is no UTF-8 text") from None


def checked_id(value: str | None, field: str) -> str:
    """An id of 1 to 256 characters without control characters. Raises `InvalidRecord`."""
    if not value:
        raise InvalidRecord("missing_field", field, f"{field} is missing or empty")
    if len(value) > MAX_ID_CHARACTERS:
        raise InvalidRecord(
            "out_of_range", field, f"{field} has {len(value)} characters, {MAX_ID_CHARACTERS} are taken"
        )
    if not value.isprintable() and _CONTROL.search(value):
        raise InvalidRecord("out_of_range", field, f"{field} has a control character in it")
    return value


MAX_ID_CHARACTERS = 256
