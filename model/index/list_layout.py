"""Where the lists of a large index and their rows stand, in the block of bytes that is also its file."""

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ListLayout:
    """Rows in lists: row r is halves[place_of[r]:place_of[r] + width], zeros behind the dimension."""

    halves: NDArray[np.float16]
    begins: NDArray[np.int64]  # (lists,) where each begins in `halves`
    sizes: NDArray[np.int64]  # (lists,) rows
    rows: NDArray[np.int32]  # list after list
    list_of: NDArray[np.int32]  # by row
    place_of: NDArray[np.uint32]  # by row
    middles: NDArray[np.float32]  # (lists, width), the greatest last number that is promised among it; a live view
    width: int


@dataclass(frozen=True, slots=True)
class BlockLayout:
    """Where things are in a block."""

    begins: NDArray[np.int64]  # (lists,) bytes from the start of the block to a list's first row
    sizes: NDArray[np.int64]  # (lists,) rows
    rows: list[NDArray[np.int64]]  # by list: the numbers of its rows
    middles: NDArray[np.float32]  # (lists, filled dimension), a view


def block_layout(ivf: Any, block: NDArray[np.uint8]) -> BlockLayout:
    """Of a faiss.IndexIVFScalarQuantizer that reads its lists in the block."""
    start, lists, every = block.ctypes.data, ivf.invlists, range(ivf.nlist)
    sizes = [lists.list_size(i) for i in every]
    ids = [int(lists.get_ids(i)) - start if size else 0 for i, size in zip(every, sizes, strict=True)]
    rows = [np.frombuffer(block, np.int64, size, at) for size, at in zip(sizes, ids, strict=True)]
    begins = [
        int(lists.get_codes(i)) - start if size else ids_at for i, size, ids_at in zip(every, sizes, ids, strict=True)
    ]
    middles: Any = faiss.downcast_index(ivf.quantizer)
    at = int(middles.get_xb()) - start
    return BlockLayout(
        np.array(begins, np.int64),
        np.array(sizes, np.int64),
        rows,
        np.frombuffer(block, np.float32, ivf.nlist * ivf.d, at).reshape(ivf.nlist, ivf.d),
    )
