"""Why a value is no JSON, told by its first bytes: what serialisers and encoders put there, each with the remedy.

The promise: the words never repeat what stands in the value, but for the number of a schema.
"""

_FRAME_BYTES = 5
_BEGINNINGS = (
    (b"\xef\xbb\xbf", "it begins with a byte order mark: write UTF-8 without one"),
    (b"\xff\xfe", "it is UTF-16: write UTF-8"),
    (b"\xfe\xff", "it is UTF-16: write UTF-8"),
    (b"\x1f\x8b", "it is a gzip file: let the producer compress (compression.type) and not the value"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd: let the producer compress (compression.type) and not the value"),
    (b"\xac\xed", "it is a serialised Java object: use a JSON serializer"),
    (b"Obj\x01", "it is an Avro file: send one JSON object a record"),
)


def framing(value: bytes) -> str | None:
    """The reason when the value has Confluent's framing: a byte 0, then a schema's number in four bytes; else None."""
    if len(value) < _FRAME_BYTES or value[0] != 0:
        return None
    schema_id = int.from_bytes(value[1:_FRAME_BYTES], "big")
    body = "JSON" if value[_FRAME_BYTES:].lstrip()[:1] in (b"{", b"[", b'"') else "Avro or Protobuf"
    remedy = (
        "send the JSON without them (a serializer that does not use a Schema Registry, such as Spring's JsonSerializer)"
        if body == "JSON"
        else "write JSON: the schema is not looked up here"
    )
    return (
        f"it begins with Confluent's five-byte framing (a byte 0 and the schema id {schema_id}), as serializers of a "
        f"Schema Registry write it, with {body} behind it; {remedy}"
    )


def likely_cause(value: bytes) -> str | None:
    """What the value is instead of JSON, with the remedy; None when its first bytes do not tell."""
    framed = framing(value)
    if framed is not None:
        return framed
    return next((words for beginning, words in _BEGINNINGS if value.startswith(beginning)), None)


def remedy(name: str, message: str) -> str:
    """What to do about a field of a wrong type, where the type tells; `message` is msgspec's."""
    if name.endswith("phone") and "`int`" in message:
        return "; send it as text: a number loses its leading zero"
    if name == "value" and message.endswith("`str`"):
        return "; the value is a JSON text, as when JSON is serialised twice: send the object itself"
    return ""
