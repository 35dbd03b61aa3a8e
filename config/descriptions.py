"""What a setting allows, how its value is shown, and what is wrong with it, in words for an operator.

Everything is derived from the fields of Settings, so that code, documentation and error texts cannot part.
"""

from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from config.kafka_properties import MASK, mask_properties, shown_property
from config.settings import Settings
from config.value_types import Allowed

PROPERTIES = "kafka_properties"
_WORDS: dict[object, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def allowed_values(name: str) -> str:
    """Return what the setting may be, in words that follow "it must be"."""
    field = Settings.model_fields[name]
    for constraint in field.metadata:
        if isinstance(constraint, Allowed):
            return constraint.words
    if get_origin(field.annotation) is Literal:
        *others, last = get_args(field.annotation)
        return f"{', '.join(others)} or {last}"
    return f"{_WORDS[field.annotation]}{_range_of(field.metadata)}"


def default_value(name: str) -> str:
    """Return the default as documentation shows it; "" for none."""
    return show_value(name, Settings.model_fields[name].default)


def value_type(name: str) -> object:
    """Return the type without its `None`: bool, int, float, str, Path, dict, tuple, SecretStr or a Literal."""
    annotation = Settings.model_fields[name].annotation
    if get_origin(annotation) not in (Union, UnionType):
        return get_origin(annotation) if get_origin(annotation) in (dict, tuple) else annotation
    return next(part for part in get_args(annotation) if part is not NoneType)


def show_value(name: str, value: object) -> str:
    """Return a value as one line of text, "" for none; secrets are masked, also those inside client properties."""
    if _is_secret(name):
        return MASK if value else ""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={text}" for key, text in mask_properties(value).items())
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def flag_of(name: str) -> str:
    """Return the command line flag of a setting; client properties are given one by one."""
    return "--kafka-property" if name == PROPERTIES else f"--{name.replace('_', '-')}"


def explain(error: ValidationError, values: Mapping[str, object], sources: Mapping[str, str]) -> str:
    """Return one line for each wrong setting: name, value, source, reason, what is allowed."""
    wrong = error.errors(include_url=False, include_context=False)
    lines = [_line(detail, values, sources) for detail in wrong]
    head = "a setting is wrong" if len(lines) == 1 else f"{len(lines)} settings are wrong"
    return "\n  ".join([f"{head}:", *lines])


def _line(detail: ErrorDetails, values: Mapping[str, object], sources: Mapping[str, str]) -> str:
    message = detail["msg"].removeprefix("Value error, ")
    if not detail["loc"]:
        return message
    name = str(detail["loc"][0])
    if name not in Settings.model_fields:
        return f"{name} is not a setting"
    reason = message if detail["type"] == "value_error" else ""
    allowed = "" if name == PROPERTIES else f"it must be {allowed_values(name)}"
    where = f" ({sources[name]})" if name in sources else ""
    return f"{name} = {_given_value(name, values.get(name))}{where}: {'; '.join(filter(None, (reason, allowed)))}"


def _given_value(name: str, value: object) -> str:
    if name == PROPERTIES:
        return _given_properties(value)
    return MASK if _is_secret(name) else repr(str(value) if isinstance(value, Path) else value)


def _given_properties(value: object) -> str:
    if not isinstance(value, Mapping):
        return MASK  # unreadable text may hold a password
    return repr({key: shown_property(str(key), text) for key, text in value.items()})


def _is_secret(name: str) -> bool:
    field = Settings.model_fields.get(name)
    return field is not None and SecretStr in (field.annotation, *get_args(field.annotation))


def _range_of(constraints: list[object]) -> str:
    limits = {key: getattr(part, key) for part in constraints for key in ("ge", "gt", "le") if hasattr(part, key)}
    low = f"from {limits['ge']}" if "ge" in limits else f"above {limits['gt']}" if "gt" in limits else ""
    high = f"to {limits['le']}" if "le" in limits else ""
    joined = " ".join(part for part in (low, high) if part)
    return f" {joined}".replace("above 0 to", "above 0 and up to") if joined else ""
