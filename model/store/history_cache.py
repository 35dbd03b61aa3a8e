"""Histories read lately, packed in bounded memory in front of the file.

In: a customer's number and packed lines as the file and the waiting lines have them together; the store drops whoever a
batch names, so that no entry is ever older than what is committed. Out: the same bytes, or None for "read the file".
Unknown customers have a small ring of their own: names made up by thousands push out only each other.
"""

import struct
from array import array
from collections.abc import Iterable, Mapping

Entry = tuple[int, bytes | bytearray]  # the customer's number, 0 = unknown; packed lines

NOBODY: Entry = (0, b"")

_HEADER = struct.Struct("<IIH")  # bytes of the lines, customer's number, bytes of the name
_ALIGNED = 8
_WAYS = 16  # slots that a name may stand in
_BYTES_A_SLOT = 80  # less than an entry of a dozen lines takes: a set of slots is seldom full before the ring is
_LARGEST = 32  # of so many entries at least there must be room: one larger than that is read from the file
_LONGEST_NAME = 0xFFFF
_UNKNOWN_SHARE = 16  # a 16th of the memory is for the names of nobody


class HistoryCache:
    """Histories by profile, in at most `limit_bytes`; with 0 it holds nothing. Memory is taken as it is needed."""

    def __init__(self, limit_bytes: int) -> None:
        unknown = limit_bytes // _UNKNOWN_SHARE
        self._known = _Ring(limit_bytes - unknown)
        self._unknown = _Ring(unknown)

    @property
    def used_bytes(self) -> int:
        """The memory that it takes now."""
        return self._known.used_bytes + self._unknown.used_bytes

    def find(self, profiles: Iterable[str]) -> list[Entry | None]:
        """What is kept of each of these; None where the file must be asked."""
        known, unknown = self._known.find, self._unknown.find
        return [known(profile) or unknown(profile) for profile in profiles]

    def keep(self, read: Mapping[str, Entry]) -> None:
        """Remember what the file said of customers who are not kept; the oldest that nobody asks for make room."""
        for profile, (number, lines) in read.items():
            (self._known if number else self._unknown).put(profile, number, lines)

    def drop(self, profiles: Iterable[str]) -> None:
        """Whatever is kept of these is void; their bytes are overwritten with zeros at once."""
        rings = [ring for ring in (self._known, self._unknown) if not ring.empty]
        if rings:
            for profile in profiles:
                for ring in rings:
                    ring.drop(profile)

    def clear(self) -> None:
        """All is void: other partitions are answered from."""
        self._known.clear()
        self._unknown.clear()


class _Ring:
    """Entries one behind the other, the newest over the oldest, found by name through sets of slots.

    An entry in the older half is written again when it is asked for, so that only what nobody asks for is overwritten.
    Positions count all bytes ever written: one that lies further back than the ring is long is no longer there. What no
    slot points to any more is zeros, so that nothing of a customer who was dropped is left.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._sets = limit_bytes // (_BYTES_A_SLOT + 1 + _ALIGNED) // _WAYS
        slots = self._sets * _WAYS
        self._room = max(limit_bytes - slots * (1 + _ALIGNED), 0) // _ALIGNED * _ALIGNED if slots else 0
        self.clear()

    def clear(self) -> None:
        """Hold nothing."""
        self._bytes = bytearray()  # grows up to `_room`
        self._tags = bytearray(self._sets * _WAYS)  # by slot: of the name's hash, 0 = free
        self._positions = array("Q", bytes(_ALIGNED * len(self._tags)))  # by slot
        self._written = 0
        self.empty = True

    @property
    def used_bytes(self) -> int:
        """The memory that it takes now."""
        return len(self._bytes) + len(self._tags) * (1 + _ALIGNED)

    def find(self, profile: str) -> Entry | None:
        """The customer's number and lines; None when they are not here."""
        if self.empty:
            return None
        name = profile.encode("utf-8", "surrogatepass")
        slot = self._slot(hash(profile), name)
        if slot < 0:
            return None
        position = self._positions[slot]
        at = position % self._room
        size, number, named = _HEADER.unpack_from(self._bytes, at)
        begin = at + _HEADER.size + named
        lines = self._bytes[begin : begin + size]
        if position + self._room // 2 < self._written:
            self._void(slot)
            self._put(hash(profile), name, number, lines)
        return number, lines

    def put(self, profile: str, number: int, lines: bytes | bytearray) -> None:
        """Remember a customer who is not here, unless there is no room for so much."""
        name = profile.encode("utf-8", "surrogatepass")
        if len(name) <= _LONGEST_NAME and (_HEADER.size + len(name) + len(lines)) * _LARGEST <= self._room:
            self._put(hash(profile), name, number, lines)

    def drop(self, profile: str) -> None:
        """Overwrite what is here of this customer."""
        slot = self._slot(hash(profile), profile.encode("utf-8", "surrogatepass"))
        if slot >= 0:
            self._void(slot)

    def _slot(self, hashed: int, name: bytes) -> int:
        """Where the name stands, -1 when it does not."""
        tag, slot = hashed >> 48 & 0xFF or 1, hashed % self._sets * _WAYS
        end = slot + _WAYS
        while (slot := self._tags.find(tag, slot, end)) >= 0:
            position = self._positions[slot]
            if position + self._room >= self._written:
                at = position % self._room
                begin = at + _HEADER.size
                if self._bytes.startswith(name, begin) and _HEADER.unpack_from(self._bytes, at)[2] == len(name):
                    return slot
            slot += 1
        return -1

    def _void(self, slot: int) -> None:
        at = self._positions[slot] % self._room
        size, _, named = _HEADER.unpack_from(self._bytes, at)
        entire = _HEADER.size + named + size
        self._bytes[at : at + entire] = bytes(entire)
        self._tags[slot] = 0

    def _put(self, hashed: int, name: bytes, number: int, lines: bytes | bytearray) -> None:
        entry = _HEADER.pack(len(lines), number, len(name)) + name + lines
        entry += bytes(-len(entry) % _ALIGNED)
        at = self._written % self._room
        if at + len(entry) > self._room:  # an entry is in one piece
            self._bytes[at:] = bytes(self._room - at)
            self._written += self._room - at
            at = 0
        slot = self._free_slot(hashed % self._sets * _WAYS)
        self._bytes[at : at + len(entry)] = entry  # past the end it grows
        self._positions[slot], self._tags[slot] = self._written, hashed >> 48 & 0xFF or 1
        self._written += len(entry)
        self.empty = False

    def _free_slot(self, first: int) -> int:
        """One of a set that nothing stands in, made so where all are taken: the oldest goes."""
        slot = self._tags.find(0, first, first + _WAYS)
        if slot < 0:
            positions = self._positions[first : first + _WAYS]
            slot = first + positions.index(min(positions))
            if self._positions[slot] + self._room >= self._written:
                self._void(slot)
        return slot
