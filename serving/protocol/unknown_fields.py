"""Fields of a request that nobody here knows: which would change the answer if they were known, and what was meant.

In: the names of a JSON object. Out: the unknown ones, and the words of an error that names them with the likely field.
Left alone are a field that is null, and what frameworks and tracing add to every message.
"""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

import msgspec

_SHOWN_CHARACTERS = 40
_MOST_NAMED = 5
_MOST_KEPT = 50
_OF_FRAMEWORKS = ("_", "@", "$")  # _class, @type, $schema
_OF_ENVELOPES = frozenset(
    {
        *("requestid", "messageid", "eventid", "traceid", "spanid", "trace", "traceparent", "tracestate", "baggage"),
        *("timestamp", "createdat", "sentat", "requestedat", "metadata", "meta", "schemaversion"),
        *("pattern", "isdisposed"),  # NestJS
    }
)
_OTHER_WORDS = {
    "profile_id": ("userid", "customerid", "user", "customer", "profile", "clientid", "visitorid"),
    "k": ("limit", "count", "n", "num", "size", "topk", "topn", "maxresults"),
    "kind": ("type", "strategy", "mode"),
    "brand_id": ("brand", "shop", "shopid", "tenant", "tenantid"),
    "product_ids": ("items", "itemids", "products", "product", "itemid", "basket", "cart"),
    "filters.exclude": ("exclude", "excludeids", "excluded", "excludeproducts", "blacklist", "blocklist"),
    "filters.only": ("only", "include", "includeids", "candidates", "whitelist", "allowlist"),
    "deadline_ms": ("deadline", "timeout", "timeoutms", "ttl", "expiresat"),
    "reply_topic": ("replyto", "replytopicname", "responsetopic"),
}
_MEANT = {word: field for field, words in _OTHER_WORDS.items() for word in words}


def unknown_fields(value: bytes, known: Collection[str]) -> tuple[str, ...] | None:
    """The unknown fields of a JSON object as they may be shown, without those left alone; None for no object."""
    try:
        names = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return tuple(
        _shown(name)
        for name, said in names.items()
        if name not in known and not _is_left_alone(name) and bytes(said) != b"null"
    )[:_MOST_KEPT]


def unknown_field_words(names: Iterable[str], known: Collection[str]) -> str:
    """The message of the error: each name, and the field that was likely meant."""
    all_names = [*names]
    said = ", ".join(f"{name}{did_you_mean(name, known)}" for name in all_names[:_MOST_NAMED])
    more = f" and {len(all_names) - _MOST_NAMED} more" if len(all_names) > _MOST_NAMED else ""
    verb = "is" if len(all_names) == 1 else "are"
    return (
        f"{said}{more} {verb} not known here, and would be ignored; leave out what is not known (allowed: "
        f"{', '.join(known)}), or let the setting unknown_request_fields be ignore"
    )


def did_you_mean(name: str, known: Collection[str]) -> str:
    """The question which known name was meant, in brackets; nothing where none is near."""
    squeezed = {_squeezed(field): field for field in known}
    bare = _squeezed(name)
    meant = squeezed.get(bare) or (_MEANT.get(bare) if "profile_id" in known else None)
    if meant is None:
        near = get_close_matches(bare, squeezed, n=1, cutoff=0.75)
        meant = squeezed[near[0]] if near else None
    return f" (did you mean {meant}?)" if meant else ""


def _squeezed(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _is_left_alone(name: str) -> bool:
    return name.startswith(_OF_FRAMEWORKS) or _squeezed(name) in _OF_ENVELOPES


def _shown(name: str) -> str:
    return name[:_SHOWN_CHARACTERS] if name and name.isprintable() else "a field whose name can not be shown"


def unknown_filter_words(name: str, allowed: Collection[str]) -> tuple[str, str]:
    """The field as it may be shown, and the message of the error."""
    shown = f"filters.{name[:_SHOWN_CHARACTERS]}" if name.isprintable() else "filters"
    return shown, f"{shown} is not known{did_you_mean(name, allowed)}; allowed: {', '.join(allowed)}"
