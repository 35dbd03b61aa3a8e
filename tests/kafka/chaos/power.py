"""What a power cut may leave of an SQLite file in WAL mode with synchronous=NORMAL, after its writers were killed.

SQLite syncs the write-ahead log only before it copies pages from it into the database, and the database after that. So
what a checkpoint has begun to copy is on the disk, and of what was appended to the log since any part may be missing.
How far a checkpoint has come stands in the wal-index, the -shm file (https://www.sqlite.org/walformat.html).
"""

import random
import struct
from pathlib import Path

_WAL_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_PAGE_SIZE_AT = 8  # in the header of the log, big-endian
_BACKFILL_ATTEMPTED_AT = 128  # in the wal-index, in the byte order of the machine: frames


def lose_power(database: Path, chance: random.Random) -> int:
    """Cut the log at a chance byte behind what was synced, and forget the wal-index; bytes lost.

    Nobody may have the file open. Now and then everything is lost that may be.
    """
    log, index = database.with_name(f"{database.name}-wal"), database.with_name(f"{database.name}-shm")
    if not log.exists() or not index.exists():
        return 0
    written = log.stat().st_size
    kept = min(_synced_bytes(log.read_bytes()[:_WAL_HEADER_BYTES], index.read_bytes()), written)
    if chance.random() < 0.7:
        kept = chance.randint(kept, written)
    with log.open("r+b") as file:
        file.truncate(kept)
    index.unlink()
    return written - kept


def _synced_bytes(header: bytes, index: bytes) -> int:
    """How much of the log is surely on the disk: the frames that a checkpoint has begun to copy."""
    if len(header) < _WAL_HEADER_BYTES:
        return 0
    (frames,) = struct.unpack_from("=I", index, _BACKFILL_ATTEMPTED_AT)
    (page_bytes,) = struct.unpack_from(">I", header, _PAGE_SIZE_AT)
    return _WAL_HEADER_BYTES + frames * (_FRAME_HEADER_BYTES + page_bytes) if frames else 0
