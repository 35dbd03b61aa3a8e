"""What must not reach a log: phone numbers, passwords and the like, and characters that would forge a line.

Pure functions over log values. A phone number in disguise may slip through: better not to log one at all.
"""

import re
from collections.abc import Mapping

from config.kafka_properties import MASK, is_secret_property

PHONE_MASK = "<phone>"
_DEEPEST = 4

# A + and 7 to 15 digits; 10 to 15 digits in a row; or 3-3-4 digits. Neighbours such as those of an id, an address or a
# decimal fraction mean that it is something else.
_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+\d(?:[\s().-]{0,2}\d){6,14}|\d{10,15}|\(?\d{3}\)?[\s.-]{1,2}\d{3}[\s.-]\d{4})(?![\w-]|\.\d)"
)
_ASSIGNED_SECRET = re.compile(
    r"(?i)((?:password|passphrase|secret|token|authorization|api_?key)[\w.]*['\"]?\s*[=:]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s,;}]+)"
)
_CREDENTIALS_IN_URL = re.compile(r"(?<=://)\S+(?=@)")  # up to the last @: a password may hold one, and slashes
_PHONE_NAMES = {"phone", "phone_number", "mobile", "msisdn"}
_SECRET_WORDS = ("token", "authorization", "api_key", "apikey", "hash_key", "credential")
# Control characters, line separators, writing-direction marks and half pairs.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def redacted(name: str, value: object, depth: int = 0) -> object:
    """Return the value of a log field without secrets; numbers, booleans and None pass, other objects become text."""
    if _is_secret_name(name):
        return MASK
    if name.lower() in _PHONE_NAMES and value:
        return PHONE_MASK
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {redacted_text(str(key)): redacted(str(key), part, depth + 1) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and depth < _DEEPEST:
        return [redacted(name, part, depth + 1) for part in value]
    return redacted_text(value if isinstance(value, str) else str(value))


def redacted_text(text: str) -> str:
    """Return the text with phone numbers, assigned secrets and credentials in addresses masked."""
    text = _ASSIGNED_SECRET.sub(rf"\g<1>{MASK}", text)
    text = _CREDENTIALS_IN_URL.sub(MASK, text)
    return _PHONE.sub(PHONE_MASK, text)


def one_line(text: str) -> str:
    """Return the text with every character escaped that could break a line, move a cursor or hide what stands there."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _is_secret_name(name: str) -> bool:
    lowered = name.lower()
    return is_secret_property(lowered) or any(word in lowered for word in _SECRET_WORDS)
